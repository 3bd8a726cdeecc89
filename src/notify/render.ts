/** Events as texts of one line. */
import { encodeLine } from '../audit/line.ts'
import type { FeedEvent } from './event.ts'
import { toOcsf } from './ocsf/event.ts'
import type { Producer } from './ocsf/mapped.ts'

/** `ocsf`: an event of OCSF; `audit`: what the audit log says, without its chain. */
export type Format = 'ocsf' | 'audit'

/** Longer texts are cut further until an event fits, whatever people and targets wrote. */
const textLengths = [1024, 256, 64, 16] as const

/**
 * One line of JSON without its newline, safe to print as it is, of at most `maxBytes`. An event that is longer loses first what no
 * class has a place for, then the ends of its texts.
 */
export function render(event: FeedEvent, format: Format, producer: Producer, maxBytes: number): string {
  const value = format === 'ocsf' ? toOcsf(event, producer) : plain(event)
  const whole = line(value)
  if (Buffer.byteLength(whole) <= maxBytes) return whole
  const { unmapped: _, ...mapped } = value
  for (const length of textLengths) {
    const shorter = line({ ...(shortened(mapped, length) as object), ...cutMark(format) })
    if (Buffer.byteLength(shorter) <= maxBytes) return shorter
  }
  const { sequence, uid, kind } = event
  return line({ sequence, uid, kind: kind.slice(0, 64), cut: true })
}

function plain({ sequence, atMs, kind, uid, fields }: FeedEvent): Readonly<Record<string, unknown>> {
  const ours = { sequence, at: new Date(atMs).toISOString(), kind, uid }
  return { ...ours, ...fields, ...ours } // first, and whatever an entry calls its own fields
}

function cutMark(format: Format): object {
  return format === 'ocsf' ? { unmapped: { cut: true } } : { cut: true }
}

/** Names of ours are short; what is cut is text. Lists lose their ends likewise. */
function shortened(value: unknown, length: number): unknown {
  if (typeof value === 'string')
    return value.length <= Math.max(length, 64) ? value : `${value.slice(0, length)}…`.toWellFormed()
  if (Array.isArray(value)) return value.slice(0, 8).map(part => shortened(part, length))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, 64)
      .map(([name, part]) => [name.slice(0, 64), shortened(part, length)]),
  )
}

function line(value: object): string {
  return encodeLine(value as Readonly<Record<string, unknown>>)
    .toString()
    .trimEnd()
}
