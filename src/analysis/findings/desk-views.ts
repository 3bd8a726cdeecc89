/** Findings as the asker sees them: with a pseudonym where names are hidden, and without the person's names in what is quoted. */
import type { FindingRow, Severity, UnmaskRow } from '../../model.ts'
import type { Asker, FindingFilter, FindingInFull, FindingPage, FindingView } from './desk.ts'
import { type DeskParts, isApprover, isConcerned, keyOf, maySee, seenBy } from './desk-parts.ts'
import { bodyOf, severityOrder } from './finding.ts'
import { noSession } from './integrity-findings.ts'
import { namesOf, scrubbed } from './scrub.ts'
import { suppressionsOf } from './suppression.ts'
import { lasting } from './words.ts'

type Shown = Exclude<FindingRow['place'], 'shadow'>

const defaultPage = 50
const maxPage = 200
/** Rows that are looked at for one page: for a person whose name is hidden, others' are passed over one by one. */
const maxScanned = 5000
const batch = 250
/** How far back others of the same group count as similar, and how many are counted. */
const similarMs = 30 * 86_400_000
const maxSimilar = 200

export async function listFindings(
  parts: DeskParts,
  filter: FindingFilter,
  asker: Asker,
): Promise<FindingPage> {
  const after = filter.cursor === undefined ? undefined : await parts.store.get(filter.cursor)
  if (filter.cursor !== undefined && after === undefined) return { items: [] }
  const { items, next } = await pageOf(parts, filter, asker, after)
  const similar = new Map<string, Promise<number>>()
  const views = items.map(row => viewOf(parts, row, asker, similar))
  return { items: await Promise.all(views), ...(next === undefined ? {} : { next: next.id }) }
}

type RowPage = { readonly items: readonly FindingRow[]; readonly next?: FindingRow | undefined }

/** `next`: what the next page comes after. Of a page that is not full it is where looking ended, so that what is further down is found, too. */
async function pageOf(
  parts: DeskParts,
  filter: FindingFilter,
  asker: Asker,
  start: FindingRow | undefined,
): Promise<RowPage> {
  const limit = Math.max(1, Math.min(maxPage, filter.limit ?? defaultPage))
  const query = { ...(await queryOf(parts, filter, asker)), seen: await seenBy(parts, asker) }
  const items: FindingRow[] = []
  let after = start
  let seen: FindingRow | undefined
  for (let scanned = 0; scanned < maxScanned; scanned += batch) {
    const rows = await parts.store.list({ ...query, limit: batch, after })
    for (const row of rows) {
      if (!maySee(parts, row, asker)) continue
      seen = row
      if (!(await isOf(parts, row, filter.principal, asker))) continue
      if (items.length === limit) return { items, next: items.at(-1) }
      items.push(row)
    }
    if (rows.length < batch) return { items }
    after = rows.at(-1)
  }
  return { items, next: seen }
}

async function queryOf(parts: DeskParts, filter: FindingFilter, asker: Asker) {
  const { state, severity, kind, rule, session, assignee, place, principal } = filter
  const areNamesShown = parts.config().analysis.pseudonyms === undefined
  return {
    states: orNone(state),
    severities: orNone(severity),
    kinds: orNone(kind),
    rules: orNone(rule),
    sessions: orNone(session),
    principals: areNamesShown ? orNone(principal) : undefined,
    assignees: assignee === undefined ? undefined : await keysOf(parts, assignee, asker),
    places: placesOf(place, severity),
    ...wakingOf(place, parts.clock.nowMs()),
  }
}

/** What is put off is in lists of its own, and of all. */
function wakingOf(place: FindingFilter['place'], nowMs: number) {
  if (place === 'snoozed') return { snoozedAtMs: nowMs }
  return place === undefined || place === 'queue' || place === 'below' ? { awakeAtMs: nowMs } : {}
}

/** Low severity stands below the line: whoever asks for it wants to see it. */
function placesOf(place: FindingFilter['place'], severity: readonly Severity[] = []): readonly Shown[] {
  if (place === 'all') return ['queue', 'below', 'suppressed']
  if (place === 'snoozed') return ['queue', 'below']
  if (place !== undefined) return [place]
  return severity.includes('low') || severity.includes('info') ? ['queue', 'below'] : ['queue']
}

function orNone<T>(values: readonly T[] | undefined): readonly T[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values
}

async function keysOf(
  parts: DeskParts,
  names: readonly string[],
  asker: Asker,
): Promise<readonly (string | undefined)[]> {
  const keys = names.map(async name => {
    if (name === 'me') return [keyOf(asker)]
    if (name === 'nobody') return [undefined]
    return await parts.store.reviewersNamed(name)
  })
  const found = (await Promise.all(keys)).flat()
  return found.length === 0 ? [''] : found
}

