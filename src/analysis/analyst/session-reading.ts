/** A session that is being read: its recording, what is remembered of its terminals, and what rules over several entries have counted. */
import type { ContentKeys } from '../../recorder/encryption/content-keys.ts'
import type { EventRecord } from '../../recorder/event.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { FindingDraft } from '../findings/finding.ts'
import { ActiveTime } from './active-time.ts'
import { EntryReader } from './entry-reader.ts'
import type { Judge } from './judge.ts'
import { type Piece, RecordingTail } from './recording-tail.ts'
import { sealedDraft, withoutQuotes } from './sealed-findings.ts'
import type { SessionObserver, SessionWindows, WatchedSession } from './session-observer.ts'
import type { Told } from './teller.ts'

/** Frames of a recording that are read in one step, and entries: others get their turn in between. */
const maxFrames = 16
const maxEntries = 300
/**
 * A recorder writes a chunk a second after its first event at the latest; after so long what was not read did not happen. In microseconds.
 */
const quietUs = 2_000_000
const unsaid = 'an observer failed at an encrypted session'
/** Of events that are in memory when the keys of a recording are forgotten. */
const maxAheadBytes = 4 * 1024 * 1024
/** Of a cell of a terminal. */
const cellBytes = 12

export type ReadingParts = {
  readonly judge: Judge
  readonly windows: () => SessionWindows
  readonly observers: readonly SessionObserver[]
  /** Hears what an observer throws. */
  readonly onTrouble: (cause: unknown) => void
}

/** What one step gave. `isIdle`: there was nothing to read; `isEnd`: nothing more comes. */
export type Step = {
  readonly entries: readonly Entry[]
  readonly hits: readonly EntryHit[]
  readonly drafts: readonly FindingDraft[]
  readonly isIdle: boolean
  readonly isEnd: boolean
}

export class SessionReading {
  readonly session: WatchedSession
  readonly #tail: RecordingTail
  readonly #entries: EntryReader
  readonly #parts: ReadingParts
  readonly #windows: SessionWindows
  readonly #openedAtMs: number
  readonly #active = new ActiveTime()
  #drafts: FindingDraft[] = []
  #isSealed = false
  #isCut = false
  /** What was read before the keys were forgotten, and whether that was all. */
  readonly #ahead: Piece[] = []
  #isAheadWhole = false
  #behindSinceMs: number | undefined
  /** What parked terminals take. */
  #parkedCells: number | undefined
  lastActiveMs: number

  /** `keys`: of an encrypted recording. Throws as `RecordingTail` does. */
  constructor(
    session: WatchedSession,
    file: string,
    isAgain: boolean,
    parts: ReadingParts,
    keys?: ContentKeys,
  ) {
    this.#tail = new RecordingTail(file, keys)
    this.session = this.#tail.isEncrypted ? { ...session, isEncrypted: true } : session
    this.#entries = new EntryReader(this.#tail.header.protocol)
    this.#parts = parts
    this.#windows = parts.windows()
    this.#openedAtMs = Date.parse(this.#tail.header.openedAt)
    this.lastActiveMs = performance.now()
    this.#observe(observer => observer.opened(this.session, isAgain))
  }

  get isSealedToAuditors(): boolean {
    return this.#tail.isSealedToAuditors
  }

  /** An encrypted recording is about to be sealed: what is left of it is read now, as far as there is room, and nothing later. */
  forgetKeys(): void {
    for (let bytes = 0; bytes < maxAheadBytes && !this.#isAheadWhole; ) {
      const piece = this.#tail.next(true)
      this.#isAheadWhole = piece.kind === 'end' || piece.kind === 'seal'
      if (piece.kind !== 'events') continue
      this.#ahead.push(piece)
      bytes += piece.bytes
    }
    this.#tail.forgetKeys()
  }

  /** What its terminals take, in cells. */
  get cells(): number {
    return this.#parkedCells ?? this.#entries.cells
  }

  /** Whether it has terminals, and none of them was put aside. */
  get isAwake(): boolean {
    return this.#parkedCells === undefined && this.#entries.cells > 0
  }

  /** Puts its terminals aside until something is written to them. */
  park(): void {
    this.#parkedCells = Math.min(this.#entries.cells, Math.ceil(this.#entries.park() / cellBytes))
  }

