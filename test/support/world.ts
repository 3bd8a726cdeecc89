/** A whole company in small: an issuer, an sshd that trusts the gateway, the gateway as a process of its own, and people. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type IPty, spawn as spawnTerminal } from '@lydell/node-pty'
import { stringify } from 'yaml'
import { type Authorities, openAuthorities } from '../../src/credentials/authority.ts'
import { publicKeyBlob, publicKeyLine } from '../../src/credentials/ssh-key.ts'
import type { SessionRow } from '../../src/model.ts'
import { carriesData, type EventRecord } from '../../src/recorder/event.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { Browser } from './browser.ts'
import { people, startTestIssuer, testClient } from './issuer.ts'
import {
  type Finished,
  freePort,
  isolatedSshOptions,
  programPath,
  scratchFolder,
  type Sshd,
  startSshd,
} from './openssh.ts'

export type Person = { readonly name: string; readonly password: string }
// oxlint-disable-next-line typescript/no-explicit-any -- tests break configurations on purpose
export type RawConfig = Record<string, any>

const repository = new URL('../../', import.meta.url).pathname

export type WorldOptions = {
  /** Changes the configuration before it is written. */
  readonly configure?: (config: RawConfig) => void
  /** Starts the gateway whose appends fail or hang while the world's `fault` file says so. */
  readonly faulty?: boolean
  /** Starts another gateway: what Node runs before `serve --config FILE`, and its log level. */
  readonly gateway?: readonly string[]
  readonly logLevel?: string
  /** Added to the environment of the gateway. */
  readonly environment?: NodeJS.ProcessEnv
  readonly sshdConfig?: string
  /** Without a server of its own, for tests that bring a hostile one. */
  readonly withoutSshd?: boolean
}

/** As faulty-append.ts reads it. */
type Fault = 'full' | 'hang' | `${'gateway' | 'worker'}-${'full' | 'hang'}`

export type SshRun = Finished & { readonly code: number | null }
export type SshOptions = {
  readonly person?: Person
  /** What to type at the prompts, from the address that was shown; by default the code that the person gets. */
  readonly answers?: (url: string) => Promise<readonly string[]> | readonly string[]
  readonly command?: readonly string[]
  readonly input?: string | Buffer
  readonly extra?: readonly string[]
  readonly arguments?: readonly string[]
  readonly onStart?: (child: ChildProcess) => void
  readonly timeoutMs?: number
}

export class World {
  readonly folder: string
  readonly data: string
  readonly configFile: string
  readonly faultFile: string
  readonly authorities: Authorities
  readonly sshPort: number
  readonly webUrl: string
  readonly sshd: Sshd | undefined
  readonly browser = new Browser()
  readonly #options: WorldOptions
  readonly #issuer: { url: string; close(): Promise<void> }
  readonly #remove: () => void
  #gateway: ChildProcess | undefined
  #log = ''
  /** Gateways that a test ended: the end of any other is reported. */
  readonly #endedByTest = new WeakSet<ChildProcess>()
  #death: string | undefined
  #runs = 0

  private constructor(parts: {
    scratch: ReturnType<typeof scratchFolder>
    authorities: Authorities
    sshd: Sshd | undefined
    issuer: { url: string; close(): Promise<void> }
    sshPort: number
    webUrl: string
    options: WorldOptions
  }) {
    this.folder = parts.scratch.path
    this.#remove = parts.scratch.remove
    this.data = join(this.folder, 'data')
    this.configFile = join(this.folder, 'sallyport.yaml')
    this.faultFile = join(this.folder, 'fault')
    this.authorities = parts.authorities
    this.sshd = parts.sshd
    this.#issuer = parts.issuer
    this.sshPort = parts.sshPort
    this.webUrl = parts.webUrl
    this.#options = parts.options
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const scratch = scratchFolder()
    const authorities = openAuthorities(join(scratch.path, 'data', 'keys'))
    const line = publicKeyLine(publicKeyBlob(createPublicKey(authorities.targets.publicKeyPem)), 'targets')
    const sshd =
      options.withoutSshd === true
        ? undefined
        : await startSshd({
            trustedUserCaKeys: [line],
            ...(options.sshdConfig === undefined ? {} : { extraConfig: options.sshdConfig }),
          })
    const webUrl = `http://127.0.0.1:${await freePort()}`
    const issuer = await startTestIssuer(webUrl)
    const world = new World({
      scratch,
      authorities,
      sshd,
      issuer,
      sshPort: await freePort(),
      webUrl,
      options,
    })
    mkdirSync(join(world.folder, 'runs'))
    world.writeConfig(options.configure)
    await world.startGateway()
    return world
  }

