/** A recording that is in memory, cut into pieces as if they were stored: one that was opened with a key, or the end of one that goes on. */
import type { Replay } from '../../../src/api/schema.ts'
import { idleMs } from './player.ts'
import type { PlayEvent } from './event.ts'

/** Events of one piece. */
export const pieceEvents = 1000
const bars = 240

type Piece = Replay['chunks'][number]

export function pieceOf(number: number, events: readonly PlayEvent[]): Piece {
  return { number, fromMs: events[0]?.atMs ?? 0, toMs: events.at(-1)?.atMs ?? 0, bytes: 0 }
}

export function piecesOf(events: readonly PlayEvent[]): readonly (readonly PlayEvent[])[] {
  const count = Math.ceil(events.length / pieceEvents)
  return Array.from({ length: count }, (_, index) =>
    events.slice(index * pieceEvents, (index + 1) * pieceEvents),
  )
}

/** What the gateway would say of how to play these events. */
export function infoOf(openedAtMs: number, events: readonly PlayEvent[]): Replay {
  const durationMs = events.at(-1)?.atMs ?? 0
  const heat = {
    output: Array.from<number>({ length: bars }).fill(0),
    input: Array.from<number>({ length: bars }).fill(0),
  }
  const idle: { fromMs: number; toMs: number }[] = []
  let lastOutput = 0
  for (const event of events) {
    const bar = Math.min(bars - 1, Math.floor((event.atMs / Math.max(1, durationMs)) * bars))
    const { output, input } = weightOf(event)
    heat.output[bar] = (heat.output[bar] ?? 0) + output
    heat.input[bar] = (heat.input[bar] ?? 0) + input
    if (output === 0) continue
    if (event.atMs - lastOutput > idleMs) idle.push({ fromMs: lastOutput, toMs: event.atMs })
    lastOutput = event.atMs
  }
  const chunks = piecesOf(events).map((piece, index) => pieceOf(index + 1, piece))
  return { openedAtMs, durationMs, channels: channelsOf(events), chunks, keyframes: [], heat, idle, gaps: [] }
}

/** Bytes that came and that were typed. */
function weightOf(event: PlayEvent): { output: number; input: number } {
  if (event.kind === 'data')
    return event.stream === 'input'
      ? { output: 0, input: event.data.length }
      : { output: event.data.length, input: 0 }
  const bytes = event.kind === 'told' && event.type === 'input-count' ? event.fields['bytes'] : 0
  return { output: 0, input: typeof bytes === 'number' ? bytes : 0 }
}

function channelsOf(events: readonly PlayEvent[]): Replay['channels'] {
  const channels = new Map<number, Replay['channels'][number]>()
  for (const event of events) {
    if (event.channel === undefined) continue
    const known = channels.get(event.channel) ?? {
      channel: event.channel,
      kind: 'session',
      columns: 0,
      rows: 0,
      isTerminal: false,
    }
    const isKind = event.kind === 'told' && ['shell', 'exec', 'subsystem'].includes(event.type)
    const size =
      event.kind === 'size' && known.columns === 0
        ? { columns: event.columns, rows: event.rows, isTerminal: true }
        : {}
    channels.set(event.channel, { ...known, ...(isKind ? { kind: event.type } : {}), ...size })
  }
  return [...channels.values()]
}
