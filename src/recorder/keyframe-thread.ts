import { Worker } from 'node:worker_threads'
import type { ContentKeys } from './encryption/content-keys.ts'
import type { KeyframeIndex } from './keyframe.ts'

export type IndexOrder = {
  readonly id: number
  readonly file: string
  /** Whether the index is to come back, besides being kept beside the recording. */
  readonly isWanted: boolean
  /** Of an encrypted recording. Its index is not kept: the folder of recordings holds nothing in the clear. */
  readonly keys: ContentKeys | undefined
}
export type IndexAnswer = {
  readonly id: number
  readonly index: KeyframeIndex | undefined
  readonly problem: string | undefined
}

/** Starting the thread costs some 100 ms of CPU, and its emulators some megabytes: it stays while there is work, and so long after. */
const idleMs = 10_000
/** Of the thread's heap. A recording whose index would need more gets none, and the gateway goes on. */
const maxHeapMegabytes = 512

type Waiting = {
  readonly resolve: (index: KeyframeIndex | undefined) => void
  readonly reject: (error: Error) => void
}

/** One thread that builds indexes, one after the other. It starts with the first and leaves when nothing comes. */
export class IndexThread {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #lastId = 0
  #idle: NodeJS.Timeout | undefined

  /** Builds and keeps the index of a recording. Rejects where the recording is damaged or too much for the thread. */
  build(file: string, isWanted: boolean, keys?: ContentKeys): Promise<KeyframeIndex | undefined> {
    clearTimeout(this.#idle)
    const order: IndexOrder = { id: ++this.#lastId, file, isWanted, keys }
    return new Promise((resolve, reject) => {
      this.#waiting.set(order.id, { resolve, reject })
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage(order, [])
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('keyframe-worker.ts', import.meta.url), {
      name: 'keyframes',
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
    })
    worker.on('message', (answer: IndexAnswer) => this.#take(answer))
    worker.on('error', error => this.#lose(worker, error))
    worker.on('exit', () => this.#lose(worker, new Error('the thread that builds indexes has ended')))
    return worker
  }

  #take({ id, index, problem }: IndexAnswer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (problem === undefined) waiting?.resolve(index)
    else waiting?.reject(new Error(problem))
    if (this.#waiting.size > 0) return
    this.#worker?.unref() // an idle thread keeps no process alive
    this.#idle = setTimeout(() => this.#leave(), idleMs).unref()
  }

  #leave(): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }

  /** Those that wait fail with it: which of them it was is not known. */
  #lose(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}
