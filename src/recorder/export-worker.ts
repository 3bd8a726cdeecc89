import { parentPort, workerData } from 'node:worker_threads'
import type { ContentKeys } from './encryption/content-keys.ts'
import { htmlOf } from './html/page.ts'
import { readRecording } from './reader.ts'
import { screenTextOf } from './screen-text.ts'
import { sqlText } from './sql-export.ts'
import { maxBlocksAhead } from './export.ts'

const { file, format, channel, ahead, keys } = workerData as {
  file: string
  format: 'text' | 'html'
  channel: number | undefined
  ahead: Int32Array
  keys: ContentKeys | undefined
}
const reader = readRecording(file, { keys })
const isSql = reader.header.protocol === 'postgres'
const text = isSql ? sqlText : () => screenTextOf(reader, channel)
const blocks = format === 'html' ? htmlOf(reader, channel) : text(reader.events())
for (const block of blocks) {
  // Waits while the reader of the export is slower than we are.
  for (let sent = Atomics.load(ahead, 0); sent >= maxBlocksAhead; sent = Atomics.load(ahead, 0))
    Atomics.wait(ahead, 0, sent)
  Atomics.add(ahead, 0, 1)
  parentPort?.postMessage(block, [])
}
reader.close()
