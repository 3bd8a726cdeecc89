/** SSH, three ways on one machine: straight to sshd, through `ssh -J`, and through the gateway with recording on. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawn as spawnTerminal } from '@lydell/node-pty'
import {
  isolatedSshOptions,
  makeKey,
  programPath,
  scratchFolder,
  startSshd,
  type Sshd,
} from '../support/openssh.ts'
import { Terminal, World } from '../support/world.ts'

export type Measurement = {
  readonly what: string
  readonly unit: string
  readonly direct: number | undefined
  readonly jump: number | undefined
  readonly sallyport: number | undefined
}

export type BenchOptions = { readonly megabytes: number; readonly rounds: number }

/** The same for all: OpenSSH 9 with itself would choose sntrup761, which takes some 70 ms and is not what is compared. */
const algorithms = ['Ciphers=aes128-gcm@openssh.com', 'KexAlgorithms=curve25519-sha256']
const idleSessions = 40
const keystrokes = 300

type Way = 'direct' | 'jump' | 'sallyport'

/** Runs every measurement `rounds` times, the ways in turn, and keeps the median of each. */
export async function benchSsh(options: BenchOptions): Promise<readonly Measurement[]> {
  const bench = await SshBench.start()
  try {
    // Memory first: what transfers leave behind would hide what a session takes.
    const memory = await bench.memory()
    const { rounds, megabytes } = options
    const rows = [
      await bench.compare('download', 'MB/s', rounds, way => bench.transfer(way, 'down', megabytes)),
      await bench.compare('upload', 'MB/s', rounds, way => bench.transfer(way, 'up', megabytes)),
      await bench.compare('connect + true', 'ms', rounds * 5, way => bench.connect(way)),
      ...(await bench.echo()),
      memory,
    ]
    return rows
  } finally {
    await bench.stop()
  }
}

class SshBench {
  readonly #world: World
  readonly #target: Sshd
  readonly #jump: Sshd
  readonly #identity: string
  readonly #remove: () => void

  private constructor(world: World, target: Sshd, jump: Sshd, identity: string, remove: () => void) {
    this.#world = world
    this.#target = target
    this.#jump = jump
    this.#identity = identity
    this.#remove = remove
  }

  static async start(): Promise<SshBench> {
    const { path, remove } = scratchFolder()
    const key = makeKey(path, 'bench')
    const target = await startSshd({ authorizedKeys: [key.publicLine] })
    const jump = await startSshd({ authorizedKeys: [key.publicLine], extraConfig: 'AllowTcpForwarding yes' })
    return new SshBench(await World.start(), target, jump, key.privateFile, remove)
  }

  async stop(): Promise<void> {
    await this.#world.stop()
    await this.#target.stop()
    await this.#jump.stop()
    this.#remove()
  }

  async compare(
    what: string,
    unit: string,
    rounds: number,
    measure: (way: Way) => Promise<number>,
  ): Promise<Measurement> {
    const ways: Record<Way, number[]> = { direct: [], jump: [], sallyport: [] }
    for (let round = 0; round < rounds; round++) {
      for (const way of ['direct', 'jump', 'sallyport'] as const) ways[way].push(await measure(way))
    }
    return {
      what,
      unit,
      direct: median(ways.direct),
      jump: median(ways.jump),
      sallyport: median(ways.sallyport),
    }
  }

