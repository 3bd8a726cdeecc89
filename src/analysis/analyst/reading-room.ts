/**
 * The sessions that are being read, and those that wait. Memory is bounded: so many are open at once, and so many of them with a terminal.
 * What does not fit waits for a place, and at the latest until its session is over; then it is read in one go.
 */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../../errors.ts'
import type { ContentKeys } from '../../recorder/encryption/content-keys.ts'
import { forgetKeys } from '../../recorder/encryption/sealed-reading.ts'
import { FormatProblem } from '../../recorder/format.ts'
import type { IndexWriter } from '../index/index-writer.ts'
import { isFinal } from '../index/index-writer.ts'
import { interrupted, lookedAt, lookedAtInPart, notLookedAt } from './sealed-findings.ts'
import type { Lag } from './messages.ts'
import type { AnalystBatch, WatchedSession } from './session-observer.ts'
import { type ReadingParts, SessionReading, type Step } from './session-reading.ts'

/** Sessions without a terminal cost what waits for its result. */
const maxOpen = 512
/** Terminals of a usual size that are emulated at once, and the cells of each of them: some three megabytes. Larger ones count more. */
export const usualMaxTerminals = 64
const cellsOfTerminal = 240_000
/** Terminals of a session that did nothing for this long are parked: most of a working day's sessions wait for somebody. */
const parkAfterMs = 120_000
/** A session that did nothing for this long makes room for another, where parking is not enough. Sooner, the two would only push each other out. */
const idleBeforeMs = 30_000
/** Readings from the start that did not come to an end, by whatever took the thread down, before a session is given up. */
const maxAttempts = 4

export type RoomParts = ReadingParts & {
  readonly writer: IndexWriter
  readonly recordingsFolder: string
  readonly maxTerminals: number
  readonly nowMs: () => number
  /** The path of a recording that is not in its folder, as long as `release` was not called; rejects if there is none. */
  readonly fetch: (
    session: WatchedSession,
  ) => Promise<{ readonly path: string; readonly release: () => void }>
  /** Hands it over; resolves when it was taken. */
  readonly post: (batch: AnalystBatch) => Promise<void>
  readonly onSessionTrouble: (session: string, cause: unknown) => void
}

type Outside = { readonly session: WatchedSession; readonly size: number; readonly sinceMs: number }

export class ReadingRoom {
  readonly #parts: RoomParts
  /** Open sessions, the one that was read last at the end. */
  readonly #open = new Map<string, SessionReading>()
  /** Sessions that are open and have no place, with the size of their recordings when they lost it. */
  readonly #outside = new Map<string, Outside>()
  /** Sessions that are over and were not read to their end, in the order in which they are read. */
  readonly #backlog = new Map<string, WatchedSession>()
  /** Since when each of those waits. */
  readonly #waitingSinceMs = new Map<string, number>()
  readonly #over = new Set<string>()
  /** Of encrypted recordings that are being written. */
  readonly #keys = new Map<string, ContentKeys>()
  /** Who waits until one of those was read. */
  readonly #finishing = new Map<string, () => void>()

  constructor(parts: RoomParts) {
    this.#parts = parts
  }

  /** Sessions that are over and wait. */
  get behind(): number {
    return this.#backlog.size
  }

