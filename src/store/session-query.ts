/** Sessions as reviewers look for them: SQL for lists, totals and histograms, in one place. Runs in a thread of its own (`session-catalogue.ts`). */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { endedByHand, type Protocol, type SessionRow, type SessionState, type Severity } from '../model.ts'
import type { SessionTable } from './schema.ts'
import { sessionFromTable } from './session-row.ts'

/** Values of a column that a row must have one of, and none of. A `*` stands for any text. */
export type Among = { readonly is: readonly string[]; readonly not: readonly string[] }

/** What the asker may see of all: sessions on these targets, but not their own; their own and nothing else; or, for whoever may open the data folder, all. */
export type VisibleSessions =
  | {
      readonly kind: 'reviewed'
      readonly targets: Readonly<Record<Protocol, readonly string[]>>
      readonly butNotOf: Person
    }
  | { readonly kind: 'own'; readonly of: Person }
  | { readonly kind: 'all' }
type Person = { readonly issuer: string; readonly subject: string }

export const amongColumns = ['principalName', 'target', 'login', 'protocol', 'role', 'sourceAddress'] as const
export type AmongColumn = (typeof amongColumns)[number]

/** All that is said must hold. */
export type SessionFilter = {
  readonly visible: VisibleSessions
  /** By the opening: from the first instant on, before the second. */
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  readonly among: Readonly<Partial<Record<AmongColumn, Among | undefined>>>
  /** Each of `is`, and none of `not`, is a part of the person's, the target's or the login's name. */
  readonly named?: Among | undefined
  /** `terminated`: ended, and by somebody's hand. */
  readonly states?: readonly (SessionState | 'terminated')[] | undefined
  /** At least, and less than, so long; one that is open, until now. Of one whose end nobody knows this is not known. */
  readonly lasted?:
    | { readonly fromMs?: number | undefined; readonly toMs?: number | undefined; readonly nowMs: number }
    | undefined
  readonly ids?: readonly string[] | undefined
  /** With findings that wait in the queue or were decided on; of one of these severities. */
  readonly hasFinding?: boolean | undefined
  readonly severities?: readonly Severity[] | undefined
  /** By as many people as it takes. */
  readonly isReviewed?: boolean | undefined
  /** Somebody asked for a review. */
  readonly isWanted?: boolean | undefined
  /** Given to one of these people; an empty name stands for nobody. */
  readonly assignees?: readonly string[] | undefined
  /** A session with a finding of these takes two people, any other one. */
  readonly fourEyes?: readonly Severity[] | undefined
}

export type SessionPlace = { readonly openedAtMs: number; readonly id: string }

export type SessionPageWish = {
  readonly filter: SessionFilter
  readonly limit: number
  readonly before?: SessionPlace | undefined
}
/** The same, before it is said what the asker may see. */
export type SessionsWish = Omit<SessionPageWish, 'filter'> & {
  readonly filter: Omit<SessionFilter, 'visible'>
}
export type SessionPageFound = {
  readonly rows: readonly SessionRow[]
  readonly next: SessionPlace | undefined
  readonly total: number
  readonly isTotalExact: boolean
}

export type SessionHistogram = {
  readonly bucketMs: number
  readonly buckets: readonly {
    readonly fromMs: number
    readonly sessions: number
    readonly withFindings: number
  }[]
}

/** Counting ends there: nobody looks through more, and a thread is not kept busy for a number. */
const maxCounted = 200_000

/** Columns of a bar chart that still shows them. */
const maxBuckets = 120
const bucketSizes = [
  60_000,
  300_000,
  900_000,
  3_600_000,
  3 * 3_600_000,
  6 * 3_600_000,
  12 * 3_600_000,
  86_400_000,
  7 * 86_400_000,
  28 * 86_400_000,
]

type Value = string | number
type Part = { readonly sql: string; readonly values: readonly Value[] }

/** One page of `state.db` in the data folder, where nobody else has work that would wait for it. */
export function findSessions(dataFolder: string, wish: SessionPageWish): SessionPageFound {
  const database = new Database(join(dataFolder, 'state.db'), { readonly: true })
  try {
    return new SessionQueries(database).page(wish)
  } finally {
    database.close()
  }
}

/** The queries over one connection. */
export class SessionQueries {
  readonly #database: Database.Database

  constructor(database: Database.Database) {
    this.#database = database
  }

