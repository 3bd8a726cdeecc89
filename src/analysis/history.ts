/** A history of commands and statements in a file: NDJSON, one event a line, as `backtest` reads it. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Fault, reasonOf } from '../errors.ts'
import type { ActivityEvent } from './baseline/event.ts'

/** More events than this do not fit in memory; a history can be cut by person. */
const maxEvents = 20_000_000
const maxTextLength = 1_000_000

/** An event may say which session it belongs to. */
export type HistoryEvent = ActivityEvent & { readonly session?: string }

/**
 * Events in order of time; those of one instant stay in the order of the file. `path` may be `-` for the standard input.
 * Throws Fault NOT_FOUND, or EVENTS_INVALID with the line that cannot be read and what is wrong with it.
 */
export async function readHistory(path: string): Promise<readonly HistoryEvent[]> {
  const input = path === '-' ? process.stdin : createReadStream(path)
  const events: HistoryEvent[] = []
  let isSorted = true
  let number = 0
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++
      if (line.trim() === '') continue
      const event = eventOf(line, number)
      isSorted &&= (events.at(-1)?.atMs ?? 0) <= event.atMs
      if (events.push(event) > maxEvents) throw invalid(number, `there are more than ${maxEvents} events`)
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('NOT_FOUND', `The events in ${path} cannot be read: ${reasonOf(cause)}.`, { cause })
  }
  return isSorted ? events : events.toSorted((a, b) => a.atMs - b.atMs)
}

function eventOf(line: string, number: number): HistoryEvent {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw invalid(number, 'it is not JSON')
  }
  if (typeof value !== 'object' || value === null) throw invalid(number, 'it is not an object')
  const { at, session } = value as { at?: unknown; session?: unknown }
  if (typeof at !== 'number' || !Number.isFinite(at) || at < 0)
    throw invalid(number, '"at" must be a number of milliseconds since 1970')
  const [principal, target, protocol, text] = (['principal', 'target', 'protocol', 'text'] as const).map(
    key => textOf(value, key, number),
  ) as [string, string, string, string]
  if (session === undefined) return { principal, target, protocol, atMs: at, text }
  return { principal, target, protocol, atMs: at, text, session: textOf(value, 'session', number) }
}

function textOf(value: object, key: string, number: number): string {
  const text = (value as Record<string, unknown>)[key]
  if (typeof text !== 'string') throw invalid(number, `"${key}" must be a text`)
  return text.length > maxTextLength ? text.slice(0, maxTextLength) : text
}

function invalid(number: number, why: string): Fault {
  const shape = '{"principal": "ada", "target": "web1", "protocol": "ssh", "at": 1767571200000, "text": "ls"}'
  return new Fault('EVENTS_INVALID', `Line ${number} of the events: ${why}. A line looks like this: ${shape}`)
}
