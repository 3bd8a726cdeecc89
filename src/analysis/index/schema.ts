/** `index.db`: what was learned of recordings, for searching. All of it can be made again from them. */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { prepareDataFile } from '../../store/data-folder.ts'
import type { EntryKind } from '../entry.ts'

export const indexFile = 'index.db'

/**
 * Counts up when the tables, or what the analysis makes of a recording, changes: an index of another version is thrown away and built
 * again.
 */
const version = 5

/** Memory for pages (KiB): the inner pages of ten million entries. */
const cacheKib = 65_536
/** Who writes waits for who reads, and who deletes for who searches; both are short. */
const busyMs = 5000

/** As numbers in the tables. Never reordered. */
export const kinds: readonly EntryKind[] = ['command', 'statement', 'file', 'screen', 'forward']

/**
 * `entries.id` is the time in milliseconds times `slotsOfMs`, so that the newest come first without sorting, and times become ranges.
 * Entries of one millisecond take one slot each, those beyond go into later ones: at ten million entries a year there is room a thousandfold.
 */
export const slotsOfMs = 16

/** Table of the words of a kind. */
export function wordsTable(kind: EntryKind): string {
  return `${kind}Words`
}

/** The tag that each entry has. */
export const anyTag = 'e'

export function firstIdAt(ms: number): number {
  return Math.floor(ms) * slotsOfMs
}

/**
 * `commandWords`, `statementWords` … hold no text of their own (contentless): `entries.text` does. `tags` are the session, target, person
 * and rules of an entry, as words, so that whatever restricts a search is an intersection of lists and not a look at each match. Each kind
 * has a table: what many commands have, few statements have, and lists that are unlike are intersected fast (decision 288).
 * `uses` counts shapes (`shape.ts`) by person, target and day (UTC, since 1970): `first` is the entry of that day that came first.
 * secure-delete: what is removed is gone from the file.
 */
const tables = `
create table sessions (
  no integer primary key,
  id text not null unique,
  protocol text not null,
  person integer not null,
  target integer not null,
  login text not null,
  role text not null,
  sourceAddress text not null,
  openedAtMs integer not null,
  recording text not null,
  labels text not null,
  state text not null,
  isOver integer not null default 0,
  problem text,
  attempts integer not null default 0,
  entries integer not null default 0,
  commands integer not null default 0,
  statements integer not null default 0,
  files integer not null default 0,
  rows integer not null default 0,
  bytes integer not null default 0,
  activeMs integer not null default 0
);
create index sessionsByPerson on sessions (person);
create index sessionsByState on sessions (state) where state in ('waiting', 'reading');
create table people (no integer primary key, issuer text not null, subject text not null, name text not null, unique (issuer, subject));
create table targets (no integer primary key, protocol text not null, name text not null, unique (protocol, name));
create table rules (no integer primary key, id text not null unique);
create table entries (
  id integer primary key,
  session integer not null,
  number integer not null,
  kind integer not null,
  offsetMs integer not null,
  text text not null,
  detail text,
  rules text
);
create unique index entriesOfSession on entries (session, kind, number);
create table hits (
  session integer not null,
  entry integer not null,
  rule integer not null,
  offsetMs integer not null,
  severity text not null,
  technique text not null,
  quote text not null,
  primary key (session, entry, rule)
) without rowid;
create table uses (
  shape integer not null,
  person integer not null,
  day integer not null,
  target integer not null,
  first integer not null,
  times integer not null,
  primary key (shape, person, day, target)
) without rowid;
create index usesOnTarget on uses (shape, target, day, first);
${kinds.map(wordsTable).map(wordsOf).join('')}pragma user_version = ${version};
`

function wordsOf(table: string): string {
  return `create virtual table ${table} using fts5(
  text, tags, content='', columnsize=0, detail=full, tokenize="unicode61 remove_diacritics 2"
);
insert into ${table}(${table}, rank) values ('secure-delete', 1);
`
}

/** Opens it for writing. What cannot be used, or is of another version, is made anew: `isNew` says that it is empty. */
export function openIndex(folder: string): { readonly database: Database.Database; readonly isNew: boolean } {
  const known = openKnown(folder)
  if (known !== undefined) return { database: known, isNew: false }
  removeIndex(folder)
  const database = openFile(folder)
  database.exec(tables)
  return { database, isNew: true }
}

export function removeIndex(folder: string): void {
  for (const end of ['', '-wal', '-shm', '-journal']) rmSync(join(folder, indexFile + end), { force: true })
}

/** Opens it for reading only, or gives undefined while there is none. */
export function openIndexToRead(folder: string): Database.Database | undefined {
  const file = join(folder, indexFile)
  if (!existsSync(file)) return undefined
  const database = new Database(file, { readonly: true, timeout: busyMs })
  if (versionOf(database) === version) {
    database.pragma(`cache_size = -${cacheKib}`)
    return database
  }
  database.close()
  return undefined
}

function openKnown(folder: string): Database.Database | undefined {
  if (!existsSync(join(folder, indexFile))) return undefined
  let database: Database.Database | undefined
  try {
    database = openFile(folder)
    if (versionOf(database) === version) return database
  } catch (cause) {
    const { code } = cause as { code?: unknown }
    if (code !== 'SQLITE_CORRUPT' && code !== 'SQLITE_NOTADB') throw cause
  }
  database?.close()
  return undefined
}

function versionOf(database: Database.Database): unknown {
  return database.pragma('user_version', { simple: true })
}

/** A power cut may take the last second: it is read from the recordings again. */
function openFile(folder: string): Database.Database {
  const database = new Database(prepareDataFile(folder, indexFile), { timeout: busyMs })
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  database.pragma('secure_delete = ON')
  database.pragma(`cache_size = -${cacheKib}`)
  return database
}