  page({ filter, limit, before }: SessionPageWish): SessionPageFound {
    const where = whereOf(filter)
    const place: Part =
      before === undefined
        ? { sql: '', values: [] }
        : { sql: ' and (s.openedAtMs, s.id) < (?, ?)', values: [before.openedAtMs, before.id] }
    const found = this.#all<SessionTable>(
      `select s.* from sessions s where ${where.sql}${place.sql} order by s.openedAtMs desc, s.id desc limit ?`,
      [...where.values, ...place.values, limit + 1],
    )
    const rows = found.slice(0, limit).map(sessionFromTable)
    const last = rows.at(-1)
    const next =
      found.length <= limit || last === undefined ? undefined : { openedAtMs: last.openedAtMs, id: last.id }
    const total = this.#count(where)
    return { rows, next, total, isTotalExact: total < maxCounted }
  }

  histogram(filter: SessionFilter): SessionHistogram {
    const where = whereOf(filter)
    const [range] = this.#all<{ first: number | null; last: number | null }>(
      `select min(s.openedAtMs) first, max(s.openedAtMs) last from sessions s where ${where.sql}`,
      where.values,
    )
    const fromMs = filter.fromMs ?? range?.first ?? 0
    const toMs = filter.toMs ?? range?.last ?? 0
    const bucketMs = bucketSizeFor(toMs - fromMs)
    const shown = shownTo(filter.visible)
    const rows = this.#all<{ bucket: number; sessions: number; withFindings: number }>(
      `select cast(s.openedAtMs / ? as integer) bucket, count(*) sessions, sum(exists (${shown.sql})) withFindings
         from sessions s where ${where.sql} group by bucket order by bucket`,
      [bucketMs, ...shown.values, ...where.values],
    )
    return {
      bucketMs,
      buckets: rows.map(({ bucket, ...counts }) => ({ fromMs: bucket * bucketMs, ...counts })),
    }
  }

  /** Every target that a session was on, those that are gone from the configuration too. */
  targets(): readonly string[] {
    // One look into the index for each target, however many sessions it has.
    return this.#all<{ target: string }>(
      `with recursive known(target) as (
         select min(target) from sessions
         union all select (select min(target) from sessions where target > known.target) from known where target is not null)
       select target from known where target is not null`,
      [],
    ).map(({ target }) => target)
  }

  #count(where: Part): number {
    const [row] = this.#all<{ n: number }>(
      `select count(*) n from (select 1 from sessions s where ${where.sql} limit ?)`,
      [...where.values, maxCounted],
    )
    return row?.n ?? 0
  }

  #all<Row>(sql: string, values: readonly Value[]): Row[] {
    return this.#database.prepare<Value[], Row>(sql).all(...values)
  }
}

const reviewWishes = 'select 1 from reviewWishes w where w.session = s.id'
const countOfReviewers =
  '(select count(distinct v.issuer || char(10) || v.subject) from sessionVerdicts v where v.session = s.id)'
const isOfSeverity = 'f.severity in (select value from json_each(?))'

/** Findings of a session; one about the asker themselves, as of how much they read, is none to them. */
function shownTo(visible: VisibleSessions): Part {
  const { issuer, subject } = askerOf(visible)
  const sql = `select 1 from findings f where f.session = s.id and f.place = 'queue' and not (f.issuer = ? and f.subject = ?)`
  return { sql, values: [issuer, subject] }
}

function askerOf(visible: VisibleSessions): Person {
  if (visible.kind === 'all') return { issuer: '', subject: '' }
  return visible.kind === 'own' ? visible.of : visible.butNotOf
}

function bucketSizeFor(spanMs: number): number {
  return bucketSizes.find(size => spanMs / size <= maxBuckets) ?? bucketSizes.at(-1) ?? 86_400_000
}

function whereOf(filter: SessionFilter): Part {
  const parts = [visiblePart(filter.visible), ...conditionsOf(filter)]
  return {
    sql: parts.map(part => `(${part.sql})`).join(' and '),
    values: parts.flatMap(part => part.values),
  }
}

function visiblePart(visible: VisibleSessions): Part {
  if (visible.kind === 'all') return { sql: '1', values: [] }
  if (visible.kind === 'own')
    return { sql: 's.issuer = ? and s.subject = ?', values: [visible.of.issuer, visible.of.subject] }
  const { targets, butNotOf } = visible
  // The plus keeps SQLite from looking up target by target: in the order of time one covering index answers.
  const onTargets = 's.protocol = ? and +s.target in (select value from json_each(?))'
  return {
    sql: `not (s.issuer = ? and s.subject = ?) and ((${onTargets}) or (${onTargets}))`,
    values: [
      butNotOf.issuer,
      butNotOf.subject,
      'ssh',
      JSON.stringify(targets.ssh),
      'postgres',
      JSON.stringify(targets.postgres),
    ],
  }
}

