/** Puts the desk together. */
import type { Principal } from '../../identity/principal.ts'
import type { FindingState } from '../../model.ts'
import type { Answer, Asker, FindingCounts, FindingDesk, FindingInFull } from './desk.ts'
import { Changes } from './desk-changes.ts'
import { Decisions } from './desk-decisions.ts'
import { contest, ownRecord } from './desk-own.ts'
import { type DeskParts, isApprover, isConcerned, maySee, noFinding, seenBy } from './desk-parts.ts'
import { SuppressionDesk } from './desk-suppressions.ts'
import { UnmaskingDesk } from './desk-unmaskings.ts'
import { inFull, listFindings, summaries } from './desk-views.ts'
import { Intake } from './intake.ts'

export function openFindingDesk(parts: DeskParts): FindingDesk {
  const changes = new Changes(parts)
  const decisions = new Decisions(parts, changes)
  const suppressions = new SuppressionDesk(parts, changes)
  const unmaskings = new UnmaskingDesk(parts, changes)
  const intake = new Intake(parts)
  return {
    list: (filter, asker) => listFindings(parts, filter, asker),
    counts: asker => counts(parts, asker),
    get: (id, asker) => get(parts, id, asker),
    acknowledge: (id, asker) => decisions.acknowledge(id, asker),
    assign: (id, to, asker) => decisions.assign(id, to, asker),
    close: (id, closing, asker) => decisions.close(id, closing, asker),
    verdict: (id, verdict, asker) => decisions.verdict(id, verdict, asker),
    reopen: (id, rationale, asker) => decisions.reopen(id, rationale, asker),
    suppress: (id, wish, asker) => suppressions.suppress(id, wish, asker),
    lift: (id, rationale, asker) => suppressions.lift(id, rationale, asker),
    snooze: (id, untilMs, asker) => decisions.snooze(id, untilMs, asker),
    unmask: (id, wish, asker) => unmaskings.ask(id, wish, asker),
    decideUnmask: (request, isApproved, asker) => unmaskings.decide(request, isApproved, asker),
    approvals: asker => approvals(parts, asker),
    ownRecord: (principal: Principal) => ownRecord(parts, principal),
    contest: (principal, wish) => contest(parts, principal, wish),
    ofSessions: (sessions, asker) => summaries(parts, sessions, asker),
    take: draft => intake.take(draft),
    sealed: session => intake.sealed(session),
  }
}

/** Whoever approves names sees findings that somebody asks about. */
async function get(parts: DeskParts, id: string, asker: Asker): Promise<Answer<FindingInFull>> {
  const row = await parts.store.get(id)
  if (row === undefined || isConcerned(row, asker)) return noFinding
  if (!maySee(parts, row, asker)) {
    const waiting = (await parts.store.unmaskingsOf(id)).some(one => one.decidedAtMs === undefined)
    if (!waiting || !isApprover(parts, asker) || row.place === 'shadow') return noFinding
  }
  return { ok: true, value: await inFull(parts, row, asker) }
}

/** Older requests are asked for again, or were not important. */
const approvalMs = 30 * 86_400_000
const maxApprovals = 100

async function approvals(parts: DeskParts, asker: Asker): Promise<readonly FindingInFull[]> {
  if (!isApprover(parts, asker) || parts.config().analysis.shadow) return []
  const asked = await parts.store.unmaskingsSince(parts.clock.nowMs() - approvalMs)
  const waiting = asked.filter(one => one.decidedAtMs === undefined).slice(0, maxApprovals)
  const found: FindingInFull[] = []
  for (const id of new Set(waiting.map(({ finding }) => finding))) {
    const one = await get(parts, id, asker)
    if (one.ok && one.value.unmaskings.some(({ mayApprove }) => mayApprove)) found.push(one.value)
  }
  return found
}

async function counts(parts: DeskParts, asker: Asker): Promise<FindingCounts> {
  if (parts.config().analysis.shadow) return { new: 0, acknowledged: 0, closed: 0, below: 0 }
  const seen = await seenBy(parts, asker)
  const awakeAtMs = parts.clock.nowMs()
  const of = (place: 'queue' | 'below', states: readonly FindingState[]): Promise<number> =>
    parts.store.count({ seen, states, places: [place], awakeAtMs })
  return {
    new: await of('queue', ['new']),
    acknowledged: await of('queue', ['acknowledged']),
    closed: await of('queue', ['closed']),
    below: await of('below', ['new', 'acknowledged']),
  }
}
