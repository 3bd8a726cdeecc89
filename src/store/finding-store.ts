import { type Expression, type ExpressionBuilder, type Kysely, type SqlBool, sql } from 'kysely'
import type { FindingEventRow, FindingRow, Severity } from '../model.ts'
import type { FindingEventTable, FindingTable, Tables } from './schema.ts'
import type { Guard, Statements } from './statements.ts'
import type {
  FindingDecision,
  FindingFrom,
  FindingQuery,
  FindingsSeen,
  FindingStore,
  FindingTarget,
  KeyOwner,
  PlacedFinding,
} from './store.ts'
import { suppressions } from './suppression-store.ts'
import { unmaskings } from './unmasking-store.ts'

type Db = Kysely<Tables>

/** Events of one finding that are shown. */
const maxHistory = 500
/** Findings of one session: as many as there are groups. */
const maxOfSession = 500

const FINDING_COLUMNS = [
  'id',
  'session',
  'group',
  'kind',
  'state',
  'severity',
  'unusualness',
  'rank',
  'place',
  'placeReason',
  'protocol',
  'issuer',
  'subject',
  'principalName',
  'alias',
  'target',
  'login',
  'role',
  'rules',
  'atMs',
  'createdAtMs',
  'updatedAtMs',
  'assignee',
  'assigneeName',
  'closedAtMs',
  'closeReason',
  'proposal',
  'body',
] as const satisfies readonly (keyof FindingTable)[]
const EVENT_COLUMNS = [
  'finding',
  'atMs',
  'by',
  'byName',
  'what',
  'note',
] as const satisfies readonly (keyof FindingEventTable)[]
const severities: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical']
/** Between two severities no unusualness reaches. */
const severityStep = 1000

/** Findings are looked at by rank: severity decides, and within it how unusual something is. */
export function rankOf({ severity, unusualness }: Pick<FindingRow, 'severity' | 'unusualness'>): number {
  const within = Math.max(0, Math.min(severityStep - 1, 100 + (unusualness ?? 0)))
  return severities.indexOf(severity) * severityStep + within
}

/** `guarded` turns what the database throws into Fault STORE_UNAVAILABLE; `kept` also waits for the disk: decisions stay. */
export function findingStore(db: Db, statements: Statements, guarded: Guard, kept: Guard): FindingStore {
  return {
    ...findings(db, statements, guarded, kept),
    ...suppressions(statements, guarded, kept),
    ...unmaskings(statements, guarded, kept),
    ...removals(statements, kept),
  }
}

type PlacedTable = Pick<FindingTable, keyof PlacedFinding>

type FindingsPart = Omit<
  FindingStore,
  | keyof ReturnType<typeof suppressions>
  | keyof ReturnType<typeof unmaskings>
  | keyof ReturnType<typeof removals>
>

