/** A company with a database: the world of the SSH tests, a real PostgreSQL behind the gateway, and people with its clients. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PostgresTarget } from '../../src/config/config.ts'
import { makeServerCertificate } from '../../src/demo/server-certificate.ts'
import { Browser } from './browser.ts'
import { people } from './issuer.ts'
import { freePort } from './openssh.ts'
import { brokerName, postgresProgram, startPostgres, type TestPostgres } from './postgres.ts'
import type { PostgresVersion, TestPostgresOptions } from './postgres.ts'
import { finish, type Person, type RawConfig, World, type WorldOptions } from './world.ts'

export type PostgresWorldOptions = Omit<WorldOptions, 'withoutSshd' | 'configure'> & {
  readonly version?: PostgresVersion
  /** With an SSH server besides. */
  readonly sshd?: boolean
  readonly server?: TestPostgresOptions
  /** Changes the configuration after the database was written into it. */
  readonly configure?: (config: RawConfig) => void
  /** Added to the rule that lets `admins` in as any privilege role. */
  readonly rule?: Readonly<Record<string, unknown>>
  /** Fields of the target's section. */
  readonly target?: Readonly<Record<string, unknown>>
}

export type Client = {
  readonly env?: NodeJS.ProcessEnv
  readonly input?: string | Buffer
  readonly person?: Person
}

export class PostgresWorld {
  readonly world: World
  readonly server: TestPostgres
  readonly port: number
  /** PEM of who signed the gateway's own certificate. */
  readonly authorityFile: string
  readonly #browsers = new Map<string, Browser>()

  private constructor(parts: { world: World; server: TestPostgres; port: number; authorityFile: string }) {
    this.world = parts.world
    this.server = parts.server
    this.port = parts.port
    this.authorityFile = parts.authorityFile
  }

  static async start(options: PostgresWorldOptions = {}): Promise<PostgresWorld> {
    const server = await startPostgres(options.version ?? 18, options.server)
    const port = await freePort()
    const { configure = () => {}, rule, target, sshd = false, ...rest } = options
    let authorityFile = ''
    const tls = await makeServerCertificate(['localhost', '127.0.0.1', 'bastion.test', '*.bastion.test'])
    const world = await World.start({
      ...rest,
      withoutSshd: !sshd,
      configure: config => {
        const folder = join(config['gateway'].data as string, '..', 'postgres')
        mkdirSync(folder, { recursive: true })
        const file = (name: string, text: string): string => {
          writeFileSync(join(folder, name), text, { mode: 0o600 })
          return join(folder, name)
        }
        authorityFile = file('authority.pem', tls.authority)
        config['postgres'] = {
          listen: `127.0.0.1:${port}`,
          tls: {
            certificate: `file:${file('certificate.pem', tls.certificate)}`,
            key: `file:${file('key.pem', tls.key)}`,
          },
        }
        const targetAuthority = file('target-authority.pem', server.tls.authority)
        const password = file('broker-password', server.brokerPassword)
        config['targets'].push({
          ...postgresTarget(server.target(), targetAuthority, password),
          ...target,
        })
        config['roles'].database = {
          members: { groups: ['admins'] },
          allow: [{ targets: { name: 'orders' }, logins: ['app_readonly', 'app_owner'], ...rule }],
        }
        config['roles'].databaseAuditor = {
          members: { groups: ['audit'] },
          review: { targets: { name: 'orders' } },
        }
        configure(config)
        const workers = Number(process.env['SALLYPORT_TEST_POSTGRES_WORKERS'] ?? '0')
        if (workers > 0) config['postgres'] = { workers, ...config['postgres'] }
      },
    })
    return new PostgresWorld({ world, server, port, authorityFile })
  }

