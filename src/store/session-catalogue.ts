/**
 * Lists of sessions for reviewers, read by a thread with a connection of its own: looking through a hundred thousand sessions must not
 * stand between anybody and their shell.
 */
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Fault } from '../errors.ts'
import type { SessionFilter, SessionHistogram, SessionPageFound, SessionPageWish } from './session-query.ts'

/** Each method rejects with a Fault STORE_UNAVAILABLE when it cannot answer. */
export type SessionCatalogue = {
  /** Newest first. */
  readonly page: (wish: SessionPageWish) => Promise<SessionPageFound>
  readonly histogram: (filter: SessionFilter) => Promise<SessionHistogram>
  /** Every target that a session was on. */
  readonly targets: () => Promise<readonly string[]>
  readonly close: () => Promise<void>
}

export type CatalogueQuestion =
  | { readonly ask: 'page'; readonly wish: SessionPageWish }
  | { readonly ask: 'histogram'; readonly filter: SessionFilter }
  | { readonly ask: 'targets' }
export type CatalogueOrder = { readonly id: number; readonly question: CatalogueQuestion }
export type CatalogueAnswer = {
  readonly id: number
  readonly found?: unknown
  readonly problem?: string
}

/** Questions that wait for the thread. Each takes milliseconds; more is a flood. */
const maxWaiting = 200
/** A thread that does not answer in this time is given up, in milliseconds. */
const maxAnswerMs = 20_000

/** `state.db` in the data folder must be there; the thread starts with the first question. */
export function openSessionCatalogue(dataFolder: string): SessionCatalogue {
  const thread = new CatalogueThread(join(dataFolder, 'state.db'))
  return {
    page: wish => thread.ask({ ask: 'page', wish }) as Promise<SessionPageFound>,
    histogram: filter => thread.ask({ ask: 'histogram', filter }) as Promise<SessionHistogram>,
    targets: () => thread.ask({ ask: 'targets' }) as Promise<readonly string[]>,
    close: () => thread.close(),
  }
}

type Waiting = {
  readonly resolve: (found: unknown) => void
  readonly reject: (fault: Fault) => void
  readonly timer: NodeJS.Timeout
}

class CatalogueThread {
  readonly #file: string
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #last = 0

  constructor(file: string) {
    this.#file = file
  }

  async ask(question: CatalogueQuestion): Promise<unknown> {
    if (this.#waiting.size >= maxWaiting)
      throw unavailable('too many questions wait for the list of sessions')
    const id = ++this.#last
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const timer = setTimeout(() => this.#lose('it does not answer'), maxAnswerMs).unref()
    this.#waiting.set(id, { resolve, reject, timer })
    this.#worker ??= this.#start()
    this.#worker.postMessage({ id, question } satisfies CatalogueOrder, [])
    return await promise
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    const ended = once(worker, 'exit')
    worker.postMessage('close', [])
    await ended
  }

  #start(): Worker {
    const worker = new Worker(new URL('session-catalogue-worker.ts', import.meta.url), {
      name: 'session-catalogue',
      workerData: this.#file,
    })
    worker.on('message', (answer: CatalogueAnswer) => this.#take(answer))
    worker.on('error', error => this.#lose(error.message, worker))
    worker.on('exit', () => this.#lose('it has ended', worker))
    worker.unref()
    return worker
  }

  #take({ id, found, problem }: CatalogueAnswer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    clearTimeout(waiting?.timer)
    if (problem === undefined) waiting?.resolve(found)
    else waiting?.reject(unavailable(problem))
  }

  /** The next question starts another one. */
  #lose(why: string, worker = this.#worker): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    void worker?.terminate()
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(unavailable(why))
    }
    this.#waiting.clear()
  }
}

function unavailable(why: string): Fault {
  return new Fault(
    'STORE_UNAVAILABLE',
    'The gateway cannot reach its store. Try again, or tell its operator.',
    { log: `the list of sessions failed: ${why}` },
  )
}
