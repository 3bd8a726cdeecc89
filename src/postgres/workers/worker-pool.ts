/**
 * The worker processes of a gateway. What comes in goes to the one that has the fewest connections; one that dies takes its sessions
 * with it and nothing else: what it left is finished here, and another one takes its place.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault } from '../../errors.ts'
import { reasonOf } from '../../errors.ts'
import type { SessionRow } from '../../model.ts'
import { reserveFile } from '../../recorder/room.ts'
import type { Elsewhere, Watching } from '../../session/live.ts'
import type { Held, HoldResult, HoldWish } from '../../session/hold.ts'
import type { Ending } from '../../session/session.ts'
import { workerOf } from '../cancel-keys.ts'
import { type CancelAsked, CancelRequests, type CancelRequestsParts } from '../cancel-requests.ts'
import type { Arrival } from '../connection.ts'
import { turnAway } from '../doorway.ts'
import type { WorkerKeys } from './messages.ts'
import { Takeover } from './takeover.ts'
import type { DeskParts, WorkerDesk } from './worker-desk.ts'
import { journalOf, lockOfGone, workerFolder, workerFolders } from './worker-folder.ts'
import { WorkerProcess, type WorkerProcessParts } from './worker-process.ts'

/** How long after its end another worker takes its place; twice as long each time that one ends soon after. Milliseconds. */
const firstRestartMs = 250
const lastRestartMs = 30_000
/** Who lives so long has not failed to start. */
const steadyMs = 60_000
/** How often is looked whether the logs can be written and the keys are the same. Milliseconds. */
const lookEveryMs = 500

export type WorkerPoolParts = Omit<WorkerProcessParts, 'desk'> &
  CancelRequestsParts & {
    readonly count: number
    /** Where the folders of workers lie. */
    readonly folder: string
    readonly desk: Omit<DeskParts, 'takeCancel'>
    /** The configuration file in force, as it was read. */
    readonly config: () => { readonly file: string; readonly content: Uint8Array }
    readonly keys: () => WorkerKeys
    /** Set once nothing may go on. */
    readonly failure: () => Fault | undefined
    /** Seals what a journal holds, and closes the rows of its sessions; how many. */
    readonly recoverJournal: (journalFolder: string) => Promise<number>
    /** Closes the rows of sessions of an owner that is gone; how many. */
    readonly closeRowsOf: (owner: string) => Promise<number>
    /** A session was sealed whose row is still open. */
    readonly closeRow: (id: string, atMs: number, reason: string) => Promise<void>
    /** There are leases that nobody looks after. */
    readonly sweep: () => void
    readonly onPasswordRevoked: (listener: (id: string) => void) => void
  }

type Slot = {
  readonly number: number
  readonly folder: string
  worker: WorkerProcess | undefined
  /** How often in a row it did not live long. */
  failures: number
}

export class WorkerPool implements Elsewhere {
  readonly #parts: WorkerPoolParts
  readonly #slots: readonly Slot[]
  readonly #cancels: CancelRequests
  readonly #running = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  #keys = ''
  #restarts = 0
  #isClosing = false
  readonly #closing = new AbortController()