  /** Options of plain ssh, straight or with one jump; the gateway has its own way in. */
  #arguments(way: 'direct' | 'jump'): string[] {
    const options = isolatedSshOptions(this.#target.port, { identity: this.#identity, extra: algorithms })
    if (way === 'direct') return options
    const first = isolatedSshOptions(this.#jump.port, { identity: this.#identity, extra: algorithms })
    const proxy = [programPath('ssh'), ...first, '-W', '%h:%p', '127.0.0.1'].join(' ')
    return [...options, '-o', `ProxyCommand=${proxy}`]
  }

  /** MB/s, from the first byte to the end of the transfer, so that signing in does not count. */
  async transfer(way: Way, direction: 'down' | 'up', megabytes: number): Promise<number> {
    const command =
      direction === 'down' ? `head -c ${megabytes}000000 /dev/zero` : 'echo go; cat >/dev/null; echo done'
    const clock = new TransferClock(direction, megabytes)
    if (way === 'sallyport') {
      await this.#world.ssh(`${this.#world.login}@web1`, {
        command: [command],
        extra: algorithms,
        onStart: child => clock.watch(child),
        ...(direction === 'down' ? { input: '' } : {}),
      })
    } else {
      const child = spawn(programPath('ssh'), [...this.#arguments(way), '127.0.0.1', command], {
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      clock.watch(child)
      await new Promise(resolve => child.once('close', resolve))
    }
    return clock.megabytesPerSecond
  }

  /** Milliseconds of everything but the person: start to the address, and code to the end. */
  async connect(way: Way): Promise<number> {
    const began = performance.now()
    if (way !== 'sallyport') {
      const child = spawn(programPath('ssh'), [...this.#arguments(way), '127.0.0.1', 'true'], {
        stdio: 'ignore',
      })
      await new Promise(resolve => child.once('close', resolve))
      return performance.now() - began
    }
    let asked = 0
    let answered = 0
    await this.#world.ssh(`${this.#world.login}@web1`, {
      command: ['true'],
      extra: algorithms,
      answers: async url => {
        asked = performance.now()
        const code = await this.#world.codeFor(url)
        answered = performance.now()
        return [code]
      },
    })
    return asked - began + (performance.now() - answered)
  }

  /** One keystroke there and back, in a raw terminal. */
  async echo(): Promise<readonly Measurement[]> {
    const times: Record<Way, number[]> = {
      direct: await this.#echoTimes(this.#openTerminal('direct')),
      jump: await this.#echoTimes(this.#openTerminal('jump')),
      sallyport: await this.#echoTimes(await this.#world.terminal(`${this.#world.login}@web1`)),
    }
    const row = (what: string, at: (values: readonly number[]) => number): Measurement => ({
      what,
      unit: 'ms',
      direct: at(times.direct),
      jump: at(times.jump),
      sallyport: at(times.sallyport),
    })
    return [row('keystroke echo p50', median), row('keystroke echo p99', values => quantile(values, 0.99))]
  }

  #openTerminal(way: 'direct' | 'jump'): Terminal {
    const args = [...this.#arguments(way), '-tt', '127.0.0.1']
    return new Terminal(spawnTerminal(programPath('ssh'), args, { name: 'xterm', cols: 80, rows: 24 }))
  }

  async #echoTimes(terminal: Terminal): Promise<number[]> {
    await terminal.waitFor(/[$#] $/)
    terminal.type('stty raw -echo; echo ready; cat\r')
    await terminal.waitFor(/ready\s/)
    const times: number[] = []
    for (let index = 0; index < keystrokes; index++) {
      times.push(await terminal.echo('k'))
      await sleep(2)
    }
    terminal.kill()
    return times
  }

  async #openIdle(count: number): Promise<readonly Terminal[]> {
    const terminals: Terminal[] = []
    for (let index = 0; index < count; index++) {
      const terminal = await this.#world.terminal(`${this.#world.login}@web1`)
      await terminal.waitFor(/[$#] $/)
      terminals.push(terminal)
    }
    return terminals
  }

  /** Resident memory of the gateway for one more idle session with an open shell, garbage not yet collected included. */
  async memory(): Promise<Measurement> {
    const first = await this.#openIdle(idleSessions / 2) // what the first ones load is not what each one takes
    const before = residentKiB(this.#world.gatewayPid)
    const terminals = await this.#openIdle(idleSessions)
    await sleep(1500)
    const grown = residentKiB(this.#world.gatewayPid) - before
    const sshd = sessionKiB(this.#target.pid, this.#openTerminal('direct'))
    for (const terminal of [...first, ...terminals]) terminal.kill()
    return {
      what: 'memory per idle session',
      unit: 'KiB',
      direct: await sshd,
      jump: undefined,
      sallyport: grown / idleSessions,
    }
  }
}

/** From the first byte of data to the last. */
class TransferClock {
  readonly #direction: 'down' | 'up'
  readonly #megabytes: number
  #began = 0
  #ended = 0

  constructor(direction: 'down' | 'up', megabytes: number) {
    this.#direction = direction
    this.#megabytes = megabytes
  }

  watch(child: { stdout: NodeJS.ReadableStream | null; stdin: NodeJS.WritableStream | null }): void {
    child.stdout?.on('data', () => {
      this.#ended = performance.now()
      if (this.#began !== 0) return
      this.#began = this.#ended
      if (this.#direction === 'up' && child.stdin !== null) void pour(child.stdin, this.#megabytes)
    })
  }

  get megabytesPerSecond(): number {
    return this.#megabytes / ((this.#ended - this.#began) / 1000)
  }
}

async function pour(into: NodeJS.WritableStream, megabytes: number): Promise<void> {
  const piece = Buffer.alloc(1_000_000)
  for (let index = 0; index < megabytes; index++) {
    if (!into.write(piece)) await new Promise(resolve => into.once('drain', resolve))
  }
  into.end()
}

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}

/** What sshd's processes of one session hold for themselves alone. */
async function sessionKiB(listener: number, terminal: Terminal): Promise<number> {
  await terminal.waitFor(/[$#] $/)
  const children = readFileSync(`/proc/${listener}/task/${listener}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
  const own = children.map(pid =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0),
  )
  terminal.kill()
  return own.reduce((sum, value) => sum + value, 0)
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
