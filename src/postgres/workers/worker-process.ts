/** One worker process, as the gateway sees it, from its start to its end. */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Fault, reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Arrival } from '../connection.ts'
import type { StartOrder, WorkerKeys } from './messages.ts'
import { type GatewayLink, linkToWorker } from './ports.ts'
import { Takeover, type TakeoverParts } from './takeover.ts'
import { type DeskParts, WorkerDesk } from './worker-desk.ts'

/** A worker that has been told to close, and has, ends by itself within this time. Milliseconds. */
const exitWithinMs = 5000
/** The worker is told how far its outbox was taken over after so many entries. */
const tellTakenEvery = 100
/** Between two questions whether it is still there, and how many of them it may miss: its event loop stands still then. */
const aliveEveryMs = 5000
const maxMissed = 3

export type WorkerProcessParts = {
  /** The program that is forked. */
  readonly entry: URL
  readonly desk: DeskParts
  readonly takeover: TakeoverParts
  readonly log: Log
}

export class WorkerProcess {
  readonly number: number
  readonly folder: string
  readonly desk: WorkerDesk
  /** Resolves, once, when the process is gone and what it had asked for is done: with why. */
  readonly gone: Promise<string>
  readonly #child: ChildProcess
  readonly #link: GatewayLink
  readonly #parts: WorkerProcessParts
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #owner = ''
  #takeover: Takeover | undefined
  #toldTaken = 0
  #missed = 0
  #isGone = false

  private constructor(order: StartOrder, parts: WorkerProcessParts) {
    this.number = order.number
    this.folder = order.folder
    this.#parts = parts
    this.#log = parts.log.child({ worker: order.number })
    this.#child = fork(parts.entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.desk = new WorkerDesk(parts.desk, {
      owner: () => this.#owner,
      takeover: () => this.takeover,
      link: () => this.#link,
    })
    this.#link = linkToWorker(this.#child, {
      calls: this.desk.calls,
      tells: this.desk.tells,
      before: () => this.#takeOver(),
      onViolation: reason => {
        this.#log.error({ reason }, 'a worker process says what the gateway does not know, and is ended')
        this.kill()
      },
      log: this.#log,
    })
    this.gone = this.#waitForEnd()
  }

  /** Forks it and waits until it can take connections. Rejects if it cannot; then it is gone. */
  static async start(order: StartOrder, parts: WorkerProcessParts): Promise<WorkerProcess> {
    const worker = new WorkerProcess(order, parts)
    try {
      const { owner } = await worker.#link.ask('start', order)
      worker.#owner = owner
      worker.#takeover = new Takeover(order.folder, owner, parts.takeover)
      worker.#timer = setInterval(() => worker.#askWhetherAlive(), aliveEveryMs).unref()
      return worker
    } catch (cause) {
      worker.kill()
      await worker.gone
      throw cause
    }
  }

  get owner(): string {
    return this.#owner
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isGone(): boolean {
    return this.#isGone
  }

  get takeover(): Takeover {
    if (this.#takeover !== undefined) return this.#takeover
    throw new TypeError('the worker has not started')
  }

  /** Gives it a connection, which is then not ours any more. */
  hand(arrival: Arrival, endpoint: number): void {
    const { socket, sourceAddress } = arrival
    const id = this.desk.enter(arrival)
    if (this.#link.tell('connection', { id, endpoint, sourceAddress }, socket)) return
    socket.destroy()
    this.desk.tells.gone({ connection: id }, undefined)
  }

  /** What is wrong with a configuration, or nothing. */
  async prepare(file: string, content: Uint8Array): Promise<string> {
    return (await this.#link.ask('prepare', { file, content })).problems
  }

  /** How many of its sessions ended. */
  async adopt(): Promise<number> {
    return (await this.#link.ask('adopt', undefined)).ended
  }

  async cancel(pid: number, key: Buffer, sourceAddress: string): Promise<void> {
    await this.#link.ask('cancel', { pid, key, sourceAddress })
  }

  tellKeys(keys: WorkerKeys): void {
    this.#link.tell('keys', keys)
  }

  tellFull({ userText, message }: Fault): void {
    this.#link.tell('full', { userText, reason: message })
  }

  tellRevoked(password: string): void {
    this.#link.tell('passwordRevoked', { id: password })
  }

  /** The logs cannot be written: its sessions end. */
  tellFailed(reason: string): void {
    this.#link.tell('failed', { reason })
  }

  /** Ends its sessions, waits until they are sealed, and then until it is gone. */
  async close(reason: string): Promise<void> {
    await this.#link.ask('close', { reason }).catch((cause: unknown) => {
      this.#log.warn({ cause: reasonOf(cause) }, 'a worker process could not close by itself')
    })
    if (this.#child.connected) this.#child.disconnect()
    await Promise.race([this.gone, sleep(exitWithinMs, undefined, { ref: false })])
    this.kill()
    await this.gone
  }

  kill(): void {
    if (!this.#isGone) this.#child.kill('SIGKILL')
  }

  /** Comes before whatever the worker asks: what it said before is in the logs, or it gets no answer. */
  #takeOver(): void {
    const takeover = this.#takeover
    if (takeover === undefined) return
    try {
      takeover.take()
    } catch (cause) {
      this.tellFailed(reasonOf(cause))
      throw cause
    }
    if (takeover.taken - this.#toldTaken < tellTakenEvery) return
    this.#toldTaken = takeover.taken
    this.#link.tell('taken', { upTo: takeover.taken })
  }

  #askWhetherAlive(): void {
    this.#link.ask('areYouThere', undefined).then(
      () => (this.#missed = 0),
      () => {
        this.#missed += 1
        if (this.#missed < maxMissed || this.#isGone) return
        this.#log.error('a worker process does not answer any more, and is ended')
        this.kill()
      },
    )
  }

  async #waitForEnd(): Promise<string> {
    const why = await new Promise<string>(resolve => {
      this.#child.once('error', cause => {
        if (this.#child.pid === undefined) resolve(reasonOf(cause)) // it never began
      })
      this.#child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    this.#isGone = true
    clearInterval(this.#timer)
    this.#link.close()
    await this.#link.settled()
    this.desk.letGo()
    return why
  }
}
