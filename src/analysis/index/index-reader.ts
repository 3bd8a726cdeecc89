/** Reads the index: one of these, in the thread that answers searches. Read only; it sees what was committed when a question came. */
import type Database from 'better-sqlite3'
import type { Entry, EntryHit, EntryKind } from '../entry.ts'
import { searchedText, withDetail } from './entry-row.ts'
import { matchOf, type Tags, type Wanted } from './match.ts'
import { parseQuery, type SearchQuery, type Term } from './query.ts'
import { firstIdAt, kinds, wordsTable } from './schema.ts'
import type {
  EntriesWish,
  EntryPage,
  Found,
  IndexedEntry,
  IndexedSession,
  IndexState,
  PersonName,
  SearchAnswer,
  SearchScope,
  SearchWish,
  TargetName,
} from './search-types.ts'
import { type SeenNumbers, SeenReader } from './seen.ts'
import { snippetOf } from './snippet.ts'
import { tokensOf } from './tokens.ts'
import { UsageReader } from './usage.ts'

const usualLimit = 50
const maxLimit = 200
/** Matches are counted up to here; beyond it the total is a lower bound. */
const maxCounted = 1000
/** People, targets or sessions that a filter may stand for: `user:a` would be everybody. */
const maxNamed = 500
/** Names that one word may stand for: what more are called is no name to go by. */
const maxNames = 50
/** A question is given up after this long, as far as matches come at all; the thread is replaced if they do not. */
const maxSearchMs = 5000

class TooMuch extends Error {}

type NumberedTarget = TargetName & { readonly no: number }

export class IndexReader {
  readonly #database: Database.Database
  readonly #sql: Statements
  readonly #usage: UsageReader
  readonly #seen: SeenReader
  /**
   * Runs in one snapshot, and leaves it when something is thrown, too: what the asker may see is looked up first, and what was written
   * since, of a target that was not known then, must not be found.
   */
  readonly #atOnce: (search: () => SearchAnswer) => SearchAnswer
  #deadlineMs = 0

