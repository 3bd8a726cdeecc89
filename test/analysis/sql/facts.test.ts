import { expect, test } from 'vitest'
import { isDenyWord } from '../../../src/config/deny-words.ts'
import type { Analysis } from '../../../src/analysis/sql/analysis.ts'
import { parseText, ready } from '../../../src/analysis/sql/parse.ts'

await ready

function facts(text: string): Analysis['facts'] {
  return parseText(text).facts
}

/** The words beside those named first, for rows that say all of them. */
const rows: readonly [text: string, cls: string, ...words: string[]][] = [
  ['select 1', 'read', 'select'],
  ['table payments', 'read', 'select'],
  ['values (1)', 'read', 'select'],
  ['select * into copy from payments', 'ddl', 'select', 'create', 'create-table'],
  ['select 1 from a for update of a', 'read', 'select', 'select-for-update'],
  ['insert into a values (1)', 'write', 'insert'],
  ['insert into a select 1', 'write', 'insert', 'select'],
  ['insert into a values (1) on conflict (b) do update set c = 1', 'write', 'insert', 'update'],
  ['update a set b = 1 where c = 2', 'write', 'update'],
  ['update a set b = 1', 'write', 'update', 'update-without-where'],
  ['delete from a where true', 'write', 'delete', 'delete-without-where'],
  ['delete from a where 1 = 1', 'write', 'delete', 'delete-without-where'],
  ['merge into a using b on a.c = b.c when matched then delete', 'write', 'merge', 'delete'],
  ['truncate a', 'ddl', 'truncate'],
  ['drop table a', 'ddl', 'drop', 'drop-table'],
  ['drop database a', 'ddl', 'drop', 'drop-database'],
  ['drop user a', 'privilege', 'drop', 'drop-role'],
  ['alter table a drop column b', 'ddl', 'alter', 'alter-table', 'drop', 'drop-column'],
  ['alter table a disable trigger all', 'ddl', 'alter', 'alter-table', 'disable-trigger'],
  ['alter table a no force row level security', 'privilege', 'alter', 'alter-table', 'disable-row-security'],
  ["copy a to program 'sh'", 'program', 'copy', 'copy-to', 'copy-program'],
  ["copy a from '/etc/passwd'", 'program', 'copy', 'copy-from', 'copy-file'],
  ['copy a from stdin', 'copy', 'copy', 'copy-from'],
  ['copy (select 1) to stdout', 'copy', 'copy', 'copy-to', 'select'],
  ['grant select on a to b', 'privilege', 'grant'],
  ['grant a to b', 'privilege', 'grant', 'grant-role'],
  ['revoke all on a from b', 'privilege', 'revoke'],
  ['create user a', 'privilege', 'create', 'create-role'],
  ['alter group a add user b', 'privilege', 'alter', 'alter-role'],
  ['set role none', 'session', 'set', 'set-role'],
  ['reset role', 'session', 'set', 'set-role'],
  ['set session authorization a', 'session', 'set', 'set-role', 'set-session-authorization'],
  ['alter system set a = 1', 'privilege', 'alter', 'alter-system'],
  ['do $$ begin end $$', 'call', 'do'],
  ['call a()', 'call', 'call'],
  [
    'create function a() returns int language c as $$x$$',
    'ddl',
    'create',
    'create-function',
    'untrusted-language',
    'dynamic-sql',
  ],
  [
    'create function a() returns int security definer language sql return 1',
    'ddl',
    'create',
    'create-function',
    'security-definer',
  ],
  ['create extension dblink', 'ddl', 'create', 'create-extension'],
  ['create trigger a before insert on b execute function c()', 'ddl', 'create', 'create-trigger'],
  ['create server a foreign data wrapper b', 'ddl', 'create', 'create-server'],
  ["select dblink('x', 'y')", 'call', 'select', 'dblink', 'dynamic-sql'],
  ["select lo_import('/etc/passwd')", 'program', 'select', 'server-file', 'large-object', 'lo-import'],
  ["select pg_catalog.pg_read_file('x')", 'program', 'select', 'server-file'],
  ["select query_to_xml('delete from a', true, true, '')", 'call', 'select', 'dynamic-sql'],
  ["prepare transaction 'a'", 'transaction', 'prepare-transaction'],
  ['listen a', 'session', 'listen'],
  ['lock a', 'session', 'lock'],
  ['vacuum a', 'ddl', 'vacuum'],
  ['analyze a', 'ddl', 'vacuum', 'analyze'],
  ['load $$x$$', 'program', 'load'],
  ['begin', 'transaction', 'begin'],
  ['show all', 'read', 'show'],
  ['discard all', 'session', 'discard'],
  // What is nested counts as well.
  [
    'with x as (delete from a returning *) select * from x',
    'write',
    'select',
    'delete',
    'delete-without-where',
  ],
  ['prepare p as delete from a', 'write', 'prepare', 'delete', 'delete-without-where'],
  ['explain analyze delete from a where b = 1', 'write', 'explain', 'explain-analyze', 'delete'],
  ['explain (analyze) delete from a where b = 1', 'write', 'explain', 'explain-analyze', 'delete'],
  [
    'explain (analyze false, analyze) delete from a where b = 1',
    'write',
    'explain',
    'explain-analyze',
    'delete',
  ],
  ['explain delete from a', 'read', 'explain'],
  ['explain (analyze off) delete from a', 'read', 'explain'],
  ['declare c cursor for select 1', 'read', 'declare', 'select'],
  ['create table a as select 1', 'ddl', 'create', 'create-table', 'select'],
  ['create materialized view a as select 1', 'ddl', 'create', 'create-view', 'select'],
  [
    'create rule a as on insert to b do also delete from c where d = 1',
    'ddl',
    'create',
    'create-trigger',
    'create-rule',
    'delete',
  ],
  [
    'create schema a create table b (c int) grant select on b to d',
    'privilege',
    'create',
    'create-schema',
    'create-table',
    'grant',
  ],
  ["update pg_settings set setting = 'x' where name = 'role'", 'write', 'update', 'set', 'set-config'],
  [
    'create function a() returns void begin atomic delete from b where c = 1; end',
    'ddl',
    'create',
    'create-function',
    'delete',
  ],
  // Bodies in SQL and PL/pgSQL are read; what a computed string does cannot be seen.
  ['do $$ begin drop table a; end $$', 'ddl', 'do', 'drop', 'drop-table'],
  ["do $$ begin execute 'dr' || 'op'; end $$", 'call', 'do', 'select', 'dynamic-sql'],
  [
    'do $$ declare r record; begin for r in select 1 from a loop delete from b where c = 1; end loop; end $$',
    'write',
    'do',
    'select',
    'delete',
  ],
  ['do $$ declare x int; begin x := (select y from z); perform 1; end $$', 'call', 'do', 'select'],
  ['do language plpython3u $$ x $$', 'call', 'do', 'dynamic-sql'],
  ['do $$ begin nonsense here; end $$', 'call', 'do', 'dynamic-sql'],
  [
    "create function a() returns void language sql as 'truncate b; select 1'",
    'ddl',
    'create',
    'create-function',
    'truncate',
    'select',
  ],
  [
    'create function a() returns void language plpgsql as $$ begin set role b; end $$',
    'ddl',
    'create',
    'create-function',
    'set',
    'set-role',
  ],
  // However it is written.
  ['dRoP/* */ TaBlE --\n a', 'ddl', 'drop', 'drop-table'],
  ['select "lo_import"($a$x$a$)', 'program', 'select', 'server-file', 'large-object', 'lo-import'],
  ['select U&"lo\\005fimport"(\'x\')', 'program', 'select', 'server-file', 'large-object', 'lo-import'],
]