function* conditionsOf(filter: SessionFilter): Generator<Part> {
  const { fromMs, toMs, states, ids, hasFinding, severities, isReviewed, isWanted, assignees } = filter
  if (fromMs !== undefined) yield { sql: 's.openedAtMs >= ?', values: [fromMs] }
  if (toMs !== undefined) yield { sql: 's.openedAtMs < ?', values: [toMs] }
  for (const column of amongColumns) {
    const among = filter.among[column]
    if (among !== undefined) yield* amongParts(`s.${column}`, among)
  }
  yield* nameParts(filter.named)
  if (states !== undefined) yield statePart(states)
  yield* lastedParts(filter.lasted)
  if (ids !== undefined) yield oneOf('s.id', ids)
  const shown = shownTo(filter.visible)
  if (hasFinding !== undefined)
    yield { sql: `${hasFinding ? '' : 'not '}exists (${shown.sql})`, values: shown.values }
  if (severities !== undefined)
    yield {
      sql: `exists (${shown.sql} and ${isOfSeverity})`,
      values: [...shown.values, JSON.stringify(severities)],
    }
  if (isWanted !== undefined) yield { sql: `${isWanted ? '' : 'not '}exists (${reviewWishes})`, values: [] }
  if (assignees !== undefined)
    yield {
      sql: `coalesce((select a.assignee from sessionAssignees a where a.session = s.id), '') in (select value from json_each(?))`,
      values: [JSON.stringify(assignees)],
    }
  if (isReviewed !== undefined)
    yield {
      sql: `${countOfReviewers} ${isReviewed ? '>=' : '<'} (1 + exists (${shown.sql} and ${isOfSeverity}))`,
      values: [...shown.values, JSON.stringify(filter.fourEyes ?? [])],
    }
}

function statePart(states: readonly (SessionState | 'terminated')[]): Part {
  const plain = oneOf('s.state', states)
  if (!states.includes('terminated')) return plain
  const byHand = anyOf(endedByHand.map(by => equals('s.endReason', `${by} ended it: *`)))
  return { sql: `${plain.sql} or ${byHand.sql}`, values: [...plain.values, ...byHand.values] }
}

function* lastedParts(lasted: SessionFilter['lasted']): Generator<Part> {
  if (lasted === undefined) return
  const { fromMs, toMs, nowMs } = lasted
  const sql = "case when s.state = 'open' then ? else s.endedAtMs end - s.openedAtMs"
  if (fromMs !== undefined) yield { sql: `${sql} >= ?`, values: [nowMs, fromMs] }
  if (toMs !== undefined) yield { sql: `${sql} < ?`, values: [nowMs, toMs] }
}

function* nameParts({ is, not }: Among = { is: [], not: [] }): Generator<Part> {
  const isNamed = (word: string): Part =>
    anyOf(['s.principalName', 's.target', 's.login'].map(column => equals(column, `*${word}*`)))
  for (const word of is) yield isNamed(word)
  for (const word of not) {
    const { sql, values } = isNamed(word)
    yield { sql: `not (${sql})`, values }
  }
}

function* amongParts(column: string, { is, not }: Among): Generator<Part> {
  if (is.length > 0) yield anyOf(is.map(value => equals(column, value)))
  for (const value of not) {
    const { sql, values } = equals(column, value)
    yield { sql: `not (${sql})`, values }
  }
}

function equals(column: string, value: string): Part {
  if (!value.includes('*')) return { sql: `${column} = ?`, values: [value] }
  const pattern = value.replaceAll(/[\\%_]/g, String.raw`\$&`).replaceAll('*', '%')
  return { sql: String.raw`${column} like ? escape '\'`, values: [pattern] }
}

function anyOf(parts: readonly Part[]): Part {
  return { sql: parts.map(part => part.sql).join(' or '), values: parts.flatMap(part => part.values) }
}

function oneOf(column: string, values: readonly string[]): Part {
  return { sql: `${column} in (select value from json_each(?))`, values: [JSON.stringify(values)] }
}
