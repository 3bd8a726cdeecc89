import { afterAll, expect, test } from 'vitest'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import type { DenyRules } from '../../../src/config/config.ts'
import { statementGate } from '../../../src/postgres/relay/gate.ts'
import type { Judgement } from '../../../src/postgres/relay/hooks.ts'
import { grantWith } from './grants.ts'

const grammar = new Grammar()
afterAll(() => grammar.close())

const user = 'sp_bastion_ann_x1'

async function judge(text: string, deny?: Partial<DenyRules>): Promise<Judgement> {
  const rules = deny === undefined ? {} : { deny: { statements: [], tables: [], ...deny } }
  return await statementGate({ grant: grantWith(rules), user, grammar }).judge(text)
}

const allowed = { allowed: true }

test.each([
  "alter role current_user password 'x'",
  `ALTER USER "${user}" WITH PASSWORD 'x'`,
  "alter user session_user password 'x'",
  'alter role current_role valid until $$2099-01-01$$',
  "alter role app_owner set search_path = 'evil'",
  'alter role all set role = none',
  `alter role ${user} rename to mallory`,
  `grant ${user} to mallory`,
  'grant app_owner to mallory',
  'grant app_owner to public',
  'grant postgres to current_user with admin option',
  'grant postgres to session_user',
  `alter group app_owner add user mallory`,
  `create role mallory login in role app_owner`,
  `create role mallory login role session_user`,
  `drop role ${user}`,
  `drop user ${user}`,
  'drop/**/group app_owner',
  `revoke app_owner from ${user}`,
  'revoke admin option for app_owner from mallory',
  'grant select on a to session_user',
  `alter default privileges grant select on tables to ${user}`,
  'set role none',
  'set role mallory',
  'set local role mallory',
  'set session role mallory',
  'set "role" = mallory',
  "set role to 'mallory'",
  'set session authorization mallory',
  'reset session authorization',
  'set session session authorization default',
  "select set_config('role', 'mallory', false)",
  "select pg_catalog.set_config('ROLE', 'none', true)",
  "select set_config('role', $1, false)",
  "select set_config(setting_name => 'role', new_value => 'none', is_local => false)",
  "select set_config(is_local := false, new_value := 'none', setting_name := 'role')",
  "select set_config('role', is_local => false, new_value => 'none')",
  "select set_config('session_authorization', 'app_owner', false)",
  "select U&\"set\\005fconfig\"(U&'r\\006fle', 'none', false)",
  'prepare p as select set_config($$role$$, $$none$$, true)',
  'do $$ begin set role mallory; end $$',
  'set/**/role--\n none',
  'select 1; set role none',
  "begin; alter user current_user password 'x'; commit",
  "set client_encoding to 'SJIS'",
  "set names 'big5'",
  "select set_config('client_encoding', 'gbk', false)",
  'set standard_conforming_strings = off',
  'set standard_conforming_strings to 0',
  "alter database d set client_encoding = 'johab'",
  'alter database d set role = mallory',
  'create function f() returns void language sql set role = mallory as $$select 1$$',
])('even without rules, a session may not say: %s', async text => {
  expect(await judge(text)).toMatchObject({ allowed: false })
})

test.each([
  'set role app_owner',
  'reset role',
  'reset all',
  'discard all',
  'set role to default',
  'grant select on a to app_readonly',
  'grant select on a to app_owner',
  "alter role mallory password 'x'",
  'create role mallory',
  'alter role mallory set role = other',
  "alter role mallory set client_encoding = 'SJIS'",
  'alter table a owner to app_owner',
  "set client_encoding = 'LATIN1'",
  "set names 'utf8'",
  'set standard_conforming_strings = on',
  "SELECT set_config(name, 'view', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'",
  "SELECT pg_catalog.set_config('search_path', '', false);",
  "select 'set role none'",
  'select 1 -- set role none',
  'select role, grantee from information_schema.role_table_grants',
  'selec nonsense',
  "create user mapping for mallory server a options (user 'x')",
])('without rules, a session may say: %s', async text => {
  expect(await judge(text)).toEqual(allowed)
})

test('a text without a word that could matter is not read at all without rules', () => {
  const gate = statementGate({ grant: grantWith({}), user, grammar })
  expect(gate.hasRules).toBe(false)
  expect(gate.judge('select never_read_before from somewhere')).toEqual(allowed)
  expect(grammar.known('select never_read_before from somewhere')).toBeUndefined()
})

test.each([
  ["alter role current_user password 'x' garbage()"],
  ["select 1a; alter user session_user password 'x' ("],
  ['set role none ('],
  ['grant x to y ('],
  [`select '${'x'.repeat(1_100_000)}'; set /* */ local  role mallory`],
])(
  'without rules, what cannot be read is refused if it has forbidden words outside of strings: %#',
  async text => {
    expect(await judge(text)).toMatchObject({ allowed: false, rule: 'statements must be read' })
  },
)

test('without rules, a text that is too long to read may have any word in its strings', async () => {
  expect(await judge(`insert into a (role) values ('set role none ${'x'.repeat(1_100_000)}')`)).toEqual(
    allowed,
  )
})

const deny = { statements: ['drop', 'truncate', 'copy-program'] }

