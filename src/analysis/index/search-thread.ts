/**
 * Searching, for the rest of the gateway: a thread with the index open for reading. Nothing on the event loop waits for SQLite, and a
 * question that takes too long costs its own thread only.
 */
import { Worker } from 'node:worker_threads'
import type { EntryHit } from '../entry.ts'
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

/** Questions that wait, of everybody. */
const maxWaiting = 64
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

/** What cannot be answered for now; its text may be shown. */
export class SearchUnavailable extends Error {}

export class SearchThread {
  readonly #dataFolder: string
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #lastId = 0
  #warmedAtMs = Number.NEGATIVE_INFINITY
  #limit: NodeJS.Timeout | undefined
  #idle: NodeJS.Timeout | undefined

  /** Where index.db lies. */
  constructor(dataFolder: string) {
    this.#dataFolder = dataFolder
  }

  async search(wish: SearchWish, nowMs: number = Date.now()): Promise<SearchAnswer> {
    try {
      return await this.#ask({ kind: 'search', wish, nowMs })
    } catch (cause) {
      if (cause instanceof SearchUnavailable) return { ok: false, problem: cause.message }
      throw cause
    }
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
    await this.#stop(new SearchUnavailable('The gateway stops.'))
  }

  #ask<Q extends Question>(question: Q): Promise<Answers[Q['kind']]> {
    if (this.#waiting.size >= maxWaiting) return Promise.reject(new SearchUnavailable(busy))
    clearTimeout(this.#idle)
    const id = ++this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#waiting.set(id, { resolve, reject })
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#tell({ id, question })
    this.#limit ??= setTimeout(() => void this.#stop(new SearchUnavailable(tooLong)), maxAnswerMs)
    return promise as Promise<Answers[Q['kind']]>
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
    worker.on('message', (answered: Answered) => this.#take(answered))
    worker.on('error', cause => this.#lose(worker, cause))
    worker.on('exit', () => this.#lose(worker, new SearchUnavailable('The search has ended.')))
    return worker
  }

  #take(answered: Answered): void {
    const waiting = this.#waiting.get(answered.id)
    this.#waiting.delete(answered.id)
    clearTimeout(this.#limit)
    this.#limit = undefined
    if ('problem' in answered) waiting?.reject(new Error(answered.problem))
    else waiting?.resolve(answered.answer)
    if (this.#waiting.size > 0) {
      this.#limit = setTimeout(() => void this.#stop(new SearchUnavailable(tooLong)), maxAnswerMs)
      return
    }
    this.#worker?.unref() // an idle thread keeps no process alive
    this.#idle = setTimeout(() => void this.#stop(new SearchUnavailable(busy)), idleMs).unref()
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
    this.#limit = undefined
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }
}
