/** Removes what was recorded of one person because they asked for it, and says what remains and why. */
import type { RetentionRule } from '../../config/config.ts'
import type { HoldRow, SessionRow } from '../../model.ts'
import { holdsOn, judgeRequest, ruleText, type Verdict } from '../../policy/retention.ts'
import type { KeyOwner } from '../../store/store.ts'
import type { Due, Purged, Purger, PurgeParts } from './purge.ts'
import { batchSessions, holdsText, isFresh } from './survey.ts'

export type ForgetWish = {
  /** The reason, which the tombstones and the audit log have; so it should name nobody. */
  readonly why: string
  readonly by: string
  readonly dryRun: boolean
}

export type Remaining = { readonly session: string; readonly why: string; readonly untilMs?: number }

export type Forgotten = KeyOwner & {
  readonly dryRun: boolean
  /** Recordings that were removed now, or would be. */
  readonly removed: number
  /** Rows that do not name the person any more, those of recordings that were removed earlier among them. */
  readonly rowsCleared: number
  readonly remains: readonly Remaining[]
  /** In sentences: what else there is. */
  readonly notes: readonly string[]
}

type ForgetParts = PurgeParts & {
  /** Removes what was derived of the person: findings, and what is usual for them. */
  readonly forgetDerived?: (person: KeyOwner) => Promise<void>
  readonly purger: Purger
  readonly rules: readonly RetentionRule[]
  readonly holds: readonly HoldRow[]
}

const notes = [
  'The audit log names the person where they signed in, opened sessions or were refused: its lines are one chain, and stay.',
  'Enrolled keys and browser sign-ins go when they expire, or on the page for keys.',
  'Recordings of others, exports and backups are not searched.',
]

export async function forgetPerson(
  person: KeyOwner,
  wish: ForgetWish,
  parts: ForgetParts,
): Promise<Forgotten> {
  const { due, remains } = await judgePerson(person, wish, parts)
  const { dryRun, why, by } = wish
  if (dryRun) return { ...person, dryRun, removed: due.length, rowsCleared: 0, remains, notes }
  const done: Purged[] = []
  for (let at = 0; at < due.length; at += batchSessions)
    done.push(...(await parts.purger.purge(due.slice(at, at + batchSessions), by)))
  for (const one of done) if (one.kind !== 'purged') remains.push({ session: one.session, why: one.problem })
  const removed = done.filter(one => one.kind === 'purged').length
  parts.audit.append({ kind: 'person-forgotten', ...person, why, by, removed, remain: remains.length })
  const isKept = isHeld(person, parts)
  const rowsCleared = isKept ? 0 : await parts.store.purges.forgetPerson(person)
  if (!isKept) await parts.forgetDerived?.(person)
  return { ...person, dryRun, removed, rowsCleared, remains, notes }
}

/** Who is on hold keeps their rows too: they say which sessions there were. */
function isHeld({ issuer, subject }: KeyOwner, { holds, clock }: ForgetParts): boolean {
  return holdsOn(holds, { id: '', issuer, subject }, clock.nowMs()).length > 0
}

async function judgePerson(
  person: KeyOwner,
  { why }: ForgetWish,
  parts: ForgetParts,
): Promise<{ due: Due[]; remains: Remaining[] }> {
  const nowMs = parts.clock.nowMs()
  const due: Due[] = []
  const remains: Remaining[] = []
  for await (const session of sessionsOf(person, parts)) {
    const purge = await parts.store.purges.get(session.id)
    if (purge?.finishedAtMs !== undefined) continue
    const verdict = judgeRequest(parts.rules, parts.holds, session, nowMs)
    if (verdict.kind !== 'due') remains.push({ session: session.id, ...remainsOf(verdict) })
    else if (isFresh(session, nowMs))
      remains.push({ session: session.id, why: 'it has just ended: ask again in a minute' })
    else if (purge === undefined) due.push({ session, cause: 'request', rule: why })
    else remains.push({ session: session.id, why: purge.problem ?? 'it is being removed' })
  }
  return { due, remains }
}

async function* sessionsOf(
  { issuer, subject }: KeyOwner,
  { store }: ForgetParts,
): AsyncGenerator<SessionRow> {
  for (let before: SessionRow | undefined; ; ) {
    const subjectKey = `${issuer}\n${subject}`
    const rows = await store.sessions.list({ limit: batchSessions, subjectKey, before })
    yield* rows
    before = rows.at(-1)
    if (rows.length < batchSessions) return
  }
}

function remainsOf(verdict: Exclude<Verdict, { kind: 'due' }>): Omit<Remaining, 'session'> {
  if (verdict.kind === 'open') return { why: 'it is still open' }
  if (verdict.kind === 'held') return { why: holdsText(verdict.by) }
  const { untilMs, rule } = verdict
  const why = rule === undefined ? 'it is kept' : `kept at least that long by ${ruleText(rule)}`
  return untilMs === undefined ? { why } : { why, untilMs }
}
