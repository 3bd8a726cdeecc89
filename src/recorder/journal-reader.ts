import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import {
  checkedBytes,
  journalHeadBytes,
  journalKind,
  journalPreamble,
  journalPreambleBytes,
  sealedHeadBytes,
} from './journal-format.ts'
import { tagBytes } from './encryption/content-keys.ts'
import { maxEventBytes } from './format.ts'

/** An event as the journal holds it: its bytes, or what was sealed of them for others to read. */
export type JournalledEvent = {
  readonly session: string
  readonly path: string
  readonly sequence: number
} & (
  | { readonly kind: 'clear'; readonly bytes: Buffer }
  /** Ciphertext and tag. `isEnd`: the session ends with it. */
  | { readonly kind: 'sealed'; readonly us: number; readonly isEnd: boolean; readonly sealed: Buffer }
)

/**
 * How a segment ends. A torn record at the end is what a crash leaves: its last bytes were never written, so that they are missing or still the zeros
 * of the room that was reserved. Damage is anything else that is no record: the disk or somebody changed it, and what follows it cannot be
 * told from noise.
 */
export type SegmentEnd =
  | { readonly kind: 'whole' | 'torn' }
  | { readonly kind: 'damaged'; readonly offset: number; readonly reason: string }

/** A record is never longer than the longest event and its heads. */
const maxRecordBytes = journalHeadBytes + maxEventBytes + 1024
const readAheadBytes = 1024 * 1024

/** Reads a segment's events in order; returns how it ends. Memory is bounded by a read-ahead and the largest event. */
export function* readSegment(file: string): Generator<JournalledEvent, SegmentEnd> {
  const fd = openSync(file, 'r')
  try {
    return yield* new SegmentReader(fd).events()
  } finally {
    closeSync(fd)
  }
}

class SegmentReader {
  readonly #fd: number
  readonly #names = new Map<number, { session: string; path: string }>()
  #window: Buffer = Buffer.alloc(0)
  #windowOffset = 0
  #offset = 0
  #dataEnd: number | undefined

  constructor(fd: number) {
    this.#fd = fd
  }

  *events(): Generator<JournalledEvent, SegmentEnd> {
    const start = this.#read(journalPreambleBytes)
    if (this.#endOfData() < journalPreambleBytes) return { kind: 'torn' }
    if (!start.equals(journalPreamble())) return this.#damage('it is no journal of this version')
    this.#offset += journalPreambleBytes
    for (;;) {
      const record = this.#next()
      if (!Buffer.isBuffer(record)) return record
      const event = this.#decode(record)
      if (typeof event === 'string') return this.#damage(event)
      this.#offset += record.length
      if (event !== undefined) yield event
    }
  }

  #next(): Buffer | SegmentEnd {
    const head = this.#read(checkedBytes)
    if (head.length === 0) return { kind: 'whole' }
    if (head.length < checkedBytes) return { kind: 'torn' }
    const length = head.readUInt32BE(0)
    if (length === 0) return this.#endOfRecords()
    if (length < journalHeadBytes - checkedBytes || length > maxRecordBytes)
      return this.#damage(`a length of ${length} cannot be`)
    const record = this.#read(checkedBytes + length)
    if (record.length < checkedBytes + length) return { kind: 'torn' }
    if (crc32(record.subarray(checkedBytes)) === record.readUInt32BE(4)) return record
    if (this.#endOfData() < this.#offset + record.length) return { kind: 'torn' }
    return this.#damage('a checksum is wrong')
  }

  /** Room that was never written to, or a loss of power that kept later bytes and not these. */
  #endOfRecords(): SegmentEnd {
    if (this.#endOfData() <= this.#offset) return { kind: 'whole' }
    return this.#damage('records are missing')
  }

  /** The offset behind the last byte that is not zero. */
  #endOfData(): number {
    this.#dataEnd ??= endOfData(this.#fd)
    return this.#dataEnd
  }

  /** An event, nothing for a declaration, or what is wrong. */
  #decode(record: Buffer): JournalledEvent | undefined | string {
    const kind = record.readUInt8(8)
    const number = record.readUInt32BE(12)
    const body = record.subarray(journalHeadBytes)
    if (kind === journalKind.declare) return this.#declare(number, body)
    if (kind !== journalKind.event && kind !== journalKind.sealed) return `record kind ${kind} is unknown`
    const name = this.#names.get(number)
    if (name === undefined) return `recording ${number} has no name`
    const event = { ...name, sequence: Number(record.readBigUInt64BE(16)) }
    if (kind === journalKind.event) return { ...event, kind: 'clear', bytes: Buffer.from(body) }
    if (body.length < sealedHeadBytes) return 'a sealed event is cut'
    const tag = body.subarray(sealedHeadBytes - tagBytes, sealedHeadBytes)
    const sealed = Buffer.concat([body.subarray(sealedHeadBytes), tag])
    return { ...event, kind: 'sealed', us: body.readUIntBE(0, 6), isEnd: body.readUInt8(6) === 1, sealed }
  }

  #declare(number: number, body: Buffer): undefined {
    this.#names.set(number, JSON.parse(body.toString()) as { session: string; path: string }) // its checksum was right
  }

  #damage(reason: string): SegmentEnd {
    return { kind: 'damaged', offset: this.#offset, reason }
  }

  /** Up to `length` bytes from here; fewer only at the end of the file. */
  #read(length: number): Buffer {
    const from = this.#offset - this.#windowOffset
    if (from + length <= this.#window.length) return this.#window.subarray(from, from + length)
    const buffer = Buffer.allocUnsafe(Math.max(length, readAheadBytes))
    this.#window = buffer.subarray(0, readSync(this.#fd, buffer, 0, buffer.length, this.#offset))
    this.#windowOffset = this.#offset
    return this.#window.subarray(0, length)
  }
}

/** Looked for from the end, where all is zeros as a rule. */
function endOfData(fd: number): number {
  const buffer = Buffer.allocUnsafe(readAheadBytes)
  for (let end = fstatSync(fd).size; end > 0; ) {
    const from = Math.max(0, end - buffer.length)
    const found = lastNonZero(buffer.subarray(0, readSync(fd, buffer, 0, end - from, from)))
    if (found >= 0) return from + found + 1
    end = from
  }
  return 0
}

const zeros = Buffer.alloc(4096)

function lastNonZero(bytes: Buffer): number {
  let end = bytes.length
  while (end >= zeros.length && bytes.compare(zeros, 0, zeros.length, end - zeros.length, end) === 0)
    end -= zeros.length
  while (end > 0 && bytes[end - 1] === 0) end--
  return end - 1
}
