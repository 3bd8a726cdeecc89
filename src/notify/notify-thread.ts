/** The gateway's end of the notifying thread: starts it, starts it again when it fails, asks it. */
import { Worker } from 'node:worker_threads'
import { Fault } from '../errors.ts'
import type { Letter } from './dead-letters.ts'
import type { LaneState, Retried } from './lane.ts'
import type {
  FromNotify,
  NotifyAnswer,
  NotifyNews,
  NotifyQuestion,
  NotifyStart,
  ToNotify,
} from './notify-messages.ts'

/** A thread that fails is started again after this. */
const restartMs = 5_000
/** What is under way when the gateway stops; the next start goes on with what is cut off. */
const closeWithinMs = 3_000
/** Far more than bounded reads and answers need; a fault of ours ends the thread and not the gateway. */
const maxHeapMb = 256

/** Sinks as they are, and the messages that did not arrive. */
export type Overview = { readonly sinks: readonly LaneState[]; readonly letters: readonly Letter[] }

type Waiting = { readonly resolve: (answer: NotifyAnswer) => void; readonly reject: (fault: Fault) => void }
export type HeardNews = NotifyNews | { readonly kind: 'broken'; readonly reason: string }

export class NotifyThread {
  readonly #start: NotifyStart
  readonly #heard: (news: HeardNews) => void
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker
  #restarting: NodeJS.Timeout | undefined
  #lanes: readonly LaneState[] = []
  #lastId = 0
  #isClosed = false

  constructor(start: NotifyStart, heard: (news: HeardNews) => void) {
    this.#start = start
    this.#heard = heard
    this.#worker = this.#spawn()
  }

  /** A second old at most. */
  get lanes(): readonly LaneState[] {
    return this.#lanes
  }

  async overview(): Promise<Overview> {
    return (await this.#ask({ kind: 'overview' })).overview ?? { sinks: [], letters: [] }
  }

  async retry(letter: string): Promise<Retried> {
    return (await this.#ask({ kind: 'retry', letter })).retried ?? { kind: 'no-letter' }
  }

  async drop(letter: string): Promise<boolean> {
    return (await this.#ask({ kind: 'drop', letter })).done ?? false
  }

  async resume(sink: string): Promise<boolean> {
    return (await this.#ask({ kind: 'resume', sink })).done ?? false
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#restarting)
    this.#worker.ref()
    const given = setTimeout(() => void this.#worker.terminate(), closeWithinMs)
    const gone = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()))
    await this.#ask({ kind: 'close' }).catch(() => {}) // then it is gone already
    if (this.#worker.threadId !== -1) await gone
    clearTimeout(given)
  }

  #spawn(): Worker {
    const worker = new Worker(new URL('./notify-worker.ts', import.meta.url), {
      name: 'notify',
      workerData: this.#start,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
    })
    worker.on('message', (message: FromNotify) => this.#hear(message))
    worker.on('error', (error: unknown) => this.#broken(error))
    worker.on('exit', () => this.#broken(new Error('the notifying thread ended')))
    worker.unref()
    return worker
  }

  /** Cursors are on the disk: a new thread goes on. */
  #broken(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(unavailable(String(error)))
    this.#waiting.clear()
    if (this.#isClosed || this.#restarting !== undefined) return
    this.#heard({ kind: 'broken', reason: String(error) })
    this.#restarting = setTimeout(() => {
      this.#restarting = undefined
      this.#worker = this.#spawn()
    }, restartMs).unref()
  }

  #hear(message: FromNotify): void {
    if (message.kind === 'news') {
      if (message.news.kind === 'state') this.#lanes = message.news.lanes
      return this.#heard(message.news)
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'answer') waiting?.resolve(message.answer)
    else waiting?.reject(unavailable(message.reason))
  }

  #ask(question: NotifyQuestion): Promise<NotifyAnswer> {
    const id = ++this.#lastId
    if (this.#worker.threadId === -1) return Promise.reject(unavailable('the thread is not there'))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, question } satisfies ToNotify, [])
    })
  }
}

function unavailable(reason: string): Fault {
  return new Fault(
    'NOTIFY_FAILED',
    'Sending to others does not work at the moment. Try again, or look at the log.',
    {
      log: reason,
    },
  )
}
