import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, renameSync, unlink } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { reasonOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AppendSync, Watch } from '../model.ts'
import type { DiskSync } from './disk-sync.ts'
import {
  journalPreamble,
  journalPreambleBytes,
  lastTurnBytes,
  segmentBytes,
  segmentName,
  segmentNumber,
} from './journal-format.ts'
import { ReservedFile, reserveAtOnce } from './reserved-file.ts'

const unlinkAsync = promisify(unlink)

/** A recording's file, as far as the journal cares: what was written to it must be on the disk before the journal lets go. */
export type Destination = { readonly reachDisk: () => Promise<void> }

/** What the segments of a journal share. */
type Shared = {
  readonly disk: DiskSync
  readonly log: Log
  /** Removals that are under way. */
  readonly removing: Set<Promise<void>>
}

/** One numbered file of the journal, and how many of its events are not yet in their recordings. */
export class Segment {
  readonly number: number
  readonly path: string
  readonly fd: number
  /** Numbers of recordings that this segment has declared. */
  readonly declared: Set<number> = new Set()
  bytes: number = journalPreambleBytes
  readonly #shared: Shared
  /** Where its events went, if they must be on the disk before it may go. */
  readonly #destinations = new Set<Destination>()
  #pending = 0
  #isLeft = false

  constructor(number: number, path: string, fd: number, shared: Shared) {
    this.number = number
    this.path = path
    this.fd = fd
    this.#shared = shared
  }

  /** `count` events were appended. */
  hold(count: number): void {
    this.#pending += count
  }

  /** `count` events have been written to their recording. The last one lets go of the file. */
  release(count: number, to: Destination): void {
    this.#pending -= count
    if (this.#shared.disk.mode !== 'os') this.#destinations.add(to)
    this.#removeIfDone()
  }

  /** No more is appended here. */
  leave(): void {
    if (this.#isLeft) return
    this.#isLeft = true
    this.#shared.disk.whenReached(() => closeSync(this.fd))
    this.#removeIfDone()
  }

  #removeIfDone(): void {
    if (!this.#isLeft || this.#pending !== 0) return
    const removing = this.#remove()
      .catch((error: unknown) => {
        this.#shared.log.error({ reason: reasonOf(error) }, 'a segment of the journal could not be removed')
      })
      .finally(() => this.#shared.removing.delete(removing))
    this.#shared.removing.add(removing)
  }

  /** Off the event loop: to forget a large file takes milliseconds. The next start skips what it finds in the recordings already. */
  async #remove(): Promise<void> {
    await Promise.all([...this.#destinations].map(destination => destination.reachDisk()))
    await unlinkAsync(this.path)
  }
}

export type JournalOptions = {
  readonly append: AppendSync
  readonly disk: DiskSync
  readonly log: Log
  readonly watch?: Watch
  /** Room is short: none is taken for what is not needed yet. */
  readonly isShort?: () => boolean
  /** There is no room for the segment that follows; the open one goes on. */
  readonly onShortage: (error: unknown) => void
  /** A segment's size, smaller in tests. */
  readonly segmentBytes?: number
}

/**
 * The journal of a process: numbered segments in a folder of its own, one open at a time. Each is a file of zeros before its
 * first record, made while the one before it is written to: a disk that fills up shows there, and not in the middle of a turn.
 */
export class Journal {
  readonly #folder: string
  readonly #options: JournalOptions
  readonly #shared: Shared
  readonly #segmentBytes: number
  readonly #spare: ReservedFile
  /** Segments that another process left, for recovery. */
  readonly left: readonly string[]
  #nextNumber: number
  #segment: Segment | undefined

  /** Creates the folder if need be. */
  constructor(folder: string, options: JournalOptions) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    this.#folder = folder
    this.#options = options
    this.#shared = { disk: options.disk, log: options.log, removing: new Set() }
    this.#segmentBytes = options.segmentBytes ?? segmentBytes
    const numbers = segmentNumbers(folder)
    this.left = numbers.map(number => join(folder, segmentName(number)))
    this.#nextNumber = (numbers.at(-1) ?? 0) + 1
    this.#spare = new ReservedFile(join(folder, 'spare'), this.#segmentBytes + lastTurnBytes)
    this.#reserveSoon()
  }

  /** Makes room for the segment that follows, if there is none yet. */
  reserve(): Promise<void> {
    return this.#spare.make(this.#options.disk.mode !== 'os')
  }

  /** The segment that the next append goes to. Throws what the operating system says if a new one cannot be made. */
  segment(): Segment {
    if (this.#segment !== undefined && this.#segment.bytes < this.#segmentBytes) return this.#segment
    const { watch = (action: () => Segment) => action() } = this.#options
    return watch(() => this.#next())
  }

  /** One append, whole or thrown. */
  append(segment: Segment, parts: readonly Uint8Array[], bytes: number): void {
    this.#options.append(segment.fd, parts)
    segment.bytes += bytes
    this.#options.disk.wrote(segment.fd)
  }

  /** Leaves the open segment; resolves when nothing is left of those that hold nothing that is needed. The spare stays for the next start. */
  async close(): Promise<void> {
    this.#segment?.leave()
    this.#segment = undefined
    await this.#spare.settled()
    while (this.#shared.removing.size > 0) await Promise.all(this.#shared.removing)
  }

  /** A segment that is only being made gives its room back, for what is written now. */
  stopReserving(): void {
    if (!this.#spare.isReady) this.#spare.giveUp()
  }

  #reserveSoon(): void {
    if (this.#options.isShort?.() === true) return
    this.reserve().catch(this.#options.onShortage)
  }

  #next(): Segment {
    this.#segment?.leave()
    this.#segment = undefined
    this.#segment = this.#create()
    return this.#segment
  }

  #create(): Segment {
    const number = this.#nextNumber++
    const path = join(this.#folder, segmentName(number))
    if (!this.#take(path)) reserveAtOnce(path, this.#segmentBytes + lastTurnBytes, this.#options.append)
    this.#reserveSoon()
    const fd = openSync(path, 'r+', 0o600)
    this.#options.append(fd, [journalPreamble()])
    this.#options.disk.created(this.#folder)
    this.#options.disk.wrote(fd)
    return new Segment(number, path, fd, this.#shared)
  }

  /** False if the spare is not ready: a burst has filled a segment faster than the next one could be made. */
  #take(path: string): boolean {
    if (!this.#spare.isReady) return false
    renameSync(this.#spare.path, path)
    this.#spare.forget()
    return true
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
