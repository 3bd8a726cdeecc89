/** Writes the index: one of these, in the analyst's thread. Each call is one transaction. */
import type Database from 'better-sqlite3'
import type { WatchedSession } from '../analyst/session-observer.ts'
import { type RowCounts, rowsShown } from '../../recorder/sql-tag.ts'
import type { Entry, EntryHit } from '../entry.ts'
import { detailOf, searchedText } from './entry-row.ts'
import { anyTag, firstIdAt, kinds, openIndex, removeIndex, wordsTable } from './schema.ts'
import type { IndexState } from './search-types.ts'
import { shapesOf } from './shape.ts'
import { dayOf } from './usage.ts'

/** Entries of a session that are removed in one transaction: others get their turn in between. */
const removedAtOnce = 2000

/** What is known of a session that is not finished. */
export type KnownSession = { readonly state: IndexState; readonly attempts: number; readonly isOver: boolean }

/** What a call of `write` added or changed. */
export type Fresh = { readonly entries: readonly Entry[]; readonly hits: readonly EntryHit[] }

type EntryRow = {
  readonly id: number
  readonly session: number
  readonly number: number
  readonly kind: number
  readonly offsetMs: number
  readonly text: string
  readonly detail: string | null
  readonly rules: string | null
}
type SessionPlace = {
  readonly no: number
  readonly person: number
  readonly target: number
  readonly openedAtMs: number
}

export class IndexWriter {
  readonly #folder: string
  #database: Database.Database
  #sql: Statements
  /** Those that are being written. */
  readonly #places = new Map<string, SessionPlace>()
  readonly #rules = new Map<string, number>()
  /** The last id of each session, so that a burst does not look for its place from the beginning again and again. */
  readonly #lastIds = new Map<number, number>()

  /** Makes the file if there is none, if it is damaged, or of another version. */
  constructor(folder: string) {
    this.#folder = folder
    this.#database = openIndex(folder).database
    this.#sql = statementsOf(this.#database)
  }

  /** Throws all away; readers have to open the new file. */
  startAnew(): void {
    this.#database.close()
    removeIndex(this.#folder)
    this.#database = openIndex(this.#folder).database
    this.#sql = statementsOf(this.#database)
    this.#places.clear()
    this.#rules.clear()
    this.#lastIds.clear()
  }

  close(): void {
    this.#database.close()
  }

  /** Notes sessions that are to be analysed, and gives those back that are not finished. `isOver`: nothing is added to its recording any more. */
  know(
    sessions: readonly { readonly session: WatchedSession; readonly isOver: boolean }[],
  ): WatchedSession[] {
    return this.#inOne(() =>
      sessions.flatMap(({ session, isOver }) => {
        this.#insert(session, isOver)
        const known = this.known(session.id)
        return known === undefined || isFinal(known.state) ? [] : [session]
      }),
    )
  }

  /** Nothing is added to its recording any more. */
  noteOver(id: string): void {
    this.#sql.setOver.run(id)
  }

  known(id: string): KnownSession | undefined {
    const row = this.#sql.known.get(id) as { state: IndexState; attempts: number; isOver: number } | undefined
    return row === undefined ? undefined : { ...row, isOver: row.isOver === 1 }
  }

