import { reasonOf } from '../errors.ts'
import { decodeEvents, type EventRecord } from './event.ts'
import { encrypted } from './encryption/auditor-key.ts'
import type { ContentKeys } from './encryption/content-keys.ts'
import { type Content, contentOf, eventBytesOf, lockedProblem } from './encryption/content.ts'
import { type ChunkHead, FormatProblem, readChunkHead } from './format.ts'
import { discontinued, type Frame, FrameReader } from './frames.ts'
import { readHeader, type RecordingHeader } from './header.ts'
import { type Gap, nextGoodFrame } from './next-good.ts'
import { readSealText, type SealText } from './signed.ts'

/** How a recording ends: with its seal, or not yet (it is being written, or the gateway stopped and has not started since). */
export type RecordingEnd =
  | { readonly kind: 'sealed'; readonly seal: SealText; readonly link: Buffer }
  | { readonly kind: 'open'; readonly tornBytes: number; readonly link: Buffer }

/** One chunk with its place in the file. */
export type Chunk = {
  readonly record: number
  readonly offset: number
  /** As stored, with its head. */
  readonly bytes: number
  readonly head: ChunkHead
  readonly events: readonly EventRecord[]
}

/** Where reading begins: a chunk that an index names. */
export type ChunkPlace = { readonly offset: number; readonly record: number }

/** A recording that is read in order and in bounded memory: one chunk at a time. */
export type RecordingReader = {
  readonly header: RecordingHeader
  /** All events from the first or from a chunk on. Throws FormatProblem where the file is not what it should be. */
  readonly events: (from?: ChunkPlace) => Generator<EventRecord>
  readonly chunks: (from?: ChunkPlace) => Generator<Chunk>
  /** Known once all events were read. */
  readonly end: RecordingEnd | undefined
  readonly close: () => void
}

export type ReadOptions = {
  /** Of an encrypted recording, as `unlock` gives them. Without them its header can be read, and its events cannot. */
  readonly keys?: ContentKeys | undefined
  /** Reads on behind what is damaged, and hears of each gap. Without it, reading ends there with a FormatProblem. */
  readonly onGap?: ((gap: Gap) => void) | undefined
}

/**
 * Opens a recording, sealed or not. Throws a Fault RECORDING_NOT_FOUND or RECORDING_FORMAT. To ask for the events of an encrypted
 * one without its keys throws a Fault RECORDING_ENCRYPTED.
 */
export function readRecording(file: string, options: ReadOptions = {}): RecordingReader {
  return new FileReader(file, options)
}

/** What a recording says of itself, encrypted or not. Throws as `readRecording` does. */
export function headerOf(file: string): RecordingHeader {
  const reader = readRecording(file)
  reader.close()
  return reader.header
}

class FileReader implements RecordingReader {
  readonly #frames: FrameReader
  readonly header: RecordingHeader
  readonly #start: ChunkPlace
  readonly #content: Content
  readonly #file: string
  readonly #onGap: ReadOptions['onGap']
  #end: RecordingEnd | undefined

  constructor(file: string, { keys, onGap }: ReadOptions) {
    this.#file = file
    this.#onGap = onGap
    this.#frames = new FrameReader(file)
    try {
      const first = this.#frames.next()
      this.header = headerIn(first)
      this.#content = contentOf(this.header, keys)
      this.#start = { offset: (first?.offset ?? 0) + (first?.stored.length ?? 0), record: 1 }
    } catch (error) {
      this.close()
      throw error
    }
  }

  get end(): RecordingEnd | undefined {
    return this.#end
  }

  *events(from?: ChunkPlace): Generator<EventRecord> {
    for (const chunk of this.chunks(from)) yield* chunk.events
  }

  *chunks(from?: ChunkPlace): Generator<Chunk> {
    if (this.#content.kind === 'locked') throw encrypted(this.#content.encryption)
    for (let place: ChunkPlace | undefined = from ?? this.#start; place !== undefined; ) {
      this.#goTo(place)
      place = yield* this.#readOn()
    }
    this.#end ??= { kind: 'open', tornBytes: this.#frames.tail?.tornBytes ?? 0, link: this.#frames.link }
  }

  /** Reads to the end, or to damage: then it gives the place where reading goes on, if it may and can. */
  *#readOn(): Generator<Chunk, ChunkPlace | undefined> {
    try {
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
        if (frame.kind === 'chunk') yield openChunk(frame, this.#content)
        if (frame.kind === 'seal') this.#end = { kind: 'sealed', seal: sealIn(frame), link: frame.link }
      }
      return undefined
    } catch (error) {
      if (this.#onGap === undefined || !(error instanceof FormatProblem)) throw error
      return this.#skip(error, this.#onGap)
    }
  }

  #skip({ record, offset, reason }: FormatProblem, onGap: (gap: Gap) => void): ChunkPlace | undefined {
    // Only the first frame after a jump is believed without its link: that one may be what reading stopped at.
    const isLink = reason === discontinued
    const nextOffset = nextGoodFrame(this.#file, isLink ? offset : offset + 1)
    onGap({ record, offset, reason, nextOffset })
    return nextOffset === undefined ? undefined : { offset: nextOffset, record: isLink ? record : record + 1 }
  }

  close(): void {
    this.#frames.close()
  }

  #goTo(place: ChunkPlace): void {
    this.#end = undefined
    this.#frames.jump(place)
  }
}

function headerIn(frame: Frame | undefined): RecordingHeader {
  if (frame === undefined) throw new FormatProblem(0, 0, 'the header is cut')
  const header = readHeader(frame.body)
  if (typeof header === 'string') throw new FormatProblem(0, frame.offset, header)
  return header
}

/** Decodes a chunk and holds its events against what its fixed fields say. */
export function openChunk(frame: Frame, content: Content): Chunk {
  const { record, offset, stored } = frame
  const head = readChunkHead(frame.body, record, offset)
  try {
    const events = [...decodeEvents(eventBytesOf(frame.body, head, content), head.firstSequence)]
    checkFields(head, events)
    return { record, offset, bytes: stored.length, head, events }
  } catch (error) {
    const reason = `the chunk does not hold what it says (${reasonOf(error)})`
    throw new FormatProblem(record, offset, reason, error)
  }
}

/** What can be said of a chunk, with or without the key to its events: undefined where there is none. */
export function lookAtChunk(
  frame: Frame,
  content: Content,
): { readonly head: ChunkHead; readonly events: readonly EventRecord[] | undefined } {
  if (content.kind !== 'locked') return openChunk(frame, content)
  const { body, record, offset } = frame
  const head = readChunkHead(body, record, offset)
  const problem = lockedProblem(body, head)
  if (problem !== undefined) throw new FormatProblem(record, offset, problem)
  return { head, events: undefined }
}

function checkFields(head: ChunkHead, events: readonly EventRecord[]): void {
  if (events.length !== head.events) throw new Error(`${events.length} events instead of ${head.events}`)
  if (events[0]?.us !== head.firstUs || events.at(-1)?.us !== head.lastUs) throw new Error('other times')
  let us = 0
  for (const event of events) {
    if (event.us < us) throw new Error('time goes backwards')
    us = event.us
  }
}

function sealIn(frame: Frame): SealText {
  const seal = readSealText(frame.body)
  if (typeof seal === 'string')
    throw new FormatProblem(frame.record, frame.offset, `the seal cannot be read: ${seal}`)
  return seal
}
