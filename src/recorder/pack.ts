import { Worker } from 'node:worker_threads'
import { constants, zstdDecompressSync } from 'node:zlib'
import { codec } from './format.ts'

/** Level 3 is small and fast; level 1 is for a recording that fills faster than it empties. */
const levels = { usual: 3, hurried: 1 } as const
/** zstd's window as base-2 logarithm, 2 MiB: above the largest chunk, and a bound on a reader's memory. */
const windowLog = 21

/**
 * Shorter chunks are stored as they are: they save no block of a disk, and the way to the other thread and back costs more than all
 * else that is done with them. Most of what people type, and whole sessions of one command, are such chunks.
 */
export const minPackedBytes = 1024

/** Bytes to compress: the first `length` of the memory, which is handed over and comes back with the answer. */
export type PackOrder = {
  readonly id: number
  readonly memory: ArrayBuffer
  readonly length: number
  readonly level: number
}
export type PackAnswer = {
  readonly id: number
  readonly memory: ArrayBuffer
  /** Undefined if nothing was gained. */
  readonly payload: ArrayBuffer | undefined
  readonly problem: string | undefined
}

export type Packed = { readonly codec: number; readonly payload: Buffer }
/** A compressed chunk, and the buffer that its bytes were in, to be used again. */
export type PackedChunk = Packed & { readonly buffer: Buffer }

type Waiting = {
  readonly length: number
  readonly resolve: (packed: PackedChunk) => void
  readonly reject: (error: Error) => void
}

/** Compresses chunks in a thread of its own, which starts with the first one. */
export class Packer {
  readonly #waiting = new Map<number, Waiting>()
  #worker: Worker | undefined
  #orders: PackOrder[] = []
  #lastId = 0

  /**
   * Compresses the first `length` bytes of a buffer that owns its memory; the buffer cannot be used until it comes back.
   * What does not shrink, or is short, is stored as it is.
   */
  pack(buffer: Buffer, length: number, hurried: boolean): Promise<PackedChunk> {
    if (length < minPackedBytes) return Promise.resolve(unpacked(buffer, length))
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      this.#waiting.set(id, { length, resolve, reject })
      if (this.#orders.length === 0) queueMicrotask(() => this.#post())
      const level = hurried ? levels.hurried : levels.usual
      this.#orders.push({ id, memory: buffer.buffer as ArrayBuffer, length, level })
    })
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
    this.#worker = undefined
  }

  /** All chunks that were closed in one turn go in one message. */
  #post(): void {
    const orders = this.#orders
    this.#orders = []
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#worker.postMessage(
      orders,
      orders.map(order => order.memory),
    )
  }

  #start(): Worker {
    const worker = new Worker(new URL('pack-worker.ts', import.meta.url), { name: 'recording-packer' })
    worker.on('message', (answers: readonly PackAnswer[]) => this.#take(answers))
    worker.on('error', error => this.#fail(error))
    worker.on('exit', () => this.#fail(new Error('the thread that compresses recordings has ended')))
    return worker
  }

  #take(answers: readonly PackAnswer[]): void {
    for (const answer of answers) {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if (answer.problem !== undefined) waiting?.reject(new Error(answer.problem))
      else waiting?.resolve(packedChunk(answer, waiting.length))
    }
    if (this.#waiting.size === 0) this.#worker?.unref() // an idle thread keeps no process alive
  }

  #fail(error: Error): void {
    this.#worker = undefined
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}

function packedChunk({ memory, payload }: PackAnswer, length: number): PackedChunk {
  const buffer = Buffer.from(memory)
  if (payload === undefined) return unpacked(buffer, length)
  return { codec: codec.zstd, payload: Buffer.from(payload), buffer }
}

function unpacked(buffer: Buffer, length: number): PackedChunk {
  return { codec: codec.none, payload: buffer.subarray(0, length), buffer }
}

/** Inflates to exactly `length` bytes or throws; never allocates more. */
export function unpack(packed: Packed, length: number): Buffer {
  const bytes = packed.codec === codec.none ? packed.payload : inflate(packed.payload, length)
  if (bytes.length !== length) throw new Error(`it holds ${bytes.length} bytes and claims ${length}`)
  return bytes
}

function inflate(payload: Buffer, length: number): Buffer {
  return zstdDecompressSync(payload, {
    chunkSize: Math.max(length, 64), // zlib's minimum
    maxOutputLength: Math.max(length, 1),
    params: { [constants.ZSTD_d_windowLogMax]: windowLog },
  })
}