function findings(db: Db, statements: Statements, guarded: Guard, kept: Guard): FindingsPart {
  const put = putIn(statements)
  const get = statements.query<{ id: string }, FindingTable>('select * from findings where id = @id')
  const of = statements.query<{ session: string; limit: number }, FindingTable>(
    'select * from findings where session = @session order by rank desc, id limit @limit',
  )
  const between = statements.query<{ fromMs: number; untilMs: number; limit: number }, FindingTable>(
    'select * from findings where createdAtMs >= @fromMs and createdAtMs < @untilMs order by createdAtMs, id limit @limit',
  )
  const ofGroup = statements.query<{ session: string; group: string }, FindingTable>(
    'select * from findings where session = @session and "group" = @group',
  )
  const placed = statements.query<{ fromMs: number; untilMs: number; limit: number }, PlacedTable>(
    `select id, kind, state, severity, unusualness, createdAtMs, place, placeReason, issuer, subject from findings
      where createdAtMs >= @fromMs and createdAtMs < @untilMs and place in ('queue', 'below')
      order by rank desc, createdAtMs, id limit @limit`,
  )
  const openBaselines = statements.query<KeyOwner & { beforeMs: number }, { open: number }>(
    `select count(*) as open from findings where issuer = @issuer and subject = @subject and createdAtMs < @beforeMs
      and kind = 'baseline' and state != 'closed' and place = 'queue'`,
  )
  const closedOf = statements.query<KeyOwner & { limit: number }, FindingTable>(
    `select * from findings where issuer = @issuer and subject = @subject and state = 'closed' order by closedAtMs desc, id limit @limit`,
  )
  const place = statements.change<Pick<FindingTable, 'id' | 'place' | 'placeReason'>>(
    'update findings set place = @place, placeReason = @placeReason where id = @id',
  )
  const note = statements.insert('findingEvents', EVENT_COLUMNS)
  const history = statements.query<{ id: string; limit: number }, FindingEventTable>(
    'select * from findingEvents where finding = @id order by atMs, rowid limit @limit',
  )
  const named = statements.query<{ name: string }, { by: string }>(
    'select distinct "by" from findingEvents where byName = @name order by "by"',
  )
  const targets = statements.query<Record<string, never>, FindingTarget>(
    `select distinct protocol, target from findings where session != '${noSession}'`,
  )
  const decide = decideIn(statements, note)
  return {
    put: row => guarded(async () => put(toTable(row))),
    get: id => guarded(async () => get({ id }).map(fromTable)[0]),
    ofSession: session => guarded(async () => of({ session, limit: maxOfSession }).map(fromTable)),
    ofSessions: sessions =>
      guarded(async () => sessions.flatMap(session => of({ session, limit: maxOfSession }).map(fromTable))),
    list: query => guarded(async () => (await page(db, query).execute()).map(fromTable)),
    count: query =>
      guarded(async () => {
        const counted = await select(db, query)
          .select(eb => eb.fn.countAll<number>().as('findings'))
          .executeTakeFirst()
        return counted?.findings ?? 0
      }),
    targets: () => guarded(async () => targets({})),
    between: (fromMs, untilMs, limit) =>
      guarded(async () => between({ fromMs, untilMs, limit }).map(fromTable)),
    ofGroup: (session, group) => guarded(async () => ofGroup({ session, group }).map(fromTable)[0]),
    placedBetween: (fromMs, untilMs, limit) =>
      guarded(async () =>
        placed({ fromMs, untilMs, limit }).map(row => ({
          ...row,
          unusualness: row.unusualness ?? undefined,
          placeReason: row.placeReason ?? undefined,
        })),
      ),
    countOpenBaselines: ({ issuer, subject }, beforeMs) =>
      guarded(async () => openBaselines({ issuer, subject, beforeMs })[0]?.open ?? 0),
    closedOfPerson: ({ issuer, subject }, limit) =>
      guarded(async () => closedOf({ issuer, subject, limit }).map(fromTable)),
    setPlace: (id, where, reason) =>
      guarded(async () => void place({ id, place: where, placeReason: reason ?? null })),
    decide: (...decision) => kept(async () => decide(...decision)),
    note: event => kept(async () => void note(eventToTable(event))),
    historyOf: id => guarded(async () => history({ id, limit: maxHistory }).map(eventFromTable)),
    reviewersNamed: name => guarded(async () => named({ name }).map(({ by }) => by)),
  }
}

type Wish = Pick<FindingTable, 'proposal'>

/** True if somebody wanted to close it as it was before, which counts no longer. */
function putIn(statements: Statements): (row: FindingTable) => boolean {
  const insert = statements.change<FindingTable>(putSql())
  const wish = statements.query<Pick<FindingTable, 'session' | 'group'>, Wish>(
    'select proposal from findings where session = @session and "group" = @group',
  )
  return statements.atOnce((row: FindingTable) => {
    const [before] = wish(row)
    insert(row)
    const [after] = wish(row)
    return before !== undefined && before.proposal !== null && after?.proposal === null
  })
}

/** What people decided stays, and so does the id by which they know it. */
function putSql(): string {
  const names = FINDING_COLUMNS.map(name => `"${name}"`).join(', ')
  const values = FINDING_COLUMNS.map(name => `@${name}`).join(', ')
  const renewed = ['severity', 'unusualness', 'rank', 'rules', 'updatedAtMs', 'body']
  const set = renewed.map(name => `"${name}" = excluded."${name}"`).join(', ')
  // What has become graver is not what somebody put off.
  const wake = '"snoozedUntilMs" = iif(excluded.rank > rank, null, "snoozedUntilMs")'
  // Nor is it what somebody agreed to close. Rules are only ever added.
  const isMore =
    'excluded.severity != severity or json_array_length(excluded.rules) != json_array_length(rules)'
  const consent = `"proposal" = iif(${isMore}, null, "proposal")`
  return `insert into findings (${names}) values (${values}) on conflict (session, "group") do update set ${wake}, ${consent}, ${set}`
}

