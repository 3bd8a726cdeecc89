/**
 * Finds the frames in a stream of bytes: a type byte, an int32 length that counts itself, a body (PostgreSQL protocol 3,
 * "Message Formats"). Bytes are looked at where they lie; only a body that somebody asked for and that was cut by the network is
 * put together. What was sent stays what is forwarded: nothing here makes frames.
 */
import { type BodyLimits, bodyLimits, type Direction } from './message-types.ts'
import type { ProtocolViolation } from './protocol-violation.ts'

/** What a sink wants of a body: all of it at once, the pieces as they come, or nothing. */
export type Want = 'body' | 'parts' | 'skip'

export interface FrameSink {
  /** A header was read and is within the limits. */
  begin(type: number, bodyBytes: number): Want
  /** The whole body. Borrowed: valid until this returns. Called for empty bodies too. */
  body(type: number, body: Buffer): void
  /** The next piece of a body, in the chunk. Borrowed. Empty bodies have one empty last piece. */
  part(type: number, bytes: Buffer, last: boolean): void
}

export type FrameLimits = {
  /** Frontend: the largest Q, P, B or F. Backend: the largest body that a sink may ask for whole. */
  readonly maxMessageBytes: number
}

/** Type byte and length. */
const headerBytes = 5
/** A body that is put together starts with this much, whatever length was declared: memory follows what really came. */
const firstPieceBytes = 16 * 1024
const nothing = Buffer.alloc(0)

export class FrameScanner {
  readonly #limits: BodyLimits
  readonly #maxHeldBytes: number
  #chunk: Buffer = nothing
  /** Offset in the chunk of the byte that is next. */
  #at = 0
  /** Where the current frame began in the current chunk; negative if in an earlier one. */
  #start = 0
  readonly #header = Buffer.alloc(headerBytes)
  #headerFill = 0
  #inBody = false
  #type = 0
  #left = 0
  #want: Want = 'skip'
  /** Header and body as far as they came, of a frame that is wanted whole and was cut. */
  #held: Buffer = nothing
  #heldFill = 0
  #stopped = false
  #violation: ProtocolViolation | undefined

  constructor(direction: Direction, limits: FrameLimits) {
    this.#limits = bodyLimits(direction, limits.maxMessageBytes)
    this.#maxHeldBytes = limits.maxMessageBytes
  }