  constructor(database: Database.Database) {
    this.#database = database
    database.function('in_time', { deterministic: false }, () => this.#inTime())
    this.#sql = statementsOf(database)
    this.#usage = new UsageReader(database)
    this.#seen = new SeenReader(database)
    this.#atOnce = database.transaction((search: () => SearchAnswer) => search())
  }

  close(): void {
    this.#database.close()
  }

  search(wish: SearchWish, nowMs: number): SearchAnswer {
    const beganMs = performance.now()
    this.#deadlineMs = beganMs + maxSearchMs
    const parsed = parseQuery(wish.text, nowMs)
    if (!parsed.ok) return parsed
    try {
      return this.#atOnce(() => this.#find(parsed.query, wish, beganMs))
    } catch (cause) {
      if (cause instanceof TooMuch) return { ok: false, problem: cause.message }
      throw cause
    }
  }

  #find(query: SearchQuery, wish: SearchWish, beganMs: number): SearchAnswer {
    const seen = this.#seenIn(wish.scope)
    const tags = this.#tagsOf(query, wish, seen)
    if (tags === undefined)
      return { ok: true, page: { items: [], total: 0, isTotalExact: true, tookMs: tookSince(beganMs) } }
    const limit = Math.min(Math.max(1, Math.floor(wish.limit ?? usualLimit)), maxLimit)
    const question: Question = {
      match: matchOf(this.#withNames(query.all, seen), query.none, tags),
      kinds: kindsOf(query, wish),
      from: query.afterMs === undefined ? 0 : firstIdAt(Math.max(0, query.afterMs)),
      to: query.beforeMs === undefined ? Number.MAX_SAFE_INTEGER : firstIdAt(query.beforeMs) - 1,
    }
    const first = this.#ids(question, maxCounted + 1, limit + 1)
    const before = cursorOf(wish.cursor)
    const ids =
      before === undefined
        ? first
        : this.#ids({ ...question, to: Math.min(question.to, before - 1) }, limit + 1, limit + 1)
    const items = ids.slice(0, limit).flatMap(id => this.#found(id, query))
    const last = ids[limit - 1]
    return {
      ok: true,
      page: {
        items,
        ...(ids.length > limit && last !== undefined ? { next: String(last) } : {}),
        total: Math.min(first.length, maxCounted),
        isTotalExact: first.length <= maxCounted,
        tookMs: tookSince(beganMs),
      },
    }
  }

  #inTime(): number {
    if (performance.now() < this.#deadlineMs) return 1
    throw new TooMuch(
      'This search took too long. Say more of what you look for: another word, a target, or a time.',
    )
  }

  /**
   * The newest `wanted` at least, if there are so many, and all as long as they are fewer than `counted`: once there are as many, the other
   * kinds are only asked for what is newer than those.
   */
  #ids({ match, kinds, from, to }: Question, counted: number, wanted: number): number[] {
    let ids: number[] = []
    for (const kind of kinds) {
      const least = ids.length < counted ? from : Math.max(from, ids[wanted - 1] ?? from)
      if (least > to) continue
      // FTS5 takes no bounds but integers, and numbers of JavaScript are none to SQLite.
      const found = this.#sql.ids[kind]?.all(match, BigInt(least), BigInt(to), counted) as number[]
      ids = [...ids, ...found].toSorted((a, b) => b - a)
    }
    return ids
  }

  #found(id: number, query: SearchQuery): Found[] {
    const row = this.#sql.found.get(id) as FoundRow | undefined
    if (row === undefined) return []
    const kind = kinds[row.kind] ?? 'screen'
    const snippet = snippetOf(searchedText(row.text, row.detail), query.all.flat())
    const { session, number: entry, offsetMs, openedAtMs, principal, target, login } = row
    return [
      { session, entry, kind, atMs: openedAtMs + offsetMs, offsetMs, principal, target, login, ...snippet },
    ]
  }