type Decide = (id: string, from: FindingFrom, to: FindingDecision, event: FindingEventRow) => boolean

function decideIn(statements: Statements, note: (event: FindingEventTable) => number): Decide {
  const change = statements.change<Record<string, string | number | null>>(
    `update findings set state = @state, assignee = @assignee, assigneeName = @assigneeName, closedAtMs = @closedAtMs,
      closeReason = @closeReason, proposal = @proposal, place = @place, placeReason = @placeReason,
      snoozedUntilMs = @snoozedUntilMs
      where id = @id and state in (@from0, @from1, @from2) and proposal is @before
        and severity = coalesce(@ofSeverity, severity)`,
  )
  return statements.atOnce(
    (id: string, { states, proposal, severity }: FindingFrom, to: FindingDecision, event) => {
      const changed = change({
        id,
        from0: states[0] ?? '',
        from1: states[1] ?? '',
        from2: states[2] ?? '',
        before: proposal ?? null,
        ofSeverity: severity ?? null,
        state: to.state,
        assignee: to.assignee ?? null,
        assigneeName: to.assigneeName ?? null,
        closedAtMs: to.closedAtMs ?? null,
        closeReason: to.closeReason ?? null,
        proposal: to.proposal ?? null,
        place: to.place,
        placeReason: to.placeReason ?? null,
        snoozedUntilMs: to.snoozedUntilMs ?? null,
      })
      if (changed > 0) note(eventToTable(event))
      return changed > 0
    },
  )
}

type FindingExpressions = ExpressionBuilder<Tables, 'findings'>

/** A finding about the gateway itself, or about logs, has the empty one. */
const noSession = ''

function seenIn(
  eb: FindingExpressions,
  { targets, butNotOf: { issuer, subject }, ofNoSession }: FindingsSeen,
): Expression<SqlBool> {
  const names = JSON.stringify(targets.map(({ protocol, target }) => `${protocol} ${target}`))
  const ofOthers = eb.and([
    eb('session', '!=', noSession),
    eb.not(eb.and([eb('issuer', '=', issuer), eb('subject', '=', subject)])),
    sql<SqlBool>`(protocol || ' ' || target) in (select value from json_each(${names}))`,
  ])
  return ofNoSession ? eb.or([eb('session', '=', noSession), ofOthers]) : ofOthers
}

function page(db: Db, query: FindingQuery) {
  let rows = select(db, query).selectAll()
  if (query.after !== undefined) {
    const { createdAtMs, id } = query.after
    const rank = rankOf(query.after)
    rows = rows.where(eb =>
      eb(eb.refTuple('rank', 'createdAtMs', 'id'), '<', eb.tuple(rank, createdAtMs, id)),
    )
  }
  return rows.orderBy('rank', 'desc').orderBy('createdAtMs', 'desc').orderBy('id', 'desc').limit(query.limit)
}

function select(db: Db, query: Omit<FindingQuery, 'limit' | 'after'>) {
  let rows = db.selectFrom('findings')
  const { seen, states, severities: wanted, kinds, sessions, principals, places, group, sinceMs } = query
  if (seen !== undefined) rows = rows.where(eb => seenIn(eb, seen))
  if (states !== undefined) rows = rows.where('state', 'in', [...states])
  if (wanted !== undefined) rows = rows.where('severity', 'in', [...wanted])
  if (kinds !== undefined) rows = rows.where('kind', 'in', [...kinds])
  if (sessions !== undefined) rows = rows.where('session', 'in', [...sessions])
  if (principals !== undefined) rows = rows.where('principalName', 'in', [...principals])
  if (places !== undefined) rows = rows.where('place', 'in', [...places])
  if (group !== undefined) rows = rows.where('group', '=', group)
  if (sinceMs !== undefined) rows = rows.where('createdAtMs', '>=', sinceMs)
  const { rules, assignees, person, awakeAtMs, snoozedAtMs } = query
  if (awakeAtMs !== undefined)
    rows = rows.where(eb => eb.or([eb('snoozedUntilMs', 'is', null), eb('snoozedUntilMs', '<=', awakeAtMs)]))
  if (snoozedAtMs !== undefined) rows = rows.where('snoozedUntilMs', '>', snoozedAtMs)
  if (person !== undefined)
    rows = rows.where('issuer', '=', person.issuer).where('subject', '=', person.subject)
  if (rules !== undefined)
    rows = rows.where(eb =>
      eb.or([
        eb('group', 'in', [...rules]),
        eb.exists(
          sql`(select 1 from json_each(findings.rules) where json_each.value in (${sql.join([...rules])}))` as never,
        ),
      ]),
    )
  if (assignees !== undefined)
    rows = rows.where(eb =>
      eb.or(
        assignees.map(one => (one === undefined ? eb('assignee', 'is', null) : eb('assignee', '=', one))),
      ),
    )
  return rows
}

