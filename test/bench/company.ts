/** Three ways to a shell: straight to sshd, through a second sshd (`ssh -J`), and through the gateway. One key opens all. */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Browser } from '../support/browser.ts'
import {
  isolatedSshOptions,
  type KeyFiles,
  makeKey,
  programPath,
  scratchFolder,
  type Sshd,
  startSshd,
} from '../support/openssh.ts'
import { people, World } from '../support/world.ts'
import type { Answer, Order, Place } from './light-client.ts'
import type { Held } from './answer-memory.ts'

export const ways = ['direct', 'jump', 'sallyport'] as const
export type Way = (typeof ways)[number]

/** The program as people start it, able to say what it holds. */
const gateway = ['--expose-gc', '--import', './test/bench/answer-memory.ts', 'bin/sallyport.js']

/** So many sessions of one person and from one address are no attack here. */
const limits = {
  maxSessionsPerPrincipal: 5000,
  maxUnauthenticatedConnections: 500,
  maxUnauthenticatedPerSource: 500,
  randomDropFrom: 500,
}

const sshdConfig = ['MaxStartups 500', 'AllowTcpForwarding yes', 'Subsystem sftp internal-sftp'].join('\n')

export class Company {
  readonly world: World
  readonly target: Sshd
  readonly jump: Sshd
  readonly key: KeyFiles
  readonly folder: string
  readonly #remove: () => void
  readonly #answerFile: string

  private constructor(parts: {
    world: World
    target: Sshd
    jump: Sshd
    key: KeyFiles
    folder: string
    remove: () => void
    answerFile: string
  }) {
    this.world = parts.world
    this.target = parts.target
    this.jump = parts.jump
    this.key = parts.key
    this.folder = parts.folder
    this.#remove = parts.remove
    this.#answerFile = parts.answerFile
    process.once('exit', this.#abandon)
  }

  static async start(): Promise<Company> {
    const { path: folder, remove } = scratchFolder()
    const key = makeKey(folder, 'bench')
    const authorized = { authorizedKeys: [key.publicLine], extraConfig: sshdConfig }
    const answerFile = join(folder, 'memory.json')
    process.env['SALLYPORT_BENCH_ANSWER'] = answerFile
    const world = await World.start({
      gateway,
      logLevel: 'info',
      sshdConfig,
      configure: config => {
        config['ssh'].limits = limits
        config['identity'].enrolledKeys = { for: '8h', ipv4Prefix: 32 }
      },
    })
    const parts = { world, target: await startSshd(authorized), jump: await startSshd(authorized) }
    const company = new Company({ ...parts, key, folder, remove, answerFile })
    await company.#enrol()
    return company
  }

  /** A bench that is cut short leaves nobody behind. */
  readonly #abandon = (): void => {
    if (!this.world.gatewayEnded) process.kill(this.world.gatewayPid)
  }

  async stop(): Promise<void> {
    process.removeListener('exit', this.#abandon)
    await this.world.stop()
    await this.target.stop()
    await this.jump.stop()
    this.#remove()
  }

  /** The key signs its person in from now on, so that nobody has to go to a browser again. */
  async #enrol(): Promise<void> {
    const run = await this.world.ssh(`${this.world.login}@web1`, {
      command: ['true'],
      arguments: ['-i', this.key.privateFile],
      answers: async url => {
        const browser = new Browser()
        const page = await browser.signInAt(await browser.open(url), people.ada)
        return [(await browser.press(page, 'Yes, show me the code', { enrol: 'yes' })).code ?? '']
      },
    })
    if (run.code !== 0) throw new Error(`the key of the bench was not enrolled: ${run.stderr}`)
  }

  /** What `ssh`, `scp` and `sftp` need to get there without a question; the user name last. */
  options(way: Way, extra: readonly string[]): string[] {
    const common = { identity: this.key.privateFile, extra: ['BatchMode=yes', 'LogLevel=ERROR', ...extra] }
    if (way === 'sallyport')
      return [...isolatedSshOptions(this.world.sshPort, common), '-o', `User=${this.world.login}@web1`]
    const options = isolatedSshOptions(this.target.port, common)
    if (way === 'direct') return options
    const first = isolatedSshOptions(this.jump.port, common)
    const proxy = [programPath('ssh'), ...first, '-W', '%h:%p', '127.0.0.1'].join(' ')
    return [...options, '-o', `ProxyCommand=${proxy}`]
  }

  /** The same for the light client. */
  places(way: Way): { to: Place; through?: Place } {
    const { privateFile } = this.key
    if (way === 'sallyport')
      return { to: { port: this.world.sshPort, user: `${this.world.login}@web1`, privateFile } }
    const to = { port: this.target.port, user: this.target.user, privateFile }
    return way === 'direct'
      ? { to }
      : { to, through: { port: this.jump.port, user: this.jump.user, privateFile } }
  }

  /** The process of sshd that carries the newest connection through the jump host. */
  jumpSessionPid(): number {
    return newestChild(this.jump.pid)
  }

  /** What the gateway's process holds, its threads included. */
  async gatewayMemory(): Promise<Held> {
    rmSync(this.#answerFile, { force: true })
    process.kill(this.world.gatewayPid, 'SIGUSR2')
    while (!existsSync(this.#answerFile)) await sleep(20)
    return JSON.parse(readFileSync(this.#answerFile, 'utf8')) as Held
  }
}

function newestChild(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return Math.max(...children.map(Number))
}

/** Light clients in a process of their own. */
export class Crowd {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(new URL('light-client.ts', import.meta.url), { stdio: 'inherit' })
  }

  async order(order: Order): Promise<Answer> {
    const answered = new Promise<Answer>(resolve => this.#child.once('message', resolve))
    this.#child.send(order)
    const answer = await answered
    if (answer.problem !== undefined) throw new Error(`the light client: ${answer.problem}`)
    return answer
  }

  async leave(): Promise<void> {
    const gone = new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.disconnect()
    await gone
  }
}
