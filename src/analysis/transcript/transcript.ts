import { channelOf, sizeOf } from '../../recorder/choose-channel.ts'
import { carriesData, type EventRecord, type TextEvent } from '../../recorder/event.ts'
import type { ScreenCommand } from './command.ts'
import { LineReader } from './line-reader.ts'
import { marksVariable } from './marks.ts'

/** Terminals of one session that are read at once, as many as a connection may have open channels. */
const maxTerminals = 64

export type TranscriptOptions = {
  /** The nonce that the session's shells were given. Without: what the session's environment says. */
  readonly nonce?: string
}

/**
 * Reads the commands of a session's interactive shells off their terminals. Give it the events in order; commands come when the
 * next one begins, or the channel ends.
 */
export class Transcript {
  readonly #nonce: string | undefined
  readonly #nonces = new Map<number, string>()
  readonly #readers = new Map<number, LineReader>()

  constructor({ nonce }: TranscriptOptions = {}) {
    this.#nonce = nonce
  }

  take(record: EventRecord): ScreenCommand[] {
    const channel = channelOf(record.event)
    if (channel === undefined) return record.event.type === 'end' ? this.end() : []
    if (!carriesData(record.event)) return this.#told(channel, record.us, record.event)
    const reader = this.#readers.get(channel)
    if (record.event.type !== 'input') reader?.output(record.us, record.event.data)
    return reader?.queue.take() ?? []
  }

  /** The commands that were entered last and that may still run. */
  running(): ScreenCommand[] {
    return [...this.#readers.values()].map(({ running }) => running).filter(last => last !== undefined)
  }

  /** Puts its terminals aside until somebody writes to them. Gives the bytes that they take. */
  park(): number {
    let bytes = 0
    for (const reader of this.#readers.values()) bytes += reader.park()
    return bytes
  }

  /** No more events: what is left. */
  end(): ScreenCommand[] {
    return [...this.#readers.keys()].flatMap(channel => this.#close(channel))
  }

  #told(channel: number, us: number, { type, fields }: TextEvent): ScreenCommand[] {
    const reader = this.#readers.get(channel)
    if (type === 'pty') this.#open(channel, fields)
    else if (type === 'env') this.#note(channel, fields)
    else if (type === 'resize') reader?.resize(sizeOf(fields))
    else if (type === 'input-count') reader?.input(us, bytesOf(fields))
    else if (type === 'typed') reader?.echoed(String(fields['text']))
    else if (type === 'channel-close') return this.#close(channel)
    else if (type === 'shell' || type === 'exec') this.#start(channel)
    return reader?.queue.take() ?? []
  }

  readonly #sizes = new Map<number, Readonly<Record<string, unknown>>>()

  #open(channel: number, fields: Readonly<Record<string, unknown>>): void {
    if (this.#sizes.size < maxTerminals && !this.#sizes.has(channel)) this.#sizes.set(channel, fields)
  }

  /** By now the environment is known. */
  #start(channel: number): void {
    const fields = this.#sizes.get(channel)
    if (fields === undefined || this.#readers.has(channel)) return
    const nonce = this.#nonce ?? this.#nonces.get(channel)
    this.#readers.set(channel, new LineReader(channel, sizeOf(fields), nonce))
  }

  #note(channel: number, { name, value, passed }: Readonly<Record<string, unknown>>): void {
    if (name !== marksVariable || passed !== true || typeof value !== 'string' || value === '') return
    if (this.#nonces.size < maxTerminals) this.#nonces.set(channel, value)
  }

  #close(channel: number): ScreenCommand[] {
    const reader = this.#readers.get(channel)
    this.#readers.delete(channel)
    this.#sizes.delete(channel)
    this.#nonces.delete(channel)
    reader?.end()
    return reader?.queue.take() ?? []
  }
}

/** All commands of a session, as they become complete. */
export function* transcriptOf(
  records: Iterable<EventRecord>,
  options: TranscriptOptions = {},
): Generator<ScreenCommand> {
  const transcript = new Transcript(options)
  for (const record of records) yield* transcript.take(record)
  yield* transcript.end()
}

function bytesOf({ bytes }: Readonly<Record<string, unknown>>): number {
  return typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 0
}
