/**
 * Makes the corpus of typed commands anew: `node test/corpus/record.ts [--held-out] [shell] [scenario]`. Drives real shells on real terminals by
 * scripts and keeps what passed, with what the shells themselves say they ran. Needs bash, zsh, fish, dash, gcc, vim, less, python3,
 * tmux, screen, PostgreSQL and MariaDB; tests need none of them, they read what is kept.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { spawn } from '@lydell/node-pty'
import headless from '@xterm/headless'
import { type RecordedEvent } from '../../src/recorder/event.ts'
import { TypedInput } from '../../src/recorder/typed-input.ts'
import { startPostgresServer } from '../../src/demo/postgres-server.ts'
import { heldOutOf } from './held-out.ts'
import { startMariadbServer } from './mariadb-server.ts'
import { programs } from './programs.ts'
import { type Scenario, scenariosOf, type Step } from './scenarios.ts'
import { prepareShell, readTruth, screenConf, type ShellName, shellNames, tmuxConf } from './shells.ts'
import {
  corpusFolder,
  heldOutFolder,
  readStreams,
  type Stream,
  streamChannel,
  type StreamEvent,
} from './stream.ts'

/** Between keys, and silence after which the screen counts as settled. */
const keyMs = 12
const quietMs = 200
/** ... and at the start, once there is something. */
const startQuietMs = 500
const maxSettleMs = 8000
const atOnce = 3
/** Of the server that scenarios with `needs: 'postgres'` talk to. */
const superuserPassword = 'superuser-of-a-test'

class Run {
  readonly #events: StreamEvent[] = []
  readonly #typed = new TypedInput(streamChannel)
  readonly #start = process.hrtime.bigint()
  readonly #terminal
  readonly #pty
  #lastOutput = Date.now()
  #hasEnded = false

  constructor(shell: ShellName, scenario: Scenario, folder: string, environment: Record<string, string>) {
    const home = join(folder, 'home')
    const { file, args, env } = prepareShell(shell, home, scenario.rc?.(shell) ?? '')
    const [cols, rows] = scenario.size ?? [100, 30]
    this.#terminal = new headless.Terminal({ cols, rows, allowProposedApi: true })
    this.#pty = spawn(file, [...args], {
      cols,
      rows,
      cwd: home,
      encoding: null,
      env: {
        ...env,
        ...environment,
        ...(scenario.nonce === undefined ? {} : { LC_SALLYPORT_MARKS: scenario.nonce }),
      },
    })
    this.#pty.onData(data => this.#show(data as unknown as Buffer))
    this.#pty.onExit(() => (this.#hasEnded = true))
    this.#terminal.onData(answer => this.#type(answer)) // to questions of the shell, as a real terminal's
  }

  async play(steps: readonly Step[]): Promise<StreamEvent[]> {
    for (let ms = 0; this.#events.length === 0 && ms < maxSettleMs; ms += 10) await wait(10)
    await this.#settle(startQuietMs)
    for (const step of steps) {
      if (this.#hasEnded) break
      await this.#play(step)
    }
    if (!this.#hasEnded) this.#pty.kill()
    await wait(50)
    return this.#events
  }

  async #play(step: Step): Promise<void> {
    if (typeof step === 'string') return this.#keys(step)
    if ('at' in step) this.#type(step.at)
    else if ('ms' in step) await wait(step.ms)
    else if ('columns' in step) this.#resize(step.columns, step.rows)
    if (!('ahead' in step)) await this.#settle()
  }

  /** A sequence of a special key comes in one piece, as terminals send it. */
  async #keys(text: string): Promise<void> {
    for (const key of text.match(/\x1b(?:\[[0-9;]*[~A-Za-z]|O[A-Z]|[^[O])|[^]/gu) ?? []) {
      this.#type(key)
      await wait(keyMs)
      if (key === '\r' || key === '\t') await this.#settle()
    }
    await this.#settle()
  }

  #us(): number {
    return Number((process.hrtime.bigint() - this.#start) / 1000n)
  }

  #type(text: string): void {
    if (this.#hasEnded) return
    const data = Buffer.from(text)
    const us = this.#us()
    for (const event of this.#typed.typed(data)) this.#tell(us, event)
    this.#pty.write(text)
  }

  #show(data: Buffer): void {
    this.#lastOutput = Date.now()
    const us = this.#us()
    const told = this.#typed.shown(data)
    const text = data.toString()
    if (Buffer.from(text).equals(data)) this.#events.push([us, 'o', text])
    else this.#events.push([us, 'b', data.toString('base64')])
    for (const event of told) this.#tell(us, event)
    this.#terminal.write(data)
  }

  #tell(us: number, event: RecordedEvent): void {
    if (event.type === 'input-count') this.#events.push([us, 'i', event.bytes])
    else this.#events.push([us, 'e', event])
  }

  #resize(columns: number, rows: number): void {
    this.#events.push([this.#us(), 'r', columns, rows])
    this.#terminal.resize(columns, rows)
    this.#pty.resize(columns, rows)
    this.#lastOutput = Date.now()
  }

  async #settle(quiet = quietMs): Promise<void> {
    const began = Date.now()
    this.#lastOutput = began
    while (Date.now() - this.#lastOutput < quiet && Date.now() - began < maxSettleMs && !this.#hasEnded)
      await wait(10)
  }
}

async function record(
  shell: ShellName,
  scenario: Scenario,
  environment: Record<string, string>,
): Promise<Stream> {
  const folder = mkdtempSync(join(tmpdir(), 'corpus-'))
  try {
    install(folder)
    writeFileSync(join(folder, 'home/.tmux.conf'), tmuxConf(shell))
    screenConf(shell, folder)
    // the variable alone is overruled by Debian's own file
    writeFileSync(join(folder, 'home/.my.cnf'), `[client]\nsocket=${environment['MYSQL_UNIX_PORT'] ?? ''}\n`)
    const [columns, rows] = scenario.size ?? [100, 30]
    const events = await new Run(shell, scenario, folder, environment).play(scenario.steps)
    return {
      name: scenario.name,
      class: scenario.class,
      shell,
      columns,
      rows,
      truth: readTruth(join(folder, 'truth')).filter(text => scenario.notRun?.includes(text) !== true),
      repl: scenario.repl ?? [],
      secrets: scenario.secrets ?? [],
      nonce: scenario.nonce ?? null,
      events,
    }
  } finally {
    spawnSync('tmux', ['kill-server'], { env: { ...process.env, TMUX_TMPDIR: join(folder, 'home') } })
    for (const name of readdirSync(join(folder, 'screen')))
      spawnSync('screen', ['-S', name, '-X', 'quit'], {
        env: { ...process.env, SCREENDIR: join(folder, 'screen') },
      })
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** A home with something in it, and programs that ask for passwords. */
function install(folder: string): void {
  for (const path of ['home/projects/alpha', 'home/logs', 'bin'])
    mkdirSync(join(folder, path), { recursive: true })
  writeFileSync(join(folder, 'home/notes.txt'), 'one\ntwo\nthree\n')
  writeFileSync(join(folder, 'home/report.csv'), 'a,b\n1,2\n')
  writeFileSync(
    join(folder, 'home/logs/app.log'),
    Array.from({ length: 60 }, (_, n) => `line ${n}\n`).join(''),
  )
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, 'bin', name), text)
    chmodSync(join(folder, 'bin', name), 0o755)
  }
}