  /** A word beside others may be a person's or a target's name; one that stands alone is looked for, and sessions are found by their names elsewhere. */
  #withNames(all: SearchQuery['all'], seen: SeenNumbers): Wanted[] {
    if (all.length === 1) return all.map(terms => ({ terms, names: [] }))
    const named = [
      ...(this.#sql.people.all() as { no: number; name: string }[]).map(({ no, name }) => ({
        tag: `p${no}`,
        isSeen: () => this.#seen.isPerson(seen, no),
        words: tokensOf(name.replace(/@.*$/s, '')).map(({ word }) => word),
      })),
      ...this.#targets().map(({ no, name }) => ({
        tag: `t${no}`,
        isSeen: () => this.#seen.isTarget(seen, no),
        words: tokensOf(name).map(({ word }) => word),
      })),
    ]
    return all.map(terms => {
      const called = named.filter(({ words }) => terms.some(term => isNamed(words, term)))
      const names = called.length > maxNames ? called.filter(({ isSeen }) => isSeen()) : called
      return { terms, names: names.length > maxNames ? [] : names.map(({ tag }) => tag) }
    })
  }

  /** Undefined: nothing can match. */
  #tagsOf(query: SearchQuery, wish: SearchWish, seen: SeenNumbers): Tags | undefined {
    const chosen = {
      all: [
        wish.session === undefined ? undefined : this.#sessionTags([wish.session], seen),
        query.users.any.length === 0 ? undefined : this.#userTags(query.users.any, seen),
        query.targets.any.length === 0 ? undefined : this.#targetTags(query.targets.any, seen),
        query.sessions.any.length === 0 ? undefined : this.#sessionTags(query.sessions.any, seen),
        query.rules.any.length === 0 ? undefined : this.#ruleTags(query.rules.any),
      ].filter(list => list !== undefined),
      none: [
        ...this.#userTags(query.users.none, seen),
        ...this.#targetTags(query.targets.none, seen),
        ...this.#sessionTags(query.sessions.none, seen),
        ...this.#ruleTags(query.rules.none),
      ],
    }
    const scope = this.#scopeTags(seen)
    const tags = { all: [...chosen.all, ...scope.all], none: [...chosen.none, ...scope.none] }
    return tags.all.some(list => list.length === 0) ? undefined : tags
  }

  #seenIn({ targets, except = [] }: SearchScope): SeenNumbers {
    const people = new Set(except.flatMap(person => this.#numberOf(person) ?? []))
    if (targets === 'all') return { targets, people }
    const allowed = new Set(targets.map(nameOf))
    const seen = this.#targets().filter(target => allowed.has(nameOf(target)))
    return { targets: new Set(seen.map(({ no }) => no)), people }
  }

  #numberOf({ issuer, subject }: PersonName): number | undefined {
    return (this.#sql.person.get(issuer, subject) as { no: number } | undefined)?.no
  }

  /** What the asker may see is part of the question: what they may not see is never found, and so never counted. */
  #scopeTags({ targets, people }: SeenNumbers): Tags {
    const none = [...people].map(no => `p${no}`)
    if (targets === 'all') return { all: [], none }
    const all = this.#targets()
    const seen = all.filter(({ no }) => targets.has(no))
    if (seen.length === all.length && all.length > 0) return { all: [], none }
    if (seen.length <= all.length / 2 || seen.length === 0)
      return { all: [seen.map(({ no }) => `t${no}`)], none }
    const unseen = all.filter(({ no }) => !targets.has(no))
    return { all: [], none: [...none, ...unseen.map(({ no }) => `t${no}`)] }
  }

  /** All targets that the index knows. */
  targets(): readonly TargetName[] {
    return this.#targets().map(({ protocol, name }) => ({ protocol, name }))
  }

  #targets(): NumberedTarget[] {
    return this.#sql.targets.all() as NumberedTarget[]
  }

  /** By a part of the name. */
  #userTags(names: readonly string[], seen: SeenNumbers): string[] {
    if (names.length === 0) return []
    const people = this.#sql.people.all() as { no: number; name: string }[]
    const wanted = names.map(name => name.toLowerCase())
    const found = people.filter(({ name }) => wanted.some(each => name.toLowerCase().includes(each)))
    return bounded('user', found, ({ no }) => this.#seen.isPerson(seen, no)).map(({ no }) => `p${no}`)
  }

  /** By the name; `*` stands for anything. */
  #targetTags(names: readonly string[], seen: SeenNumbers): string[] {
    if (names.length === 0) return []
    const found = this.#targets().filter(({ name }) => names.some(wanted => isLike(name, wanted)))
    return bounded('target', found, ({ no }) => this.#seen.isTarget(seen, no)).map(({ no }) => `t${no}`)
  }

  /** By the id or its beginning. */
  #sessionTags(ids: readonly string[], seen: SeenNumbers): string[] {
    return ids.flatMap(id => {
      const rows = this.#seen.sessions(seen, id, `${id}\u{10ffff}`, maxNamed + 1)
      return bounded('session', rows, () => true).map(({ no }) => `s${no}`)
    })
  }

  #ruleTags(ids: readonly string[]): string[] {
    if (ids.length === 0) return []
    const rules = this.#sql.rules.all() as { no: number; id: string }[]
    return rules.filter(({ id }) => ids.some(wanted => isLike(id, wanted))).map(({ no }) => `r${no}`)
  }

  /** In the order in which they became known. Nothing for a session that is not known. */
  entries({ session, kinds: wanted, cursor, limit, withUsage = false }: EntriesWish): EntryPage {
    const place = this.#sql.session.get(session) as SessionPlace | undefined
    if (place === undefined) return { items: [] }
    const after = cursorOf(cursor) ?? -1
    const numbers = [...new Set(wanted)].map(kind => kinds.indexOf(kind))
    const rows = numbers
      .flatMap(kind => this.#sql.entries.all(place.no, kind, after, limit + 1) as EntryRow[])
      .toSorted((a, b) => a.number - b.number)
    const usageOf = withUsage ? this.#usage.page(place) : undefined
    const items = rows.slice(0, limit).map(row => {
      const usage = usageOf?.(kinds[row.kind] ?? 'screen', row)
      return { ...this.#indexed(session, place, row), ...(usage === undefined ? {} : { usage }) }
    })
    const last = items.at(-1)?.entry.number
    return rows.length > limit && last !== undefined ? { items, next: String(last) } : { items }
  }

  entry(session: string, number: number): IndexedEntry | undefined {
    const place = this.#sql.session.get(session) as { no: number; openedAtMs: number } | undefined
    if (place === undefined) return undefined
    for (const kind of kinds.keys()) {
      const [row] = this.#sql.entries.all(place.no, kind, number - 1, 1) as EntryRow[]
      if (row?.number === number) return this.#indexed(session, place, row)
    }
    return undefined
  }

  #indexed(
    session: string,
    { no, openedAtMs }: { no: number; openedAtMs: number },
    row: EntryRow,
  ): IndexedEntry {
    const kind: EntryKind = kinds[row.kind] ?? 'screen'
    const { number, offsetMs, text } = row
    const atMs = openedAtMs + offsetMs
    const entry: Entry = { session, number, kind, atMs, offsetMs, text, ...withDetail(kind, row.detail) }
    const hits = row.rules === null ? [] : (this.#sql.hits.all(no, number) as HitRow[])
    return { entry, hits: hits.map(hit => hitOf(session, number, openedAtMs, hit)) }
  }

  /** All hits of a session, in order of time. */
  hits(session: string): readonly EntryHit[] {
    const place = this.#sql.session.get(session) as { no: number; openedAtMs: number } | undefined
    if (place === undefined) return []
    const rows = this.#sql.hitsOfSession.all(place.no) as HitRow[]
    return rows.map(row => hitOf(session, row.entry, place.openedAtMs, row))
  }

  /** What is known of sessions; those that the index does not know are left out. */
  sessions(ids: readonly string[]): ReadonlyMap<string, IndexedSession> {
    const known = new Map<string, IndexedSession>()
    for (const id of ids) {
      const row = this.#sql.session.get(id) as CountRow | undefined
      if (row === undefined) continue
      const { state, problem, commands, statements, files, rows, bytes, activeMs } = row
      const counts = { commands, statements, files, rows, bytes, activeMs }
      known.set(id, problem === null ? { state, counts } : { state, problem, counts })
    }
    return known
  }

  /** Sessions in each state. */
  progress(): Readonly<Partial<Record<IndexState, number>>> & { readonly entries: number } {
    const rows = this.#sql.progress.all() as { state: IndexState; sessions: number; entries: number }[]
    const entries = rows.reduce((sum, row) => sum + row.entries, 0)
    return { ...Object.fromEntries(rows.map(({ state, sessions }) => [state, sessions])), entries }
  }
}

/** `kinds` by number; ids from the one up to the other. */
type Question = {
  readonly match: string
  readonly kinds: readonly number[]
  readonly from: number
  readonly to: number
}
type SessionPlace = {
  readonly no: number
  readonly person: number
  readonly target: number
  readonly openedAtMs: number
}
type EntryRow = {
  readonly id: number
  readonly number: number
  readonly kind: number
  readonly offsetMs: number
  readonly text: string
  readonly detail: string | null
  readonly rules: string | null
}
type FoundRow = EntryRow & {
  readonly session: string
  readonly openedAtMs: number
  readonly principal: string
  readonly target: string
  readonly login: string
}
type HitRow = {
  readonly entry: number
  readonly rule: string
  readonly offsetMs: number
  readonly severity: EntryHit['severity']
  readonly technique: string
  readonly quote: string
}
type CountRow = IndexedSession['counts'] & { readonly state: IndexState; readonly problem: string | null }

function hitOf(session: string, entry: number, openedAtMs: number, row: HitRow): EntryHit {
  const { rule, offsetMs, severity, quote } = row
  const technique = JSON.parse(row.technique) as readonly string[]
  return { session, entry, atMs: openedAtMs + offsetMs, offsetMs, rule, severity, technique, quote }
}

function tookSince(beganMs: number): number {
  return Math.round((performance.now() - beganMs) * 10) / 10
}

/** By their numbers. */
function kindsOf({ kinds: { any, none } }: SearchQuery, { kinds: chosen }: SearchWish): number[] {
  return [...kinds.keys()].filter(number => {
    const kind = kinds[number] ?? 'screen'
    if (chosen?.includes(kind) === false || none.includes(kind)) return false
    return any.length === 0 || any.includes(kind)
  })
}

function nameOf({ protocol, name }: TargetName): string {
  return `${protocol} ${name}`
}

/** Whether the words of a name have these, one behind the other. */
function isNamed(words: readonly string[], { words: wanted, isPrefix }: Term): boolean {
  return words.some((_, from) =>
    wanted.every((word, at) => {
      const there = words[from + at]
      if (isPrefix && at === wanted.length - 1) return there?.startsWith(word) === true
      return there === word
    }),
  )
}

/** `*` stands for anything; case does not matter. Linear: stars are few, and each text is looked for from where the one before ended. */
function isLike(name: string, wanted: string): boolean {
  const [first = '', ...rest] = wanted.toLowerCase().split('*')
  const last = rest.pop()
  const small = name.toLowerCase()
  if (last === undefined) return small === first
  if (!small.startsWith(first) || !small.endsWith(last)) return false
  let at = first.length
  for (const part of rest) {
    const found = small.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return at <= small.length - last.length
}

/** What the asker does not see finds nothing, so it may be left out, and does not count. */
function bounded<T>(filter: string, all: readonly T[], isSeen: (one: T) => boolean): readonly T[] {
  const found = all.length > maxNamed ? all.filter(isSeen) : all
  if (found.length <= maxNamed) return found
  throw new TooMuch(`${filter}: stands for more than ${maxNamed} here. Say it more exactly.`)
}

function cursorOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
}

type Statements = ReturnType<typeof statementsOf>

function statementsOf(database: Database.Database) {
  const sql = (text: string): Database.Statement => database.prepare(text)
  const hit = 'hits.entry, rules.id as rule, hits.offsetMs, hits.severity, hits.technique, hits.quote'
  return {
    ids: kinds
      .map(wordsTable)
      .map(table =>
        sql(
          `select rowid from ${table} where ${table} match ? and rowid between ? and ? and in_time() order by rowid desc limit ?`,
        ).pluck(),
      ),
    found: sql(
      `select e.id, e.number, e.kind, e.offsetMs, e.text, e.detail, e.rules, s.id as session, s.openedAtMs, s.login,
         p.name as principal, t.name as target
       from entries e join sessions s on s.no = e.session join people p on p.no = s.person join targets t on t.no = s.target
       where e.id = ?`,
    ),
    person: sql('select no from people where issuer = ? and subject = ?'),
    people: sql('select no, name from people'),
    targets: sql('select no, protocol, name from targets'),
    rules: sql('select no, id from rules'),
    session: sql(
      'select no, person, target, openedAtMs, state, problem, commands, statements, files, rows, bytes, activeMs from sessions where id = ?',
    ),
    entries: sql(
      'select id, number, kind, offsetMs, text, detail, rules from entries where session = ? and kind = ? and number > ? order by number limit ?',
    ),
    hits: sql(
      `select ${hit} from hits join rules on rules.no = hits.rule where session = ? and entry = ? order by rules.id`,
    ),
    hitsOfSession: sql(
      `select ${hit} from hits join rules on rules.no = hits.rule where session = ? order by hits.offsetMs, hits.entry, rules.id`,
    ),
    progress: sql('select state, count(*) as sessions, sum(entries) as entries from sessions group by state'),
  }
}