  /**
   * Looks through the next bytes of the stream. A violation ends it: the same value comes back ever after. If the sink
   * calls `stop`, the rest of the chunk is left: go on with what begins at `offset`.
   */
  scan(chunk: Buffer, sink: FrameSink): ProtocolViolation | undefined {
    if (this.#violation !== undefined) return this.#violation
    this.#start -= this.#at
    this.#chunk = chunk
    this.#at = 0
    this.#stopped = false
    const size = chunk.length
    while (this.#at < size && !this.#stopped) {
      if (this.#inBody) this.#takeBody(sink)
      else if (this.#takeHeader()) this.#begin(sink)
      if (this.#violation !== undefined) return this.#violation
    }
    return undefined
  }

  /** For a sink, in `body` or the last `part`: nothing more of this chunk now. */
  stop(): void {
    this.#stopped = true
  }

  /** True between frames: what is sent now by somebody else cuts nothing. */
  get atBoundary(): boolean {
    return !this.#inBody && this.#headerFill === 0
  }

  /** How much of the chunk was looked at: all of it, unless it was stopped or is in violation. */
  get offset(): number {
    return this.#at
  }

  /**
   * In a callback: where in the chunk the frame began, header included (negative: in an earlier chunk). After `scan`: where
   * the frame began that is not complete or in violation, else the end of the chunk: before `start` all frames are whole.
   */
  get start(): number {
    return this.atBoundary && this.#violation === undefined ? this.#at : this.#start
  }

  /** In `body` or the last `part`: where the frame ends in the chunk. */
  get end(): number {
    return this.#at
  }

  /** In `body`: the whole frame with its header. Borrowed. */
  get frame(): Buffer {
    if (this.#heldFill > 0) return this.#held.subarray(0, this.#heldFill)
    const inChunk = this.#chunk.subarray(Math.max(this.#start, 0), this.#at)
    if (this.#start >= 0) return inChunk
    this.#header[0] = this.#type // only the header came before this chunk, or a part of it
    this.#header.writeInt32BE(this.#at - this.#start - 1, 1)
    return Buffer.concat([this.#header.subarray(0, -this.#start), inChunk])
  }

  /** True once the header is complete. */
  #takeHeader(): boolean {
    const chunk = this.#chunk
    if (this.#headerFill === 0) this.#start = this.#at
    const missing = headerBytes - this.#headerFill
    if (this.#headerFill === 0 && chunk.length - this.#at >= headerBytes) {
      this.#type = chunk[this.#at] ?? 0
      this.#left = chunk.readInt32BE(this.#at + 1) - 4
      this.#at += headerBytes
      return true
    }
    const copied = chunk.copy(this.#header, this.#headerFill, this.#at, this.#at + missing)
    this.#at += copied
    this.#headerFill += copied
    if (this.#headerFill < headerBytes) return false
    this.#headerFill = 0
    this.#type = this.#header[0] ?? 0
    this.#left = this.#header.readInt32BE(1) - 4
    return true
  }

  #begin(sink: FrameSink): void {
    const limit = this.#limits[this.#type] ?? -1
    if (this.#left < 0 || this.#left > limit) return this.#refuse(limit)
    this.#inBody = true
    this.#want = sink.begin(this.#type, this.#left)
    if (this.#want === 'body' && this.#left > this.#maxHeldBytes) return this.#refuse(this.#maxHeldBytes)
    if (this.#left === 0) this.#takeBody(sink) // nothing more will come that could complete it
  }

  #takeBody(sink: FrameSink): void {
    if (this.#want === 'body') return this.#takeWhole(sink)
    const from = this.#at
    const count = Math.min(this.#left, this.#chunk.length - from)
    this.#at = from + count
    this.#left -= count
    if (this.#want === 'parts') {
      sink.part(this.#type, this.#chunk.subarray(from, this.#at), this.#left === 0)
    }
    if (this.#left === 0) this.#inBody = false
  }

  #takeWhole(sink: FrameSink): void {
    const from = this.#at
    const count = Math.min(this.#left, this.#chunk.length - from)
    this.#at = from + count
    this.#left -= count
    if (this.#heldFill > 0 || this.#left > 0) this.#hold(from, count)
    if (this.#left > 0) return
    const body =
      this.#heldFill > 0
        ? this.#held.subarray(headerBytes, this.#heldFill)
        : this.#chunk.subarray(from, this.#at)
    sink.body(this.#type, body)
    this.#inBody = false
    this.#held = nothing
    this.#heldFill = 0
  }

  /** Copies what came of a body that was cut. Room grows as bytes come, never beyond what was declared. */
  #hold(from: number, count: number): void {
    if (this.#heldFill === 0) {
      const declared = headerBytes + count + this.#left
      this.#held = Buffer.allocUnsafe(Math.min(declared, Math.max(firstPieceBytes, 2 * count)))
      this.#held[0] = this.#type
      this.#held.writeInt32BE(declared - 1, 1)
      this.#heldFill = headerBytes
    }
    const needed = this.#heldFill + count
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafe(
        Math.min(needed + this.#left, Math.max(needed, 2 * this.#held.length)),
      )
      this.#held.copy(larger, 0, 0, this.#heldFill)
      this.#held = larger
    }
    this.#chunk.copy(this.#held, this.#heldFill, from, from + count)
    this.#heldFill = needed
  }

  #refuse(limit: number): void {
    const length = this.#left + 4
    const name = typeName(this.#type)
    const message =
      limit < 0
        ? `invalid message type ${name}`
        : this.#left < 0
          ? `invalid length ${length} of a message of type ${name}`
          : `a message of type ${name} with a length of ${length} bytes is too long (at most ${limit + 4})`
    this.#violation = { sqlstate: '08P01', message, offset: this.#start }
  }
}

/** Letters as they are, all else as a number: the byte came from a peer. */
function typeName(type: number): string {
  const letter = String.fromCharCode(type)
  return /^[A-Za-z0-9]$/.test(letter) ? `"${letter}"` : `0x${type.toString(16).padStart(2, '0')}`
}
