/** Makes one download, piece by piece, each when it is asked for. */
import { parentPort, workerData } from 'node:worker_threads'
import { Fault, reasonOf } from '../../../errors.ts'
import { bundleOf } from '../../../recorder/bundle/bundle.ts'
import { exportRecording } from '../../../recorder/export.ts'
import type { DownloadOrder, Piece } from './download.ts'

const { file, format, channel, bundle } = workerData as DownloadOrder

function pieces(): AsyncIterator<string | Buffer> {
  if (bundle !== undefined) return eachOf(bundleOf({ ...bundle, file }))
  if (format === 'bundle') throw new TypeError('a bundle needs its proofs')
  return exportRecording(file, format, channel)[Symbol.asyncIterator]()
}

async function* eachOf<T>(all: Iterable<T>): AsyncGenerator<T> {
  yield* all
}

const made = pieces()

parentPort?.on('message', () => void next().then(piece => parentPort?.postMessage(piece, [])))

async function next(): Promise<Piece> {
  try {
    const { done, value } = await made.next()
    if (done === true) return { kind: 'end' }
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : new Uint8Array(value)
    return { kind: 'bytes', bytes }
  } catch (error) {
    if (error instanceof Fault)
      return { kind: 'fault', code: error.code, userText: error.userText, log: error.message }
    return {
      kind: 'fault',
      code: 'RECORDING_FORMAT',
      userText: 'The recording cannot be read.',
      log: reasonOf(error),
    }
  }
}