  /** Bytes of open sessions that were not read, and how long the oldest of everything waits that was not. In milliseconds. */
  get lag(): Lag {
    const nowMs = performance.now()
    const [waiting = nowMs] = this.#waitingSinceMs.values()
    let [bytes, sinceMs] = [0, waiting]
    const lags = [
      ...Array.from(this.#open.values(), reading => reading.lag(nowMs)),
      ...[...this.#outside.values()].slice(0, maxOpen).map(outside => this.#lagOf(outside, nowMs)),
    ]
    for (const lag of lags) {
      bytes += lag.bytes
      sinceMs = Math.min(sinceMs, lag.sinceMs)
    }
    return { bytes, waitedMs: nowMs - sinceMs }
  }

  #lagOf({ session, size, sinceMs }: Outside, nowMs: number): { bytes: number; sinceMs: number } {
    const bytes = (statSync(this.#pathOf(session), { throwIfNoEntry: false })?.size ?? 0) - size
    return bytes > 0 ? { bytes, sinceMs } : { bytes: 0, sinceMs: nowMs }
  }

  add(session: WatchedSession, isOver: boolean): void {
    if (isOver) this.over(session.id, session)
    else if (!this.#open.has(session.id) && !this.#outside.has(session.id))
      this.#outside.set(session.id, { session, size: 0, sinceMs: performance.now() })
  }

  over(id: string, known?: WatchedSession): void {
    if (this.#over.has(id)) return
    const session = this.#outside.get(id)?.session ?? known
    this.#outside.delete(id)
    if (session !== undefined && this.#keys.has(id)) this.#startNow(session)
    if (this.#open.has(id)) this.#over.add(id)
    else if (session !== undefined && !this.#backlog.has(id)) this.#putBehind(session)
  }

  #putBehind(session: WatchedSession): void {
    this.#backlog.set(session.id, session)
    this.#waitingSinceMs.set(session.id, performance.now())
  }

  #leaveBacklog(id: string): void {
    this.#backlog.delete(id)
    this.#waitingSinceMs.delete(id)
  }

  /** It can be read now or never. */
  #startNow(session: WatchedSession): void {
    this.#start(session, this.#pathOf(session))
    this.#outside.delete(session.id)
  }

  /** The keys of an encrypted recording that is being written, before it is told. */
  unlock(id: string, keys: ContentKeys): void {
    this.#keys.set(id, keys)
  }

  /** Nothing is added to an encrypted recording but its seal. Resolves when it was read, or its keys are forgotten. */
  finish(id: string): Promise<void> {
    if (!this.#keys.has(id)) return Promise.resolve()
    this.over(id)
    if (!this.#open.has(id)) return Promise.resolve()
    const before = this.#finishing.get(id)
    return new Promise(resolve =>
      this.#finishing.set(id, () => {
        before?.()
        resolve()
      }),
    )
  }

  /** What was not read of it until now is not read. */
  forgetKeys(id: string): void {
    const keys = this.#keys.get(id)
    if (keys === undefined) return
    forgetKeys(keys)
    this.#keys.delete(id)
    this.#open.get(id)?.forgetKeys()
    this.#finished(id)
  }

  #finished(id: string): void {
    this.#finishing.get(id)?.()
    this.#finishing.delete(id)
  }

  forget(id: string): void {
    this.#open.get(id)?.drop()
    this.#letGo(id)
    this.#outside.delete(id)
    this.#leaveBacklog(id)
  }

  /** All are put aside; they have to be told again. */
  clear(): void {
    for (const reading of this.#open.values()) reading.drop()
    this.#open.clear()
    this.#outside.clear()
    this.#backlog.clear()
    this.#waitingSinceMs.clear()
    this.#over.clear()
    for (const resolve of this.#finishing.values()) resolve()
    this.#finishing.clear()
  }

  /** One turn for everybody: open sessions first, then one of those that are over. Gives whether there was anything to do. */
  async turn(): Promise<boolean> {
    let isBusy = this.#admit()
    for (const reading of this.#open.values()) {
      if (this.#open.get(reading.session.id) === reading) isBusy = (await this.#stepOf(reading)) || isBusy
    }
    return (await this.#readOneOfBacklog()) || isBusy
  }

  // Open sessions.

  /** Gives places to those outside whose recordings have grown, as far as there are some. */
  #admit(): boolean {
    let isBusy = false
    for (const { session, size } of Array.from(this.#outside.values())) {
      if (this.#open.size >= maxOpen || !this.#hasRoomForTerminal()) break
      const path = this.#pathOf(session)
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > size)
        isBusy = this.#start(session, path) || isBusy
    }
    return isBusy
  }

  #pathOf({ recording }: WatchedSession): string {
    return join(this.#parts.recordingsFolder, recording)
  }

  #start(session: WatchedSession, path: string): boolean {
    this.#outside.delete(session.id)
    try {
      const reading = this.#begin(session, path)
      if (reading !== undefined) this.#open.set(session.id, reading)
      return reading !== undefined
    } catch (cause) {
      if (!(cause instanceof FormatProblem)) this.#giveUp(session.id, cause)
      else this.#putOutside(session) // its first bytes are being written
      return false
    }
  }

  #putOutside(session: WatchedSession): void {
    this.#parts.writer.rest(session.id)
    const path = this.#pathOf(session)
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
    this.#outside.set(session.id, { session, size, sinceMs: performance.now() })
  }

  /** Undefined if it is not to be read. */
  #begin(session: WatchedSession, path: string): SessionReading | undefined {
    const { writer } = this.#parts
    const attempts = writer.begin(session.id)
    if (attempts > maxAttempts) {
      writer.setState(session.id, 'failed', 'Reading it failed again and again.')
      return undefined
    }
    const keys = this.#keys.get(session.id)
    const reading = new SessionReading(session, path, attempts > 1, this.#parts, keys)
    if (!reading.isSealedToAuditors) return reading
    reading.drop()
    const wasInterrupted = attempts > 1
    writer.setState(session.id, 'sealed', wasInterrupted ? interrupted : notLookedAt)
    if (wasInterrupted) this.#parts.onSessionTrouble(session.id, interrupted)
    return undefined
  }

  async #stepOf(reading: SessionReading): Promise<boolean> {
    const { id } = reading.session
    const step = await this.#read(reading, this.#over.has(id))
    if (step === undefined || step.isEnd) {
      leave(reading, step)
      this.#letGo(id)
      return true
    }
    if (!step.isIdle) this.#makeRoom(reading)
    else if (reading.isAwake && idleMs(reading) >= parkAfterMs) reading.park()
    return !step.isIdle
  }

  /** Undefined if it failed. What could not be stored is thrown: then nobody goes on. */
  async #read(reading: SessionReading, isOver: boolean): Promise<Step | undefined> {
    const { id } = reading.session
    let step: Step
    try {
      step = await reading.step(isOver, this.#parts.nowMs())
    } catch (cause) {
      // What is said of a fault may quote what was read.
      this.#giveUp(id, reading.session.isEncrypted === true ? new Error('It could not be read.') : cause)
      return undefined
    }
    await (reading.session.isEncrypted === true
      ? this.#tellSealed(reading, step)
      : this.#store(reading, step))
    return step
  }

  /** What is known at the end is handed over before it is noted that it was: after a crash in between it is told once more. */
  async #store({ session, problem, activeMs }: SessionReading, step: Step): Promise<void> {
    const { writer, post } = this.#parts
    const fresh = writer.write(session.id, step.entries, step.hits)
    if (!step.isIdle || step.isEnd) writer.setActive(session.id, activeMs)
    const met = new Set(fresh.hits.map(({ entry }) => entry))
    const entries = fresh.entries.filter(({ number }) => met.has(number))
    const { drafts, isEnd: isSealed } = step
    const batch = { session: session.id, entries, hits: fresh.hits, drafts, isSealed }
    if (batch.hits.length + drafts.length > 0 || isSealed) await post(batch)
    if (isSealed) writer.setState(session.id, 'done', problem)
    if (isSealed && problem !== undefined) this.#parts.onSessionTrouble(session.id, problem)
  }

  /** Of an encrypted recording nothing is stored; what is told of it quotes nothing. */
  async #tellSealed({ session: { id }, isCut }: SessionReading, step: Step): Promise<void> {
    const { drafts, isEnd: isSealed } = step
    if (drafts.length > 0 || isSealed)
      await this.#parts.post({ session: id, entries: [], hits: [], drafts, isSealed })
    if (!isSealed) return
    this.#parts.writer.setState(id, 'sealed', isCut ? lookedAtInPart : lookedAt)
    if (isCut) this.#parts.onSessionTrouble(id, lookedAtInPart)
  }

  #letGo(id: string): void {
    this.#open.delete(id)
    this.#over.delete(id)
    this.#finished(id)
  }

  #giveUp(id: string, cause: unknown): void {
    this.#parts.writer.setState(id, 'failed', reasonOf(cause))
    this.#parts.onSessionTrouble(id, cause)
  }

  // Places.

  #cells(): number {
    let cells = 0
    for (const reading of this.#open.values()) cells += reading.cells
    return cells
  }

  get #maxCells(): number {
    return this.#parts.maxTerminals * cellsOfTerminal
  }

  #withTerminal(): SessionReading[] {
    return [...this.#open.values()].filter(({ cells }) => cells > 0)
  }

  #hasRoomForTerminal(): boolean {
    return this.#cells() < this.#maxCells || idleOf(this.#withTerminal()) !== undefined
  }