/** Where names are hidden, only the shown one can be asked for: anything else would tell who it is. */
async function isOf(
  parts: DeskParts,
  row: FindingRow,
  principals: readonly string[] | undefined,
  asker: Asker,
): Promise<boolean> {
  if (principals === undefined || principals.length === 0) return true
  const shown = (await isMasked(parts, row, asker)) ? aliasOf(parts, row) : row.principalName
  return principals.includes(shown)
}

/** Whether the asker sees a pseudonym. */
export async function isMasked(parts: DeskParts, row: FindingRow, asker: Asker): Promise<boolean> {
  if (parts.config().analysis.pseudonyms === undefined || row.session === noSession) return false
  return !(await parts.store.unmaskingsOf(row.id)).some(one => isInForce(parts, one, asker))
}

function isInForce(parts: DeskParts, { askedBy, untilMs }: UnmaskRow, asker: Asker): boolean {
  return askedBy === keyOf(asker) && untilMs !== undefined && untilMs > parts.clock.nowMs()
}

function aliasOf({ aliases, clock, config }: DeskParts, row: FindingRow): string {
  const rotateMs = config().analysis.pseudonyms?.rotateMs ?? Infinity
  return row.alias ?? aliases.of(row, clock.nowMs(), rotateMs)
}

async function viewOf(
  parts: DeskParts,
  row: FindingRow,
  asker: Asker,
  similar: Map<string, Promise<number>>,
): Promise<FindingView> {
  const isHidden = await isMasked(parts, row, asker)
  const { id, state, severity, unusualness, kind, session, target, atMs, createdAtMs, rules } = row
  const counted = similar.get(row.group) ?? countOf(parts, row.group, asker)
  similar.set(row.group, counted)
  return {
    id,
    state,
    severity,
    ...(unusualness === undefined ? {} : { unusualness }),
    sentence: clean(row, isHidden, bodyOf(row).sentence),
    kind,
    session,
    principal: isHidden ? aliasOf(parts, row) : row.principalName || 'the gateway',
    target,
    atMs,
    createdAtMs,
    ...(row.assigneeName === undefined ? {} : { assignee: row.assigneeName }),
    rules,
    similar: Math.max(0, (await counted) - 1),
    ...(row.placeReason === undefined ? {} : { below: clean(row, isHidden, row.placeReason) }),
    ...snoozedOf(row, parts.clock.nowMs()),
  }
}

function snoozedOf({ snoozedUntilMs = 0 }: FindingRow, nowMs: number): Pick<FindingView, 'snoozedUntilMs'> {
  return snoozedUntilMs > nowMs ? { snoozedUntilMs } : {}
}

async function countOf(parts: DeskParts, group: string, asker: Asker): Promise<number> {
  const sinceMs = parts.clock.nowMs() - similarMs
  const rows = await parts.store.list({ seen: await seenBy(parts, asker), group, sinceMs, limit: maxSimilar })
  return rows.filter(row => maySee(parts, row, asker)).length
}

function clean(row: FindingRow, isHidden: boolean, text: string): string {
  return isHidden ? scrubbed(text, namesOf(row)) : text
}

export async function inFull(parts: DeskParts, row: FindingRow, asker: Asker): Promise<FindingInFull> {
  const isHidden = await isMasked(parts, row, asker)
  const body = bodyOf(row)
  const tidy = (text: string): string => clean(row, isHidden, text)
  const history = await parts.store.historyOf(row.id)
  const waiting = (await parts.store.unmaskingsOf(row.id)).filter(one => one.decidedAtMs === undefined)
  const proposal = proposalOf(row)
  const refusal = refusalOf(row, asker)
  return {
    ...(await viewOf(parts, row, asker, new Map())),
    why: body.why.map(reason => ({ ...reason, observed: tidy(reason.observed) })),
    quotes: body.quotes.map(quote => ({ ...quote, text: tidy(quote.text) })),
    techniques: body.techniques,
    benign: body.benign,
    quality: body.quality,
    versions: body.versions,
    context: await contextOf(parts, row, isHidden, asker),
    suppressions: (await suppressionsOf(parts, row)).map(({ ownerName, scope, untilMs, rationale }) => ({
      by: ownerName,
      scope,
      untilMs,
      rationale: tidy(rationale),
    })),
    history: history.map(({ atMs, by, byName, what, note }) => ({
      atMs,
      by: isHidden && by === `${row.issuer}\n${row.subject}` ? 'the person concerned' : byName,
      what: tidy(what),
      ...(note === undefined ? {} : { note: tidy(note) }),
    })),
    mayDecide: refusal === undefined,
    ...(refusal === undefined ? {} : { refusal }),
    isMasked: isHidden,
    unmaskings: waiting.map(one => ({
      id: one.id,
      by: one.askedByName,
      caseId: tidy(one.caseId),
      reason: tidy(one.reason),
      mayApprove: mayApprove(parts, row, one, asker),
    })),
    ...(proposal === undefined
      ? {}
      : {
          proposal: { by: proposal.byName, reason: proposal.reason, rationale: tidy(proposal.rationale) },
        }),
  }
}

