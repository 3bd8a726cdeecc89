/**
 * Searching, for the rest of the gateway: a thread with the index open for reading. Nothing on the event loop waits for SQLite, and a
 * question that takes too long costs its own thread only.
 */
import { Worker } from 'node:worker_threads'
import { Fault } from '../../errors.ts'
import type { EntryHit } from '../entry.ts'
import { type Queued, QuestionQueue } from './question-queue.ts'
import type { Answered, Answers, Asked, Question, SearchWorkerData } from './search-messages.ts'
import type {
  EntriesWish,
  EntryPage,
  IndexedEntry,
  IndexedSession,
  SearchAnswer,
  SearchWish,
  TargetName,
} from './search-types.ts'

/** The thread gives a search up by itself before; one that does not even see its matches is given up with the thread. */
const maxAnswerMs = 10_000
const maxHeapMegabytes = 256
/** The thread costs some ten megabytes: it leaves when nobody asks. */
const idleMs = 60_000
/** What was read so long ago may have made room for something else. */
const warmForMs = 3_600_000

const busy = 'Too many are searching right now. Try again in a moment.'
const tooLong = 'This search took too long. Say more of what you look for: another word, a target, or a time.'

type Waiting = { readonly resolve: (answer: unknown) => void; readonly reject: (cause: Error) => void }

export class SearchThread {
  readonly #dataFolder: string
  readonly #waiting = new Map<number, Waiting>()
  readonly #queue = new QuestionQueue()
  /** What the thread is at. It has one question at a time. */
  #asked: Queued | undefined
  #worker: Worker | undefined
  #lastId = 0
  #warmedAtMs = Number.NEGATIVE_INFINITY
  #limit: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined

  /** Where index.db lies. */
  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder
  }

  /** `asker`: those who ask take turns. Every question throws Fault SEARCH_UNAVAILABLE where it cannot be answered for now. */
  search(wish: SearchWish, asker: string, nowMs: number = Date.now()): Promise<SearchAnswer> {
    return this.#ask({ kind: 'search', wish, nowMs }, asker)
  }

  /** In the order in which they became known; nothing for a session that is not indexed. Whoever asks has checked that it may be seen. */
  entries(wish: EntriesWish): Promise<EntryPage> {
    return this.#ask({ kind: 'entries', wish })
  }

  entry(session: string, number: number): Promise<IndexedEntry | undefined> {
    return this.#ask({ kind: 'entry', session, number })
  }

  /** All hits of a session, in order of time. */
  hits(session: string): Promise<readonly EntryHit[]> {
    return this.#ask({ kind: 'hits', session })
  }

  /** How far sessions are indexed, and what they have; those that the index does not know are left out. */
  sessions(ids: readonly string[]): Promise<ReadonlyMap<string, IndexedSession>> {
    return this.#ask({ kind: 'sessions', ids })
  }

  /** All targets that the index knows: ask of each whether it may be seen, and give those to `search`. */
  targets(): Promise<readonly TargetName[]> {
    return this.#ask({ kind: 'targets' })
  }

  progress(): Promise<Answers['progress']> {
    return this.#ask({ kind: 'progress' })
  }

  /** The index was thrown away, and another one is there. */
  reopen(): void {
    this.#tell({ kind: 'reopen' })
  }

  async close(): Promise<void> {
    await this.#stop(unavailable('The gateway stops.'))
  }

  #ask<Q extends Question>(question: Q, asker?: string): Promise<Answers[Q['kind']]> {
    const id = ++this.#lastId
    if (!this.#queue.add({ id, question }, asker)) return Promise.reject(unavailable(busy))
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(id, { resolve, reject })
    this.#askNext()
    return promise as Promise<Answers[Q['kind']]>
  }

  #askNext(): void {
    if (this.#asked !== undefined) return
    this.#asked = this.#queue.next()
    if (this.#asked === undefined) return this.#rest()
    clearTimeout(this.#idle)
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#tell(this.#asked)
    this.#limit = setTimeout(() => this.#giveUp(), maxAnswerMs)
  }

  #rest(): void {
    clearTimeout(this.#idle)
    this.#worker?.unref() // an idle thread keeps no process alive
    this.#idle = setTimeout(() => void this.#stop(unavailable(busy)), idleMs).unref()
  }

  /** The question, and the thread with it. Those that wait are asked of another one. */
  #giveUp(): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
    this.#settle(({ reject }) => reject(unavailable(tooLong)))
    this.#askNext()
  }

  #settle(how: (waiting: Waiting) => void): void {
    clearTimeout(this.#limit)
    const id = this.#asked?.id ?? 0
    const waiting = this.#waiting.get(id)
    this.#asked = undefined
    this.#waiting.delete(id)
    if (waiting !== undefined) how(waiting)
  }

  #tell(asked: Asked): void {
    this.#worker?.postMessage(asked, [])
  }

  #start(): Worker {
    const nowMs = performance.now()
    const isCold = nowMs - this.#warmedAtMs > warmForMs
    if (isCold) this.#warmedAtMs = nowMs
    const workerData: SearchWorkerData = { dataFolder: this.#dataFolder, isCold }
    const worker = new Worker(new URL('search-worker.ts', import.meta.url), {
      name: 'search',
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
    })
    worker.on('message', (answered: Answered) => this.#take(worker, answered))
    worker.on('error', cause => this.#lose(worker, cause))
    worker.on('exit', () => this.#lose(worker, unavailable('The search has ended.')))
    return worker
  }

  #take(worker: Worker, answered: Answered): void {
    if (this.#worker !== worker || this.#asked?.id !== answered.id) return
    this.#settle(({ resolve, reject }) => {
      if ('problem' in answered) reject(new Error(answered.problem))
      else resolve(answered.answer)
    })
    this.#askNext()
  }

  #lose(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#refuse(cause)
  }

  async #stop(cause: Error): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#refuse(cause)
    await worker?.terminate()
  }

  #refuse(cause: Error): void {
    clearTimeout(this.#limit)
    clearTimeout(this.#idle)
    this.#asked = undefined
    this.#queue.clear()
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }
}

function unavailable(text: string): Fault {
  return new Fault('SEARCH_UNAVAILABLE', text)
}
