/** The worker that inflates, as something to ask. */
import type { DecodedChunk } from './event.ts'
import type { InflateAnswer, InflateAsk } from './inflate-worker.ts'
import { trusted } from './worker-address.ts'
// oxlint-disable-next-line import/default -- Vite's: where the worker is built to
import address from './inflate-worker.ts?worker&url'

type Asked = {
  readonly resolve: (chunks: readonly DecodedChunk[]) => void
  readonly reject: (why: Error) => void
}

export class Inflater {
  readonly #worker: Worker
  readonly #asked = new Map<number, Asked>()
  #next = 1

  constructor() {
    this.#worker = new Worker(trusted(address), { type: 'module', name: 'inflate' })
    this.#worker.addEventListener('message', ({ data }: MessageEvent<InflateAnswer>) => this.#answer(data))
    this.#worker.addEventListener('error', () => this.#failAll())
  }

  /** Chunks in the order of their frames. The bytes are gone afterwards. */
  inflate(bytes: ArrayBuffer): Promise<readonly DecodedChunk[]> {
    return new Promise((resolve, reject) => {
      const ask: InflateAsk = { id: this.#next++, bytes }
      this.#asked.set(ask.id, { resolve, reject })
      this.#worker.postMessage(ask, [bytes])
    })
  }

  close(): void {
    this.#worker.terminate()
  }

  #answer(answer: InflateAnswer): void {
    const asked = this.#asked.get(answer.id)
    this.#asked.delete(answer.id)
    if ('chunks' in answer) asked?.resolve(answer.chunks)
    else asked?.reject(new Error(answer.problem))
  }

  #failAll(): void {
    for (const { reject } of this.#asked.values())
      reject(new Error('The page could not read the recording. Load it again.'))
    this.#asked.clear()
  }
}
