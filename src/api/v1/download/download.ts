/** Downloads are made in a thread of their own each, which works while somebody takes what it makes and not ahead of them. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Fault, type FaultCode } from '../../../errors.ts'
import type { BundleParts } from '../../../recorder/bundle/bundle.ts'
import type { DownloadFormat } from './formats.ts'

export type DownloadOrder = {
  readonly file: string
  readonly format: DownloadFormat
  readonly channel: number | undefined
  readonly bundle: Omit<BundleParts, 'file'> | undefined
}
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'end' }
  | { readonly kind: 'fault'; readonly code: FaultCode; readonly userText: string; readonly log: string }

/** Of a thread's heap. */
const maxHeapMegabytes = 512
/** Until the next piece is there, in milliseconds. */
const maxPieceMs = 60_000

/**
 * Begins a download and gives it once its first piece is there: what cannot be taken out at all rejects with its Fault before anything was
 * answered. `onEnd` is called once, however it ends.
 */
export async function startDownload(
  order: DownloadOrder,
  onEnd: () => void,
): Promise<ReadableStream<Uint8Array>> {
  const worker = new Worker(new URL('download-worker.ts', import.meta.url), {
    name: 'download',
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
  })
  worker.on('error', () => {}) // who waits for a piece hears of it
  const end = endingOnce(worker, onEnd)
  try {
    let first: Uint8Array | undefined = await pieceOf(worker)
    return new ReadableStream<Uint8Array>(
      {
        pull: async controller => {
          const piece =
            first ?? (await pieceOf(worker).catch((cause: unknown) => fail(controller, cause, end)))
          first = undefined
          if (piece !== undefined) return controller.enqueue(piece)
          end()
          controller.close()
        },
        cancel: end,
      },
      { highWaterMark: 1 },
    )
  } catch (cause) {
    end()
    throw cause
  }
}

function fail(controller: ReadableStreamDefaultController, cause: unknown, end: () => void): never {
  end()
  controller.error(cause)
  throw cause
}

function endingOnce(worker: Worker, onEnd: () => void): () => void {
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    void worker.terminate()
    onEnd()
  }
}

/** Undefined at the end. */
async function pieceOf(worker: Worker): Promise<Uint8Array | undefined> {
  const piece = await nextOf(worker)
  if (piece.kind === 'bytes') return piece.bytes
  if (piece.kind === 'end') return undefined
  throw new Fault(piece.code, piece.userText, { log: piece.log })
}

/** Leaves nothing on the worker: a large download has thousands of pieces. */
async function nextOf(worker: Worker): Promise<Piece> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(maxPieceMs)])
  const answered = once(worker, 'message', { signal }) as Promise<[Piece]>
  worker.postMessage('next', [])
  const ended = once(worker, 'exit', { signal }).then(() => {
    throw new Fault('RECORDING_FORMAT', 'The download could not be made.', { log: 'its thread has ended' })
  })
  const both = [answered, ended] as const
  for (const one of both) one.catch(() => {}) // of whoever comes second nobody wants to hear
  try {
    const [piece] = await Promise.race(both)
    return piece
  } finally {
    over.abort()
  }
}