test.each([
  'drop table a',
  'dRoP/**/table a',
  'drop database a',
  'truncate a',
  'select 1; drop table a',
  'begin; truncate a; commit',
  'prepare p as delete from a; drop table a',
  'explain analyze create table b as select 1; drop table a',
  "copy a to program 'sh'",
  "copy (select 1) to program 'sh'",
  'alter table a drop column b',
  'do $$ begin drop table a; end $$',
  "do $$ begin execute 'dr' || 'op table a'; end $$",
  "select query_to_xml('drop table a', true, true, '')",
  "select dblink('', 'drop table a')",
  'create function f() returns void language plpgsql as $$ begin truncate a; end $$',
  'drop table a -- ' + 'x'.repeat(10_000),
  `/* ${'x'.repeat(200_000)} */ drop table a`,
])('what is denied is refused, however it is said: %s', async text => {
  expect(await judge(text, deny)).toMatchObject({
    allowed: false,
    rule: expect.stringMatching(/^role dba, line 7: deny\.statements /),
  })
})

test.each([
  'selec nonsense',
  'select 1\0; drop table a',
  `select ${'('.repeat(50_000)}1`,
  `select '${'x'.repeat(1_100_000)}'`,
  `select ${'1+'.repeat(200_000)}1`,
])('where rules apply, what cannot be read is refused: %#', async text => {
  expect(await judge(text, deny)).toMatchObject({ allowed: false, rule: 'role dba, line 7: unparsable' })
})

test.each([
  'select * from a',
  'delete from a',
  'copy a to stdout',
  "select 'drop table a'",
  'select 1 -- drop table a',
  'select dropped from a',
  '',
  ';',
])('what is not denied is allowed where rules apply: %s', async text => {
  expect(await judge(text, deny)).toEqual(allowed)
})

test.each([
  "select set_config($1, 'x', false)",
  "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
  "set client_encoding = 'LATIN1'",
  "set client_encoding = 'SQL_ASCII'",
  "select set_config('client_encoding', $1, false)",
  "select set_config(name, 'x', false) from pg_settings",
])('where rules apply, nothing may change what a text means: %s', async text => {
  expect(await judge(text, deny)).toMatchObject({
    allowed: false,
    rule: 'settings that change what a text means',
  })
})

test.each([
  ['select * from payments', true],
  ['select * from public.payments', true],
  ['with payments as (select 1) select * from payments', false],
  ['with x as (select * from payments) select 1', true],
  ['insert into b select 1 from payments', true],
  ['select (select count(*) from payments)', true],
  ['select * from "Payments"', false],
  ['explain select * from payments', true],
  ['copy payments to stdout', true],
  ['comment on table payments is $$x$$', true],
  ["select 'payments'", false],
])('a denied table is refused wherever it is named: %s (%s)', async (text, refused) => {
  const judgement = await judge(text, { tables: ['payments'] })
  expect(judgement.allowed).toBe(!refused)
})

test('function calls of the protocol are refused where large objects, or they, are denied', () => {
  const call = (statements: string[]) =>
    statementGate({
      grant: grantWith({ deny: { statements, tables: [] } }),
      user,
      grammar,
    }).judgeFunctionCall?.()
  expect(call(['function'])).toMatchObject({ allowed: false })
  expect(call(['large-object'])).toMatchObject({ allowed: false })
  expect(call(['drop'])).toEqual(allowed)
})

const mask = [{ columns: ['payments.card'], with: 'last4' as const }]

test('where columns are masked, nothing passes as long as nobody knows which', async () => {
  const changed = () => {}
  for (const masks of [undefined, { number: () => Promise.reject(new Error('no broker')), changed }]) {
    const gate = statementGate({ grant: grantWith({ mask }), user, grammar, masks })
    expect(gate.hasRules).toBe(true)
    expect(await gate.judge('select 1')).toMatchObject({
      allowed: false,
      rule: 'masked columns must be known',
    })
  }
})

test('a statement that may change tables makes the masks be looked up again, if it passes', async () => {
  let changes = 0
  const tables = [{ schema: 'public', name: 'payments', masked: ['card'], columns: ['card'] }]
  const number = grammar.addMasks({ tables, views: [], functions: [] })
  const masks = { number: () => number, changed: () => void changes++ }
  const gate = statementGate({ grant: grantWith({ mask }), user, grammar, masks })
  expect(await gate.judge('select upper(card) from payments')).toMatchObject({
    rule: 'role dba, line 7: mask',
  })
  expect(await gate.judge('alter table payments rename to p')).toMatchObject({ allowed: false })
  expect(await gate.judge('select card from payments')).toEqual(allowed)
  expect(changes).toBe(0)
  expect(await gate.judge('create table other (card text)')).toEqual(allowed)
  expect(changes).toBe(1)
})

test('the answer names the rule', async () => {
  expect(await judge('drop table a', deny)).toEqual({
    allowed: false,
    rule: 'role dba, line 7: deny.statements drop',
    reason: 'Policy refuses this statement here: DROP of anything, columns too.',
  })
})

test('what was judged once is judged at once', async () => {
  await judge('drop table twice', deny)
  const gate = statementGate({
    grant: grantWith({ deny: { statements: ['drop'], tables: [] } }),
    user,
    grammar,
  })
  expect(gate.judge('drop table twice')).not.toBeInstanceOf(Promise)
})
