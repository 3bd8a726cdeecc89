/** `sallyport demo`: identity provider, targets and gateway on this machine, with the gateway started as `serve` starts it. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { openAuthorities } from '../credentials/authority.ts'
import { setupSql } from '../credentials/postgres/setup.ts'
import { publicKeyBlob, publicKeyLine } from '../credentials/ssh-key.ts'
import { createPublicKey } from 'node:crypto'
import { type DemoPerson, type RunningIssuer, startIssuer } from '../demo/issuer.ts'
import { type PostgresTargetServer, startPostgresTarget } from '../demo/postgres-target.ts'
import { makeServerCertificate } from '../demo/server-certificate.ts'
import { type SshTargetServer, startSshTarget } from '../demo/ssh-target.ts'
import { Fault } from '../errors.ts'
import { openLog } from '../log.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { untilStopped } from './serve.ts'

type DemoOptions = { dir?: string; sshPort?: string; postgresPort?: string; webPort?: string }

const logins = ['admin', 'deploy']
const privilegeRoles = ['app_readonly', 'app_owner']
const brokerUser = 'sallyport_broker'
const gatewayName = 'demo.sallyport'

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run everything embedded on this machine and print what to type')
    .option('--dir <dir>', 'keep all state here (default: a folder that is removed at the end)')
    .option('--ssh-port <port>', 'where ssh connects to (default: a free port near 2222)')
    .option('--postgres-port <port>', 'where psql connects to (default: a free port near 5432)')
    .option('--web-port <port>', 'where the browser connects to (default: a free port near 8080)')
    .action(runDemo)
}

async function runDemo(options: DemoOptions): Promise<void> {
  const kept = options.dir !== undefined
  const folder =
    options.dir === undefined ? mkdtempSync(join(tmpdir(), 'sallyport-demo-')) : resolve(options.dir)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const log = openLog(process.env['SALLYPORT_LOG'] ?? 'warn')
  const world = new DemoWorld(folder)
  try {
    const ports = await choosePorts(options)
    await world.start(ports, log)
    world.announce(kept)
    await untilStopped(world.gateway()) // a closed terminal stops it
  } finally {
    await world.stop()
    if (!kept) rmSync(folder, { recursive: true, force: true })
  }
}

type Ports = { ssh: number; postgres: number; web: number }

/** Ports that were asked for are taken as they are; others are the first free ones from a number that people know. */
async function choosePorts(options: DemoOptions): Promise<Ports> {
  return {
    ssh: options.sshPort === undefined ? await freePortFrom(2222) : portOf(options.sshPort, '--ssh-port'),
    postgres:
      options.postgresPort === undefined
        ? await freePortFrom(5432)
        : portOf(options.postgresPort, '--postgres-port'),
    web: options.webPort === undefined ? await freePortFrom(8080) : portOf(options.webPort, '--web-port'),
  }
}

function portOf(text: string, option: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port
  throw new Fault('CONFIG_INVALID', `${option} must be a port number from 0 to 65535, not "${text}".`)
}

async function freePortFrom(first: number): Promise<number> {
  for (let port = first; port < first + 100; port++) if (await isFree(port)) return port
  throw new Fault(
    'PORT_IN_USE',
    `No free port from ${first} to ${first + 99}. Name one with --ssh-port, --postgres-port or --web-port.`,
  )
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolveFree => {
    const server = createServer()
    server.once('error', () => resolveFree(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolveFree(true)))
  })
}

