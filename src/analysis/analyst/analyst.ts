/**
 * The analyst as the gateway holds it: a thread that is told of sessions and answers with what it learned. The gateway waits for it only
 * where somebody asks for something to be gone; a thread that dies is started again, and goes on from the index.
 */
import { Worker } from 'node:worker_threads'
import { Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { SessionRow } from '../../model.ts'
import type { ContentKeys } from '../../recorder/encryption/content-keys.ts'
import { forgetKeys, type SealedReading } from '../../recorder/encryption/sealed-reading.ts'
import type { FetchedRecording } from '../../recorder/storage/recording-store.ts'
import type { SessionStore } from '../../store/store.ts'
import type { AnalystOptions, FromAnalyst, Lag, ToAnalyst } from './messages.ts'
import { interrupted } from './sealed-findings.ts'
import type { AnalystBatch, WatchedSession } from './session-observer.ts'

/** Of the thread's heap: the catalogue, results that are waited for, and room to spare. Terminals lie outside of it. */
const maxHeapMegabytes = 1024
/** What is read is garbage soon: a small nursery is emptied often, before what lies outside of the heap piles up. */
const maxYoungMegabytes = 8
/** Pause before a thread is started again: doubled each time, until it ran for long enough. */
const firstPauseMs = 1000
const maxPauseMs = 60_000
const ranLongMs = 300_000
/** Sessions that are told at a time. */
const pageRows = 500
/** More than a gateway carries. */
const maxOpenSessions = 10_000
/** The seal of an encrypted recording waits so long until it was read. */
const finishMs = 1000
/** It tells every second how far it is behind. */
const silentAfterMs = 5000
/** The thread reads the disk and removes: not longer. */
const stopMs = 10_000

export type AnalystParts = AnalystOptions & {
  /** Those that are open, and those whose recordings were not removed. */
  readonly sessions: Pick<SessionStore, 'list' | 'retained'>
  readonly fetch: (recording: string) => Promise<FetchedRecording>
  /** What was learned, a batch of one session at a time; the thread waits for it at a session's end. */
  readonly onBatch: (batch: AnalystBatch) => Promise<void> | void
  /** Hears of each recording that it could not read, or not all of. */
  readonly onUnread?: (session: string, problem: string) => void
  readonly log: Log
}

export class Analyst {
  readonly #parts: AnalystParts
  readonly #asked = new Map<number, { resolve: () => void; reject: (cause: Error) => void }>()
  readonly #fetched = new Map<string, FetchedRecording>()
  /** Of encrypted recordings that are being written: a thread that is started again goes on with them. */
  readonly #keys = new Map<string, ContentKeys>()
  #worker: Worker | undefined
  #lastId = 0
  #pauseMs = firstPauseMs
  #startedMs = 0
  #restart: NodeJS.Timeout | undefined
  #isStopped = false
  #behind = 0
  #lag: Lag = { bytes: 0, waitedMs: 0 }
  /** When it was told last. */
  #toldMs: number | undefined
  #isTelling = false
  #idle: (() => void)[] = []
  #telling: Promise<void> = Promise.resolve()

  constructor(parts: AnalystParts) {
    this.#parts = parts
  }

  /** Sessions that are over and wait to be read; all that there are until they were told. */
  get behind(): number {
    return this.#behind
  }

  /** A thread that says nothing falls behind. */
  get lag(): Lag {
    const { bytes, waitedMs } = this.#lag
    const silentMs = this.#toldMs === undefined ? 0 : performance.now() - this.#toldMs
    return { bytes, waitedMs: silentMs > silentAfterMs ? waitedMs + silentMs : waitedMs }
  }

  start(): void {
    this.#toldMs = performance.now()
    this.#run(false)
  }

  opened(row: SessionRow): void {
    void this.#ask({ kind: 'sessions', sessions: [{ session: watchedOf(row), isOver: false }] }).catch(
      () => {},
    ) // told again with all others
  }

  over(session: string): void {
    this.#tell({ kind: 'over', session })
  }

  /** Encrypted recordings are read while they are written, and before their seal. */
  readonly reading: SealedReading = {
    opened: (session, keys) => {
      if (this.#keys.has(session)) return forgetKeys(keys)
      this.#keys.set(session, keys)
      this.#tell({ kind: 'keys', session, keys })
    },
    ended: session => this.#finish(session),
  }

  /** Removes what was learned of a session. Resolves when nothing of it is left in the index; rejects if that failed. */
  forget(session: string): Promise<void> {
    return this.#ask({ kind: 'forget', session })
  }

  /** Throws the index away and reads all recordings again. Resolves when it has begun. */
  async reindex(): Promise<void> {
    await this.#telling
    await this.#ask({ kind: 'anew' })
    this.#tellAll()
  }

  /** Resolves when all sessions that are over have been read. */
  async settled(): Promise<void> {
    await this.#telling
    while (this.#behind > 0 && !this.#isStopped) await new Promise<void>(resolve => this.#idle.push(resolve))
  }

  /** What is being read is read again by the next one. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#restart)
    const worker = this.#worker
    for (const resolve of this.#idle.splice(0)) resolve()
    if (worker === undefined) return
    const left = new Promise(resolve => worker.once('exit', resolve))
    this.#tell({ kind: 'stop' })
    const timer = setTimeout(() => void worker.terminate(), stopMs)
    await left
    clearTimeout(timer)
  }

  /** What was not read in time is not read. */
  async #finish(session: string): Promise<void> {
    const keys = this.#keys.get(session)
    if (keys === undefined) return
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, finishMs)
    const asked = this.#ask({ kind: 'finish', session }).catch(() => this.#missed(session))
    await Promise.race([late, asked])
    clearTimeout(timer)
    this.#keys.delete(session)
    forgetKeys(keys)
    this.#tell({ kind: 'forget-keys', session })
  }

  /** The thread was not there when an encrypted recording could be read for the last time. */
  #missed(session: string): void {
    if (!this.#isStopped) this.#parts.onUnread?.(session, interrupted)
  }

  #run(afterCrash: boolean): void {
    const { dataFolder, recordingsFolder, rulesFolder, sigmaFolder, observing, maxTerminals } = this.#parts
    const workerData: AnalystOptions = {
      dataFolder,
      recordingsFolder,
      ...(rulesFolder === undefined ? {} : { rulesFolder }),
      ...(sigmaFolder === undefined ? {} : { sigmaFolder }),
      ...(observing === undefined ? {} : { observing }),
      ...(maxTerminals === undefined ? {} : { maxTerminals }),
      afterCrash,
    }
    const worker = new Worker(new URL('analyst-worker.ts', import.meta.url), {
      name: 'analyst',
      workerData,
      resourceLimits: {
        maxOldGenerationSizeMb: maxHeapMegabytes,
        maxYoungGenerationSizeMb: maxYoungMegabytes,
      },
    })
    this.#worker = worker
    this.#startedMs = performance.now()
    worker.on('message', (message: FromAnalyst) => this.#take(message))
    worker.on('error', cause => this.#lose(worker, cause))
    worker.on('exit', () => this.#lose(worker, new Error('the thread has ended')))
    for (const [session, keys] of this.#keys) this.#tell({ kind: 'keys', session, keys })
    this.#tellAll()
  }

  #lose(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#asked.values()) reject(new Error(reasonOf(cause)))
    this.#asked.clear()
    for (const { release } of this.#fetched.values()) release()
    this.#fetched.clear()
    if (this.#isStopped) return
    this.#parts.log.error({ cause: reasonOf(cause) }, 'the analyst has failed; it is started again')
    if (performance.now() - this.#startedMs > ranLongMs) this.#pauseMs = firstPauseMs
    const isOfMemory = (cause as { code?: unknown }).code === 'ERR_WORKER_OUT_OF_MEMORY'
    this.#restart = setTimeout(() => this.#run(isOfMemory), this.#pauseMs).unref()
    this.#pauseMs = Math.min(this.#pauseMs * 2, maxPauseMs)
  }

  #take(message: FromAnalyst): void {
    switch (message.kind) {
      case 'done':
        return this.#answered(message.id, message.problem)
      case 'batch':
        void this.#takeBatch(message.number, message.batch)
        return
      case 'fetch':
        void this.#fetch(message.session, message.recording)
        return
      case 'release':
        this.#fetched.get(message.session)?.release()
        this.#fetched.delete(message.session)
        return
      case 'trouble':
        this.#parts.log.warn({ session: message.session, cause: message.text }, 'analysis')
        if (message.session !== undefined) this.#parts.onUnread?.(message.session, message.text)
        return
      case 'lag':
        this.#lag = message.lag
        this.#toldMs = performance.now()
        return
      case 'behind':
        this.#behind = message.sessions
        if (this.#behind === 0 && !this.#isTelling) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }

  #answered(id: number, problem: string | undefined): void {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (problem === undefined) asked?.resolve()
    else asked?.reject(new Error(problem))
  }

  async #takeBatch(number: number, batch: AnalystBatch): Promise<void> {
    try {
      await this.#parts.onBatch(batch)
    } catch (cause) {
      this.#parts.log.error(
        { session: batch.session, cause: reasonOf(cause) },
        'what was learned of a session was not taken',
      )
    }
    this.#tell({ kind: 'taken', batch: number })
  }

  /** For the thread that asked: one that came after it asks by itself. */
  async #fetch(session: string, recording: string): Promise<void> {
    const worker = this.#worker
    try {
      const fetched = await this.#parts.fetch(recording)
      if (this.#worker !== worker) return fetched.release()
      this.#fetched.set(session, fetched)
      this.#tell({ kind: 'fetched', session, path: fetched.path })
    } catch (cause) {
      if (this.#worker !== worker) return
      const problem = cause instanceof Fault ? cause.userText : reasonOf(cause)
      this.#tell({ kind: 'fetched', session, problem })
      // A bucket that does not answer says nothing of what is in it.
      const isNowhere = cause instanceof Fault && cause.code === 'RECORDING_NOT_FOUND'
      if (isNowhere) this.#parts.onUnread?.(session, problem)
    }
  }

  /** All sessions: the thread knows which of them it has read. */
  #tellAll(): void {
    const worker = this.#worker
    this.#isTelling = true
    this.#telling = this.#tellPages(worker)
      .catch((cause: unknown) => {
        if (!this.#isStopped)
          this.#parts.log.error({ cause: reasonOf(cause) }, 'the analyst was not told of all sessions')
      })
      .finally(() => (this.#isTelling = false))
  }

  /** The oldest first: what is usual is learned in order of time. */
  async #tellPages(worker: Worker | undefined): Promise<void> {
    const isCurrent = (): boolean => this.#worker === worker && !this.#isStopped
    const open = await this.#parts.sessions.list({ limit: maxOpenSessions, state: 'open' })
    if (isCurrent()) await this.#tellSessions(open)
    for (let after: SessionRow | undefined; isCurrent(); ) {
      const rows = await this.#parts.sessions.retained({ limit: pageRows, after: endOf(after) })
      if (isCurrent()) await this.#tellSessions(rows)
      after = rows.at(-1)
      if (rows.length < pageRows) return
    }
  }

  #tellSessions(rows: readonly SessionRow[]): Promise<void> {
    const sessions = rows.map(row => ({ session: watchedOf(row), isOver: row.state !== 'open' }))
    return this.#ask({ kind: 'sessions', sessions })
  }

  #ask(message: DistributiveOmit<Extract<ToAnalyst, { id: number }>, 'id'>): Promise<void> {
    if (this.#worker === undefined) return Promise.reject(new Error('the analyst is not running'))
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#asked.set(id, { resolve, reject })
    this.#tell({ ...message, id })
    return promise
  }

  #tell(message: ToAnalyst): void {
    this.#worker?.postMessage(message, [])
  }
}

type DistributiveOmit<T, Key extends PropertyKey> = T extends unknown ? Omit<T, Key> : never

function endOf(row: SessionRow | undefined): { endedAtMs: number; id: string } | undefined {
  return row?.endedAtMs === undefined ? undefined : { endedAtMs: row.endedAtMs, id: row.id }
}

function watchedOf(row: SessionRow): WatchedSession {
  const {
    id,
    protocol,
    issuer,
    subject,
    principalName,
    target,
    login,
    role,
    sourceAddress,
    openedAtMs,
    recording,
  } = row
  const labels = row.labels ?? {}
  return {
    id,
    protocol,
    issuer,
    subject,
    principal: principalName,
    target,
    login,
    role,
    sourceAddress,
    openedAtMs,
    recording,
    labels,
  }
}
