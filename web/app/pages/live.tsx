import { SessionsPage } from './sessions.tsx'

/** How often the list of open sessions is asked for again. Milliseconds. */
const refreshMs = 5000
const fixed = { state: 'open' } as const

export function Page() {
  return <SessionsPage title="Live" fixed={fixed} refreshMs={refreshMs} />
}
