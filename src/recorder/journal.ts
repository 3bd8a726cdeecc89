import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { AppendSync } from '../model.ts'
import {
  journalPreamble,
  journalPreambleBytes,
  segmentBytes,
  segmentName,
  segmentNumber,
} from './journal-format.ts'

/** One numbered file of the journal, and how many of its events are not yet in their recordings. */
export class Segment {
  readonly number: number
  readonly path: string
  readonly fd: number
  /** Numbers of recordings that this segment has declared. */
  readonly declared: Set<number> = new Set()
  bytes: number = journalPreambleBytes
  #pending = 0
  #isLeft = false

  constructor(number: number, path: string, fd: number) {
    this.number = number
    this.path = path
    this.fd = fd
  }

  /** `count` events were appended. */
  hold(count: number): void {
    this.#pending += count
  }

  /** `count` events have reached their recordings. The last one lets go of the file. */
  release(count: number): void {
    this.#pending -= count
    this.#removeIfDone()
  }

  /** No more is appended here. */
  leave(): void {
    if (this.#isLeft) return
    this.#isLeft = true
    closeSync(this.fd)
    this.#removeIfDone()
  }

  #removeIfDone(): void {
    if (this.#isLeft && this.#pending === 0) unlinkSync(this.path)
  }
}

/** The journal of a process: numbered segments in a folder of its own, one open at a time. */
export class Journal {
  readonly #folder: string
  readonly #append: AppendSync
  readonly #segmentBytes: number
  /** Segments that another process left, for recovery. */
  readonly left: readonly string[]
  #nextNumber: number
  #segment: Segment | undefined

  /** Creates the folder if need be. `limit` is a segment's size, smaller in tests. */
  constructor(folder: string, append: AppendSync, limit: number = segmentBytes) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    this.#folder = folder
    this.#append = append
    this.#segmentBytes = limit
    const numbers = segmentNumbers(folder)
    this.left = numbers.map(number => join(folder, segmentName(number)))
    this.#nextNumber = (numbers.at(-1) ?? 0) + 1
  }

  /** The segment that the next append goes to. Throws what the operating system says if a new one cannot be made. */
  segment(): Segment {
    if (this.#segment !== undefined && this.#segment.bytes < this.#segmentBytes) return this.#segment
    this.#segment?.leave()
    this.#segment = undefined
    this.#segment = this.#create()
    return this.#segment
  }

  /** One append, whole or thrown. */
  append(segment: Segment, parts: readonly Uint8Array[], bytes: number): void {
    this.#append(segment.fd, parts)
    segment.bytes += bytes
  }

  /** Leaves the open segment; it is deleted as soon as it holds nothing that is needed. */
  close(): void {
    this.#segment?.leave()
    this.#segment = undefined
  }

  #create(): Segment {
    const number = this.#nextNumber++
    const path = join(this.#folder, segmentName(number))
    const fd = openSync(path, 'wx', 0o600)
    this.#append(fd, [journalPreamble()])
    return new Segment(number, path, fd)
  }
}

function segmentNumbers(folder: string): number[] {
  const numbers: number[] = []
  for (const name of readdirSync(folder)) {
    const number = segmentNumber(name)
    if (number !== undefined) numbers.push(number)
  }
  return numbers.toSorted((a, b) => a - b)
}