  get login(): string {
    return this.sshd?.user ?? 'nobody'
  }

  get recordings(): string {
    return join(this.data, 'recordings')
  }

  get gatewayPid(): number {
    return this.#gateway?.pid ?? 0
  }

  /** What the gateway has logged. */
  get log(): string {
    return this.#log
  }

  writeConfig(change: (config: RawConfig) => void = () => {}): void {
    const config: RawConfig = {
      gateway: { name: 'bastion.test', data: this.data },
      ssh: { listen: `127.0.0.1:${this.sshPort}` },
      web: { listen: new URL(this.webUrl).host, url: this.webUrl },
      identity: {
        issuer: this.#issuer.url,
        clientId: testClient.clientId,
        clientSecret: `file:${this.#secretFile()}`,
        claims: { name: 'email', groups: 'groups' },
      },
      targets: [
        {
          name: 'web1',
          protocol: 'ssh',
          address: `127.0.0.1:${this.sshd?.port ?? 1}`,
          labels: { env: 'test' },
          hostKeys:
            this.sshd === undefined ? 'first-use' : [keyOnly(this.sshd.hostKeys[0]?.publicLine ?? '')],
        },
      ],
      roles: {
        admin: {
          members: { groups: ['admins'] },
          allow: [{ targets: { labels: { env: 'test' } }, logins: [this.login] }],
        },
        auditor: { members: { groups: ['audit'] }, review: { targets: { labels: { env: 'test' } } } },
      },
    }
    change(config)
    // Other tests keep the disk busy; those about slow disks say what they want.
    config['recording'] = { appendTimeout: '30s', ...config['recording'] }
    // Two sessions in a hundred are drawn at random, and tests count findings.
    config['analysis'] = { sample: 0, ...config['analysis'] }
    writeFileSync(this.configFile, stringify(config), { mode: 0o600 })
  }

