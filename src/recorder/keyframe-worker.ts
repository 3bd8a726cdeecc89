import { parentPort } from 'node:worker_threads'
import { reasonOf } from '../errors.ts'
import { keepIndex } from './keyframe.ts'
import { indexOf } from './keyframe-builder.ts'
import type { IndexAnswer, IndexOrder } from './keyframe-thread.ts'

parentPort?.on('message', (order: IndexOrder) => parentPort?.postMessage(answer(order), []))

function answer({ id, file, isWanted, keys }: IndexOrder): IndexAnswer {
  try {
    const index = indexOf(file, { keys })
    if (keys === undefined) keepIndex(file, index)
    return { id, index: isWanted ? index : undefined, problem: undefined }
  } catch (error) {
    return { id, index: undefined, problem: reasonOf(error) }
  }
}
