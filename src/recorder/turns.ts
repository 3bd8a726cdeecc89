import type { Log } from '../log.ts'
import { reasonOf } from '../errors.ts'
import { Batch, type Entry, type SealedEvent } from './batch.ts'
import type { DiskSync } from './disk-sync.ts'
import type { DataEvent } from './event.ts'
import type { Journal, Segment } from './journal.ts'

/** Who events belong to, as the journal knows them. */
export type Owner = {
  /** Its number in this process. */
  readonly number: number
  readonly session: string
  readonly path: string
  /** The event is in the journal, in this segment. Its bytes must be copied now. */
  readonly keep: (entry: Entry<Owner>, slab: Buffer, segment: Segment) => void
}

type Waiter = { readonly resolve: () => void; readonly reject: (error: unknown) => void }
/** What one turn lets happen. */
type Turn = { readonly sends: readonly (() => void)[]; readonly waiters: readonly Waiter[] }

/**
 * Record, then forward: collects what happens in one turn of the event loop, hands it to the journal with one append, and
 * only then runs what was queued to be sent; later, if it is to be on the disk first. After an append that fails nothing is ever
 * sent again.
 */
export class Turns {
  readonly #journal: Journal
  readonly #disk: DiskSync
  readonly #onFailure: (error: unknown) => void
  readonly #log: Log
  readonly #batch = new Batch<Owner>()
  #segment: Segment | undefined
  #lastWords: (() => void)[] = []
  #sends: (() => void)[] = []
  #waiters: Waiter[] = []
  /** Turns that are in the journal and not yet on the disk, oldest first, where that matters. */
  #held: Turn[] = []
  #count = 0
  #isScheduled = false
  #failure: { readonly error: unknown } | undefined

  /** `onFailure` is called once, in a turn of its own or at the end of one, never from within `addData` or `addTold`. */
  constructor(journal: Journal, disk: DiskSync, onFailure: (error: unknown) => void, log: Log) {
    this.#journal = journal
    this.#disk = disk
    this.#onFailure = onFailure
    this.#log = log
  }

  /** Counts turns: what was queued to be sent in different ones may leave at different times. */
  get count(): number {
    return this.#count
  }

  /** Adds bytes that passed; returns the event's length in the recording. */
  addData(owner: Owner, sequence: number, us: number, event: DataEvent): number {
    if (!this.#begin(owner)) return 0
    const bytes = this.#batch.addData(owner, owner.number, sequence, us, event)
    this.#afterAdd()
    return bytes
  }

  /** Adds an event told as JSON; returns its length in the recording. */
  addTold(owner: Owner, sequence: number, us: number, json: string): number {
    if (!this.#begin(owner)) return 0
    const bytes = this.#batch.addTold(owner, owner.number, sequence, us, json)
    this.#afterAdd()
    return bytes
  }

  /** Adds an event that was sealed for its readers; returns its length in the recording. */
  addSealed(owner: Owner, event: SealedEvent): number {
    if (!this.#begin(owner)) return 0
    const bytes = this.#batch.addSealed(owner, owner.number, event)
    this.#afterAdd()
    return bytes
  }

  /** Runs at the end of this turn, before its append: adds what is worth saying once a turn only. */
  atEnd(add: () => void): void {
    this.#lastWords.push(add)
    this.#schedule()
  }

  /** Queues what may happen only after everything added so far is in the journal. */
  send(send: () => void): void {
    if (this.#failure !== undefined) return
    this.#sends.push(send)
    this.#schedule()
  }

  /** Resolves when everything added so far is in the journal; rejects if it cannot be. */
  committed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#schedule()
    })
  }

  /** Nothing is sent any more, because something else than an append has failed. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#stop(error)
    this.#schedule()
  }

  #begin(owner: Owner): boolean {
    if (this.#failure !== undefined) return false
    try {
      if (this.#batch.isEmpty) this.#segment = this.#journal.segment()
    } catch (error) {
      this.fail(error)
      return false
    }
    this.#declare(owner)
    return true
  }

  #declare(owner: Owner): void {
    const declared = this.#segment?.declared
    if (declared === undefined || declared.has(owner.number)) return
    this.#batch.declare(owner.number, { session: owner.session, path: owner.path })
    declared.add(owner.number)
  }

  #afterAdd(): void {
    if (this.#batch.isFull) this.#append()
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#commit())
  }

  #commit(): void {
    for (const add of this.#lastWords.splice(0)) add()
    this.#isScheduled = false
    this.#count++
    if (!this.#batch.isEmpty) this.#append()
    if (this.#failure !== undefined) this.#report(this.#failure.error)
    else this.#forward()
  }

  #append(): void {
    const segment = this.#segment
    if (segment === undefined || this.#failure !== undefined) return
    try {
      this.#journal.append(segment, this.#batch.parts(), this.#batch.bytes)
    } catch (error) {
      this.#stop(error)
      return
    }
    const { entries, slab } = this.#batch
    segment.hold(entries.length)
    for (const entry of entries) entry.owner.keep(entry, slab, segment)
    this.#batch.clear()
  }

  #forward(): void {
    const turn = { sends: this.#sends, waiters: this.#waiters }
    this.#sends = []
    this.#waiters = []
    if (this.#held.length === 0 && !this.#disk.mustWait) return this.#let(turn)
    this.#held.push(turn)
    this.#disk.whenReached(() => this.#letOldest())
  }

  #letOldest(): void {
    if (this.#failure !== undefined) return
    const turn = this.#held.shift()
    if (turn !== undefined) this.#let(turn)
  }

  #let({ sends, waiters }: Turn): void {
    for (const send of sends) this.#run(send)
    for (const waiter of waiters) waiter.resolve()
  }

  /** One session's broken socket must not keep the others' bytes. */
  #run(send: () => void): void {
    try {
      send()
    } catch (error) {
      this.#log.error({ reason: reasonOf(error) }, 'forwarding recorded bytes failed')
    }
  }

  #stop(error: unknown): void {
    this.#failure = { error }
    this.#sends = []
    this.#batch.clear()
    this.#schedule()
  }

  #report(error: unknown): void {
    const waiters = [...this.#held.flatMap(turn => turn.waiters), ...this.#waiters]
    this.#held = []
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
    this.#onFailure(error) // the recorder tells each recording once
  }
}
