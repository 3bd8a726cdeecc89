/**
 * Digests of a file's content as it passes in pieces, in any order: one SHA-256 while the pieces join, one for each range
 * where they do not. It never claims a digest of bytes that it has not seen in order.
 */
import { createHash, type Hash } from 'node:crypto'
import type { FileContent, FileRange, ScatteredPackets } from '../../recorder/file-event.ts'
import { SftpViolation } from './packets.ts'
import type { MemoryBudget } from './budget.ts'

/** Of one file and direction: pieces further ahead than this are not waited for, nor more bytes than this held ... */
export const maxReorderedBytes: number = 4 * 1024 * 1024
/** ... or more of them: enough for that much in pieces of 8 KiB. */
export const maxEarlyPieces = 512

/** Ranges with a digest of their own; a random-access file has the rest of it described as scattered packets. */
export const maxRanges = 64

/** Of the connection's budget, left alone by content: whoever scatters bytes gets coarser digests, not fewer requests. */
const keptForRequestsBytes: number = 16 * 1024 * 1024

/** A hash and what belongs to it, roughly, in Node and in OpenSSL. */
const rangeCostBytes = 1024

type Range = { readonly from: number; end: number; readonly hash: Hash }
/** A piece that came early: copied, since its bytes are hashed once more when those before it have come. */
type Piece = Range & { readonly held: Buffer }
type Scattered = { packets: number; bytes: number; readonly hash: Hash; grew: boolean }

/** Where the content of the packet that is passing goes. */
type Sink =
  | { readonly into: 'range'; readonly range: Range }
  | { readonly into: 'piece'; readonly piece: Piece }
  | { readonly into: 'scattered' }
  | { readonly into: 'nothing' }

export class Content {
  readonly #budget: MemoryBudget
  readonly #ranges: Range[] = []
  readonly #early = new Map<number, Piece>()
  #earlyBytes = 0
  #scattered: Scattered | undefined
  /** The range that grew last. */
  #current: Range | undefined
  /** What grew since somebody asked. */
  readonly #grown = new Set<Range>()
  #sink: Sink = { into: 'nothing' }
  #bytes = 0
  #takenBytes = 0

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A packet's content begins to pass: `bytes` of the file from `offset` on. All that follows depends on these two alone. */
  begin(offset: number, bytes: number): void {
    this.#sink = bytes === 0 ? { into: 'nothing' } : this.#place(offset, bytes)
  }

  add(data: Buffer): void {
    this.#bytes += data.length
    const sink = this.#sink
    switch (sink.into) {
      case 'range':
        return this.#grow(sink.range, data)
      case 'piece':
        data.copy(sink.piece.held, sink.piece.end - sink.piece.from)
        return this.#grow(sink.piece, data)
      case 'scattered':
        return this.#scatter(data)
      case 'nothing':
        return
    }
  }

  /** The packet's content is through. */
  end(): void {
    if (this.#sink.into === 'range') this.#absorb(this.#sink.range)
    this.#sink = { into: 'nothing' }
  }

  #place(offset: number, bytes: number): Sink {
    const range =
      this.#endingAt(offset) ?? (offset === 0 && this.#ranges.length === 0 ? this.#open(0) : undefined)
    if (range !== undefined) return this.#growing(range)
    const expected = this.#current?.end ?? 0
    if (offset > expected && offset - expected <= maxReorderedBytes) {
      const piece = this.#hold(offset, bytes)
      if (piece !== undefined) return { into: 'piece', piece }
    }
    this.#settle()
    const found = this.#endingAt(offset) ?? this.#open(offset)
    return found === undefined ? this.#scattering(offset, bytes) : this.#growing(found)
  }

