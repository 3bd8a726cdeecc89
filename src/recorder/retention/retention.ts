/** Retention in a running gateway: on a timer and on request, one thing after the other, so that no hold comes in between. */
import type { RetentionRule } from '../../config/config.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { HoldRow, PurgeRow, SessionRow } from '../../model.ts'
import {
  holdsOn,
  isInForce,
  judgeRequest,
  judgeRetention,
  ruleText,
  type Verdict,
} from '../../policy/retention.ts'
import type { KeyOwner, Store } from '../../store/store.ts'
import type { RecordingStore } from '../storage/recording-store.ts'
import { type ForgetWish, type Forgotten, forgetPerson } from './forget.ts'
import {
  type HoldWish,
  type PersonWish,
  placeHolds,
  type ReleaseWish,
  releaseHolds,
  resolvePerson,
} from './holds.ts'
import { type Due, type Purged, Purger, type PurgeParts } from './purge.ts'
import {
  batchSessions,
  isFresh,
  judgeAt,
  maxListed,
  type Place,
  PlanBuilder,
  type RetentionPlan,
  survey,
} from './survey.ts'
import { type KeptView, viewOf } from './view.ts'

export type { ForgetWish, Forgotten } from './forget.ts'
export type { HoldWish, PersonWish, ReleaseWish } from './holds.ts'
export type { PurgeStep } from './purge.ts'
export type { RetentionPlan } from './survey.ts'
export type { KeptView } from './view.ts'

/** Ages are days; an hour more does not matter. */
const runEveryMs = 3_600_000
/** A gateway that has just started has more urgent things to do. */
const firstRunMs = 60_000
/** A wall's clock that has moved so much further than the one that only runs was set, and may be wrong. */
const clockJumpMs = 86_400_000

export type RetentionParts = Omit<PurgeParts, 'store' | 'storage'> & {
  readonly store: Pick<Store, 'sessions' | 'purges' | 'holds'>
  readonly storage: Pick<RecordingStore, 'remove' | 'mayRemove' | 'hold'>
  /** The rules in force now; a reload changes what it returns. */
  readonly rules: () => readonly RetentionRule[]
  /** Removes what was derived of a person who asked for it. */
  readonly forgetDerived?: (person: KeyOwner) => Promise<void>
  readonly log: Log
  /** Shorter in tests. */
  readonly timing?: RetentionTiming
}

export type RetentionTiming = { readonly firstRunMs: number; readonly runEveryMs: number }

export type RetentionRun = {
  readonly purgedCount: number
  readonly bytes: number
  readonly purged: readonly string[]
  /** Decided, and still there. */
  readonly pending: readonly Unremoved[]
  /** The storage keeps them. */
  readonly refused: readonly Unremoved[]
}

export type Unremoved = { readonly session: string; readonly problem: string }

export type ListedHold = HoldRow & { readonly inForce: boolean }

export class Retention {
  readonly #parts: RetentionParts
  readonly #purger: Purger
  readonly #startedMs: number
  readonly #startedUs: number
  #last: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  /** Holds of persons cover sessions that end later: the storage has heard of those that ended before. */
  #heldUpToMs = 0

  constructor(parts: RetentionParts) {
    this.#parts = parts
    this.#purger = new Purger(parts)
    this.#startedMs = parts.clock.nowMs()
    this.#startedUs = parts.clock.monotonicUs()
  }

  /** Goes on with what a crash left, before any hold can be placed; from then on runs on a timer. */
  start(): void {
    this.#runAfter(this.#parts.timing?.firstRunMs ?? firstRunMs)
    this.#inTurn(() => this.#resume('start of the gateway')).catch((cause: unknown) => this.#failed(cause))
  }

