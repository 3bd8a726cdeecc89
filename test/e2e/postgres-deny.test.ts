/** Rules for statements and masks for columns, as real clients meet them in the simple, the extended and the pipelined protocol. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeDataRow, decodeReport } from '../../src/postgres/wire/backend.ts'
import { frame } from '../../src/postgres/wire/frame-writer.ts'
import { encodePassword, terminate } from '../../src/postgres/wire/frontend.ts'
import { encodeStartup, protocol, sslRequest } from '../../src/postgres/wire/startup.ts'
import { RawClient } from '../postgres/door.ts'
import { bind, describe as describeFrame, execute, parse, query, sync } from '../postgres/relay/raw-client.ts'
import { hasPostgres, type PostgresVersion, postgresVersions } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
const card = '4111 1111 1111 0007'

describe.each(postgresVersions)('PostgreSQL %d', (version: PostgresVersion) => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let company: PostgresWorld
  beforeAll(async () => {
    company = await PostgresWorld.start({
      version,
      configure: config => {
        const rule = { targets: { name: 'orders' } }
        config['recording'] = { ...config['recording'], results: 'head:5' }
        config['roles'].database.allow = [
          {
            ...rule,
            logins: ['app_owner'],
            deny: {
              statements: ['drop', 'truncate', 'copy-program', 'delete'],
              tables: ['payments', 'vault.secrets'],
            },
          },
          {
            ...rule,
            logins: ['app_readonly'],
            mask: [
              { columns: ['payments.card_number'], with: 'last4' },
              { columns: ['customers.email'], with: 'hash' },
            ],
          },
        ]
      },
    })
    await company.server.query(
      `CREATE VIEW cards AS SELECT card_number FROM payments;
       CREATE FUNCTION first_card() RETURNS text SECURITY DEFINER LANGUAGE sql AS 'SELECT card_number FROM payments LIMIT 1';
       CREATE TABLE old_payments () INHERITS (payments);
       INSERT INTO old_payments VALUES (1000, 1000, '5555 5555 5555 4444', 1);
       GRANT SELECT ON cards, old_payments TO app_readonly`,
      'app',
    )
  })
  afterAll(async () => company.stop())

  /** Signed in over TLS with raw bytes, ready for a query. */
  async function raw(login: string): Promise<RawClient> {
    const plain = await RawClient.connect(company.port)
    plain.send(sslRequest)
    await plain.take(1)
    const client = await plain.tls({})
    const pairs = { user: `${login}@orders`, database: 'app' }
    client.send(
      encodeStartup(
        protocol.v3_0,
        Object.entries(pairs).map(([name, value]) => ({ name, value })),
      ),
    )
    await client.until('R')
    client.send(encodePassword(await company.password(login)))
    await client.until('Z')
    return client
  }

  type Frames = Awaited<ReturnType<RawClient['until']>>
  const typesOf = (frames: Frames): string => frames.map(({ type }) => type).join('')
  const errorsOf = (frames: Frames) =>
    frames.filter(({ type }) => type === 'E').map(({ body }) => decodeReport(body).get('C'))
  const statusOf = (frames: Frames) => frames.at(-1)?.body.toString()
  const rowsOf = (frames: Frames) =>
    frames
      .filter(({ type }) => type === 'D')
      .map(({ body }) => decodeDataRow(body).map(value => value?.toString() ?? null))

  /** What psql shows; each script is a session of its own. */
  async function psql(script: string, login = 'app_owner'): Promise<string> {
    const { stdout, stderr } = await company.psql(undefined, { login, input: script })
    return stdout + stderr
  }

  async function nodePostgres(login: string): Promise<pg.Client> {
    const client = new pg.Client({
      host: 'localhost',
      port: company.port,
      database: 'app',
      user: `${login}@orders`,
      password: await company.password(login),
      ssl: { rejectUnauthorized: false },
    })
    await client.connect()
    return client
  }

  async function psycopg(script: string, login: string): Promise<string[]> {
    const env = { ...process.env, ...(await company.environment(login)) }
    const text = `import psycopg\nwith psycopg.connect("", autocommit=True) as c:\n${script.replaceAll(/^/gm, '    ')}`
    const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-c', text], { env })
    return stdout.trimEnd().split('\n')
  }

  describe('a statement that is denied', () => {
    test('never reaches the target; psql gets 42501 with the rule and what to do', async () => {
      const said = await psql(
        '\\set VERBOSITY verbose\ndrop table customers /* marked-drop */;\nselect count(*) from customers;',
      )
      expect(said).toMatch(
        /ERROR:\s+42501: Policy refuses this statement here: DROP of anything, columns too\./,
      )
      expect(said).toMatch(/DETAIL:.*rule "role database, line \d+: deny\.statements drop"/)
      expect(said).toContain('100')
      expect(company.server.log()).not.toContain('marked-drop')
    })

    test('cannot be slipped past its rule by another name of the table, or of its schema', async () => {
      await company.server.query(
        `CREATE SCHEMA IF NOT EXISTS vault; CREATE TABLE IF NOT EXISTS vault.secrets (a int); ALTER SCHEMA vault OWNER TO app_owner;
         ALTER TABLE vault.secrets OWNER TO app_owner; GRANT CREATE ON DATABASE app TO app_owner; GRANT CREATE ON SCHEMA public TO app_owner`,
        'app',
      )
      for (const statement of [
        'alter table payments rename to p2',
        'alter table payments set schema vault',
        'alter table vault.secrets rename to open_secrets',
        'alter table vault.secrets set schema public',
        'alter schema vault rename to open',
        'alter schema vault owner to current_user',
        'grant select on all tables in schema vault to public',
      ])
        expect([statement, await psql(`${statement};\n`)]).toEqual([
          statement,
          expect.stringContaining('Policy refuses'),
        ])
      expect(await psql('create schema free; alter schema free rename to freer;\n')).toContain('ALTER SCHEMA')
      expect(
        await company.server.query("select 1 from pg_tables where schemaname = 'vault'", 'app'),
      ).toHaveLength(1)
    })

    test('takes the whole string with it', async () => {
      const { stderr } = await company.psql("insert into customers values (900, 'x'); drop table orders", {
        login: 'app_owner',
      })
      expect(stderr).toContain('Policy refuses')
      expect(await company.server.query('select 1 from customers where id = 900', 'app')).toEqual([])
    })

    test('fails its transaction, and COMMIT answers ROLLBACK', async () => {
      const said = await psql(
        "begin;\ninsert into customers values (901, 'x');\ntruncate orders;\nselect 1;\ncommit;\n",
      )
      expect(said).toContain('current transaction is aborted')
      expect(said).toContain('ROLLBACK')
      expect(await company.server.query('select 1 from customers where id = 901', 'app')).toEqual([])
    })

    test('with savepoints, only what is after the savepoint fails', async () => {
      const said = await psql(
        "begin;\ninsert into customers values (902, 'x');\nsavepoint a;\ntruncate orders;\nrollback to a;\ncommit;\n",
      )
      expect(said).toContain('COMMIT')
      expect(await company.server.query('select 1 from customers where id = 902', 'app')).toHaveLength(1)
    })

    test('fails in the extended protocol up to Sync, and the next request is answered', async () => {
      const client = await raw('app_owner')
      client.send(parse('drop table customers'), bind(), describeFrame('portal'), execute(), sync)
      const refused = await client.until('Z')
      expect([typesOf(refused), errorsOf(refused), statusOf(refused)]).toEqual(['EZ', ['42501'], 'I'])
      client.send(parse('select 1'), bind(), execute(), sync)
      expect(typesOf(await client.until('Z'))).toBe('12DCZ')
      client.send(terminate)
    })

    test('fails in a pipeline where it stands, and nothing else', async () => {
      const client = await raw('app_owner')
      client.send(
        parse('select 1'),
        bind(),
        execute(),
        sync,
        query('begin'),
        parse('truncate orders'),
        bind(),
        execute(),
        parse('select 2'),
        bind(),
        execute(),
        sync,
        query('commit'),
        parse('select 3'),
        bind(),
        execute(),
        sync,
      )
      const answers: Frames[] = []
      for (let i = 0; i < 5; i++) answers.push(await client.until('Z'))
      expect(answers.map(typesOf)).toEqual(['12DCZ', 'CZ', 'EZ', 'CZ', '12DCZ'])
      expect(answers.map(statusOf)).toEqual(['I', 'T', 'E', 'I', 'I'])
      expect(answers[3]?.[0]?.body.toString()).toBe('ROLLBACK\0')
      client.send(terminate)
    })

    test('leaves no prepared statement behind, and a harmless one of its name may follow', async () => {
      const client = await raw('app_owner')
      client.send(parse('delete from orders where id = 1', 's'), sync)
      expect(errorsOf(await client.until('Z'))).toEqual(['42501'])
      client.send(bind('s'), execute(), sync)
      expect(errorsOf(await client.until('Z'))).toEqual(['26000'])
      client.send(parse("select 'benign'", 's'), bind('s'), execute(), sync)
      expect(rowsOf(await client.until('Z'))).toEqual([['benign']])
      client.send(terminate)
    })

    test('is refused for node-postgres and psycopg as for everybody', async () => {
      const client = await nodePostgres('app_owner')
      await expect(client.query('delete from orders where id = $1', [1])).rejects.toMatchObject({
        code: '42501',
      })
      await expect(client.query({ name: 'x', text: 'delete from orders' })).rejects.toMatchObject({
        code: '42501',
      })
      expect((await client.query('select count(*)::int as n from orders')).rows).toEqual([{ n: 1000 }])
      await client.end()
      const said = await psycopg(
        `
with c.pipeline():
    a = c.execute("select 1")
    try:
        c.execute("delete from orders where id = %s", [1])
        c.execute("select 2").fetchone()
    except psycopg.Error as e: print(e.sqlstate)
print(c.execute("select count(*) from orders").fetchone()[0])
`,
        'app_owner',
      )
      expect(said).toEqual(['42501', '1000'])
    })

    test('is on record, with its rule', async () => {
      await psql('drop table customers;')
      const row = await company.world.lastEnded()
      const events = company.world.eventsOf(row).map(({ event }) => event)
      expect(JSON.stringify(events.filter(({ type }) => type === 'blocked'))).toContain(
        'deny.statements drop',
      )
    })
  })

  test.each([
    ['case and comments', 'dRoP/* x */-- y\n table customers'],
    ['WITH', 'with x as (delete from orders returning *) select * from x'],
    ['SQL PREPARE', 'prepare p as delete from orders'],
    ['EXPLAIN ANALYZE', 'explain analyze delete from orders'],
    ['a cursor', 'declare c cursor with hold for select * from payments'],
    ['COPY PROGRAM', "copy orders to program 'touch /tmp/x'"],
    ['DO', 'do $$ begin delete from orders; end $$'],
    ['DO with a computed string', "do $$ begin execute 'dr' || 'op table orders'; end $$"],
    ['SQL in a string', "select query_to_xml('delete from orders', true, true, '')"],
    [
      'a function to be',
      'create function f() returns void language plpgsql as $$ begin truncate orders; end $$',
    ],
    ['a rule', 'create rule r as on insert to orders do also delete from customers'],
    ['ALTER … DROP COLUMN', 'alter table orders drop column total'],
    ['a large padding', `/* ${'x'.repeat(500_000)} */ drop table orders`],
    ['nesting that no parser reads', `select ${'('.repeat(50_000)}1${')'.repeat(50_000)}`],
    ['a text that is too long to read', `select '${'x'.repeat(1_100_000)}'`],
    ['what is no SQL', 'drop the table'],
    ['a table that is denied', 'select count(*) from payments'],
    ['a table by COPY', 'copy payments to stdout'],
    ['a table in a sub-select', 'select (select max(id) from public.payments)'],
    ['another role', 'set role none'],
    ['another role by function', "select set_config('role', 'none', false)"],
    ['another role by a name in escapes', "select U&\"set\\005fconfig\"('role', 'none', false)"],
    ['session authorization', 'reset session authorization'],
    ['its own password', "alter role current_user password 'known'"],
    ['its own password by its name', "do $$ begin alter user session_user password 'known'; end $$"],
    ['membership', 'grant app_owner to public'],
    ['another encoding', "set client_encoding = 'SJIS'"],
    ['another encoding by function', "select set_config('client_encoding', 'LATIN1', false)"],
    ['backslashes in strings', 'set standard_conforming_strings = off'],
    [
      'a setting whose name is computed',
      "select set_config('standard_' || 'conforming_strings', 'off', false)",
    ],
    [
      'a setting through its view',
      "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
    ],
  ])('what rules refuse is refused as %s, in one text and in a Parse', async (_, text) => {
    const client = await raw('app_owner')
    client.send(query(text))
    const simple = await client.until('Z')
    client.send(parse(text), bind(), execute(), sync)
    const extended = await client.until('Z')
    expect([errorsOf(simple), errorsOf(extended)]).toEqual([['42501'], ['42501']])
    client.send(query('select current_user, session_user <> current_user'))
    expect(rowsOf(await client.until('Z'))).toEqual([['app_owner', 't']])
    client.send(terminate)
  })

  test('RESET ROLE and DISCARD ALL come back to the login; SET ROLE to it is allowed', async () => {
    const said = await psql(
      'reset role;\nselect current_user;\ndiscard all;\nselect current_user;\nset role app_owner;\nselect current_user;',
    )
    expect(said.match(/app_owner/g)).toHaveLength(3)
  })

  test("pg_dump's way of setting what it finds in pg_settings is allowed, and pg_dump works where no rule forbids what it needs", async () => {
    expect(
      await psql("select set_config(name, 'UTC', false) from pg_settings where name = 'TimeZone';"),
    ).toBe('UTC\n')
    // Debian's pg_dump does not dump a newer server.
    if (version > 15) return
    const env = await company.environment('app_owner')
    const run = await company.run('pg_dump', ['--schema-only', '--table=customers'], { env })
    expect(run.stdout).toContain('CREATE TABLE public.customers')
    expect(run.code).toBe(0)
  })

  test('a text that is not UTF-8 is refused where rules apply', async () => {
    const client = await raw('app_owner')
    client.send(frame(0x51, Buffer.from("select 'caf\xe9'\0", 'latin1')))
    expect(errorsOf(await client.until('Z'))).toEqual(['42501'])
    client.send(terminate)
  })

  describe('a column that is masked', () => {
    const masked = '************0007'

    test('shows its last characters in psql, by its name, by *, and under another name', async () => {
      const said = await psql(
        'select card_number from payments where id = 7;\nselect * from payments where id = 7;\nselect p.card_number as c from payments p where p.id = 7;\ntable payments;',
        'app_readonly',
      )
      expect(said.split(masked).length - 1).toBe(4)
      expect(said).not.toContain('4111 1111')
      expect(said).not.toContain('5555 5555')
    })

    test('is masked in binary, in prepared statements and in pipelines', async () => {
      const [binary, ...others] = await psycopg(
        `
cur = c.cursor(binary=True)
print(cur.execute("select card_number, id from payments where id = %s", [7]).fetchone())
for i in range(8): row = c.execute("select card_number from payments where id = %s", [7], prepare=True).fetchone()
print(row)
with c.pipeline():
    a = c.execute("select * from payments where id = 7")
    b = c.execute("select 1")
    print(a.fetchone()[2], b.fetchone())
`,
        'app_readonly',
      )
      expect(binary).toBe(`('${masked}', 7)`)
      expect(others).toEqual([`('${masked}',)`, `${masked} (1,)`])
    })

    test('is masked for node-postgres; equal values have equal hashes', async () => {
      const client = await nodePostgres('app_readonly')
      const ask = () =>
        client.query({
          name: 'q',
          text: 'select id, email from customers where id in ($1, $2) order by id',
          values: [1, 2],
        })
      const [first, second] = [(await ask()).rows, (await ask()).rows]
      expect(first).toEqual(second)
      expect(first[0]).toEqual({ id: 1, email: expect.stringMatching(/^[0-9a-f]{32}$/) })
      expect((first[0] as { email: string }).email).not.toBe((first[1] as { email: string }).email)
      await client.end()
    })

    test('is masked in tables that inherit it', async () => {
      const said = await psql(
        'select * from old_payments;\nselect card_number from only old_payments;',
        'app_readonly',
      )
      expect(said).toContain('************4444')
      expect(said).not.toContain('5555 5555')
    })

    test('is masked where the client never asked what the columns are', async () => {
      const client = await raw('app_readonly')
      client.send(parse('select id, card_number from payments where id = 7', 's'), bind('s'), execute(), sync)
      expect(rowsOf(await client.until('Z'))).toEqual([['7', masked]])
      client.send(describeFrame('statement', 's'), bind('s'), execute(), sync)
      expect(rowsOf(await client.until('Z'))).toEqual([['7', masked]])
      client.send(terminate)
    })

    test('keeps its mask through SQL PREPARE, and through FETCH from a portal', async () => {
      const said = await psql(
        'prepare p as select card_number from payments where id = 7;\nexecute p;\nexplain execute p;',
        'app_readonly',
      )
      expect(said).toContain(masked)
      expect(said).not.toContain(card)
      const client = await raw('app_readonly')
      client.send(
        query('begin'),
        parse('select card_number from payments where id = 7'),
        bind('', 'c'),
        query('fetch all from c'),
      )
      const frames = [...(await client.until('Z')), ...(await client.until('Z'))]
      expect(JSON.stringify(rowsOf(frames))).not.toContain('4111')
      client.send(terminate)
    })

    test.each([
      'select upper(card_number) from payments',
      "select card_number || '' from payments",
      'select p from payments p',
      'select to_jsonb(payments) from payments',
      'select p.to_jsonb from payments p',
      'select * from (select * from payments) x',
      'with x as (table payments) select * from x',
      'select card_number from payments union select null',
      'select id from payments where card_number like $$4%$$',
      'select id, card_number from payments order by 2',
      'select * from cards',
      'select first_card()',
      'copy payments to stdout',
      'copy (select * from payments) to stdout',
      'declare c cursor with hold for select * from payments',
      'create temp table x as select * from payments',
      'select * into temp x from payments',
      "select query_to_xml('select * from payments', true, true, '')",
      "do $$ begin raise notice '%', (select card_number from payments limit 1); end $$",
      'select most_common_vals from pg_stats where tablename = $$payments$$',
    ])('cannot be reached by %s', async text => {
      const client = await raw('app_readonly')
      client.send(query(text))
      const simple = await client.until('Z')
      client.send(parse(text), bind(), execute(), sync)
      const extended = await client.until('Z')
      expect([typesOf(simple), errorsOf(simple), errorsOf(extended)]).toEqual(['EZ', ['42501'], ['42501']])
      client.send(terminate)
    })

    test('is not told by the detail of a constraint that fails', async () => {
      await company.server.query(
        'ALTER TABLE payments ADD CONSTRAINT positive CHECK (amount > 0); GRANT UPDATE ON payments TO app_readonly',
        'app',
      )
      const said = await psql(
        '\\set VERBOSITY verbose\nupdate payments set amount = -1 where id = 7;',
        'app_readonly',
      )
      expect(said).toContain('23514')
      expect(said).toContain('positive')
      expect(said).not.toContain('4111')
    })

    test('keeps its mask when the table is made anew under the session', async () => {
      const child = await nodePostgres('app_readonly')
      await child.query('select card_number from payments where id = 7')
      await company.server.query(
        `BEGIN; CREATE TABLE payments_2 AS SELECT * FROM payments; DROP TABLE payments CASCADE; ALTER TABLE payments_2 RENAME TO payments;
         GRANT SELECT ON payments TO app_readonly; COMMIT`,
        'app',
      )
      expect((await child.query('select card_number from payments where id = 7')).rows).toEqual([
        { card_number: masked },
      ])
      await child.end()
    })

    test('is masked in what is recorded', async () => {
      await psql('select * from payments where id = 7;', 'app_readonly')
      const row = await company.world.lastEnded()
      const said = JSON.stringify(company.world.eventsOf(row).map(({ event }) => event))
      expect(said).toContain(masked)
      expect(said).not.toContain(card)
    })
  })

  test('passwords in statements are not recorded', async () => {
    await psql("alter role somebody_else password 'hunter2-of-a-test';", 'app_owner')
    const row = await company.world.lastEnded()
    const said = JSON.stringify(company.world.eventsOf(row).map(({ event }) => event))
    expect(said).toContain('alter role somebody_else password')
    expect(said).not.toContain('hunter2-of-a-test')
  })
})
