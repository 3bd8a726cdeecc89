/** Real clients against the real gateway: what is recorded is what the server itself says that it ran. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import postgresJs from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TextEvent } from '../../src/recorder/event.ts'
import { readCatalogue } from '../../src/analysis/rules/catalogue.ts'
import { WindowRules } from '../../src/analysis/rules/window-rules.ts'
import { Grammar } from '../../src/analysis/sql/grammar.ts'
import { entriesOf } from '../support/entries.ts'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { hasPostgres, postgresVersions } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { loggedStatements, ranStatements } from '../support/sql-log.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
const run = promisify(execFile)

describe.each(postgresVersions)('PostgreSQL %d', version => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let company: PostgresWorld
  beforeAll(
    async () =>
      void (company = await PostgresWorld.start({
        version,
        rule: { passwords: { for: '10m', connections: 20 } },
        configure: config => (config['recording'] = { ...config['recording'], results: 'head:2' }),
      })),
  )
  afterAll(async () => company.stop())

  /** Runs a client in one session and compares. */
  async function same(client: () => Promise<unknown>): Promise<readonly string[]> {
    const from = company.server.log().length
    await client()
    const row = await company.world.lastEnded()
    const ran = ranStatements(company.world.eventsOf(row))
    await expect.poll(() => loggedStatements(company.server.log().slice(from))).toEqual(ran)
    return ran
  }

  async function said(...types: readonly string[]): Promise<readonly Record<string, unknown>[]> {
    const row = await company.world.lastEnded()
    return company.world
      .eventsOf(row)
      .map(({ event }) => event)
      .filter((event): event is TextEvent => 'fields' in event && types.includes(event.type))
      .map(({ fields }) => fields)
  }

  /** pgbench connects twice: a password for several connections. */
  async function severalTimes(): Promise<NodeJS.ProcessEnv> {
    const env = await company.environment('app_owner')
    return { ...env, PGPASSWORD: await company.password('app_owner', people.ada, 'orders', 'often') }
  }

  async function connection(login = 'app_owner') {
    return {
      host: 'localhost',
      port: company.port,
      user: `${login}@orders`,
      database: 'app',
      password: await company.password(login),
      ssl: { ca: readFileSync(company.authorityFile, 'utf8') },
    }
  }

  test('psql: plain and broken statements, scripts, and what its own commands ask', async () => {
    const script = [
      'select 1;',
      'select 2\\; select 3;',
      'selec 1;',
      "begin; insert into customers values (1000, 'x', null); savepoint s; select 1/0; rollback to s; rollback;",
      '\\d customers',
    ]
    const ran = await same(() => company.psql(undefined, { input: script.join('\n'), login: 'app_owner' }))
    expect(ran.slice(0, 2)).toEqual(['select 1;', 'select 2; select 3;'])
    expect(ran.length).toBeGreaterThan(10)
  })

  test('node-postgres: parameters, prepared statements, errors, and rows that are kept', async () => {
    const ran = await same(async () => {
      const client = new pg.Client(await connection())
      await client.connect()
      await client.query('select id, name from customers where id = any($1) order by id', [[3, 4, 5]])
      for (const id of [1, 2])
        await client.query({ name: 'by-id', text: 'select name from customers where id = $1', values: [id] })
      await client.query('select $1::int/(random()*0)::int', [1]).catch(() => {})
      await client.query('select $1::text as empty, $2::text as nothing', ['', null])
      await client.end()
    })
    expect(ran).toHaveLength(5)
    const [first] = await said('result')
    expect(first).toMatchObject({
      rows: 3,
      head: [
        [
          { type: 'int4', text: '3' },
          { type: 'text', text: 'Customer 3' },
        ],
        [{ text: '4' }, { text: 'Customer 4' }],
      ],
    })
    expect((await said('statement')).at(-1)).toMatchObject({ parameters: [{ text: '' }, { null: true }] })
    await expect.poll(async () => (await said('statement-facts')).length).toBeGreaterThan(2)
    expect((await said('statement-facts'))[0]).toMatchObject({
      class: 'read',
      tables: [{ name: 'customers' }],
    })
  })

  test('postgres.js: everything in pipelines', async () => {
    await same(async () => {
      const { ssl, host, port, user, database, password } = await connection()
      const sql = postgresJs({ host, port, user, database, password, ssl, max: 1, fetch_types: false })
      await Promise.all(
        Array.from({ length: 50 }, (_, n) =>
          n % 10 === 9 ? sql`select 1/${n - n}::int`.catch(() => {}) : sql`select ${n}::int + 1 as n`,
        ),
      )
      await sql.begin(async sql => {
        await sql`insert into customers values (2000, 'y', null)`
        await sql`delete from customers where id = 2000`
      })
      await sql.end()
    })
  })

  test('a session is played, exported and shown as statements, and is verified', async () => {
    await same(() =>
      company.psql("select name from customers where id = 1; select '=1+1' as formula", {
        login: 'app_owner',
      }),
    )
    const row = await company.world.lastEnded()
    const { world } = company
    const list = await world.sallyport('play', row.id, '--list')
    expect(list.stdout.toString()).toContain('SELECT 1, 1 row')
    const play = await world.sallyport('play', row.id, '--idle', '0', '--statement', '1')
    expect(play.stdout.toString()).toContain('#1  select name from customers where id = 1')
    const beyond = await world.sallyport('play', row.id, '--statement', '99')
    expect([beyond.code, beyond.stdout.toString()]).toEqual([1, ''])
    expect(beyond.stderr).toMatch(/There is no statement 99: the last one is \d+\. "--list" shows them\./)
    const script = await world.sallyport('export', row.id, '--format', 'sql')
    expect(script.stdout.toString()).toContain(
      "\nselect name from customers where id = 1; select '=1+1' as formula\n;\n",
    )
    const table = await world.sallyport('export', row.id, '--format', 'csv')
    expect(table.stdout.toString().split('\r\n')).toHaveLength(4)
    expect((await world.sallyport('verify', world.fileOf(row))).code).toBe(0)
    const browser = new Browser()
    const page = await browser.signInAt(await browser.open(`${world.webUrl}/sessions/${row.id}`), people.ben)
    const shown = await browser.open(`${world.webUrl}/sessions/${row.id}`)
    expect(page.html.length).toBeGreaterThan(0)
    expect(shown.text).toContain('Statements')
    expect(shown.text).toContain('select name from customers')
  })

  test('psycopg: pipeline mode, server-side cursors, COPY both ways', async () => {
    if (!existsSync('/usr/bin/python3')) {
      if (needsPeers) throw new Error('missing: python3-psycopg')
      return
    }
    const ran = await same(async () => {
      const script = join(company.world.folder, 'client.py')
      writeFileSync(script, psycopgScript)
      const env = await company.environment('app_owner')
      await run('/usr/bin/python3', [script], { env: { ...process.env, ...env } })
    })
    expect(ran.length).toBeGreaterThan(20)
    const copies = (await said('result')).flatMap(({ copy }) => (copy === undefined ? [] : [copy]))
    const sha256 = createHash('sha256').update('1\tone\n2\ttwo\n').digest('hex')
    expect(copies).toMatchObject([
      { direction: 'in', bytes: 12, sha256 },
      { direction: 'out', bytes: 12, sha256 },
    ])
  })

  test.each(['simple', 'extended', 'prepared'])('pgbench -M %s', async mode => {
    const env = await severalTimes()
    const script = join(company.world.folder, 'bench.sql')
    writeFileSync(
      script,
      '\\set id random(1, 100)\nbegin;\nselect name from customers where id = :id;\nselect count(*) from orders where customer = :id;\nend;\n',
    )
    const ran = await same(() =>
      company.run('pgbench', ['-n', '-M', mode, '-t', '50', '-f', script], { env }),
    )
    expect(ran.length).toBeGreaterThanOrEqual(200)
  })

  test('pg_dump', async () => {
    if (version > 15) return // Debian's pg_dump is older
    const env = await company.environment('app_readonly')
    const ran = await same(async () => {
      const dump = await company.run('pg_dump', ['--data-only', '-t', 'customers'], { env })
      expect(dump.stdout).toContain('COPY public.customers')
    })
    expect(ran.some(text => text.startsWith('COPY public.customers'))).toBe(true)
    expect((await said('result')).find(({ copy }) => copy !== undefined)).toMatchObject({ tag: 'COPY 100' })
    expect(await windowRulesOf(ran)).toContain('PG-04b')
  })
})

