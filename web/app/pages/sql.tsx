import type { SessionViewProps } from './session.tsx'

export function View({ detail }: SessionViewProps) {
  return <p class="note">Statements of {detail.id} are shown here.</p>
}
