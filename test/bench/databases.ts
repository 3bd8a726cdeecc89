/** Three ways to the same database: straight to PostgreSQL, through PgBouncer (session pooling), and through the gateway, which records. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeServerCertificate } from '../../src/demo/server-certificate.ts'
import { freePort } from '../support/openssh.ts'
import { postgresProgram } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import { finish } from '../support/world.ts'

export const databaseWays = ['direct', 'pgbouncer', 'sallyport'] as const
export type DatabaseWay = (typeof databaseWays)[number]

/** pgbench's own unit: 100,000 accounts each, 150 MB in all. */
const scale = 10
const user = 'bench'
const userPassword = 'bench-of-a-test'
/** A password of the sign-in page opens so many connections; a new one is asked for before. */
const passwordUses = { rule: 1000, untilNew: 900 } as const
const pgbouncerProgram = '/usr/sbin/pgbouncer'
const nobody = 65534

/** What is compared is the way, not how the server keeps its data or a log. */
const serverSettings = {
  log_statement: 'none',
  log_connections: 'off',
  shared_buffers: '256MB',
  max_connections: '300',
  autovacuum: 'off',
  max_wal_size: '4GB',
}

const gatewayLimits = {
  maxSessionsPerPrincipal: 500,
  maxUnauthenticatedConnections: 500,
  maxUnauthenticatedPerSource: 500,
}

export type PgbenchProgram = 'pgbench' | 'psql'

export class Databases {
  readonly world: PostgresWorld
  /** Ours alone; readable by whoever PgBouncer runs as. */
  readonly folder: string
  readonly #pgbouncer: { port: number; child: ChildProcess; authorityFile: string }
  #password = { value: '', usesLeft: 0 }

  private constructor(
    world: PostgresWorld,
    folder: string,
    pgbouncer: { port: number; child: ChildProcess; authorityFile: string },
  ) {
    this.world = world
    this.folder = folder
    this.#pgbouncer = pgbouncer
    process.once('exit', this.#abandon)
  }

  /** `gateway`: what Node runs before `serve`, for a profile. */
  static async start(gateway: readonly string[] = ['bin/sallyport.js']): Promise<Databases> {
    const world = await PostgresWorld.start({
      version: 15,
      gateway,
      logLevel: 'info',
      server: { settings: serverSettings },
      rule: { passwords: { for: '12h', connections: passwordUses.rule } },
      target: { tls: { mode: 'off' } },
      configure: config => {
        config['postgres'].limits = gatewayLimits
      },
    })
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-'))
    chmodSync(folder, 0o711)
    const pgbouncer = await startPgbouncer(folder, world.server.port)
    writeFileSync(join(folder, 'server-authority.pem'), world.server.tls.authority)
    const databases = new Databases(world, folder, pgbouncer)
    await databases.#prepare()
    return databases
  }

  /** A bench that is cut short leaves nobody behind. */
  readonly #abandon = (): void => {
    this.#pgbouncer.child.kill('SIGKILL')
    if (!this.world.world.gatewayEnded) process.kill(this.world.world.gatewayPid)
  }