type Server = { readonly environment: Record<string, string>; readonly stop: () => Promise<void> }

/** Where the clients of databases find their servers; nothing where no scenario needs one. */
async function startServers(scenarios: readonly Scenario[]): Promise<Server> {
  const needs = new Set(scenarios.map(scenario => scenario.needs))
  const servers: Server[] = []
  if (needs.has('postgres')) servers.push(await startPostgres())
  if (needs.has('mariadb')) servers.push(await startMariadb())
  return {
    environment: Object.assign({}, ...servers.map(server => server.environment)) as Record<string, string>,
    stop: async () => {
      for (const server of servers) await server.stop()
    },
  }
}

async function startMariadb(): Promise<Server> {
  const { socket, stop } = await startMariadbServer()
  return { environment: { MYSQL_UNIX_PORT: socket }, stop }
}

async function startPostgres(): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'corpus-postgres-'))
  const binaries = '/usr/lib/postgresql/15/bin'
  const server = await startPostgresServer({ binaries, folder, superuserPassword, port: 0 })
  const stop = async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  const environment = {
    PGHOST: '127.0.0.1',
    PGPORT: String(server.port),
    PGUSER: 'postgres',
    PSQLRC: '/dev/null',
  }
  return { environment, stop }
}

async function recordShell(
  shell: ShellName,
  all: readonly Scenario[],
  into: string,
  only: string | undefined,
): Promise<void> {
  const wanted = all.filter(({ name }) => only === undefined || name.includes(only))
  const file = join(into, `${shell}.ndjson`)
  const made = new Map<string, Stream>()
  const waiting = [...wanted]
  const { environment, stop } = await startServers(wanted)
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      made.set(next.name, await record(shell, next, next.needs === undefined ? {} : environment))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  await stop()
  const kept = new Map(readStreams(file).map(stream => [stream.name, stream]))
  const streams = all.map(({ name }) => made.get(name) ?? kept.get(name))
  const lines = streams.filter(stream => stream !== undefined).map(stream => `${JSON.stringify(stream)}\n`)
  mkdirSync(into, { recursive: true })
  writeFileSync(file, lines.join(''))
  console.log(`${shell}: ${made.size} recorded, ${lines.length} kept`)
}

const isHeldOut = process.argv.includes('--held-out')
const [shell, only] = process.argv.slice(2).filter(word => !word.startsWith('--'))
for (const name of shellNames) {
  const [all, into] = isHeldOut ? [heldOutOf(name), heldOutFolder] : [scenariosOf(name), corpusFolder]
  if (shell === undefined || shell === 'all' || shell === name) await recordShell(name, all, into, only)
}
process.exit(0)