  /** One more reading from the start begins; gives how many there were that did not come to an end. */
  begin(id: string): number {
    return this.#inOne(() => {
      this.#sql.begin.run(id)
      return this.known(id)?.attempts ?? 0
    })
  }

  /** It is put aside: that it has to be read from the start once more is nobody's fault. */
  rest(id: string): void {
    this.#sql.rest.run(id)
  }

  /** What was read in vain so far does not count: it was not the sessions that took the thread down. */
  forgive(): void {
    this.#sql.forgive.run()
  }

  /** How much of it was not idle, as far as it was read. */
  setActive(id: string, activeMs: number): void {
    this.#sql.setActive.run({ id, activeMs })
  }

  setState(id: string, state: IndexState, problem?: string): void {
    this.#sql.setState.run({ id, state, problem: problem ?? null })
    if (isFinal(state)) this.#letGo(id)
  }

  /**
   * Stores entries and hits of one session. One whose number is known replaces that one, so that reading a recording again leaves what
   * was there. Gives back what was not known before, or not like this.
   */
  write(id: string, entries: readonly Entry[], hits: readonly EntryHit[]): Fresh {
    if (entries.length + hits.length === 0) return { entries, hits }
    return this.#inOne(() => {
      const place = this.#placeOf(id)
      if (place === undefined) return { entries: [], hits: [] } // forgotten meanwhile
      const tally = new Tally()
      const freshHits = hits.filter(hit => this.#putHit(place, hit))
      const met = new Set(hits.map(({ entry }) => entry))
      const freshEntries = entries.filter(entry => this.#put(place, entry, met.has(entry.number), tally))
      this.#retag(place, entries, hits, tally)
      this.#sql.count.run(tally.of(place.no))
      return { entries: freshEntries, hits: freshHits }
    })
  }

  /** Removes everything of a session, so that nothing of it is left in the file. The row of the session goes last. */
  forget(id: string): void {
    const place = this.#placeOf(id)
    if (place === undefined) return
    while (this.#inOne(() => this.#removeSome(place))) {}
    this.#inOne(() => {
      this.#sql.removeHits.run(place.no)
      this.#sql.removeSession.run(place.no)
      this.#sql.removePerson.run(place.person, place.person)
    })
    this.#letGo(id)
    this.#database.pragma('wal_checkpoint(PASSIVE)')
  }

  #inOne<T>(action: () => T): T {
    return this.#database.inTransaction ? action() : this.#database.transaction(action).immediate()
  }

  #insert(session: WatchedSession, isOver: boolean): void {
    const { id, protocol, login, role, sourceAddress, openedAtMs, recording, labels } = session
    if (isOver) this.#sql.setOver.run(id)
    if (this.known(id) !== undefined) return
    const person = this.#numberOf('people', [session.issuer, session.subject, session.principal])
    const target = this.#numberOf('targets', [protocol, session.target])
    this.#sql.insertSession.run({
      id,
      protocol,
      person,
      target,
      login,
      role,
      sourceAddress,
      openedAtMs,
      recording,
      labels: JSON.stringify(labels),
      isOver: isOver ? 1 : 0,
    })
  }

  #numberOf(table: 'people' | 'targets', values: readonly string[]): number {
    const { insert, find } = this.#sql[table]
    insert.run(...values)
    return (find.get(values[0], values[1]) as { no: number }).no
  }

  #ruleNumber(id: string): number {
    const known = this.#rules.get(id)
    if (known !== undefined) return known
    this.#sql.rules.insert.run(id)
    const { no } = this.#sql.rules.find.get(id) as { no: number }
    this.#rules.set(id, no)
    return no
  }

  #placeOf(id: string): SessionPlace | undefined {
    const known = this.#places.get(id) ?? (this.#sql.place.get(id) as SessionPlace | undefined)
    if (known !== undefined) this.#places.set(id, known)
    return known
  }

  #letGo(id: string): void {
    const place = this.#places.get(id)
    this.#places.delete(id)
    if (place !== undefined) this.#lastIds.delete(place.no)
  }

  /** Whether it is new. */
  #putHit({ no }: SessionPlace, hit: EntryHit): boolean {
    const { entry, offsetMs, severity, quote } = hit
    const technique = JSON.stringify(hit.technique)
    const rule = this.#ruleNumber(hit.rule)
    return this.#sql.putHit.run(no, entry, rule, Math.round(offsetMs), severity, technique, quote).changes > 0
  }

  /** Whether it is new, or was different. */
  #put(place: SessionPlace, entry: Entry, hasHits: boolean, tally: Tally): boolean {
    const kind = kinds.indexOf(entry.kind)
    const before = this.#sql.entry.get(place.no, kind, entry.number) as EntryRow | undefined
    const detail = detailOf(entry)
    // What is new has no hits but those that came with it.
    const rules = hasHits || before !== undefined ? this.#rulesOf(place.no, entry.number) : null
    if (before !== undefined) {
      if (before.text === entry.text && before.detail === detail && before.rules === rules) return false
      this.#remove(place, before, tally)
    }
    const row: EntryRow = {
      id: before?.id ?? this.#freeId(place.no, entry.atMs),
      session: place.no,
      number: entry.number,
      kind,
      offsetMs: Math.round(entry.offsetMs),
      text: entry.text,
      detail,
      rules,
    }
    this.#insertEntry(place, row, tally)
    return true
  }

  /** Hits of a window may be on an entry that is not in this batch. */
  #retag(place: SessionPlace, entries: readonly Entry[], hits: readonly EntryHit[], tally: Tally): void {
    const done = new Set(entries.map(({ number }) => number))
    for (const { entry } of hits) {
      if (done.has(entry)) continue
      done.add(entry)
      const before = kinds
        .map((_, kind) => this.#sql.entry.get(place.no, kind, entry) as EntryRow | undefined)
        .find(row => row !== undefined)
      const rules = this.#rulesOf(place.no, entry)
      if (before === undefined || before.rules === rules) continue
      this.#remove(place, before, tally)
      const row = { ...before, rules }
      this.#insertEntry(place, row, tally)
    }
  }

  #insertEntry(place: SessionPlace, row: EntryRow, tally: Tally): void {
    this.#sql.putEntry.run(row)
    this.#sql.words[row.kind]?.put.run(row.id, searchedText(row.text, row.detail), tagsOf(place, row))
    for (const use of usesOf(place, row)) this.#sql.use.run({ ...use, first: row.id })
    tally.add(row, 1)
  }

  #rulesOf(session: number, entry: number): string | null {
    const rows = this.#sql.hitsOf.all(session, entry) as { rule: number }[]
    return rows.length === 0 ? null : rows.map(({ rule }) => rule).join(' ')
  }

  #remove(place: SessionPlace, row: EntryRow, tally: Tally): void {
    this.#sql.words[row.kind]?.drop.run(row.id, searchedText(row.text, row.detail), tagsOf(place, row))
    this.#sql.dropEntry.run(row.id)
    for (const use of usesOf(place, row)) {
      this.#sql.unuse.run(use)
      this.#sql.dropUse.run(use)
    }
    tally.add(row, -1)
  }

  #removeSome(place: SessionPlace): boolean {
    const rows = this.#sql.someEntries.all(place.no, removedAtOnce) as EntryRow[]
    const tally = new Tally()
    for (const row of rows) this.#remove(place, row, tally)
    this.#sql.count.run(tally.of(place.no))
    return rows.length === removedAtOnce
  }

  #freeId(session: number, atMs: number): number {
    let id = Math.max(firstIdAt(atMs), (this.#lastIds.get(session) ?? 0) - 1)
    while (this.#sql.idTaken.get(id) !== undefined) id++
    this.#lastIds.set(session, id + 1)
    return id
  }
}

/** What a session has more or less of. */
class Tally {
  readonly #sums = { entries: 0, commands: 0, statements: 0, files: 0, rows: 0, bytes: 0 }

  add({ kind, detail }: EntryRow, by: 1 | -1): void {
    const sums = this.#sums
    sums.entries += by
    if (kind === 0) sums.commands += by
    if (kind === 1) sums.statements += by
    if (kind === 2) sums.files += by
    if (detail === null || (kind !== 1 && kind !== 2)) return
    const { bytes = 0, ...counts } = JSON.parse(detail) as RowCounts & { bytes?: number }
    if (kind === 1) sums.rows += by * (rowsShown(counts) ?? 0)
    sums.bytes += by * bytes
  }

  of(no: number): Readonly<Record<string, number>> {
    return { no, ...this.#sums }
  }
}

export function isFinal(state: IndexState): boolean {
  return state !== 'waiting' && state !== 'reading'
}

function tagsOf({ no, person, target }: SessionPlace, { rules }: Pick<EntryRow, 'rules'>): string {
  const own = `${anyTag} s${no} t${target} p${person}`
  return rules === null ? own : `${own} r${rules.replaceAll(' ', ' r')}`
}

type Use = { readonly shape: number; readonly person: number; readonly target: number; readonly day: number }

function usesOf({ person, target }: SessionPlace, { id, kind, text, detail }: EntryRow): readonly Use[] {
  const shapes = shapesOf(kinds[kind] ?? 'screen', text, detail)
  return shapes.map(({ key }) => ({ shape: key, person, target, day: dayOf(id) }))
}

type Statements = ReturnType<typeof statementsOf>

const useKey = 'shape = @shape and person = @person and day = @day and target = @target'

function statementsOf(database: Database.Database) {
  const sql = (text: string): Database.Statement => database.prepare(text)
  return {
    known: sql('select state, attempts, isOver from sessions where id = ?'),
    insertSession: sql(
      `insert into sessions (id, protocol, person, target, login, role, sourceAddress, openedAtMs, recording, labels, state, isOver)
       values (@id, @protocol, @person, @target, @login, @role, @sourceAddress, @openedAtMs, @recording, @labels, 'waiting', @isOver)`,
    ),
    setOver: sql('update sessions set isOver = 1 where id = ?'),
    setState: sql('update sessions set state = @state, problem = @problem where id = @id'),
    setActive: sql('update sessions set activeMs = @activeMs where id = @id'),
    begin: sql("update sessions set state = 'reading', attempts = attempts + 1 where id = ?"),
    rest: sql("update sessions set state = 'waiting', attempts = 1 where id = ?"),
    forgive: sql("update sessions set attempts = 1 where attempts > 1 and state in ('waiting', 'reading')"),
    place: sql('select no, person, target, openedAtMs from sessions where id = ?'),
    people: {
      insert: sql('insert or ignore into people (issuer, subject, name) values (?, ?, ?)'),
      find: sql('select no from people where issuer = ? and subject = ?'),
    },
    targets: {
      insert: sql('insert or ignore into targets (protocol, name) values (?, ?)'),
      find: sql('select no from targets where protocol = ? and name = ?'),
    },
    rules: {
      insert: sql('insert or ignore into rules (id) values (?)'),
      find: sql('select no from rules where id = ?'),
    },
    entry: sql('select * from entries where session = ? and kind = ? and number = ?'),
    someEntries: sql('select * from entries where session = ? limit ?'),
    idTaken: sql('select 1 from entries where id = ?'),
    putEntry: sql(
      'insert into entries values (@id, @session, @number, @kind, @offsetMs, @text, @detail, @rules)',
    ),
    dropEntry: sql('delete from entries where id = ?'),
    words: kinds.map(wordsTable).map(table => ({
      put: sql(`insert into ${table} (rowid, text, tags) values (?, ?, ?)`),
      drop: sql(`insert into ${table} (${table}, rowid, text, tags) values ('delete', ?, ?, ?)`),
    })),
    use: sql(
      `insert into uses (shape, person, day, target, first, times) values (@shape, @person, @day, @target, @first, 1)
       on conflict do update set times = times + 1, first = min(first, excluded.first)`,
    ),
    unuse: sql(`update uses set times = times - 1 where ${useKey}`),
    dropUse: sql(`delete from uses where ${useKey} and times <= 0`),
    putHit: sql('insert or ignore into hits values (?, ?, ?, ?, ?, ?, ?)'),
    hitsOf: sql('select rule from hits where session = ? and entry = ? order by rule'),
    removeHits: sql('delete from hits where session = ?'),
    removeSession: sql('delete from sessions where no = ?'),
    removePerson: sql(
      'delete from people where no = ? and not exists (select 1 from sessions where person = ?)',
    ),
    count: sql(
      `update sessions set entries = entries + @entries, commands = commands + @commands, statements = statements + @statements,
       files = files + @files, rows = rows + @rows, bytes = bytes + @bytes where no = @no`,
    ),
  }
}