function refusalOf(row: FindingRow, asker: Asker): string | undefined {
  return isConcerned(row, asker) ? 'Nobody decides on findings about themselves.' : undefined
}

/** Neither who asked nor whom it is about. */
export function mayApprove(parts: DeskParts, row: FindingRow, request: UnmaskRow, asker: Asker): boolean {
  return isApprover(parts, asker) && request.askedBy !== keyOf(asker) && !isConcerned(row, asker)
}

/** What somebody wants who cannot close it alone. */
export type Proposal = {
  readonly by: string
  readonly byName: string
  readonly reason: string
  readonly rationale: string
  readonly verdict?: string
}

export function proposalOf({ proposal }: FindingRow): Proposal | undefined {
  return proposal === undefined ? undefined : (JSON.parse(proposal) as Proposal)
}

async function contextOf(
  parts: DeskParts,
  row: FindingRow,
  isHidden: boolean,
  asker: Asker,
): Promise<FindingInFull['context']> {
  if (row.session === noSession) return []
  const session = await parts.sessions.get(row.session)
  const { config, clock } = parts
  const since = clock.nowMs() - similarMs
  const seen = await seenBy(parts, asker)
  const others = await parts.store.list({ seen, sinceMs: since, limit: maxSimilar, person: row })
  const same = others.filter(other => other.id !== row.id && maySee(parts, other, asker))
  const sensitive = config().targets.find(({ name }) => name === row.target)
  return [
    { name: 'Grant', value: `role ${row.role}${session?.breakGlass === true ? ', emergency access' : ''}` },
    { name: 'Login', value: isHidden ? scrubbed(row.login, namesOf(row)) : row.login },
    { name: 'Protocol', value: row.protocol },
    ...(session === undefined ? [] : sessionContext(session, isHidden)),
    ...(sensitive === undefined ? [] : labelContext(sensitive.labels)),
    { name: 'Other findings, same person, 30 days', value: String(same.length) },
  ]
}

function sessionContext(
  session: { sourceAddress: string; openedAtMs: number; endedAtMs: number | undefined; state: string },
  isHidden: boolean,
): { name: string; value: string }[] {
  const { sourceAddress, openedAtMs, endedAtMs, state } = session
  const lasted = endedAtMs === undefined ? state : `${state} after ${lasting(endedAtMs - openedAtMs)}`
  return [
    // An address may be one person's own.
    ...(isHidden ? [] : [{ name: 'Source', value: sourceAddress }]),
    { name: 'Session', value: lasted },
  ]
}

function labelContext(labels: Readonly<Record<string, string>>): { name: string; value: string }[] {
  const told = Object.entries(labels).map(([key, value]) => `${key}=${value}`)
  return told.length === 0 ? [] : [{ name: 'Target', value: told.join(', ') }]
}

/** The worst of a session's findings that the asker may see. */
export async function summaries(
  parts: DeskParts,
  sessions: readonly string[],
  asker: Asker,
): Promise<ReadonlyMap<string, { findings: number; worst?: Severity; unusualness?: number }>> {
  const rows = await parts.store.ofSessions(sessions)
  const told = new Map<string, { findings: number; worst?: Severity; unusualness?: number }>()
  for (const row of rows) {
    if (row.place === 'suppressed' || row.kind === 'sample' || !maySee(parts, row, asker)) continue
    const before = told.get(row.session)
    const worst = before?.worst
    const isWorse = worst === undefined || severityOrder.indexOf(row.severity) > severityOrder.indexOf(worst)
    const unusualness = Math.max(row.unusualness ?? -Infinity, before?.unusualness ?? -Infinity)
    told.set(row.session, {
      findings: (before?.findings ?? 0) + 1,
      worst: isWorse ? row.severity : worst,
      ...(unusualness === -Infinity ? {} : { unusualness }),
    })
  }
  return told
}