  /** As a person makes one: at the page, signed in. It works once. */
  async password(
    login = 'app_readonly',
    person: Person = people.ada,
    target = 'orders',
    use: 'once' | 'often' = 'once',
  ): Promise<string> {
    const known = this.#browsers.get(person.name)
    const browser = known ?? new Browser()
    this.#browsers.set(person.name, browser)
    const first = await browser.open(`${this.world.webUrl}/connect`)
    // A browser that is known here may be a stranger to a gateway whose store was changed.
    const isStranger = known === undefined || first.text.includes('Sign in to connect')
    const page = isStranger ? await browser.signInAt(first, person) : first
    const form = page.forms.find(
      ({ action, fields, buttons }) =>
        action === '/connect/password' &&
        buttons.some(({ value }) => value === use) &&
        fields.some(({ name, value }) => name === 'login' && value === login) &&
        fields.some(({ name, value }) => name === 'target' && value === target),
    )
    if (form === undefined) throw new Error(`no password for ${login}@${target} on ${page.text}`)
    const fields = Object.fromEntries(form.fields.map(({ name, value }) => [name, value]))
    const shown = await browser.post(
      new URL(form.action, page.url),
      { ...fields, use, ...(use === 'often' ? { address: '127.0.0.1' } : {}) },
      page,
    )
    const password = /<output class="code long"[^>]*>([^<]*)</.exec(shown.html)?.[1]
    if (password === undefined) throw new Error(`no password on ${shown.text}`)
    return password
  }

  /** As the person who made them, at the page: the first that is listed. */
  async revokePassword(person: Person = people.ada): Promise<void> {
    const browser = this.#browsers.get(person.name) ?? new Browser()
    await browser.press(await browser.open(`${this.world.webUrl}/connect`), 'Revoke')
  }

  /** What a client of libpq reads of the connection; the password is one that works once. */
  async environment(login = 'app_readonly', person: Person = people.ada): Promise<NodeJS.ProcessEnv> {
    return {
      PGHOST: 'localhost',
      PGPORT: String(this.port),
      PGUSER: `${login}@orders`,
      PGDATABASE: 'app',
      PGPASSWORD: await this.password(login, person),
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: this.authorityFile,
      PGAPPNAME: 'test',
      PGCONNECT_TIMEOUT: '20',
      HOME: this.world.folder,
    }
  }

  /** Runs Debian's psql with `-X -A -t`; without a script, what is on its input. */
  async psql(script: string | undefined, options: Client & { login?: string } = {}): Promise<PsqlRun> {
    const env = { ...(await this.environment(options.login, options.person)), ...options.env }
    const args = ['-X', '-A', '-t', ...(script === undefined ? [] : ['-c', script])]
    return this.run('psql', args, { ...options, env })
  }

  async run(program: PostgresProgram, args: readonly string[], options: Client): Promise<PsqlRun> {
    const child = this.start(program, args, options.env ?? {})
    const { code, stdout, stderr } = await finish(child, options.input)
    return { code, stdout: stdout.toString(), stderr }
  }

  start(
    program: Parameters<typeof postgresProgram>[0],
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): ChildProcess {
    return spawn(postgresProgram(program), args, { env: { ...process.env, ...env }, stdio: 'pipe' })
  }

  /** Roles of sessions that are there now. */
  async roles(): Promise<readonly unknown[]> {
    const rows = await this.server.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'sp\\_%'")
    return rows.map(row => row['rolname'])
  }

  async stop(): Promise<void> {
    await this.world.stop()
    await this.server.close()
  }
}

type PostgresProgram = Parameters<typeof postgresProgram>[0]
export type PsqlRun = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

function postgresTarget(target: PostgresTarget, authority: string, password: string): RawConfig {
  return {
    name: target.name,
    protocol: 'postgres',
    address: `127.0.0.1:${target.port}`,
    labels: { env: 'database' },
    tls: { mode: 'verify-full', authority: `file:${authority}` },
    broker: { user: brokerName, password: `file:${password}` },
    sensitive: ['customers', 'payments.card_*'],
  }
}