/** Rules over several entries that these statements meet together. */
async function windowRulesOf(statements: readonly string[]): Promise<string[]> {
  const grammar = new Grammar()
  try {
    const windows = new WindowRules(readCatalogue())
    const entries = await entriesOf(statements, 'postgres', grammar)
    return entries.flatMap(entry => windows.take(entry, [])).map(({ rule }) => rule)
  } finally {
    await grammar.close()
  }
}

const psycopgScript = `
import psycopg
connection = psycopg.connect("", prepare_threshold=2)
connection.execute("create table if not exists copied (id int, name text)")
with connection.pipeline():
    for number in range(10):
        connection.execute("select %s + 1", (number,))
try:
    with connection.transaction(), connection.pipeline():
        connection.execute("select 1")
        connection.execute("select 1/(random()*0)::int")
        connection.execute("select 2")
except psycopg.Error:
    pass
with connection.cursor(name="slices") as cursor:
    cursor.execute("select generate_series(1, 10)")
    cursor.fetchmany(4)
    cursor.fetchall()
with connection.cursor() as cursor:
    with cursor.copy("copy copied from stdin") as copy:
        copy.write_row((1, "one"))
        copy.write_row((2, "two"))
    with cursor.copy("copy copied to stdout") as copy:
        for block in copy:
            pass
    cursor.execute("drop table copied")
connection.commit()
connection.close()
`