  /** One more has a terminal: others are parked, those first that were idle for longest. If that is not enough one goes, or else this one. */
  #makeRoom(reading: SessionReading): void {
    if (reading.cells === 0 || this.#cells() <= this.#maxCells) return
    const awake = [...this.#open.values()].filter(other => other !== reading && other.isAwake)
    for (const other of byIdleness(awake)) {
      other.park()
      if (this.#cells() <= this.#maxCells) return
    }
    const { session } = idleOf(this.#withTerminal().filter(other => other !== reading)) ?? reading
    this.#open.get(session.id)?.drop()
    const isOver = this.#over.has(session.id)
    this.#letGo(session.id)
    if (isOver) this.over(session.id, session)
    else this.#putOutside(session)
  }

  // Sessions that are over.

  async #readOneOfBacklog(): Promise<boolean> {
    const [session] = this.#backlog.values()
    if (session === undefined) return false
    const known = this.#parts.writer.known(session.id)
    if (known !== undefined && !isFinal(known.state)) await this.#readWhole(session)
    this.#leaveBacklog(session.id)
    return true
  }

  async #readWhole(session: WatchedSession): Promise<void> {
    const local = join(this.#parts.recordingsFolder, session.recording)
    const fetched = existsSync(local)
      ? { path: local, release: () => {} }
      : await this.#parts.fetch(session).catch(reasonOf)
    if (typeof fetched === 'string') return this.#parts.writer.setState(session.id, 'gone', fetched)
    try {
      await this.#readFile(session, fetched.path)
    } finally {
      fetched.release()
    }
  }

  async #readFile(session: WatchedSession, path: string): Promise<void> {
    let reading: SessionReading | undefined
    try {
      reading = this.#begin(session, path)
    } catch (cause) {
      return this.#giveUp(session.id, cause)
    }
    if (reading === undefined) return
    let step: Step | undefined
    try {
      // Others get their turn in between.
      for (let isEnd = false; !isEnd && this.#backlog.has(session.id); ) {
        step = await this.#read(reading, true)
        isEnd = step === undefined || step.isEnd
        if (!isEnd) await this.#turnOfOpen()
      }
    } finally {
      leave(reading, step)
    }
  }

  async #turnOfOpen(): Promise<void> {
    await new Promise(resolve => setImmediate(resolve)) // for messages
    this.#admit()
    for (const reading of this.#open.values()) {
      if (this.#open.get(reading.session.id) === reading) await this.#stepOf(reading)
    }
  }
}

/** Observers keep nothing of what was not read to its end. */
function leave(reading: SessionReading, last: Step | undefined): void {
  if (last?.isEnd === true) reading.close()
  else reading.drop()
}

/** The one that was idle for longest, if it was for long enough. */
function idleOf(readings: readonly SessionReading[]): SessionReading | undefined {
  const [first] = byIdleness(readings)
  return first !== undefined && idleMs(first) >= idleBeforeMs ? first : undefined
}

function byIdleness(readings: readonly SessionReading[]): readonly SessionReading[] {
  return readings.toSorted((a, b) => a.lastActiveMs - b.lastActiveMs)
}

function idleMs({ lastActiveMs }: SessionReading): number {
  return performance.now() - lastActiveMs
}
