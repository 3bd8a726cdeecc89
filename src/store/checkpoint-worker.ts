/** Takes what is in SQLite's write-ahead log over into the database, with a connection of its own: it waits for the disk, and here nobody waits for it. */
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { CheckpointWork } from './checkpointer.ts'

const { file, everyMs } = workerData as CheckpointWork
const database = new Database(file)
/** Never waits for the writer, and never makes it wait. */
const timer = setInterval(() => database.pragma('wal_checkpoint(PASSIVE)'), everyMs)

parentPort?.once('message', () => {
  clearInterval(timer)
  database.close()
})