  #secretFile(): string {
    const file = join(this.folder, 'client-secret')
    writeFileSync(file, testClient.clientSecret, { mode: 0o600 })
    return file
  }

  async startGateway(): Promise<void> {
    this.#log = ''
    const main = this.#options.faulty === true ? 'test/support/faulty-gateway.ts' : 'bin/sallyport.js'
    const before = this.#options.gateway ?? [main]
    const child = spawn(process.execPath, [...before, 'serve', '--config', this.configFile], {
      cwd: repository,
      env: {
        ...process.env,
        SALLYPORT_LOG: this.#options.logLevel ?? 'debug',
        SALLYPORT_TEST_FAULT: this.faultFile,
        ...this.#options.environment,
      },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    this.#gateway = child
    this.#death = undefined
    child.stderr?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()))
    child.once('exit', (code, by) => {
      if (this.#endedByTest.has(child)) return
      this.#death = `the gateway ended by itself (${by ?? code}): ${this.#log.slice(-2000)}`
      console.error(this.#death)
    })
    await this.until(() => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the gateway did not start (${child.signalCode ?? child.exitCode}): ${this.#log}`)
      return this.#log.includes('"listening')
    })
  }

  /** Waits for the gateway's end after a signal. */
  async killGateway(signal: NodeJS.Signals): Promise<void> {
    const child = this.#gateway
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = new Promise(resolve => child.once('exit', resolve))
    this.#endedByTest.add(child)
    child.kill(signal)
    await exited
  }

  get gatewayEnded(): boolean {
    return this.#gateway?.exitCode !== null || this.#gateway.signalCode !== null
  }

  reload(): void {
    this.#gateway?.kill('SIGHUP')
  }

  async stop(): Promise<void> {
    await this.killGateway('SIGTERM')
    await this.sshd?.stop()
    await this.#issuer.close()
    this.#remove()
  }

  /** Polls; the test's own time limit is the only one, but nothing is waited for from a gateway that has died. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      if (this.#death !== undefined) throw new Error(this.#death)
      await sleep(20)
    }
  }

  // ── ssh ───────────────────────────────────────────────────────────────────────────────────────────────────────

  codeFor(url: string, person: Person = people.ada): Promise<string> {
    return new Browser().signInAndGetCode(url, person)
  }

  /** Runs plain ssh; the person signs in at the address that it shows. */
  ssh(user: string, options: SshOptions = {}): Promise<SshRun> {
    const args = [
      ...isolatedSshOptions(this.sshPort, options.extra === undefined ? {} : { extra: options.extra }),
      ...(options.arguments ?? []),
      '-l',
      user,
      '127.0.0.1',
      ...(options.command ?? []),
    ]
    return this.runClient('ssh', args, options)
  }

  /** Any OpenSSH client: its questions go to an askpass program that waits for what the test answers. */
  async runClient(
    program: 'ssh' | 'scp' | 'sftp',
    args: readonly string[],
    options: SshOptions,
  ): Promise<SshRun> {
    const folder = join(this.folder, 'runs', String(this.#runs++))
    mkdirSync(folder)
    const fifo = join(folder, 'code')
    execFileSync('mkfifo', [fifo])
    const askpass = join(folder, 'askpass')
    // It says that it was asked before it waits: two answers at once would both go to the first question.
    writeFileSync(askpass, `#!/bin/sh\necho asked >>'${fifo}.asked'\nexec cat '${fifo}'\n`, { mode: 0o755 })
    const child = spawn(programPath(program), args, {
      env: { ...process.env, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', SSH_AUTH_SOCK: '' },
      stdio: 'pipe',
    })
    const run = { ended: false }
    const answering = this.#answer(child, fifo, options, run)
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 90_000)
    options.onStart?.(child)
    child.once('exit', () => {
      run.ended = true
      void freeFifo(fifo, answering)
    })
    const finished = await finish(child, options.input)
    clearTimeout(timer)
    await answering
    return finished
  }

  async #answer(
    child: ChildProcess,
    fifo: string,
    options: SshOptions,
    run: { ended: boolean },
  ): Promise<void> {
    let seen = ''
    const url = await new Promise<string | undefined>(resolve => {
      child.stderr?.on('data', (chunk: Buffer) => {
        seen += chunk.toString()
        const found = /(http:\/\/\S+\/sign-in\/\S+)/.exec(seen)?.[1]
        if (found !== undefined) resolve(found)
      })
      child.once('close', () => resolve(undefined))
    })
    if (url === undefined) return
    const answers = await this.#answersTo(url, options)
    for (const [index, answer] of answers.entries()) {
      await this.until(() => run.ended || linesOf(`${fifo}.asked`) > index)
      if (!run.ended) await writeFile(fifo, `${answer}\n`).catch(() => {})
    }
  }

  /** Whoever gets no code (the page refuses) types anything, as people do. */
  async #answersTo(url: string, options: SshOptions): Promise<readonly string[]> {
    if (options.answers !== undefined) return options.answers(url)
    return this.codeFor(url, options.person).then(
      code => [code],
      () => ['BBBB-BBBB', 'BBBB-BBBB', 'BBBB-BBBB'],
    )
  }

  /** ssh in a terminal of its own, signed in and at the shell's prompt. */
  async terminal(
    user: string,
    options: {
      person?: Person
      columns?: number
      rows?: number
      extra?: readonly string[]
      term?: string
    } = {},
  ): Promise<Terminal> {
    const args = [
      ...isolatedSshOptions(this.sshPort, options.extra === undefined ? {} : { extra: options.extra }),
      '-tt',
      '-l',
      user,
      '127.0.0.1',
    ]
    const terminal = new Terminal(
      spawnTerminal(programPath('ssh'), args, {
        name: options.term ?? 'xterm-256color',
        cols: options.columns ?? 80,
        rows: options.rows ?? 24,
        env: { PATH: process.env['PATH'] ?? '', HOME: this.folder, TERM: options.term ?? 'xterm-256color' },
      }),
    )
    const url = await terminal.waitFor(/(http:\/\/\S+\/sign-in\/\S+)/)
    const code = await this.codeFor(url[1] ?? '', options.person)
    await terminal.waitFor(/Code: $/)
    terminal.type(`${code}\r`)
    return terminal
  }

  // ── what is left behind ───────────────────────────────────────────────────────────────────────────────────────

  /** `sallyport …` with this world's configuration. */
  sallyport(...args: readonly string[]): Promise<Finished> {
    const child = spawn(process.execPath, ['src/main.ts', ...args], {
      cwd: repository,
      env: { ...process.env, SALLYPORT_CONFIG: this.configFile },
      stdio: 'pipe',
    })
    return finish(child, '')
  }

  /** Rows as the admin socket gives them, newest first. */
  sessions(): Promise<readonly SessionRow[]> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: join(this.data, 'admin.sock'),
          path: '/sessions?limit=100',
          headers: { host: 'admin' },
          agent: false, // a connection that was kept may be closed by the gateway just when it is used again
        },
        incoming => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.on('end', () => {
            const answer = JSON.parse(Buffer.concat(chunks).toString()) as { sessions: SessionRow[] }
            resolve(answer.sessions)
          })
        },
      )
      outgoing.on('error', reject)
      outgoing.end()
    })
  }

  /** The newest session, once it has ended and its recording is sealed. */
  async lastEnded(): Promise<SessionRow> {
    let row: SessionRow | undefined
    await this.until(async () => {
      row = (await this.sessions())[0]
      return row !== undefined && row.state !== 'open'
    })
    return row as SessionRow
  }

  fileOf(row: SessionRow): string {
    return join(this.recordings, row.recording)
  }

  eventsOf(row: SessionRow): readonly EventRecord[] {
    const recording = readRecording(this.fileOf(row))
    try {
      return [...recording.events()]
    } finally {
      recording.close()
    }
  }

  /** The bytes of one stream of a recording. */
  streamOf(row: SessionRow, type: 'input' | 'output' | 'error-output', channel = 0): Buffer {
    const data = this.eventsOf(row).flatMap(({ event }) =>
      carriesData(event) && event.type === type && event.channel === channel ? [event.data] : [],
    )
    return Buffer.concat(data)
  }

  /** All lines of the audit log. */
  audit(): readonly Record<string, unknown>[] {
    const folder = join(this.data, 'audit')
    if (!existsSync(folder)) return []
    const files = readdirSync(folder)
      .filter(name => name.endsWith('.ndjson'))
      .toSorted()
    const lines = files.flatMap(name => readFileSync(join(folder, name), 'utf8').split('\n'))
    return lines.filter(line => line.endsWith('}')).map(line => JSON.parse(line) as Record<string, unknown>)
  }

  setFault(kind: Fault | undefined): void {
    if (kind === undefined) rmSync(this.faultFile, { force: true })
    else writeFileSync(this.faultFile, kind)
  }
}

