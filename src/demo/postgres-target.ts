/** The demo's PostgreSQL target: an embedded server with a small shop in it, a broker, and two privilege roles. */
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { makeServerCertificate } from './server-certificate.ts'
import { embeddedBinaries } from './postgres-binaries.ts'
import { type PostgresServer, startPostgresServer } from './postgres-server.ts'
import { shopSql } from './shop.ts'

export type PostgresTargetServer = {
  readonly port: number
  /** In PEM: what its certificate is checked with. */
  readonly authority: string
  readonly database: string
  readonly brokerUser: string
  readonly brokerPassword: string
  readonly close: () => Promise<void>
}

export const demoDatabase = 'shop'

export type PostgresTargetOptions = {
  /** What the administrator runs: see `sallyport targets setup`. */
  readonly setupSql: string
  readonly brokerUser: string
}

/** Made anew at each start. Throws Fault NOT_FOUND where no embedded PostgreSQL was installed. */
export async function startPostgresTarget(options: PostgresTargetOptions): Promise<PostgresTargetServer> {
  const folder = mkdtempSync(join(scratch(), 'sallyport-postgres-'))
  chmodSync(folder, 0o711)
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  let server: PostgresServer | undefined
  const close = async (): Promise<void> => {
    await server?.stop()
    remove()
  }
  try {
    const superuserPassword = newPassword()
    const tls = await makeServerCertificate(['localhost', '127.0.0.1'])
    server = await startPostgresServer({
      binaries: embeddedBinaries(folder),
      folder,
      superuserPassword,
      port: 0,
      tls,
    })
    const brokerPassword = newPassword()
    await fill(server.port, superuserPassword, { ...options, brokerPassword })
    return {
      port: server.port,
      authority: tls.authority,
      database: demoDatabase,
      brokerUser: options.brokerUser,
      brokerPassword,
      close,
    }
  } catch (cause) {
    await close()
    throw cause
  }
}

/** Letters and digits, so that it needs no quotes anywhere. */
function newPassword(): string {
  return randomBytes(18).toString('hex')
}

/** Where everybody may pass, since the server runs as nobody where we are root; a checkout of root's is no such place. */
function scratch(): string {
  const places = [tmpdir(), '/var/tmp', '/tmp']
  return places.find(isOpenToAll) ?? tmpdir()
}

function isOpenToAll(path: string): boolean {
  for (let here = path; ; here = dirname(here)) {
    const mode = statSync(here, { throwIfNoEntry: false })?.mode ?? 0
    if ((mode & 0o001) === 0) return false
    if (here === dirname(here)) return true
  }
}

type Facts = PostgresTargetOptions & { readonly brokerPassword: string }

async function fill(
  port: number,
  password: string,
  { setupSql, brokerUser, brokerPassword }: Facts,
): Promise<void> {
  const account = { host: '127.0.0.1', port, user: 'postgres', password, ssl: false }
  await asClient({ ...account, database: 'postgres' }, [
    setupSql,
    `ALTER ROLE ${pg.escapeIdentifier(brokerUser)} PASSWORD ${pg.escapeLiteral(brokerPassword)}`,
    `CREATE DATABASE ${demoDatabase}`,
  ])
  await asClient({ ...account, database: demoDatabase }, [shopSql])
}

async function asClient(account: pg.ClientConfig, statements: readonly string[]): Promise<void> {
  const client = new pg.Client(account)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
