import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'
import { codec } from './format.ts'

const compress = promisify(zstdCompress)

/**
 * Chunks compressed at once. The thread pool has four threads, and writing to files and looking up names need some:
 * what waits here does not stand in the way of what waits there.
 */
const maxParallel = 3

/** Level 3 is small and fast; level 1 is for a recording that fills faster than it empties. */
const levels = { usual: 3, hurried: 1 } as const
/** What zstd may add to bytes that it cannot compress. */
const frameRoomBytes = 1024
/** zstd's window as base-2 logarithm, 2 MiB: above the largest chunk, and a bound on a reader's memory. */
const windowLog = 21

export type Packed = { readonly codec: number; readonly payload: Buffer }

/** Compresses chunks in the thread pool, a few at a time, in the order in which they were asked for. */
export class Packer {
  #running = 0
  readonly #waiting: (() => void)[] = []

  /** Never rejects for want of gain: what does not shrink is stored as it is. */
  async pack(bytes: Buffer, hurried: boolean): Promise<Packed> {
    if (this.#running >= maxParallel) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      const payload = await compress(bytes, options(bytes.length, hurried))
      return payload.length < bytes.length
        ? { codec: codec.zstd, payload }
        : { codec: codec.none, payload: bytes }
    } finally {
      this.#next()
    }
  }

  /** Hands this place to whoever waits longest. */
  #next(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running--
    else next()
  }
}

function options(length: number, hurried: boolean) {
  return {
    // One piece of output and a context of the chunk's size: twice as fast as the defaults.
    chunkSize: length + frameRoomBytes,
    pledgedSrcSize: length,
    params: {
      [constants.ZSTD_c_compressionLevel]: hurried ? levels.hurried : levels.usual,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  }
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