test.each(rows)('%s is %s', (text, cls, ...words) => {
  const found = facts(text)
  expect({ class: found.class, kinds: found.kinds.toSorted() }).toEqual({
    class: cls,
    kinds: words.toSorted(),
  })
})

test('every word that facts may have is one that a policy may name', () => {
  for (const [text] of rows) for (const word of facts(text).kinds) expect(isDenyWord(word)).toBe(true)
})

test('a string of several statements is all of them together, and each keeps its own, by bytes', () => {
  const text = "select 'ä'; drop table b ; delete from c"
  const { facts: all, parts } = parseText(text)
  expect(all.statements).toBe(3)
  expect(all.class).toBe('ddl')
  expect(all.kinds).toEqual(expect.arrayContaining(['select', 'drop', 'drop-table', 'delete']))
  const bytes = Buffer.from(text)
  expect(
    parts.map(({ start, bytes: length }) =>
      bytes
        .subarray(start, start + length)
        .toString()
        .trim(),
    ),
  ).toEqual(["select 'ä'", 'drop table b', 'delete from c'])
  expect(parts.map(part => part.facts.class)).toEqual(['read', 'ddl', 'write'])
})

test('tables are named with their schema, what is done to them, and their columns', () => {
  expect(facts('select p.card, o.* from app.payments p join orders o on p.id = o.payment').tables).toEqual([
    { schema: 'app', name: 'payments', columns: ['id', 'card'], write: false },
    { name: 'orders', columns: ['payment', '*'], write: false },
  ])
  expect(facts('insert into a (b, c) select d from e').tables).toEqual([
    { name: 'a', columns: ['b', 'c'], write: true },
    { name: 'e', columns: ['d'], write: false },
  ])
  expect(facts('copy a (b) to stdout').tables).toEqual([{ name: 'a', columns: ['b'], write: false }])
  expect(facts('update a set b = c').tables).toEqual([{ name: 'a', columns: ['b', 'c'], write: true }])
  expect(facts('drop table a.b').tables).toEqual([{ schema: 'a', name: 'b', write: true }])
  expect(facts('alter table a rename column b to c').tables).toMatchObject([{ name: 'a', write: true }])
  expect(facts('grant select on a to b').tables).toMatchObject([{ name: 'a' }])
})