/** A person at a terminal: types, and sees what ssh shows. */
export class Terminal {
  readonly #pty: IPty
  #shown = ''
  #from = 0
  #exit: number | undefined

  constructor(pty: IPty) {
    this.#pty = pty
    pty.onData(data => (this.#shown += data))
    pty.onExit(({ exitCode }) => (this.#exit = exitCode))
  }

  get shown(): string {
    return this.#shown
  }

  type(text: string): void {
    this.#from = this.#shown.length
    this.#pty.write(text)
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows)
  }

  /** What matches in the output since the last `type`. */
  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#shown.slice(this.#from))
      if (match !== null) return match
      if (this.#exit !== undefined) throw new Error(`ssh ended; it showed: ${this.#shown}`)
      await sleep(10)
    }
  }

  /** Milliseconds until one more piece of output comes back. */
  echo(key: string): Promise<number> {
    return new Promise(resolve => {
      const began = performance.now()
      const listener = this.#pty.onData(() => {
        listener.dispose()
        resolve(performance.now() - began)
      })
      this.#pty.write(key)
    })
  }

  async exit(): Promise<number> {
    while (this.#exit === undefined) await sleep(10)
    return this.#exit
  }

  kill(): void {
    this.#pty.kill('SIGKILL')
  }
}

function linesOf(file: string): number {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0
}

function keyOnly(line: string): string {
  return line.split(' ').slice(0, 2).join(' ')
}

export function finish(child: ChildProcess, input?: string | Buffer): Promise<Finished> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin?.on('error', () => {})
  if (input !== undefined) child.stdin?.end(input)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString() })
    })
  })
}

/** Whoever still waits at either end of the FIFO would wait for ever: an askpass without its ssh, or our own write. */
async function freeFifo(fifo: string, writing: Promise<void>): Promise<void> {
  const settled = writing.then(() => 'settled' as const)
  do closeSync(openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK))
  while ((await Promise.race([settled, sleep(20, 'waiting' as const)])) !== 'settled')
}

export { people }