  #growing(range: Range): Sink {
    this.#current = range
    return { into: 'range', range }
  }

  #endingAt(offset: number): Range | undefined {
    return this.#current?.end === offset ? this.#current : this.#ranges.find(range => range.end === offset)
  }

  #open(from: number): Range | undefined {
    if (this.#ranges.length >= maxRanges || !this.#take(rangeCostBytes)) return undefined
    const range = { from, end: from, hash: createHash('sha256') }
    this.#ranges.push(range)
    return range
  }

  #hold(from: number, bytes: number): Piece | undefined {
    if (this.#early.has(from) || this.#early.size >= maxEarlyPieces) return undefined
    if (this.#earlyBytes + bytes > maxReorderedBytes) return undefined
    if (!this.#take(bytes + rangeCostBytes)) return undefined
    this.#earlyBytes += bytes
    const piece = { from, end: from, hash: createHash('sha256'), held: Buffer.allocUnsafe(bytes) }
    this.#early.set(from, piece)
    return piece
  }

  /** What came early joins the range that has reached it. */
  #absorb(range: Range): void {
    for (let piece = this.#early.get(range.end); piece !== undefined; piece = this.#early.get(range.end)) {
      this.#release(piece)
      this.#grow(range, piece.held)
    }
  }

  #release(piece: Piece): void {
    this.#early.delete(piece.from)
    this.#grown.delete(piece)
    this.#earlyBytes -= piece.held.length
    this.#give(piece.held.length + rangeCostBytes)
  }

  /** Waits no longer for what lies before the pieces that came early. */
  #settle(): void {
    const pieces = [...this.#early.values()].toSorted((a, b) => a.from - b.from)
    for (const piece of pieces) {
      this.#release(piece)
      this.#settlePiece(piece)
    }
  }

  #settlePiece(piece: Piece): void {
    const range = this.#endingAt(piece.from) ?? this.#open(piece.from)
    const held = piece.held.subarray(0, piece.end - piece.from) // shorter if the channel ended within it
    if (range !== undefined) {
      this.#current = range
      return this.#grow(range, held)
    }
    this.#scattering(piece.from, piece.held.length)
    this.#scatter(held)
  }

  #grow(range: Range, data: Buffer): void {
    range.hash.update(data)
    range.end += data.length
    this.#grown.add(range)
  }

  #scattering(offset: number, bytes: number): Sink {
    this.#scattered ??= { packets: 0, bytes: 0, hash: createHash('sha256'), grew: false }
    const head = Buffer.allocUnsafe(12)
    head.writeBigUInt64BE(BigInt(offset), 0)
    head.writeUInt32BE(bytes, 8)
    this.#scattered.hash.update(head)
    this.#scattered.packets++
    return { into: 'scattered' }
  }

  #scatter(data: Buffer): void {
    const scattered = this.#scattered
    if (scattered === undefined) return
    scattered.hash.update(data)
    scattered.bytes += data.length
    scattered.grew = true
  }

  /** The ranges that grew since the last call, whole. */
  progress(): readonly FileRange[] {
    const grown = [...this.#grown].map(toldSoFar)
    this.#grown.clear()
    return grown
  }

  /** The scattered packets, if there came more since the last call. */
  scatteredProgress(): ScatteredPackets | undefined {
    if (this.#scattered?.grew !== true) return undefined
    this.#scattered.grew = false
    return toldScattered(this.#scattered)
  }

  /**
   * Everything that passed, at the end. `wholeAt` is the file's size if it is known to hold nothing but what passed; given a
   * failed write, it never is.
   */
  finish(wholeAt: number | undefined, failedWrites = 0): FileContent {
    this.#settle()
    const ranges = this.#ranges.map(toldSoFar)
    if (ranges.length === 0 && this.#scattered === undefined) ranges.push(emptyRange())
    const [first] = ranges
    const isOne = ranges.length === 1 && first?.from === 0 && this.#scattered === undefined
    const content = {
      bytes: this.#bytes,
      complete: isOne && wholeAt === first.bytes && failedWrites === 0,
      ...(isOne ? { sha256: first.sha256 } : { ranges }),
      ...(overlap(ranges) ? { overlapping: true } : {}),
      ...(this.#scattered === undefined ? {} : { scattered: toldScattered(this.#scattered) }),
      ...(failedWrites === 0 ? {} : { failedWrites }),
    }
    this.forget()
    return content
  }

  /** Gives back what it took of the budget. */
  forget(): void {
    this.#budget.give(this.#takenBytes)
    this.#takenBytes = 0
    this.#early.clear()
    this.#ranges.length = 0
    this.#grown.clear()
  }

  #take(bytes: number): boolean {
    if (this.#budget.leftBytes - bytes < keptForRequestsBytes || !this.#budget.take(bytes)) return false
    this.#takenBytes += bytes
    return true
  }

  #give(bytes: number): void {
    this.#takenBytes -= bytes
    this.#budget.give(bytes)
  }
}

/** The digest so far; the hash goes on. */
function toldSoFar(range: Range): FileRange {
  return { from: range.from, bytes: range.end - range.from, sha256: range.hash.copy().digest('hex') }
}

function toldScattered({ packets, bytes, hash }: Scattered): ScatteredPackets {
  return { packets, bytes, sha256: hash.copy().digest('hex') }
}

function emptyRange(): FileRange {
  return { from: 0, bytes: 0, sha256: createHash('sha256').digest('hex') }
}

function overlap(ranges: readonly FileRange[]): boolean {
  const ordered = ranges.toSorted((a, b) => a.from - b.from)
  return ordered.some(({ from }, index) => {
    const before = ordered[index - 1]
    return before !== undefined && before.from + before.bytes > from
  })
}

/** Offsets as numbers: no file is longer than 2^53 bytes, and whoever says so means no file. */
export function offsetOf(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER - 2 ** 32))
    throw new SftpViolation('an offset is beyond any file')
  return Number(value)
}
