import type { SessionViewProps } from './session.tsx'

export function View({ detail }: SessionViewProps) {
  return <p class="note">The player of {detail.id} is here.</p>
}