test('what renames or moves a table names it, and what concerns a whole schema names all of its tables', () => {
  const named = [{ schema: 'vault', name: 'payments', write: true }]
  for (const text of [
    'alter table vault.payments rename to p',
    'alter table vault.payments set schema public',
    'alter table vault.payments owner to b',
    'alter index vault.payments rename to p',
    'alter view vault.payments set schema public',
    'alter foreign table vault.payments rename to p',
  ])
    expect([text, facts(text).tables]).toEqual([text, named])
  const all = (write: boolean) => [{ schema: 'vault', name: '*', write }]
  expect(facts('alter schema vault rename to open').tables).toEqual(all(false))
  expect(facts('alter schema vault owner to b').tables).toEqual(all(false))
  expect(facts('drop schema vault cascade').tables).toEqual(all(true))
  expect(facts('grant select on all tables in schema vault to b').tables).toEqual(all(true))
  expect(facts('grant execute on all functions in schema vault to b').tables).toEqual([])
  expect(facts('create schema vault').tables).toEqual([])
})

test('a column without its table may be of any table at its level', () => {
  expect(facts('select card from a, b').tables).toEqual([
    { name: 'a', columns: ['card'], write: false },
    { name: 'b', columns: ['card'], write: false },
  ])
})

test('a row as a whole is all columns', () => {
  expect(facts('select row_to_json(p) from payments p').tables).toEqual([
    { name: 'payments', columns: ['*'], write: false },
  ])
})

test('a name of WITH hides the table of that name, but not from itself', () => {
  expect(facts('with x as (select 1) select * from x').tables).toEqual([])
  expect(facts('with payments as (select * from payments) select * from payments').tables).toEqual([
    { name: 'payments', columns: ['*'], write: false },
  ])
  expect(facts('with recursive t as (select 1 union all select 1 from t) select * from t').tables).toEqual([])
  expect(facts('with x as (select 1) delete from x').tables).toEqual([{ name: 'x', write: true }])
})

