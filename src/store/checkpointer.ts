import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type Database from 'better-sqlite3'

/** At a few changes a session, the write-ahead log stays below a megabyte or so in between. */
const checkpointEveryMs = 2000
/** SQLite's own, which this replaces: after so many pages, within the statement that reaches them. */
const pagesByItself = 1000

export type CheckpointWork = { readonly file: string; readonly everyMs: number }
export type Checkpointer = { readonly close: () => Promise<void> }

/**
 * Checkpoints in a thread of its own. SQLite would do that within some statement and wait for the disk there, with everybody's sessions. If the thread
 * fails, SQLite does it again.
 */
export function startCheckpointer(database: Database.Database, file: string): Checkpointer {
  const workerData: CheckpointWork = { file, everyMs: checkpointEveryMs }
  const worker = new Worker(new URL('checkpoint-worker.ts', import.meta.url), {
    name: 'store-checkpoints',
    workerData,
  })
  let isOver = false
  database.pragma('wal_autocheckpoint = 0')
  worker.on('error', () => {
    isOver = true
    if (database.open) database.pragma(`wal_autocheckpoint = ${pagesByItself}`)
  })
  worker.unref()
  return {
    close: async () => {
      if (isOver) return
      const ended = once(worker, 'exit')
      worker.postMessage('close', [])
      await ended
    },
  }
}
