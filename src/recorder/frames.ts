import { closeSync, openSync } from 'node:fs'
import { linkOf } from '../chain.ts'
import { Fault, reasonOf } from '../errors.ts'
import {
  checkPreamble,
  FormatProblem,
  type FrameKind,
  frameHeadBytes,
  preambleBytes,
  readFrameHead,
} from './format.ts'
import { readAt } from './file-part.ts'

/** One stored frame. */
export type Frame = {
  /** Counts from 0, the header. */
  readonly record: number
  /** Where the frame begins in the file. */
  readonly offset: number
  readonly kind: FrameKind
  readonly body: Buffer
  /** All its bytes as stored. */
  readonly stored: Buffer
  /** SHA-256 over the stored bytes: what the next frame names. */
  readonly link: Buffer
}

/** How a file ends: at the end of a frame, or with so many bytes of a frame that is not whole. */
export type Tail = { readonly offset: number; readonly tornBytes: number }

/** Why a frame is not believed whose link is another. */
export const discontinued =
  'it does not continue the record before it: one of the two was changed, moved, added or removed'

/** Small frames are read together. */
const readAheadBytes = 256 * 1024

/**
 * Reads a recording's frames in order and checks that each continues the one before. Memory is bounded by the largest
 * frame that the format allows. Throws FormatProblem at the first frame that is not what it should be.
 */
export class FrameReader {
  readonly #fd: number
  #record = 0
  #offset = 0
  #link: Buffer
  #window: Buffer = Buffer.alloc(0)
  #windowOffset = 0
  #tail: Tail | undefined
  #sealed: Buffer | undefined

  /** Opens the file and checks its first bytes. Throws a Fault RECORDING_NOT_FOUND or RECORDING_FORMAT. */
  constructor(file: string) {
    this.#fd = openFile(file)
    try {
      const start = this.#read(0, preambleBytes)
      checkPreamble(start)
      this.#link = linkOf(start)
      this.#offset = preambleBytes
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Known after the last frame. */
  get tail(): Tail | undefined {
    return this.#tail
  }

  /** The link that the next frame has to name. */
  get link(): Buffer {
    return this.#link
  }

  /** The next frame, or undefined at the end of what is whole. A file that is being written has more later. */
  next(): Frame | undefined {
    const head = this.#read(this.#offset, frameHeadBytes)
    if (head.length < frameHeadBytes) return this.#end(head.length)
    const { kind, bodyBytes, link } = readFrameHead(head, this.#record, this.#offset)
    this.#checkPlace(kind, link)
    const stored = this.#read(this.#offset, frameHeadBytes + bodyBytes)
    if (stored.length < frameHeadBytes + bodyBytes) return this.#end(stored.length)
    return this.#take(kind, stored)
  }

  /** Goes to a frame whose place is known. Its own link is believed; those after it are checked. */
  jump(place: { offset: number; record: number }): void {
    const { offset, record } = place
    const head = this.#read(offset, frameHeadBytes)
    if (head.length === frameHeadBytes) this.#link = Buffer.from(head.subarray(8))
    this.#window = Buffer.alloc(0) // a live file has grown since
    this.#sealed = undefined
    this.#offset = offset
    this.#record = record
  }

  close(): void {
    closeSync(this.#fd)
  }

  /** The first frame is the header and only that; after the seal come proofs alone, outside the chain's order. */
  #checkPlace(kind: FrameKind, link: Buffer): void {
    const at = [this.#record, this.#offset] as const
    if ((this.#record === 0) !== (kind === 'header'))
      throw new FormatProblem(...at, `a ${kind} stands where none may be`)
    if ((this.#sealed !== undefined) !== (kind === 'proof'))
      throw new FormatProblem(...at, `a ${kind} stands where none may be`)
    if (!link.equals(this.#sealed ?? this.#link)) {
      throw new FormatProblem(...at, discontinued)
    }
  }

  #take(kind: FrameKind, read: Buffer): Frame {
    const stored = Buffer.from(read)
    const link = linkOf(stored)
    const frame: Frame = {
      record: this.#record,
      offset: this.#offset,
      kind,
      body: stored.subarray(frameHeadBytes),
      stored,
      link,
    }
    this.#record++
    this.#offset += stored.length
    this.#link = link
    if (kind === 'seal') this.#sealed = link
    return frame
  }

  #end(tornBytes: number): undefined {
    this.#tail = { offset: this.#offset, tornBytes }
  }

  /** Up to `length` bytes at `offset`; fewer only at the end of the file. Valid until the next call. */
  #read(offset: number, length: number): Buffer {
    const from = offset - this.#windowOffset
    if (from >= 0 && from + length <= this.#window.length) return this.#window.subarray(from, from + length)
    this.#window = readAt(this.#fd, offset, Math.max(length, readAheadBytes))
    this.#windowOffset = offset
    return this.#window.subarray(0, length)
  }
}

function openFile(file: string): number {
  try {
    return openSync(file, 'r')
  } catch (error) {
    throw new Fault('RECORDING_NOT_FOUND', 'This recording cannot be opened.', {
      log: reasonOf(error),
      cause: error,
    })
  }
}