  /** Bytes of its recording that were not read, and since when (of `performance.now`) there are some. */
  lag(nowMs: number): { readonly bytes: number; readonly sinceMs: number } {
    const bytes = this.#tail.unreadBytes
    this.#behindSinceMs = bytes === 0 ? undefined : (this.#behindSinceMs ?? nowMs)
    return { bytes, sinceMs: this.#behindSinceMs ?? nowMs }
  }

  /** Of the time that was read, what was not idle. */
  get activeMs(): number {
    return this.#active.ms
  }

  /** What is not whole, for people. */
  get problem(): string | undefined {
    const { damage } = this.#tail
    const damaged =
      damage === 0 ? undefined : `The recording is damaged in ${damage} places; the rest was read.`
    return damaged ?? this.#entries.problem
  }

  /** An encrypted recording of which a part was not read. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** Reads on. `isOver`: nothing is added any more. `nowMs`: the wall's clock, to know what did not happen; undefined where it is over. */
  async step(isOver: boolean, nowMs: number): Promise<Step> {
    const told: Told[] = []
    const isIdle = !this.#tail.mayHaveMore && !isOver && !this.isSealedToAuditors
    const isRead = isIdle || this.#read(told, isOver)
    const isEnd = isRead && (this.#isSealed || isOver || this.isSealedToAuditors)
    this.#isCut = isEnd && this.isSealedToAuditors && !this.#isAheadWhole
    if (isRead) this.#behindSinceMs = undefined
    if (isEnd) told.push(...this.#entries.end())
    else if (isRead) told.push(...this.#quiet(nowMs))
    const { entries, hits } = await this.#judge(told)
    if (isEnd) this.#observe(observer => observer.sealed(this.session))
    if (told.length > 0 || !isIdle) this.lastActiveMs = performance.now()
    return { entries, hits, drafts: this.#drafts.splice(0), isIdle: isIdle && told.length === 0, isEnd }
  }

  /** It is put aside before its end. */
  drop(): void {
    this.close()
    for (const observer of this.#parts.observers) observer.dropped?.(this.session.id)
  }

  close(): void {
    this.#tail.close()
  }

  /** Whether all that is there was read. */
  #read(told: Told[], isOver: boolean): boolean {
    for (let frames = 0; frames < maxFrames && told.length < maxEntries; frames++) {
      const piece = this.#ahead.shift() ?? this.#next(isOver)
      if (piece.kind === 'end') return true
      if (piece.kind === 'seal') {
        this.#isSealed = true
        return true
      }
      if (piece.kind === 'events') this.#take(piece.events, told)
    }
    return false
  }

  #next(isOver: boolean): Piece {
    return this.isSealedToAuditors ? { kind: 'end' } : this.#tail.next(isOver)
  }

  #take(events: readonly EventRecord[], told: Told[]): void {
    this.#parkedCells = undefined
    for (const record of events) {
      this.#active.take(record)
      told.push(...this.#entries.take(record))
    }
  }

  /** Nothing was recorded for a while: what goes on is told. */
  #quiet(nowMs: number): Told[] {
    const told: Told[] = []
    const untilUs = (nowMs - this.#openedAtMs) * 1000 - quietUs
    for (let next = this.#entries.nextUs; next !== undefined && next <= untilUs; next = this.#entries.nextUs)
      told.push(...this.#entries.settle(next))
    return told
  }

  async #judge(told: readonly Told[]): Promise<{ readonly entries: Entry[]; readonly hits: EntryHit[] }> {
    const entries = new Map<number, Entry>()
    const hits: EntryHit[] = []
    const place = { session: this.session.id, openedAtMs: this.#openedAtMs }
    for (const one of told) {
      const { entry, hits: own, isOver } = await this.#parts.judge.judge(one, place)
      const met = isOver ? [...own, ...this.#windows.take(entry, own)] : own
      const all = this.session.isEncrypted === true ? withoutQuotes(met) : met
      entries.set(entry.number, entry)
      hits.push(...all)
      this.#observe(observer => (isOver ? observer.took(entry, all) : (observer.began?.(entry, all) ?? [])))
    }
    return { entries: [...entries.values()], hits }
  }

  #observe(ask: (observer: SessionObserver) => readonly FindingDraft[]): void {
    for (const observer of this.#parts.observers) {
      try {
        const drafts = ask(observer)
        this.#drafts.push(...(this.session.isEncrypted === true ? drafts.map(sealedDraft) : drafts))
      } catch (cause) {
        // What is said of a fault may quote what was looked at.
        this.#parts.onTrouble(this.session.isEncrypted === true ? new Error(unsaid) : cause)
      }
    }
  }
}
