/** The folder of a worker: its lock, its outbox and its journal. Whoever has the lock knows that the worker is gone. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../errors.ts'
import { type DataLock, lockData } from '../../store/lock.ts'

/** A worker whose gateway is gone ends within five seconds; a machine may be slow. Milliseconds. */
const goneWithinMs = 20_000
const pollMs = 100

const pidFile = 'pid'

/** Folders of workers below this one, also of more than are configured now. */
export function workerFolders(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter(name => /^\d{1,2}$/.test(name))
  return names.map(name => join(folder, name))
}

export function workerFolder(folder: string, number: number): string {
  return join(folder, String(number))
}

export function journalOf(folder: string): string {
  return join(folder, 'journal')
}

/** For the worker itself. Throws Fault DATA_FOLDER_IN_USE. */
export function lockAsWorker(folder: string): DataLock {
  const lock = lockData(folder)
  writeFileSync(join(folder, pidFile), String(process.pid), { mode: 0o600 })
  return lock
}

/** Waits until its worker is gone, and takes the folder. Throws Fault DATA_FOLDER_IN_USE if it does not go. */
export async function lockOfGone(folder: string, withinMs: number = goneWithinMs): Promise<DataLock> {
  for (let waitedMs = 0; ; waitedMs += pollMs) {
    try {
      return lockData(folder)
    } catch (cause) {
      const isHeld = cause instanceof Fault && cause.code === 'DATA_FOLDER_IN_USE'
      if (!isHeld) throw cause
      if (waitedMs >= withinMs) throw stillThere(folder, cause)
    }
    await sleep(pollMs)
  }
}

/** Waits until no worker is left below this folder; for commands that hold the data folder themselves. */
export async function requireNoWorkers(folder: string): Promise<void> {
  for (const of of workerFolders(folder)) (await lockOfGone(of)).release()
}

function stillThere(folder: string, cause: unknown): Fault {
  const file = join(folder, pidFile)
  const pid = existsSync(file) ? readFileSync(file, 'utf8') : 'unknown'
  const text = `A worker process of an earlier Sallyport (process ${pid}) still holds ${folder}. End it, and start again.`
  return new Fault('DATA_FOLDER_IN_USE', text, { cause })
}
