import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventRecord, ReadEvent } from '../../src/recorder/event.ts'

/** One recorded run of a real shell, as a line of JSON in `test/fixtures/transcripts/<shell>.ndjson`. */
export type Stream = {
  readonly name: string
  readonly class: string
  readonly shell: string
  readonly columns: number
  readonly rows: number
  /** What the shell itself says it ran: its hooks for history and execution, or what it read from its terminal. */
  readonly truth: readonly string[]
  /** Lines for a program that is no shell, as the script typed them. */
  readonly repl: readonly string[]
  /** What was typed and must never be told. */
  readonly secrets: readonly string[]
  /** Given to the shell for its marks. */
  readonly nonce: string | null
  readonly events: readonly StreamEvent[]
}

/** Microseconds, then: output as text, or as base64 where it is no UTF-8; bytes typed; the new size; an event as recorded. */
export type StreamEvent =
  | readonly [number, 'o' | 'b', string]
  | readonly [number, 'i', number]
  | readonly [number, 'r', number, number]
  | readonly [number, 'e', { readonly type: string }]

export const corpusFolder: string = join(import.meta.dirname, '../fixtures/transcripts')

/** Runs that the reader was not written with. */
export const heldOutFolder: string = join(corpusFolder, 'held-out')

/** All runs that the reader was written with, shell by shell. */
export function readCorpus(folder: string = corpusFolder): Stream[] {
  return readdirSync(folder)
    .filter(file => file.endsWith('.ndjson'))
    .flatMap(file => readStreams(join(folder, file)))
}

/** Those that were recorded afterwards. */
export function readHeldOut(): Stream[] {
  return readCorpus(heldOutFolder)
}

/** The runs of one file; none if it is not there. */
export function readStreams(file: string): Stream[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line !== '')
  return lines.map(line => JSON.parse(line) as Stream)
}

/** The channel of every run. */
export const streamChannel = 0

/** The run as a reader of its recording would meet it. */
export function recordsOf(stream: Stream): EventRecord[] {
  const { columns, rows, nonce } = stream
  const opening: ReadEvent[] = [
    { type: 'pty', fields: { type: 'pty', channel: streamChannel, term: 'xterm-256color', columns, rows } },
  ]
  if (nonce !== null) opening.push(envOf(nonce))
  opening.push({ type: 'shell', fields: { type: 'shell', channel: streamChannel } })
  const told = opening.map(event => ({ us: 0, event }))
  const events = [...told, ...stream.events.map(event => ({ us: event[0], event: eventOf(event) }))]
  return events.map((record, index) => ({ sequence: index + 1, ...record }))
}

function envOf(value: string): ReadEvent {
  const fields = { type: 'env', channel: streamChannel, name: 'LC_SALLYPORT_MARKS', value, passed: true }
  return { type: 'env', fields }
}

function eventOf(event: StreamEvent): ReadEvent {
  const channel = streamChannel
  switch (event[1]) {
    case 'o':
      return { type: 'output', channel, data: Buffer.from(event[2]) }
    case 'b':
      return { type: 'output', channel, data: Buffer.from(event[2], 'base64') }
    case 'i':
      return { type: 'input-count', fields: { type: 'input-count', channel, bytes: event[2] } }
    case 'r':
      return { type: 'resize', fields: { type: 'resize', channel, columns: event[2], rows: event[3] } }
    case 'e':
      return { type: event[2].type, fields: { ...event[2], channel } }
  }
}