  /** Waits for what is being removed. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#last.catch(() => {}) // whoever asked for it was told
  }

  /** What a run would do now. */
  plan(): Promise<RetentionPlan> {
    return this.#inTurn(async () => {
      const { store, clock, rules } = this.#parts
      const nowMs = clock.nowMs()
      const builder = new PlanBuilder(rules(), ruleText)
      const judge = judgeAt(rules(), await store.holds.unreleased(), nowMs)
      for await (const surveyed of survey(store.sessions, judge)) builder.add(surveyed)
      const left = await store.purges.pending(maxListed)
      const pending = left.map(({ session, problem = 'not finished yet' }) => ({ session, problem }))
      return builder.plan(nowMs, pending)
    })
  }

  /** Removes all that is due. A hold that is asked for meanwhile waits for a batch, not for the whole. */
  async run(by: string): Promise<RetentionRun> {
    const done = [...(await this.#inTurn(() => this.#resume(by)))]
    let place: Place | undefined
    do {
      const from = place
      const batch = await this.#inTurn(() => this.#runBatch(from, by))
      done.push(...batch.done)
      place = batch.place
    } while (place !== undefined && !this.#isStopped)
    return runOf(done)
  }

  hold(wish: HoldWish, by: string): Promise<readonly HoldRow[]> {
    return this.#inTurn(async () => {
      const placed = await placeHolds(wish, by, this.#parts)
      await this.#holdInStorage(placed, 0)
      return placed
    })
  }

  release(wish: ReleaseWish, by: string): Promise<readonly HoldRow[]> {
    return this.#inTurn(() =>
      releaseHolds(wish, by, this.#parts, (released, left) => this.#letGoInStorage(released, left)),
    )
  }

  /** Those that nobody released; some are over by themselves. */
  async holds(): Promise<readonly ListedHold[]> {
    const nowMs = this.#parts.clock.nowMs()
    const rows = await this.#parts.store.holds.unreleased()
    return rows.map(row => ({ ...row, inForce: isInForce(row, nowMs) }))
  }

  /** Removes what was recorded of a person, as far as holds and minimum ages let it. */
  async forget(person: PersonWish, wish: ForgetWish): Promise<Forgotten> {
    const found = await resolvePerson(person, this.#parts)
    return this.#inTurn(async () => {
      const holds = await this.#parts.store.holds.unreleased()
      const parts = { ...this.#parts, purger: this.#purger, rules: this.#parts.rules(), holds }
      return await forgetPerson(found, wish, parts)
    })
  }

  /** For pages, which ask for many at once; in the order of the sessions. */
  async viewsOf(sessions: readonly SessionRow[]): Promise<readonly KeptView[]> {
    const { store, clock, rules } = this.#parts
    const holds = await store.holds.unreleased()
    const purges = await Promise.all(sessions.map(({ id }) => store.purges.get(id)))
    const about = { rules: rules(), holds, nowMs: clock.nowMs() }
    return sessions.map((session, at) => viewOf(session, { ...about, purge: purges[at] }))
  }

  async #resume(by: string): Promise<readonly Purged[]> {
    const { store, clock, rules } = this.#parts
    const holds = await store.holds.unreleased()
    const nowMs = clock.nowMs()
    const judge = (row: PurgeRow, session: SessionRow): Verdict =>
      (row.cause === 'policy' ? judgeRetention : judgeRequest)(rules(), holds, session, nowMs)
    return await this.#purger.resume(judge, by)
  }

  /** The next sessions that are due: judged and removed with nothing in between. Without a place there are no more. */
  async #runBatch(
    from: Place | undefined,
    by: string,
  ): Promise<{ readonly done: readonly Purged[]; readonly place: Place | undefined }> {
    const { store, clock, rules } = this.#parts
    const nowMs = clock.nowMs()
    const judge = judgeAt(rules(), await store.holds.unreleased(), nowMs)
    const due: Due[] = []
    let place: Place | undefined
    for await (const { session, verdict } of survey(store.sessions, judge, from)) {
      if (verdict.kind !== 'due' || isFresh(session, nowMs)) continue
      if ((await store.purges.get(session.id)) !== undefined) continue // told of when it was resumed
      due.push({ session, cause: 'policy', rule: verdict.rule === undefined ? '' : ruleText(verdict.rule) })
      if (due.length < batchSessions) continue
      place = { endedAtMs: session.endedAtMs ?? 0, id: session.id }
      break
    }
    return { done: await this.#purger.purge(due, by), place }
  }

  /** The gateway's own hold is in force already: a bucket that is away gets its own later. */
  async #holdInStorage(holds: readonly HoldRow[], endedAfterMs: number): Promise<void> {
    const { store, storage, clock, log } = this.#parts
    const nowMs = clock.nowMs()
    try {
      const from = { endedAtMs: endedAfterMs, id: '' }
      for await (const { session } of survey(store.sessions, () => ({ kind: 'open' }), from))
        if (holdsOn(holds, session, nowMs).length > 0) await storage.hold(session.recording, true)
    } catch (cause) {
      this.#heldUpToMs = Math.min(this.#heldUpToMs, endedAfterMs)
      log.error({ reason: reasonOf(cause) }, 'a hold could not be set in the storage of recordings yet')
    }
  }

  async #letGoInStorage(released: readonly HoldRow[], left: readonly HoldRow[]): Promise<void> {
    const { store, storage, clock } = this.#parts
    const nowMs = clock.nowMs()
    for await (const { session } of survey(store.sessions, () => ({ kind: 'open' })))
      if (isOf(released, session) && holdsOn(left, session, nowMs).length === 0)
        await storage.hold(session.recording, false)
  }

  #runAfter(ms: number): void {
    if (this.#isStopped) return
    this.#timer = setTimeout(() => {
      void this.#runByTimer().finally(() => this.#runAfter(this.#parts.timing?.runEveryMs ?? runEveryMs))
    }, ms).unref()
  }

  async #runByTimer(): Promise<void> {
    const { clock, log, store } = this.#parts
    const jumpedMs = clock.nowMs() - this.#startedMs - (clock.monotonicUs() - this.#startedUs) / 1000
    if (jumpedMs > clockJumpMs)
      return log.error(
        { jumpedMs },
        'the clock was set far ahead, so nothing is removed by age: restart to go on',
      )
    try {
      const from = this.#heldUpToMs
      this.#heldUpToMs = clock.nowMs()
      const holds = await store.holds.unreleased()
      await this.#inTurn(() => this.#holdInStorage(holds, from))
      const { purgedCount, bytes, pending } = await this.run('timer')
      if (purgedCount + pending.length > 0)
        log.info({ purged: purgedCount, bytes, pending: pending.length }, 'recordings were removed by policy')
    } catch (cause) {
      this.#failed(cause)
    }
  }

  #failed(cause: unknown): void {
    this.#parts.log.error({ reason: reasonOf(cause) }, 'retention failed; it is tried again')
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.catch(() => {}).then(work)
    this.#last = mine
    return mine
  }
}

/** Some may be over by themselves, so what they are on is asked without their time. */
function isOf(holds: readonly HoldRow[], session: SessionRow): boolean {
  const unending = holds.map(hold => ({ ...hold, releasedAtMs: undefined, untilMs: undefined }))
  return holdsOn(unending, session, 0).length > 0
}

function runOf(done: readonly Purged[]): RetentionRun {
  const purged = done.filter(one => one.kind === 'purged')
  return {
    purgedCount: purged.length,
    bytes: purged.reduce((sum, { bytes }) => sum + bytes, 0),
    purged: purged.slice(0, maxListed).map(({ session }) => session),
    pending: unremoved(done, 'pending'),
    refused: unremoved(done, 'refused'),
  }
}

function unremoved(done: readonly Purged[], kind: 'pending' | 'refused'): readonly Unremoved[] {
  const found = done.flatMap(one =>
    one.kind === kind ? [{ session: one.session, problem: one.problem }] : [],
  )
  return found.slice(0, maxListed)
}
