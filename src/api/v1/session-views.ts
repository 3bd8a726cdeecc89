/** Rows as the interface shows them. */
import type { IndexedSession } from '../../analysis/index/search-types.ts'
import type { CheckRow, SessionAssigneeRow, SessionRow } from '../../model.ts'
import type { KeptView } from '../../recorder/retention/view.ts'
import type { Integrity, SessionSummary } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import type { Asking } from './route.ts'

/** What is known of recordings: for a list what was found before, for a page what is found now. */
type Checked = Pick<ApiParts['checks'], 'of'>

export async function summariesOf(
  parts: ApiParts,
  rows: readonly SessionRow[],
  person: Asking,
  checked: Checked = parts.checks,
): Promise<readonly SessionSummary[]> {
  const ids = rows.map(row => row.id)
  const others = rows.filter(row => !isOwn(row, person)).map(row => row.id)
  const [kept, checks, verdicts, wishes, assignees, indexed, found] = await Promise.all([
    parts.kept(rows),
    checked.of(rows),
    parts.reviews.verdictsOf(ids),
    parts.reviews.reviewWishesOf(others),
    parts.reviews.assigneesOf(others),
    parts.index?.sessions(ids).catch(() => undefined), // a list without counts is a list
    parts.findings?.ofSessions(ids, { kind: 'person', principal: person.principal }),
  ])
  return rows.map((row, at) => ({
    ...summaryOf(row, kept[at], checks.get(row.id)),
    ...(found?.get(row.id) ?? { findings: 0 }),
    ...countsOf(indexed?.get(row.id)),
    reviewedBy: [...new Set(verdicts.filter(({ session }) => session === row.id).map(({ name }) => name))],
    reviewWantedBy: wishes.filter(({ session }) => session === row.id).map(({ by }) => by),
    ...assigneeIn(assignees, row.id),
    ...heldOf(parts, row),
  }))
}

/** Nobody is told that others want their own session looked at. */
function isOwn({ issuer, subject }: SessionRow, { principal }: Asking): boolean {
  return principal.fields.issuer === issuer && principal.fields.subject === subject
}

function assigneeIn(all: readonly SessionAssigneeRow[], id: string): Pick<SessionSummary, 'assignee'> {
  const found = all.find(({ session }) => session === id)
  return found === undefined ? {} : { assignee: found.assignee }
}

function heldOf({ live }: ApiParts, { id, state }: SessionRow): Pick<SessionSummary, 'held'> {
  const held = state === 'open' ? live.heldOf(id) : undefined
  if (held === undefined) return {}
  const { kind, sinceMs, untilMs } = held
  return { held: { kind, sinceMs, untilMs } }
}

function summaryOf(row: SessionRow, kept: KeptView | undefined, check: CheckRow | undefined): SessionSummary {
  const { principalName, endedAtMs, endReason, labels, ...others } = row
  const { id, protocol, state, target, login, role, sourceAddress, openedAtMs } = others
  return {
    id,
    protocol,
    state,
    principal: principalName,
    target,
    login,
    role,
    sourceAddress,
    openedAtMs,
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    ...(endReason === undefined ? {} : { endReason }),
    labels: labels ?? {},
    integrity: integrityOf(row, kept, check),
    ...(check === undefined ? {} : { checkedAtMs: check.checkedAtMs }),
    encrypted: check?.isEncrypted ?? false,
    findings: 0,
    reviewedBy: [],
    reviewWantedBy: [],
  }
}

function integrityOf(row: SessionRow, kept: KeptView | undefined, check: CheckRow | undefined): Integrity {
  if (kept?.purged !== undefined) return 'removed'
  if (row.state === 'open') return 'live'
  if (check?.isWhole === false) return 'failed'
  if (row.state === 'interrupted') return 'interrupted'
  return check?.isSealed === true ? 'verified' : 'unverified'
}

/** Nothing where nothing is known yet, or nothing may be derived. */
/** A session that is encrypted to auditors says so before somebody has checked its recording. */
function countsOf(
  indexed: IndexedSession | undefined,
): Partial<Pick<SessionSummary, 'counts' | 'encrypted'>> {
  if (indexed?.state === 'sealed') return { encrypted: true }
  const isKnown = indexed?.state === 'done' || indexed?.state === 'reading'
  return isKnown ? { counts: indexed.counts } : {}
}