  async stop(): Promise<void> {
    process.removeListener('exit', this.#abandon)
    const gone = new Promise(resolve => this.#pgbouncer.child.once('exit', resolve))
    this.#pgbouncer.child.kill('SIGKILL')
    await gone
    await this.world.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #prepare(): Promise<void> {
    const { server } = this.world
    await server.query(`CREATE ROLE ${user} LOGIN PASSWORD '${userPassword}' IN ROLE app_owner`)
    const env = {
      PGHOST: '127.0.0.1',
      PGPORT: String(server.port),
      PGUSER: 'postgres',
      PGPASSWORD: server.superuserPassword,
      PGDATABASE: 'app',
    }
    await this.#finished('pgbench', ['-i', '-q', '-s', String(scale)], env)
    await server.query('GRANT SELECT ON ALL TABLES IN SCHEMA public TO app_owner', 'app')
    await server.query('CREATE UNLOGGED TABLE arrivals (line text)', 'app')
    await server.query('ALTER TABLE arrivals OWNER TO app_owner', 'app')
    await server.query('VACUUM ANALYZE', 'app')
  }

  /** Whose CPU stands between client and server; all threads of it count. */
  pidBetween(way: DatabaseWay): number | undefined {
    if (way === 'direct') return undefined
    return way === 'pgbouncer' ? this.#pgbouncer.child.pid : this.world.world.gatewayPid
  }

  /** What libpq needs to get there, for so many connections. */
  async environment(way: DatabaseWay, encrypted: boolean, connections: number): Promise<NodeJS.ProcessEnv> {
    const { world } = this
    const place = {
      direct: { port: world.server.port, authority: join(this.folder, 'server-authority.pem') },
      pgbouncer: { port: this.#pgbouncer.port, authority: this.#pgbouncer.authorityFile },
      sallyport: { port: world.port, authority: world.authorityFile },
    }[way]
    const through = way === 'sallyport'
    return {
      PGHOST: 'localhost',
      PGHOSTADDR: '127.0.0.1',
      PGPORT: String(place.port),
      PGDATABASE: 'app',
      PGUSER: through ? 'app_owner@orders' : user,
      PGPASSWORD: through ? await this.#passwordFor(connections) : userPassword,
      PGSSLMODE: encrypted ? 'verify-full' : 'disable',
      ...(encrypted ? { PGSSLROOTCERT: place.authority } : {}),
      HOME: this.folder,
    }
  }

  async #passwordFor(connections: number): Promise<string> {
    if (this.#password.usesLeft < connections) {
      const value = await this.world.password('app_owner', undefined, undefined, 'often')
      this.#password = { value, usesLeft: passwordUses.untilNew }
    }
    this.#password.usesLeft -= connections
    return this.#password.value
  }

  /** What the program said, on both of its streams. Throws if it failed. */
  async run(program: PgbenchProgram, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
    return this.#finished(program, args, env)
  }

  async #finished(program: PgbenchProgram, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
    const child = spawn(postgresProgram(program), args, { env: { ...process.env, ...env }, stdio: 'pipe' })
    const { code, stdout, stderr } = await finish(child)
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${String(code)}: ${stderr}`)
    return stdout.toString() + stderr
  }
}

async function startPgbouncer(
  folder: string,
  serverPort: number,
): Promise<{ port: number; child: ChildProcess; authorityFile: string }> {
  if (!existsSync(pgbouncerProgram)) throw new Error('missing: PgBouncer (apt-get install pgbouncer)')
  const tls = await makeServerCertificate(['localhost', '127.0.0.1'])
  const port = await freePort()
  const who = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {} // it refuses root
  const file = (name: string, text: string): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    if (who.uid !== undefined) chownSync(path, who.uid, who.gid)
    return path
  }
  const lines = [
    '[databases]',
    `app = host=127.0.0.1 port=${serverPort} dbname=app`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'pool_mode = session',
    'auth_type = scram-sha-256',
    `auth_file = ${file('users', `"${user}" "${userPassword}"\n`)}`,
    'max_client_conn = 500',
    'default_pool_size = 100',
    'log_connections = 0',
    'log_disconnections = 0',
    'client_tls_sslmode = allow',
    `client_tls_cert_file = ${file('certificate.pem', tls.certificate)}`,
    `client_tls_key_file = ${file('key.pem', tls.key)}`,
    'server_tls_sslmode = disable',
  ]
  const configFile = file('pgbouncer.ini', `${lines.join('\n')}\n`)
  const child = spawn(pgbouncerProgram, ['-q', configFile], { ...who, cwd: '/', stdio: 'ignore' })
  const authorityFile = join(folder, 'pgbouncer-authority.pem')
  writeFileSync(authorityFile, tls.authority)
  await untilListening(port, child)
  return { port, child, authorityFile }
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error('PgBouncer did not start')
    const answered = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (answered) return
    await sleep(20)
  }
}
