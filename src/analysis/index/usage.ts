/**
 * How usual an entry is: whether its person, or anybody on its target, did the same kind of thing before, and how often that was done lately.
 * Out of one table of daily counts, so that a look costs the same whatever was recorded.
 */
import type Database from 'better-sqlite3'
import type { EntryKind } from '../entry.ts'
import { slotsOfMs } from './schema.ts'
import { type Shape, shapesOf } from './shape.ts'

const dayMs = 86_400_000
/** What "lately" is: so many days, the one of the entry among them. */
const lately = 30
/** Of one shape, so many days of people are added up: beyond that it is usual, and the sums are lower bounds. */
const maxAdded = 5000
/** Groups of people that are smaller are not told apart (docs/privacy.md). */
const leastPeople = 5

export type EntryUsage = {
  /** The program, where that is what is counted. */
  readonly program?: string
  /** Nothing like it is known of this person, or on this target, from before. */
  readonly isNewForPerson: boolean
  readonly isNewForTarget: boolean
  /** By this person in the 30 days until then. */
  readonly ownTimes: number
  /** By everybody, where they are at least five. */
  readonly everybody?: {
    readonly times: number
    readonly people: number
    readonly isLowerBound: boolean
  }
}

/** Where an entry is from, in numbers of the index. */
export type UsagePlace = { readonly person: number; readonly target: number }
type Row = { readonly id: number; readonly text: string; readonly detail: string | null }

export function dayOf(id: number): number {
  return Math.floor(id / slotsOfMs / dayMs)
}

export class UsageReader {
  readonly #sql: Statements

  constructor(database: Database.Database) {
    this.#sql = statementsOf(database)
  }

  /** Of the newest of its shapes; undefined for what has none. */
  of(place: UsagePlace, kind: EntryKind, row: Row): EntryUsage | undefined {
    const all = shapesOf(kind, row.text, row.detail).map(shape => this.#usageOf(place, kind, row.id, shape))
    return all.toSorted((a, b) => noveltyOf(b) - noveltyOf(a))[0]
  }

  #usageOf({ person, target }: UsagePlace, kind: EntryKind, id: number, { key, name }: Shape): EntryUsage {
    const day = dayOf(id)
    const since = { shape: key, person, from: day - lately + 1, to: day }
    const { times, people, added } = this.#sql.everybody.get(since) as Sums
    return {
      ...(kind === 'command' ? { program: name } : {}),
      isNewForPerson: isFirst(this.#sql.firstOfPerson.get(key, person), id),
      isNewForTarget: isFirst(this.#sql.firstOnTarget.get(key, target), id),
      ownTimes: (this.#sql.own.get(since) as { times: number | null }).times ?? 0,
      ...(people >= leastPeople ? { everybody: { times, people, isLowerBound: added > maxAdded } } : {}),
    }
  }
}

type Sums = { readonly times: number; readonly people: number; readonly added: number }

function isFirst(found: unknown, id: number): boolean {
  const { first } = (found ?? {}) as { first?: number }
  return first === undefined || first >= id
}

/** New for the person counts for more than new on the target, and that for more than seldom. */
function noveltyOf({ isNewForPerson, isNewForTarget, ownTimes }: EntryUsage): number {
  return (isNewForPerson ? 2 : 0) + (isNewForTarget ? 1 : 0) + 1 / (1 + ownTimes)
}

type Statements = ReturnType<typeof statementsOf>

function statementsOf(database: Database.Database) {
  const sql = (text: string): Database.Statement => database.prepare(text)
  return {
    firstOfPerson: sql('select first from uses where shape = ? and person = ? order by day, first limit 1'),
    firstOnTarget: sql('select first from uses where shape = ? and target = ? order by day, first limit 1'),
    own: sql(
      'select sum(times) as times from uses where shape = @shape and person = @person and day between @from and @to',
    ),
    everybody: sql(
      `select coalesce(sum(iif(day between @from and @to, times, 0)), 0) as times,
         count(distinct iif(day between @from and @to, person, null)) as people, count(*) as added
       from (select person, day, times from uses where shape = @shape limit ${maxAdded + 1})`,
    ),
  }
}
