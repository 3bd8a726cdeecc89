import type { PageProps } from '../routes.ts'

export function Page({ names }: PageProps) {
  return <h1>Session {names['id']}</h1>
}
