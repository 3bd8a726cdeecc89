/** Threads that read recordings for the interface. Which one reads a recording follows from its name, since each remembers what it has read. */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../../errors.ts'
import type { Entry, EntryKind } from '../../../analysis/entry.ts'
import type { Revocation } from '../../../audit/revocation.ts'
import type { CheckRow } from '../../../model.ts'
import type { Replay, ReplayKeyframe, SessionFact, StatementText } from '../../schema.ts'
import type { ScreensAt } from './screens-at.ts'

export type Task =
  | {
      readonly do: 'check'
      readonly file: string
      readonly keys: readonly string[]
      readonly revoked: readonly Revocation[]
    }
  | { readonly do: 'replay'; readonly file: string }
  | { readonly do: 'opening'; readonly file: string }
  | { readonly do: 'keyframe'; readonly file: string; readonly number: number }
  | { readonly do: 'events'; readonly file: string; readonly chunk: number }
  | {
      readonly do: 'entries'
      readonly file: string
      readonly kinds: readonly EntryKind[]
      readonly from: number
      readonly limit: number
    }
  /** What terminals showed then: milliseconds since the opening. */
  | { readonly do: 'screens'; readonly file: string; readonly moments: readonly number[] }
  /** By the number of its entry. */
  | { readonly do: 'statement'; readonly file: string; readonly entry: number }
  | { readonly do: 'chunks'; readonly file: string; readonly chunk: number; readonly count: number }

/** What each gives; undefined where there is no such thing in the recording. */
export type TaskResult = {
  readonly check: RecordingCheck
  readonly replay: { readonly replay: Replay; readonly isEncrypted: boolean; readonly bytesBehind: number }
  readonly opening: readonly SessionFact[]
  readonly keyframe: ReplayKeyframe | undefined
  readonly entries: {
    readonly items: readonly Entry[]
    readonly next: number | undefined
    readonly total: number
  }
  /** `damage`: why the part of the recording that has it cannot be read. */
  readonly statement: StatementText | { readonly damage: string } | undefined
  /** In the order of the moments; undefined of a recording that is encrypted to auditors. */
  readonly screens: readonly ScreensAt[] | undefined
  readonly events: Uint8Array<ArrayBuffer> | undefined
  readonly chunks: Uint8Array<ArrayBuffer> | undefined
}

export type RecordingCheck = Omit<CheckRow, 'session' | 'keysNumber' | 'checkedAtMs' | 'fileState'>

export type Order = { readonly id: number; readonly task: Task }
export type Given =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false
      readonly code: FaultCode | undefined
      readonly userText: string
      readonly log: string
    }
export type Answered = { readonly id: number; readonly given: Given }

/** A machine has two cores at least, and sessions need one. */
const usualThreads = 2
/** Questions that wait for one thread, from everybody. */
const maxWaiting = 64
/** Of its heap. A recording that needs more is not read, and the gateway goes on. */
const maxHeapMegabytes = 512
/** Of one question: a gigabyte is mapped in some seconds. Milliseconds. */
const maxTaskMs = 60_000
/** So long without a question, and a thread goes. */
const idleMs = 60_000

export class ReadingThreads {
  readonly #threads: readonly ReadingThread[]

  constructor(threads: number = usualThreads) {
    this.#threads = Array.from({ length: threads }, (_, at) => new ReadingThread(at))
  }

  /** Rejects with the Fault that the recording gives, or with STORE_UNAVAILABLE where too much waits. */
  ask<What extends Task['do']>(task: Extract<Task, { do: What }>): Promise<TaskResult[What]> {
    const [byte = 0] = createHash('sha256').update(task.file).digest()
    const thread = this.#threads[byte % this.#threads.length]
    if (thread === undefined) throw new TypeError('there are no threads')
    return thread.ask(task) as Promise<TaskResult[What]>
  }

  close(): void {
    for (const thread of this.#threads) thread.leave()
  }
}

type Waiting = {
  readonly resolve: (value: unknown) => void
  readonly reject: (fault: Fault) => void
  readonly timer: NodeJS.Timeout
}

class ReadingThread {
  readonly #number: number
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #last = 0
  #idle: NodeJS.Timeout | undefined

  constructor(number: number) {
    this.#number = number
  }

  async ask(task: Task): Promise<unknown> {
    if (this.#waiting.size >= maxWaiting)
      throw unavailable('Others are opening recordings right now. Try again in a moment.')
    clearTimeout(this.#idle)
    const id = ++this.#last
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const timer = setTimeout(() => this.#lose('a recording took too long to read'), maxTaskMs).unref()
    this.#waiting.set(id, { resolve, reject, timer })
    this.#worker ??= this.#start()
    this.#worker.postMessage({ id, task } satisfies Order, [])
    return await promise
  }

  leave(): void {
    clearTimeout(this.#idle)
    this.#lose('the gateway stops')
  }

  #start(): Worker {
    const worker = new Worker(new URL('reading-worker.ts', import.meta.url), {
      name: `reading-${this.#number}`,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
    })
    worker.on('message', (answered: Answered) => this.#take(answered))
    worker.on('error', error => this.#lose(error.message, worker))
    worker.on('exit', () => this.#lose('the thread that reads recordings has ended', worker))
    worker.unref()
    return worker
  }

  #take({ id, given }: Answered): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    clearTimeout(waiting?.timer)
    if (given.ok) waiting?.resolve(given.value)
    else waiting?.reject(faultOf(given))
    if (this.#waiting.size === 0) this.#idle = setTimeout(() => this.leave(), idleMs).unref()
  }

  /** Those that wait fail with it. The next question starts another thread. */
  #lose(why: string, worker = this.#worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    void worker?.terminate()
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(unavailable('The recording could not be read now. Try again.', why))
    }
    this.#waiting.clear()
  }
}

function unavailable(userText: string, log = userText): Fault {
  return new Fault('STORE_UNAVAILABLE', userText, { log: `reading a recording failed: ${log}` })
}

function faultOf({ code, userText, log }: Extract<Given, { ok: false }>): Fault {
  return code === undefined
    ? unavailable('The recording could not be read now. Try again.', log)
    : new Fault(code, userText, { log })
}
