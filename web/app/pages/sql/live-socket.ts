/** What happens in a session of PostgreSQL while it happens. Watching is all that this connection can do. */
import type { ReplayEvent } from '../../../../src/api/schema.ts'
import { apiBase } from '../../api.ts'
import type { LiveEvent } from './live-statements.ts'

export type LiveEnd = { readonly text: string; readonly isOver: boolean }
type Line =
  | ReplayEvent
  | { readonly end: { readonly reason: string; readonly text: string } }
  | { readonly session: unknown }

/** `onEnd` comes once: with the session's end, or when the connection is lost or refused. Returns what closes it, silently. */
export function watchStatements(
  session: string,
  onEvents: (events: readonly LiveEvent[]) => void,
  onEnd: (end: LiveEnd) => void,
): () => void {
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${apiBase}/sessions/${session}/live`)
  let isOver = false
  const over = (end: LiveEnd): void => {
    if (!isOver) onEnd(end)
    isOver = true
  }
  socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (isOver) return
    const { events, end } = linesIn(String(data))
    if (events.length > 0) onEvents(events)
    if (end !== undefined) over(end)
  })
  let wasOpen = false
  socket.addEventListener('open', () => (wasOpen = true))
  socket.addEventListener('close', () => over({ text: wasOpen ? lost : refused, isOver: false }))
  return () => {
    isOver = true
    socket.close()
  }
}

const lost = 'The connection to the gateway is lost.'
const refused = 'The session cannot be watched now: it has ended, or too many watch it.'

export function linesIn(text: string): { readonly events: readonly LiveEvent[]; readonly end?: LiveEnd } {
  const events: LiveEvent[] = []
  let end: LiveEnd | undefined
  for (const line of text.split('\n')) {
    if (line === '') continue
    const said = JSON.parse(line) as Line
    if ('end' in said) end = { text: said.end.text, isOver: said.end.reason === 'ended' }
    else if ('text' in said) events.push(said)
  }
  return end === undefined ? { events } : { events, end }
}