type RemovalPart = Pick<FindingStore, 'removeBefore' | 'removeUnmaskingsBefore' | 'removeOfPerson'>

function removals(statements: Statements, kept: Guard): RemovalPart {
  const old = `((state = 'closed' and closedAtMs < @closedMs) or (state != 'closed' and updatedAtMs < @untouchedMs))`
  const events = statements.change<{ closedMs: number; untouchedMs: number }>(
    `delete from findingEvents where finding in (select id from findings where ${old})`,
  )
  const rows = statements.change<{ closedMs: number; untouchedMs: number }>(
    `delete from findings where ${old}`,
  )
  const removeOld = statements.atOnce((closedMs: number, untouchedMs: number) => {
    events({ closedMs, untouchedMs })
    return rows({ closedMs, untouchedMs })
  })
  const unmasked = statements.change<{ ms: number }>('delete from unmaskings where askedAtMs < @ms')
  const theirs = 'issuer = @issuer and subject = @subject'
  const theirEvents = statements.change<KeyOwner>(
    `delete from findingEvents where finding in (select id from findings where ${theirs})`,
  )
  const theirRows = statements.change<KeyOwner>(`delete from findings where ${theirs}`)
  const theirSuppressions = statements.change<KeyOwner>(`delete from suppressions where ${theirs}`)
  const removePerson = statements.atOnce(({ issuer, subject }: KeyOwner) => {
    theirEvents({ issuer, subject })
    theirSuppressions({ issuer, subject })
    return theirRows({ issuer, subject })
  })
  return {
    removeBefore: (closedMs, untouchedMs) => kept(async () => removeOld(closedMs, untouchedMs)),
    removeUnmaskingsBefore: ms => kept(async () => unmasked({ ms })),
    removeOfPerson: person => kept(async () => removePerson(person)),
  }
}

function toTable(row: FindingRow): FindingTable {
  return {
    ...row,
    unusualness: row.unusualness ?? null,
    rank: rankOf(row),
    placeReason: row.placeReason ?? null,
    alias: row.alias ?? null,
    rules: JSON.stringify(row.rules),
    assignee: row.assignee ?? null,
    assigneeName: row.assigneeName ?? null,
    closedAtMs: row.closedAtMs ?? null,
    closeReason: row.closeReason ?? null,
    proposal: row.proposal ?? null,
    snoozedUntilMs: row.snoozedUntilMs ?? null,
  }
}

function fromTable({ rank: _rank, ...row }: FindingTable): FindingRow {
  return {
    ...row,
    unusualness: row.unusualness ?? undefined,
    placeReason: row.placeReason ?? undefined,
    alias: row.alias ?? undefined,
    rules: JSON.parse(row.rules) as string[],
    assignee: row.assignee ?? undefined,
    assigneeName: row.assigneeName ?? undefined,
    closedAtMs: row.closedAtMs ?? undefined,
    closeReason: row.closeReason ?? undefined,
    proposal: row.proposal ?? undefined,
    snoozedUntilMs: row.snoozedUntilMs ?? undefined,
  }
}

function eventToTable(event: FindingEventRow): FindingEventTable {
  return { ...event, note: event.note ?? null }
}

function eventFromTable(event: FindingEventTable): FindingEventRow {
  return { ...event, note: event.note ?? undefined }
}
