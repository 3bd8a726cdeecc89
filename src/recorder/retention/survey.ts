/** Looks at every session that has ended: what policy says of it now. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RetentionRule } from '../../config/config.ts'
import type { HoldRow, SessionRow } from '../../model.ts'
import { judgeRetention, scheduleOf, type Verdict } from '../../policy/retention.ts'
import type { SessionStore } from '../../store/store.ts'

/** Sessions whose tombstones share a checkpoint, and for which a hold that is asked for has to wait. */
export const batchSessions = 100
/** Sessions of each kind that an answer lists; counts are whole. */
export const maxListed = 500
/** Rows at a time; live sessions get a turn between two. */
const rowsAtOnce = 500

export type Surveyed = { readonly session: SessionRow; readonly verdict: Verdict }

/** Proofs and the index of a session that has just ended are still being written. */
const quietMs = 60_000

export function isFresh({ endedAtMs = Infinity }: SessionRow, nowMs: number): boolean {
  return nowMs < endedAtMs + quietMs
}

/** The last row that was looked at: where to go on. */
export type Place = { readonly endedAtMs: number; readonly id: string }

export async function* survey(
  sessions: Pick<SessionStore, 'retained'>,
  judge: (session: SessionRow) => Verdict,
  from?: Place,
): AsyncGenerator<Surveyed> {
  for (let after = from; ; ) {
    const rows = await sessions.retained({ limit: rowsAtOnce, after })
    for (const session of rows) yield { session, verdict: judge(session) }
    const last = rows.at(-1)
    if (last?.endedAtMs === undefined || rows.length < rowsAtOnce) return
    after = { endedAtMs: last.endedAtMs, id: last.id }
    await nextTurn()
  }
}

/** What a run would do now. Lists are cut, counts are whole. */
export type RetentionPlan = {
  readonly at: string
  readonly due: readonly PlannedSession[]
  readonly dueCount: number
  readonly held: readonly PlannedSession[]
  readonly heldCount: number
  /** Kept by a rule, and by none. */
  readonly keptCount: number
  readonly unlimitedCount: number
  /** When the next of those that are kept is due. */
  readonly nextAt: string | undefined
  /** Of each rule, how many sessions it sets the minimum or the maximum for. */
  readonly rules: readonly { readonly rule: string; readonly sessions: number }[]
  /** Decided earlier, and still there. */
  readonly pending: readonly { readonly session: string; readonly problem: string }[]
}

export type PlannedSession = {
  readonly session: string
  readonly person: string
  readonly where: string
  readonly endedAt: string
  /** The rule, or the holds. */
  readonly why: string
}

export class PlanBuilder {
  readonly #rules: readonly RetentionRule[]
  readonly #text: (rule: RetentionRule) => string
  readonly #bound = new Map<RetentionRule, number>()
  readonly #due: PlannedSession[] = []
  readonly #held: PlannedSession[] = []
  #counts = { due: 0, held: 0, kept: 0, unlimited: 0 }
  #nextMs = Infinity

  constructor(rules: readonly RetentionRule[], text: (rule: RetentionRule) => string) {
    this.#rules = rules
    this.#text = text
  }

  add({ session, verdict }: Surveyed): void {
    this.#count(session)
    if (verdict.kind === 'due') {
      this.#counts.due += 1
      const why = verdict.rule === undefined ? '' : this.#text(verdict.rule)
      if (this.#due.length < maxListed) this.#due.push(planned(session, why))
    } else if (verdict.kind === 'held') {
      this.#counts.held += 1
      if (this.#held.length < maxListed) this.#held.push(planned(session, holdsText(verdict.by)))
    } else if (verdict.kind === 'kept') {
      this.#counts[verdict.untilMs === undefined ? 'unlimited' : 'kept'] += 1
      this.#nextMs = Math.min(this.#nextMs, verdict.untilMs ?? Infinity)
    }
  }

  plan(nowMs: number, pending: RetentionPlan['pending']): RetentionPlan {
    return {
      at: new Date(nowMs).toISOString(),
      due: this.#due,
      dueCount: this.#counts.due,
      held: this.#held,
      heldCount: this.#counts.held,
      keptCount: this.#counts.kept,
      unlimitedCount: this.#counts.unlimited,
      nextAt: this.#nextMs === Infinity ? undefined : new Date(this.#nextMs).toISOString(),
      rules: this.#rules.map(rule => ({ rule: this.#text(rule), sessions: this.#bound.get(rule) ?? 0 })),
      pending,
    }
  }

  #count(session: SessionRow): void {
    const schedule = scheduleOf(this.#rules, session)
    for (const rule of new Set([schedule?.minRule, schedule?.maxRule]))
      if (rule !== undefined) this.#bound.set(rule, (this.#bound.get(rule) ?? 0) + 1)
  }
}

/** Judges by what holds at one instant. */
export function judgeAt(
  rules: readonly RetentionRule[],
  holds: readonly HoldRow[],
  nowMs: number,
): (session: SessionRow) => Verdict {
  return session => judgeRetention(rules, holds, session, nowMs)
}

export function holdsText(holds: readonly HoldRow[]): string {
  return `held by ${holds.map(({ id, caseName }) => (caseName === undefined ? id : `${id} (${caseName})`)).join(', ')}`
}

function planned(session: SessionRow, why: string): PlannedSession {
  return {
    session: session.id,
    person: session.principalName,
    where: `${session.login}@${session.target}`,
    endedAt: new Date(session.endedAtMs ?? 0).toISOString(),
    why,
  }
}
