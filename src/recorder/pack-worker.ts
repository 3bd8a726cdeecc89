import { parentPort } from 'node:worker_threads'
import { constants, zstdCompressSync } from 'node:zlib'
import { reasonOf } from '../errors.ts'
import type { PackAnswer, PackOrder } from './pack.ts'

/** What zstd may add to bytes that it cannot compress; room for it makes one piece of output. */
const frameRoomBytes = 1024

parentPort?.on('message', (orders: readonly PackOrder[]) => {
  const answers = orders.map(answer)
  const memory = answers.flatMap(({ memory, payload }) =>
    payload === undefined ? [memory] : [memory, payload],
  )
  parentPort?.postMessage(answers, memory)
})

function answer({ id, memory, length, level }: PackOrder): PackAnswer {
  try {
    const payload = compress(new Uint8Array(memory, 0, length), level)
    return { id, memory, payload: payload.byteLength < length ? payload : undefined, problem: undefined }
  } catch (error) {
    return { id, memory, payload: undefined, problem: reasonOf(error) }
  }
}

/** Synchronous calls cost a third less than the thread pool's, and this thread has nothing else to do. */
function compress(bytes: Uint8Array, level: number): ArrayBuffer {
  const packed = zstdCompressSync(bytes, {
    chunkSize: bytes.length + frameRoomBytes,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
  })
  const own = new ArrayBuffer(packed.length) // of its own, so that it can be handed over
  new Uint8Array(own).set(packed)
  return own
}
