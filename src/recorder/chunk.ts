import { chunkBytes } from './format.ts'
import type { Segment } from './journal.ts'

/** What a recording that says little needs at first. */
const firstBufferBytes = 4 * 1024
/** Buffers of full size that wait to be used again: 4 MiB, so that busy sessions do not drive the garbage collector. */
const maxSpareBuffers = 64

/** Buffers of a full chunk, used again and again. */
export class ChunkBuffers {
  readonly #spare: Buffer[] = []

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length === chunkBytes && this.#spare.length < maxSpareBuffers) this.#spare.push(buffer)
  }
}

/** Events of one chunk, ready to be compressed. */
export type RawChunk = {
  readonly firstSequence: number
  readonly events: number
  readonly firstUs: number
  readonly lastUs: number
  /** The events' bytes are the first `length` of this buffer. */
  readonly buffer: Buffer
  readonly length: number
  /** How many of the events lie in which segment of the journal. */
  readonly held: ReadonlyMap<Segment, number>
}

/** Where the bytes of one event are: `[from, end)` of a slab, and what follows them. */
export type StoredEvent = {
  readonly sequence: number
  readonly us: number
  readonly from: number
  readonly end: number
  readonly far: Buffer | undefined
}

/** Collects the events of one recording until they are a chunk. Each byte is copied once, here. */
export class ChunkBuilder {
  readonly #buffers: ChunkBuffers
  #buffer: Buffer = Buffer.alloc(0)
  #length = 0
  #events = 0
  #firstSequence = 0
  #firstUs = 0
  #lastUs = 0
  #held = new Map<Segment, number>()
  /** Of the events since the last other segment. */
  #segment: Segment | undefined
  #heldHere = 0

  constructor(buffers: ChunkBuffers) {
    this.#buffers = buffers
  }

  get isEmpty(): boolean {
    return this.#events === 0
  }

  /** Whether an event of this length has to begin the next chunk. */
  isFullFor(eventBytes: number): boolean {
    return this.#events > 0 && this.#length + eventBytes > chunkBytes
  }

  /** Copies an event. `segment` is where the journal holds it, if it does. */
  add(event: StoredEvent, slab: Buffer, segment: Segment | undefined): void {
    const { sequence, us, from, end, far } = event
    this.#makeRoom(end - from + (far === undefined ? 0 : far.length))
    if (this.#events === 0) {
      this.#firstSequence = sequence
      this.#firstUs = us
    }
    this.#length += slab.copy(this.#buffer, this.#length, from, end)
    if (far !== undefined) this.#length += far.copy(this.#buffer, this.#length)
    this.#events++
    this.#lastUs = us
    if (segment !== this.#segment) this.#settleHeld(segment)
    this.#heldHere++
  }

  /** The chunk, which must not be empty; the builder begins the next one. */
  take(): RawChunk {
    this.#settleHeld(undefined)
    const chunk: RawChunk = {
      firstSequence: this.#firstSequence,
      events: this.#events,
      firstUs: this.#firstUs,
      lastUs: this.#lastUs,
      buffer: this.#buffer,
      length: this.#length,
      held: this.#held,
    }
    this.#buffer = Buffer.alloc(0)
    this.#length = 0
    this.#events = 0
    this.#held = new Map()
    return chunk
  }

  #settleHeld(next: Segment | undefined): void {
    const segment = this.#segment
    if (segment !== undefined) this.#held.set(segment, (this.#held.get(segment) ?? 0) + this.#heldHere)
    this.#segment = next
    this.#heldHere = 0
  }

  #makeRoom(eventBytes: number): void {
    const needed = this.#length + eventBytes
    if (needed <= this.#buffer.length) return
    const larger = needed <= firstBufferBytes ? Buffer.allocUnsafeSlow(firstBufferBytes) : this.#large(needed)
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }

  #large(needed: number): Buffer {
    return needed <= chunkBytes ? this.#buffers.take() : Buffer.allocUnsafeSlow(needed)
  }
}
