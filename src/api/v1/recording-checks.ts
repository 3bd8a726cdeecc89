/**
 * Recordings are checked in the background, one after the other, when somebody looks at their sessions; what was found is kept for as long
 * as the file is the one that was looked at.
 */
import type { Revocation } from '../../audit/revocation.ts'
import { Fault, reasonOf } from '../../errors.ts'
import type { CheckRow, SessionRow } from '../../model.ts'
import { fileStateOf } from '../../recorder/storage/file-state.ts'
import type { WebParts } from '../answers.ts'
import type { ApiDeps } from './deps.ts'
import { type RecordingCheck, ReadingThreads } from './replay/reading-thread.ts'

/** Sessions that wait to be checked. Others are when somebody looks at them again. */
const maxWaiting = 500
/** Sessions whose recordings could not be looked at, and how long that is believed. */
const maxFailed = 10_000
const failedForMs = 300_000
/** Whoever opens a session is told what was found within this time. Disks also change what nobody wrote to. */
const maxAgeMs = 3_600_000
/** So long a page waits for a check; it asks again. Who prints waits for all of it. */
export const pageWaitMs = 250
export const printWaitMs = 60_000

/** Keys that signatures are believed by, and the number of the key list that says so. */
export type Trust = {
  readonly number: number
  readonly keys: readonly string[]
  readonly revoked: readonly Revocation[]
}

type Parts = Pick<ApiDeps, 'reviews' | 'recordings' | 'recordingsFolder' | 'trust'> &
  Pick<WebParts, 'kept'> & {
    readonly clock: { nowMs(): number }
    readonly log: { warn(about: object, text: string): void }
  }

export class RecordingChecks {
  readonly #parts: Parts
  readonly #waiting = new Map<string, SessionRow>()
  /** Until when those are left alone that cannot be looked at: the bucket is away. */
  readonly #failedUntilMs = new Map<string, number>()
  readonly #threads = new ReadingThreads(1)
  #running: Promise<void> | undefined

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Of these, those that were checked as they are, with the keys of now. The others are checked soon. */
  async of(rows: readonly SessionRow[]): Promise<ReadonlyMap<string, CheckRow>> {
    const known = await this.#known(rows)
    const fresh = new Map<string, CheckRow>()
    for (const row of rows) {
      const check = known.get(row.id)
      if (row.state === 'open') continue
      if (check !== undefined && check.fileState === (await this.#stateOf(row))) fresh.set(row.id, check)
      else this.#wish(row)
    }
    return fresh
  }

  /** Of one that somebody opens: looked at within the last hour. Undefined where that takes longer than `waitMs`. */
  async now(row: SessionRow, waitMs: number): Promise<CheckRow | undefined> {
    const known = (await this.#known([row])).get(row.id)
    if (row.state === 'open') return undefined
    const isOfThisFile = known?.fileState === (await this.#stateOf(row))
    const isNew = known !== undefined && this.#parts.clock.nowMs() - known.checkedAtMs <= maxAgeMs
    if (isOfThisFile && isNew) return known
    this.#wish(row)
    await this.#untilChecked(row, waitMs)
    const found = (await this.#known([row])).get(row.id)
    return found !== undefined && found.fileState === (await this.#stateOf(row)) ? found : undefined
  }

  close(): void {
    this.#waiting.clear()
    this.#threads.close()
  }

  async #known(rows: readonly SessionRow[]): Promise<ReadonlyMap<string, CheckRow>> {
    const { number } = this.#parts.trust()
    const known = await this.#parts.reviews.checksOf(rows.map(({ id }) => id))
    return new Map(known.filter(one => one.keysNumber === number).map(check => [check.session, check]))
  }

  #stateOf({ recording }: SessionRow): Promise<string> {
    return fileStateOf(this.#parts.recordingsFolder, recording)
  }

  async #untilChecked({ id }: SessionRow, waitMs: number): Promise<void> {
    const untilMs = performance.now() + waitMs
    while (this.#waiting.has(id) && performance.now() < untilMs)
      await new Promise(resolve => setTimeout(resolve, 25))
  }

  #wish(row: SessionRow): void {
    const failedUntilMs = this.#failedUntilMs.get(row.id) ?? 0
    if (this.#waiting.size >= maxWaiting || this.#parts.clock.nowMs() < failedUntilMs) return
    this.#waiting.set(row.id, row)
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  async #run(): Promise<void> {
    for (const row of this.#waiting.values()) {
      try {
        await this.#check(row)
      } catch (cause) {
        this.#fail(row)
        this.#parts.log.warn({ session: row.id, cause: reasonOf(cause) }, 'a recording could not be checked')
      }
      this.#waiting.delete(row.id)
    }
  }

  #fail({ id }: SessionRow): void {
    if (this.#failedUntilMs.size >= maxFailed) this.#failedUntilMs.clear()
    this.#failedUntilMs.set(id, this.#parts.clock.nowMs() + failedForMs)
  }

  /** A file that changes while it is read is looked at again: its state is that of before. */
  async #check(row: SessionRow): Promise<void> {
    const { reviews, clock, trust } = this.#parts
    const { number: keysNumber } = trust()
    const fileState = await this.#stateOf(row)
    const found = (await this.#look(row)) ?? (await this.#gone(row))
    if (found === undefined) return
    const checkedAtMs = clock.nowMs()
    await reviews.noteCheck({
      session: row.id,
      keysNumber,
      checkedAtMs,
      fileState,
      ...sealedAsTold(row, found),
    })
  }

  /** Undefined: it is nowhere. */
  async #look({ recording }: SessionRow): Promise<RecordingCheck | undefined> {
    const { keys, revoked } = this.#parts.trust()
    try {
      const { path, release } = await this.#parts.recordings.fetch(recording)
      try {
        return await this.#threads.ask({ do: 'check', file: path, keys, revoked })
      } finally {
        release()
      }
    } catch (cause) {
      if (cause instanceof Fault && cause.code === 'RECORDING_NOT_FOUND') return undefined
      throw cause
    }
  }

  /** Nothing is wrong with one that was removed by a rule, or is being removed. */
  async #gone(row: SessionRow): Promise<RecordingCheck | undefined> {
    const [kept] = await this.#parts.kept([row])
    if (kept?.purged !== undefined || kept?.isBeingPurged === true) return undefined
    const problem = 'The recording is gone: no rule and no request removed it.'
    return { bytes: 0, sha256: '', isWhole: false, isSealed: false, isEncrypted: false, problem }
  }
}

/** A session ends for the list of sessions once its recording is sealed: what lost its seal since was cut. */
function sealedAsTold({ state }: SessionRow, found: RecordingCheck): RecordingCheck {
  if (state !== 'ended' || !found.isWhole || found.isSealed) return found
  return { ...found, isWhole: false, problem: 'The session ended, and the seal of its recording is gone.' }
}
