import { parentPort, workerData } from 'node:worker_threads'
import type { ContentKeys } from './encryption/content-keys.ts'
import { maxBlocksAhead, type WorkerWord } from './export.ts'
import { FormatProblem } from './format.ts'
import { htmlOf } from './html/page.ts'
import { readRecording } from './reader.ts'
import { screenTextOf } from './screen-text.ts'
import { sqlText } from './sql-export.ts'

const { file, format, channel, ahead, keys, pastDamage } = workerData as {
  file: string
  format: 'text' | 'html'
  channel: number | undefined
  ahead: Int32Array
  keys: ContentKeys | undefined
  pastDamage: boolean
}

function say(word: WorkerWord): void {
  parentPort?.postMessage(word, [])
}

const reader = readRecording(file, { keys, onGap: pastDamage ? gap => say({ gap }) : undefined })
const isSql = reader.header.protocol === 'postgres'

function blocks(): Iterable<string> {
  if (format === 'html') return htmlOf(reader, channel)
  return isSql ? sqlText(reader.events()) : screenTextOf(reader, channel)
}

try {
  for (const block of blocks()) {
    // Waits while the reader of the export is slower than we are.
    for (let sent = Atomics.load(ahead, 0); sent >= maxBlocksAhead; sent = Atomics.load(ahead, 0))
      Atomics.wait(ahead, 0, sent)
    Atomics.add(ahead, 0, 1)
    say(block)
  }
} catch (error) {
  if (!(error instanceof FormatProblem)) throw error
  const { record, offset, reason } = error
  say({ problem: { record, offset, reason } })
}
reader.close()