test('the condition of the outermost statement counts, and only one that names a column', () => {
  expect(facts('select 1 from a where b = 1').hasWhere).toBe(true)
  expect(facts('select 1 from (select 1 from b where c = 1) d').hasWhere).toBe(false)
  expect(facts('delete from a where exists (select 1 from b)').hasWhere).toBe(true)
  expect(facts('delete from a where now() > $1').hasWhere).toBe(false)
  expect(facts('set a = 1').hasWhere).toBeUndefined()
})

test('settings are known by SET, RESET, set_config and what sets them later', () => {
  const settings = (text: string) => parseText(text).parts.flatMap(part => part.settings)
  expect(settings("set names 'sjis'")).toEqual([{ name: 'client_encoding', value: 'sjis', how: 'set' }])
  expect(settings('set local Role to bob')).toEqual([{ name: 'role', value: 'bob', how: 'set' }])
  expect(settings('reset all')).toEqual([{ name: undefined, value: undefined, how: 'reset' }])
  expect(settings("select set_config('ROLE', 'x', false)")).toEqual([
    { name: 'role', value: 'x', how: 'function' },
  ])
  expect(settings("select set_config('ro' || 'le', 'x', false)")).toEqual([
    { name: undefined, value: 'x', how: 'function' },
  ])
  expect(settings("select set_config(name, 'view', false) from pg_settings where name = 'a.b'")).toEqual([
    { name: 'a.b', value: 'view', how: 'function' },
  ])
  expect(settings("select set_config(name, 'x', false) from pg_settings where name < 'role'")).toEqual([
    { name: undefined, value: 'x', how: 'function' },
  ])
  expect(settings('do $$ begin set role b; end $$')).toEqual([{ name: 'role', value: 'b', how: 'set' }])
  expect(settings("alter role a set client_encoding = 'x'")).toEqual([
    { name: 'client_encoding', value: 'x', how: 'elsewhere' },
  ])
  expect(settings("update pg_settings set setting = 'x'")).toEqual([
    { name: undefined, value: undefined, how: 'function' },
  ])
})

test('statements and cursors are followed by name', () => {
  const named = (text: string) => parseText(text).parts[0]?.named
  expect(named('prepare a as select 1')).toEqual({ action: 'prepare', name: 'a' })
  expect(named('execute a')).toEqual({ action: 'execute', name: 'a' })
  expect(named('create table t as execute a')).toEqual({ action: 'execute', name: 'a' })
  expect(named('explain execute a')).toEqual({ action: 'execute', name: 'a' })
  expect(named('deallocate all')).toEqual({ action: 'deallocate', name: undefined })
  expect(named('fetch 10 from a')).toEqual({ action: 'fetch', name: 'a' })
  expect(named('discard all')).toEqual({ action: 'discard', name: undefined })
})

test('what is not SQL is unparsable, with the reason', () => {
  expect(facts('selec 1')).toMatchObject({ class: 'unparsable', reason: 'syntax error at or near "selec"' })
  expect(facts('select 1\0; drop table a')).toMatchObject({ class: 'unparsable', reason: 'a NUL byte' })
  expect(facts(`select ${'('.repeat(50_000)}1${')'.repeat(50_000)}`)).toMatchObject({ class: 'unparsable' })
  expect(facts(`select ${'1+'.repeat(5000)}1`)).toMatchObject({ class: 'unparsable' })
})

test('a text without statements is nothing at all', () => {
  for (const text of ['', ' \n', ';', '-- a', '/* a */'])
    expect(facts(text)).toMatchObject({ class: 'other', kinds: [], statements: 0 })
})

test('thousands of columns of thousands of tables are looked through no further than it makes sense, and that is said', () => {
  const many = (count: number, name: string): string =>
    Array.from({ length: count }, (_, i) => name + i).join(',')
  const hostile = facts(`select ${many(5000, 'c')} from ${many(5000, 't')}`)
  expect(hostile.kinds).toContain('unknown')
  const joined = Array.from({ length: 800 }, (_, i) => `join t${i} using (${many(10, 'c')})`).join(' ')
  expect(facts(`select 1 from t ${joined}`).kinds).toContain('unknown')
  expect(facts(`select ${many(900, 'c')} from ${many(900, 't')}`).kinds).toEqual(['select'])
})
