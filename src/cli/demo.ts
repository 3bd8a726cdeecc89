/** `sallyport demo`: identity provider, SSH target and gateway in one process, with the gateway started as `serve` starts it. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { openAuthorities } from '../credentials/authority.ts'
import { publicKeyBlob, publicKeyLine } from '../credentials/ssh-key.ts'
import { createPublicKey } from 'node:crypto'
import { type DemoPerson, type RunningIssuer, startIssuer } from '../demo/issuer.ts'
import { type SshTargetServer, startSshTarget } from '../demo/ssh-target.ts'
import { Fault } from '../errors.ts'
import { openLog } from '../log.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { untilStopped } from './serve.ts'

type DemoOptions = { dir?: string; sshPort?: string; webPort?: string }

const logins = ['admin', 'deploy']

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('run everything embedded on this machine and print what to type')
    .option('--dir <dir>', 'keep all state here (default: a folder that is removed at the end)')
    .option('--ssh-port <port>', 'where ssh connects to (default: a free port near 2222)')
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
    await untilStopped(world.gateway(), () => {})
  } finally {
    await world.stop()
    if (!kept) rmSync(folder, { recursive: true, force: true })
  }
}

type Ports = { ssh: number; web: number }

/** Ports that were asked for are taken as they are; others are the first free ones from a number that people know. */
async function choosePorts(options: DemoOptions): Promise<Ports> {
  return {
    ssh: options.sshPort === undefined ? await freePortFrom(2222) : portOf(options.sshPort, '--ssh-port'),
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
    `No free port from ${first} to ${first + 99}. Name one with --ssh-port and --web-port.`,
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

class DemoWorld {
  readonly #folder: string
  #issuer: RunningIssuer | undefined
  #target: SshTargetServer | undefined
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
    this.#writeConfig({ ssh: ports.ssh, web })
    this.#gateway = await startGateway(this.#configFile, log)
    this.#writeFacts()
  }

  #writeConfig(ports: Ports): void {
    const config = {
      gateway: { name: 'demo.sallyport', data: join(this.#folder, 'data') },
      ssh: { listen: `127.0.0.1:${ports.ssh}` },
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
      ],
      roles: {
        admin: { members: { groups: ['admins'] }, allow: [{ targets: { labels: { env: 'demo' } }, logins }] },
        auditor: { members: { groups: ['audit'] }, review: { targets: { labels: { env: 'demo' } } } },
      },
      recording: { folder: join(this.#folder, 'recordings') },
    }
    writeFileSync(this.#configFile, stringify(config), { mode: 0o600 })
  }

  /** For scripts: written under another name first, so that whoever sees it sees it whole. */
  #writeFacts(): void {
    const gateway = this.gateway()
    const { authorities } = gateway
    const facts = {
      ssh: { host: '127.0.0.1', port: gateway.sshPort },
      postgres: null,
      web: this.#webUrl,
      issuer: this.#issuer?.url,
      config: this.#configFile,
      people: this.#people.map(({ name, password, groups, email }) => ({ name, password, groups, email })),
      targets: [{ name: 'web1', protocol: 'ssh', logins }],
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
Sallyport demo: an SSH server behind the gateway, and an identity provider. All on this machine, loopback only.
${speed}
1. Go through the door, in another terminal:

     ssh -p ${gateway.sshPort} -o UserKnownHostsFile=${known} admin@web1@127.0.0.1

   It shows an address. Open it in your browser, sign in as

     ${admin?.name}    password: ${admin?.password}

   confirm, and type the code that the page shows at the ssh prompt. Work a little, then leave with "exit".

2. Replay what you did, and prove that nobody altered it:

     npx sallyport play last --config ${this.#configFile}
     npx sallyport verify ${join(this.#folder, 'recordings')} --key ${join(this.#folder, 'recording-heads.pub.pem')}

3. Review it in the browser as an auditor:  ${this.#webUrl}/sessions

     ${auditor?.name}    password: ${auditor?.password}

Ctrl-C stops everything${kept ? '' : ' and removes it (keep it with --dir DIR)'}.
`)
    writeFileSync(
      join(this.#folder, 'recording-heads.pub.pem'),
      gateway.authorities['recording-heads'].publicKeyPem,
    )
  }

  /** The gateway itself is closed by its signal handler, or by its failed start. */
  async stop(): Promise<void> {
    await this.#target?.close()
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
