/** Reads a recording while it is written: what is whole so far, and later on from there. */
import { statSync } from 'node:fs'
import { type Content, contentOf } from '../../recorder/encryption/content.ts'
import type { ContentKeys } from '../../recorder/encryption/content-keys.ts'
import type { EventRecord } from '../../recorder/event.ts'
import { FormatProblem } from '../../recorder/format.ts'
import { discontinued, FrameReader } from '../../recorder/frames.ts'
import { readHeader, type RecordingHeader } from '../../recorder/header.ts'
import { nextGoodFrame } from '../../recorder/next-good.ts'
import { openChunk } from '../../recorder/reader.ts'

/** `end`: all that is there was read. */
export type Piece =
  | { readonly kind: 'events'; readonly events: readonly EventRecord[]; readonly bytes: number }
  | { readonly kind: 'other' }
  | { readonly kind: 'seal' }
  | { readonly kind: 'end' }

export class RecordingTail {
  readonly #file: string
  readonly #frames: FrameReader
  readonly header: RecordingHeader
  #content: Content
  /** Where the next frame begins, and its number. */
  #offset: number
  #record = 1
  #damage = 0
  #isClosed = false

  /** `keys`: of an encrypted recording. Throws as `readRecording` does, and FormatProblem where there is no header yet. */
  constructor(file: string, keys?: ContentKeys) {
    this.#file = file
    this.#frames = new FrameReader(file)
    try {
      const first = this.#frames.next()
      if (first === undefined) throw new FormatProblem(0, 0, 'the header is cut')
      const header = readHeader(first.body)
      if (typeof header === 'string') throw new FormatProblem(0, first.offset, header)
      this.header = header
      this.#content = contentOf(header, keys)
      this.#offset = first.offset + first.stored.length
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Nobody but the auditors can read it, or what is left of it. */
  get isSealedToAuditors(): boolean {
    return this.#content.kind === 'locked'
  }

  get isEncrypted(): boolean {
    return this.header.encryption !== null
  }

  /** What was not read of an encrypted recording is not read any more. */
  forgetKeys(): void {
    this.#content = contentOf(this.header, undefined)
  }

  /** Places that could not be read. */
  get damage(): number {
    return this.#damage
  }

  /** Whether there may be more than was read; costs no reading. Where the file was moved away, what is open is asked. */
  get mayHaveMore(): boolean {
    const size = statSync(this.#file, { throwIfNoEntry: false })?.size
    return size === undefined || size > this.#offset
  }

  /** Bytes that are there and were not read. */
  get unreadBytes(): number {
    const size = statSync(this.#file, { throwIfNoEntry: false })?.size ?? this.#offset
    return Math.max(0, size - this.#offset)
  }

  /** The next frame. Damage is skipped where the recording is over, and otherwise waited for: it may be a write that is not whole. */
  next(isOver: boolean): Piece {
    try {
      return this.#next()
    } catch (error) {
      if (!(error instanceof FormatProblem)) throw error
      return isOver ? this.#skip(error) : this.#rest()
    }
  }

  #next(): Piece {
    const frame = this.#frames.next()
    if (frame === undefined) return this.#rest()
    this.#offset = frame.offset + frame.stored.length
    this.#record = frame.record + 1
    if (frame.kind === 'seal') return { kind: 'seal' }
    if (frame.kind !== 'chunk') return { kind: 'other' }
    const { events, head } = openChunk(frame, this.#content)
    return { kind: 'events', events, bytes: head.inflatedBytes }
  }

  /** What the reader holds of the file is let go: many are open, and the file grows. */
  #rest(): Piece {
    this.#frames.jump({ offset: this.#offset, record: this.#record })
    return { kind: 'end' }
  }

  #skip({ offset, reason }: FormatProblem): Piece {
    this.#damage++
    const next = nextGoodFrame(this.#file, reason === discontinued ? offset : offset + 1)
    if (next === undefined) return { kind: 'end' }
    this.#offset = next
    this.#frames.jump({ offset: next, record: ++this.#record })
    return { kind: 'other' }
  }

  /** A second time does nothing. */
  close(): void {
    if (!this.#isClosed) this.#frames.close()
    this.#isClosed = true
  }
}
