import { parentPort, workerData } from 'node:worker_threads'
import { keepIndex } from './keyframe.ts'
import { indexOf } from './keyframe-builder.ts'

const { file } = workerData as { file: string }
const index = indexOf(file)
keepIndex(file, index)
parentPort?.postMessage(index, [])