/** A port of the system's choice, for what needs to be named before it listens. */
function anyPort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolvePort(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

const databaseTarget = {
  name: 'orders',
  protocol: 'postgres',
  labels: { env: 'demo' },
  connector: 'role',
  sensitive: ['employees', 'payments.card_*'],
} as const

/** To look and to work, with an example of each kind of rule. */
const databaseRules = [
  {
    targets: { name: databaseTarget.name },
    logins: ['app_readonly'],
    mask: [{ columns: ['payments.card_number'], with: 'last4' }],
    passwords: { for: '15m', connections: 10 },
  },
  {
    targets: { name: databaseTarget.name },
    logins: ['app_owner'],
    deny: { statements: ['drop', 'truncate', 'copy-program'] },
  },
]

class DemoWorld {
  readonly #folder: string
  #issuer: RunningIssuer | undefined
  #target: SshTargetServer | undefined
  #database: PostgresTargetServer | undefined
  /** Why there is no database. */
  #withoutDatabase = ''
  #gateway: Gateway | undefined
  #people: readonly DemoPerson[] = []
  #webUrl = ''

  constructor(folder: string) {
    this.#folder = folder
  }

  gateway(): Gateway {
    if (this.#gateway === undefined) throw new TypeError('the demo has not started')
    return this.#gateway
  }

  get #configFile(): string {
    return join(this.#folder, 'sallyport.yaml')
  }

  /** Target and issuer first: the gateway's configuration names them. */
  async start(ports: Ports, log: ReturnType<typeof openLog>): Promise<void> {
    const web = ports.web === 0 ? await anyPort() : ports.web
    this.#webUrl = `http://127.0.0.1:${web}`
    this.#people = peopleOf(this.#folder)
    const secret = secretOf(this.#folder)
    const authorities = openAuthorities(join(this.#folder, 'data', 'keys'))
    this.#issuer = await startIssuer({
      port: 0,
      people: this.#people,
      clients: [{ clientId: 'sallyport', clientSecret: secret, redirectUris: [`${this.#webUrl}/callback`] }],
      folder: this.#folder,
    })
    const authority = publicKeyBlob(createPublicKey(authorities.targets.publicKeyPem))
    this.#target = await startSshTarget({ port: 0, authority })
    await this.#startDatabase()
    this.#writeConfig({ ...ports, web })
    this.#gateway = await startGateway(this.#configFile, log)
    this.#writeFacts()
  }

  /** A machine without the embedded PostgreSQL has a demo all the same. */
  async #startDatabase(): Promise<void> {
    const target = { ...databaseTarget, broker: { user: brokerUser, database: 'postgres' } }
    const wish = { target, logins: privilegeRoles, version: 18, gateway: gatewayName } as const
    try {
      this.#database = await startPostgresTarget({ setupSql: setupSql(wish), brokerUser })
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause
      this.#withoutDatabase = cause.userText
      return
    }
    const { certificate, key, authority } = await makeServerCertificate(['localhost', '127.0.0.1'])
    this.#write('broker-password', this.#database.brokerPassword)
    this.#write('orders-ca.pem', this.#database.authority)
    this.#write('postgres.crt', certificate)
    this.#write('postgres.key', key)
    this.#write('postgres-ca.pem', authority)
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#folder, name), text, { mode: 0o600 })
  }

  #file(name: string): string {
    return `file:${join(this.#folder, name)}`
  }

  #databaseConfig(): object[] {
    if (this.#database === undefined) return []
    return [
      {
        ...databaseTarget,
        address: `127.0.0.1:${this.#database.port}`,
        tls: { mode: 'verify-full', authority: this.#file('orders-ca.pem') },
        broker: { user: brokerUser, password: this.#file('broker-password') },
        databases: [this.#database.database],
      },
    ]
  }

  #writeConfig(ports: Ports): void {
    const listener = {
      listen: `127.0.0.1:${ports.postgres}`,
      tls: { certificate: this.#file('postgres.crt'), key: this.#file('postgres.key') },
    }
    const config = {
      gateway: { name: gatewayName, data: join(this.#folder, 'data') },
      ssh: { listen: `127.0.0.1:${ports.ssh}` },
      ...(this.#database === undefined ? {} : { postgres: listener }),
      web: { listen: `127.0.0.1:${ports.web}`, url: this.#webUrl },
      identity: {
        issuer: this.#issuer?.url,
        clientId: 'sallyport',
        clientSecret: `file:${join(this.#folder, 'client-secret')}`,
        claims: { name: 'email', groups: 'groups' },
      },
      targets: [
        {
          name: 'web1',
          protocol: 'ssh',
          address: `127.0.0.1:${this.#target?.port}`,
          labels: { env: 'demo' },
          hostKeys: [this.#target?.hostKeyLine.split(' ').slice(0, 2).join(' ')],
        },
        ...this.#databaseConfig(),
      ],
      roles: {
        admin: {
          members: { groups: ['admins'] },
          allow: [
            { targets: { name: 'web1' }, logins },
            ...(this.#database === undefined ? [] : databaseRules),
          ],
        },
        auditor: { members: { groups: ['audit'] }, review: { targets: { labels: { env: 'demo' } } } },
      },
      recording: { folder: join(this.#folder, 'recordings'), results: 'head:20' },
    }
    writeFileSync(this.#configFile, stringify(config), { mode: 0o600 })
  }

  /** For scripts: written under another name first, so that whoever sees it sees it whole. */
  #writeFacts(): void {
    const gateway = this.gateway()
    const { authorities } = gateway
    const facts = {
      ssh: { host: '127.0.0.1', port: gateway.sshPort },
      postgres:
        this.#database === undefined
          ? null
          : {
              host: '127.0.0.1',
              port: gateway.postgresPort,
              authority: join(this.#folder, 'postgres-ca.pem'),
              database: this.#database.database,
            },
      web: this.#webUrl,
      issuer: this.#issuer?.url,
      config: this.#configFile,
      people: this.#people.map(({ name, password, groups, email }) => ({ name, password, groups, email })),
      targets: [
        { name: 'web1', protocol: 'ssh', logins },
        ...(this.#database === undefined
          ? []
          : [{ name: databaseTarget.name, protocol: 'postgres', logins: privilegeRoles }]),
      ],
      recordings: join(this.#folder, 'recordings'),
      keys: {
        targets: publicKeyLine(
          publicKeyBlob(createPublicKey(authorities.targets.publicKeyPem)),
          'sallyport-targets',
        ),
        host: publicKeyLine(publicKeyBlob(gateway.authorities.gatewayHostKey), 'sallyport-host'),
        recordingHeads: authorities['recording-heads'].publicKeyPem,
        logCheckpoints: authorities['log-checkpoints'].publicKeyPem,
      },
    }
    const file = join(this.#folder, 'demo.json')
    writeFileSync(`${file}.new`, `${JSON.stringify(facts, undefined, 2)}\n`, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }

  announce(kept: boolean): void {
    const gateway = this.gateway()
    const known = join(this.#folder, 'known_hosts')
    const host = publicKeyLine(publicKeyBlob(gateway.authorities.gatewayHostKey), '')
    writeFileSync(known, `[127.0.0.1]:${gateway.sshPort} ${host.trim()}\n`)
    const [admin, auditor] = this.#people
    const speed =
      gateway.crypto === 'native'
        ? ''
        : '\n  (No compiler was found here: SSH ciphers run in JavaScript, which is slower.)\n'
    process.stdout.write(`
Sallyport demo: an SSH server and a database behind the gateway, and an identity provider. All on this machine, loopback only.
${speed}
1. Go through the door, in another terminal:

     ssh -p ${gateway.sshPort} -o UserKnownHostsFile=${known} admin@web1@127.0.0.1

   It shows an address. Open it in your browser, sign in as

     ${admin?.name}    password: ${admin?.password}

   allow it, confirm, and type the code that the page shows at the ssh prompt. Work a little, then leave with "exit".

${this.#databaseLines()}
3. Replay what you did, and prove that nobody altered it and that nothing is missing:

     npx sallyport play last --config ${this.#configFile}
     npx sallyport verify ${this.#folder} --key ${join(this.#folder, 'auditors.pub.pem')}

4. Review it in the browser as an auditor:  ${this.#webUrl}/app/

     ${auditor?.name}    password: ${auditor?.password}

Ctrl-C stops everything${kept ? '' : ' and removes it (keep it with --dir DIR)'}.
`)
    writeFileSync(
      join(this.#folder, 'auditors.pub.pem'),
      (['recording-heads', 'log-checkpoints'] as const)
        .map(purpose => gateway.authorities[purpose].publicKeyPem)
        .join(''),
    )
  }

  #databaseLines(): string {
    if (this.#database === undefined) return `2. (No database here: ${this.#withoutDatabase})\n`
    const { database } = this.#database
    const authority = join(this.#folder, 'postgres-ca.pem')
    const where = `host=127.0.0.1 port=${this.gateway().postgresPort} dbname=${database}`
    return `2. Go to the database, with any client of PostgreSQL (Debian: apt install postgresql-client). Get a password for it at

     ${this.#webUrl}/connect

   and paste it where psql asks:

     psql "${where} user=app_readonly@${databaseTarget.name} sslmode=verify-full sslrootcert=${authority}"

   Try "select * from payments limit 5" and "select * from employees"; then as app_owner@${databaseTarget.name}, and "drop table orders".
`
  }

  /** The gateway itself is closed by its signal handler, or by its failed start. */
  async stop(): Promise<void> {
    await this.#target?.close()
    await this.#database?.close()
    await this.#issuer?.close()
  }
}

/** The same people at the next start with the same folder. */
function peopleOf(folder: string): readonly DemoPerson[] {
  const file = join(folder, 'people.json')
  if (!existsSync(file)) {
    const person = (name: string, group: string): DemoPerson => ({
      name,
      password: randomBytes(6).toString('base64url'),
      email: `${name}@example.com`,
      groups: [group],
    })
    writeFileSync(
      file,
      JSON.stringify([person('alice', 'admins'), person('audrey', 'audit'), person('bob', 'staff')]),
      { mode: 0o600 },
    )
  }
  return JSON.parse(readFileSync(file, 'utf8')) as DemoPerson[]
}

function secretOf(folder: string): string {
  const file = join(folder, 'client-secret')
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 })
  return readFileSync(file, 'utf8')
}