  constructor(parts: WorkerPoolParts) {
    this.#parts = parts
    this.#slots = Array.from({ length: parts.count }, (_, index) => ({
      number: index + 1,
      folder: workerFolder(parts.folder, index + 1),
      worker: undefined,
      failures: 0,
    }))
    this.#cancels = new CancelRequests((pid, key) => this.#cancelOf(pid, key), parts)
  }

  /** What workers of a gateway before this one left: in the logs, sealed, and their folders ready. Waits until they are gone. */
  static async recover(folder: string, parts: RecoverParts): Promise<void> {
    for (const of of workerFolders(folder)) {
      await recoverFolder(of, parts)
      rmSync(join(of, reserveFile), { force: true }) // there may be fewer of them from now on
    }
  }

  /** Rejects if one of them cannot start. */
  async start(): Promise<void> {
    this.#keys = JSON.stringify(this.#parts.keys())
    await Promise.all(this.#slots.map(slot => this.#startIn(slot)))
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref()
    this.#parts.onPasswordRevoked(id => {
      for (const worker of this.#workers()) worker.tellRevoked(id)
    })
  }

  /** Gives a connection away. `endpoint` counts the listeners. */
  take(arrival: Arrival, endpoint: number): void {
    const [worker] = this.#workers().toSorted((a, b) => a.desk.connections - b.desk.connections)
    if (worker === undefined)
      turnAway(arrival.socket, 'The gateway is starting again. Try again in a moment.')
    else worker.hand(arrival, endpoint)
  }

  /** All of them read a configuration that is not in force yet; what is wrong with it, or nothing. */
  async prepare(file: string, content: Uint8Array): Promise<string> {
    const asked = this.#workers().map(worker =>
      worker.prepare(file, content).catch((cause: unknown) => {
        if (worker.isGone) return '' // the next one starts with what is in force then
        return `A worker process cannot read it now: ${reasonOf(cause)}.\n`
      }),
    )
    return (await Promise.all(asked)).find(problems => problems !== '') ?? ''
  }

  /** Puts what was prepared into force; one that cannot is replaced. How many sessions ended. */
  async adopt(): Promise<number> {
    const ended = await Promise.all(
      this.#workers().map(worker =>
        worker.adopt().catch(() => {
          const count = worker.desk.rows.length
          worker.kill()
          return count
        }),
      ),
    )
    return ended.reduce((sum, count) => sum + count, 0)
  }

  rows(): readonly SessionRow[] {
    return this.#workers().flatMap(({ desk }) => desk.rows)
  }

  countOf(principal: string): number {
    return this.#workers().reduce((sum, { desk }) => sum + desk.countOf(principal), 0)
  }

  end(id: string, ending: Ending): boolean {
    return this.#workers().some(({ desk }) => desk.end(id, ending))
  }

  async hold(id: string, wish: HoldWish): Promise<HoldResult> {
    return (await this.#deskOf(id)?.hold(id, wish)) ?? 'not-open'
  }

  async release(id: string): Promise<boolean> {
    return (await this.#deskOf(id)?.release(id)) ?? false
  }

  heldOf(id: string): Held | undefined {
    return this.#deskOf(id)?.heldOf(id)
  }

  #deskOf(id: string): WorkerDesk | undefined {
    return this.#workers().find(({ desk }) => desk.has(id))?.desk
  }

  watch(id: string): Watching {
    for (const { desk } of this.#workers()) {
      const watching = desk.watch(id)
      if (watching.kind !== 'not-open') return watching
    }
    return { kind: 'not-open' }
  }

  /** There is no room for recordings: what is open has to end. */
  full(fault: Fault): void {
    for (const worker of this.#workers()) worker.tellFull(fault)
  }

  /** A process of this gateway that lives. */
  isAlive(owner: string): boolean {
    return this.#workers().some(worker => worker.owner === owner)
  }

  /** For metrics: how many there are, and how many had to be replaced so far. */
  get state(): { readonly running: number; readonly restarts: number } {
    return { running: this.#workers().length, restarts: this.#restarts }
  }

  /** Ends all sessions and waits until they are sealed and the processes are gone. */
  async close(reason: string): Promise<void> {
    this.#isClosing = true
    this.#closing.abort()
    clearInterval(this.#timer)
    await Promise.all(this.#workers().map(worker => worker.close(reason)))
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #workers(): readonly WorkerProcess[] {
    return this.#slots.flatMap(({ worker }) => (worker === undefined || worker.isGone ? [] : [worker]))
  }

  async #startIn(slot: Slot): Promise<void> {
    const { number, folder } = slot
    const { entry, takeover, log, desk } = this.#parts
    const order = { number, folder, config: this.#parts.config(), keys: this.#parts.keys() }
    const worker = await WorkerProcess.start(order, {
      entry,
      takeover,
      log,
      desk: { ...desk, takeCancel: asked => this.#takeCancel(asked) },
    }).catch(async (cause: unknown) => {
      await recoverFolder(folder, this.#parts)
      throw cause
    })
    if (this.#isClosing || this.#parts.config().content !== order.config.content) {
      await worker.close('the configuration changed while it started')
      await this.#finish(slot, worker, 'the configuration changed while it started')
      throw new Error('the configuration changed while it started')
    }
    slot.worker = worker
    worker.tellKeys(this.#parts.keys()) // they may have changed while it started
    takeover.audit.append({ kind: 'worker-start', number, owner: worker.owner })
    const startedAtMs = performance.now()
    const following = worker.gone
      .then(why => this.#replace(slot, worker, why, performance.now() - startedAtMs))
      .catch((cause: unknown) =>
        log.error({ worker: number, cause: reasonOf(cause) }, 'a worker is not replaced'),
      )
      .finally(() => this.#running.delete(following))
    this.#running.add(following)
  }

  async #replace(slot: Slot, worker: WorkerProcess, why: string, livedMs: number): Promise<void> {
    const { log } = this.#parts
    if (!this.#isClosing) log.error({ worker: slot.number, why }, 'a worker process is gone')
    slot.failures = livedMs > steadyMs ? 0 : slot.failures
    for (let isFinished = false; ; ) {
      try {
        if (!isFinished) await this.#finish(slot, worker, why)
        isFinished = true
        await this.#waitToRestart(slot)
        if (this.#isClosing) return
        await this.#startIn(slot)
        this.#restarts += 1
        return
      } catch (cause) {
        log.error(
          { worker: slot.number, cause: reasonOf(cause) },
          'a worker process could not be replaced yet',
        )
        if (this.#isClosing) return
        if (!isFinished) await this.#waitToRestart(slot)
      }
    }
  }

  /** Longer each time, so that one that dies at once does not keep the machine busy. */
  async #waitToRestart(slot: Slot): Promise<void> {
    const waitMs = Math.min(firstRestartMs * 2 ** slot.failures, lastRestartMs)
    slot.failures += 1
    await sleep(waitMs, undefined, { signal: this.#closing.signal }).catch(() => {}) // the gateway stops
  }

  /** Whatever it left; nobody else has its folder. */
  async #finish(slot: Slot, worker: WorkerProcess, why: string): Promise<void> {
    const { takeover, recoverJournal, sweep } = this.#parts
    const lock = await lockOfGone(slot.folder)
    try {
      await finish(worker.takeover, this.#parts)
      const interrupted = await recoverJournal(journalOf(slot.folder))
      const left = await this.#parts.closeRowsOf(worker.owner)
      const { number } = slot
      takeover.audit.append({
        kind: 'worker-end',
        number,
        owner: worker.owner,
        why,
        interrupted: interrupted + left,
      })
      worker.takeover.discard()
    } finally {
      lock.release()
    }
    slot.worker = undefined
    sweep()
  }

  #takeCancel(asked: CancelAsked): Promise<void> {
    return this.#cancels.take(asked)
  }

  /** Its worker alone compares the key. */
  #cancelOf(pid: number, key: Buffer): ((from: string) => Promise<void>) | undefined {
    const number = workerOf(pid)
    const worker = this.#workers().find(one => one.number === number)
    return worker === undefined ? undefined : from => worker.cancel(pid, key, from).catch(() => {})
  }

  #look(): void {
    const failure = this.#parts.failure()
    if (failure !== undefined) for (const worker of this.#workers()) worker.tellFailed(failure.message)
    const keys = this.#parts.keys()
    const text = JSON.stringify(keys)
    if (text === this.#keys) return
    this.#keys = text
    for (const worker of this.#workers()) worker.tellKeys(keys)
  }
}

type RecoverParts = Pick<WorkerPoolParts, 'takeover' | 'recoverJournal' | 'closeRow'>

/** Of a worker that this process knows nothing of. */
async function recoverFolder(folder: string, parts: RecoverParts): Promise<void> {
  const lock = await lockOfGone(folder)
  try {
    for (const takeover of Takeover.leftIn(folder, parts.takeover)) {
      await finish(takeover, parts)
      takeover.discard()
    }
    await parts.recoverJournal(journalOf(folder))
  } finally {
    lock.release()
  }
}

/** Takes over what is left in an outbox, and closes the rows of the sessions that it says were closed. */
async function finish(takeover: Takeover, { closeRow }: Pick<WorkerPoolParts, 'closeRow'>): Promise<void> {
  takeover.take()
  for (const { id, atMs, reason } of takeover.closed) {
    await closeRow(id, atMs, reason)
    takeover.forget(id)
  }
}
