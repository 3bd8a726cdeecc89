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
/** Of one shape, so many days of people are added up: beyond that it is usual, and the sum is a lower bound. */
const maxAdded = 5000
/** People who ever did it, of whom it is asked whether they did lately: beyond that their number is a lower bound. */
const maxPeople = 1000
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
  /** Too many did it at some time to ask each of them, and of those that were asked fewer than five did lately: nothing is said of everybody. */
  readonly isUncounted?: boolean
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

  /** For entries of one page: what is known of a shape is looked up once for each day. */
  page(place: UsagePlace): (kind: EntryKind, row: Row) => EntryUsage | undefined {
    const known = new Map<string, Known>()
    const knownOf = (key: number, day: number): Known => {
      const found = known.get(`${key} ${day}`) ?? this.#lookUp(place, key, day)
      known.set(`${key} ${day}`, found)
      return found
    }
    return (kind, { id, text, detail }) => {
      const all = shapesOf(kind, text, detail).map(shape =>
        usageOf(kind, id, shape, knownOf(shape.key, dayOf(id))),
      )
      return all.toSorted((a, b) => noveltyOf(b) - noveltyOf(a))[0]
    }
  }

  #lookUp({ person, target }: UsagePlace, shape: number, day: number): Known {
    const since = { shape, person, from: day - lately + 1, to: day }
    return {
      firstOfPerson: this.#sql.firstOfPerson.get(shape, person) as number | undefined,
      firstOnTarget: this.#sql.firstOnTarget.get(shape, target) as number | undefined,
      ownTimes: (this.#sql.own.get(since) as number | null) ?? 0,
      sums: {
        ...(this.#sql.everybody.get(since) as Pick<Sums, 'times' | 'added'>),
        ...(this.#sql.people.get(since) as Pick<Sums, 'people' | 'asked'>),
      },
    }
  }
}

/** Of one shape on one day, whichever entry asks. */
type Known = {
  readonly firstOfPerson: number | undefined
  readonly firstOnTarget: number | undefined
  readonly ownTimes: number
  readonly sums: Sums
}

type Sums = {
  readonly times: number
  readonly added: number
  readonly people: number
  readonly asked: number
}

function usageOf(kind: EntryKind, id: number, { name }: Shape, known: Known): EntryUsage {
  const { firstOfPerson = id, firstOnTarget = id, ownTimes, sums } = known
  return {
    ...(kind === 'command' ? { program: name } : {}),
    isNewForPerson: firstOfPerson >= id,
    isNewForTarget: firstOnTarget >= id,
    ownTimes,
    ...byAll(sums),
  }
}

function byAll({ times, people, added, asked }: Sums): Pick<EntryUsage, 'everybody' | 'isUncounted'> {
  const isLowerBound = added > maxAdded || asked > maxPeople
  if (people >= leastPeople) return { everybody: { times, people, isLowerBound } }
  return asked > maxPeople ? { isUncounted: true } : {}
}

/** New for the person counts for more than new on the target, and that for more than seldom. */
function noveltyOf({ isNewForPerson, isNewForTarget, ownTimes }: EntryUsage): number {
  return (isNewForPerson ? 2 : 0) + (isNewForTarget ? 1 : 0) + 1 / (1 + ownTimes)
}

type Statements = ReturnType<typeof statementsOf>

/** Who ever did it: from one person to the next, past all of their days. The last is null. */
const peopleOfShape = `with recursive people(person) as (
  select min(person) from uses where shape = @shape
  union all
  select (select min(person) from uses where shape = @shape and person > people.person)
  from people where people.person is not null
  limit ${maxPeople + 1}
)`

function statementsOf(database: Database.Database) {
  const sql = (text: string): Database.Statement => database.prepare(text)
  return {
    firstOfPerson: sql(
      'select first from uses where shape = ? and person = ? order by day, first limit 1',
    ).pluck(),
    firstOnTarget: sql(
      'select first from uses where shape = ? and target = ? order by day, first limit 1',
    ).pluck(),
    own: sql(
      'select sum(times) as times from uses where shape = @shape and person = @person and day between @from and @to',
    ).pluck(),
    everybody: sql(
      `${peopleOfShape}
       select coalesce(sum(times), 0) as times, count(*) as added from (
         select uses.times from people cross join uses
         where uses.shape = @shape and uses.person = people.person and uses.day between @from and @to
         limit ${maxAdded + 1}
       )`,
    ),
    people: sql(
      `${peopleOfShape}
       select count(*) as asked, coalesce(sum(exists(
         select 1 from uses where shape = @shape and person = people.person and day between @from and @to
       )), 0) as people
       from people where person is not null`,
    ),
  }
}
