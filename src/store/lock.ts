import { randomBytes } from 'node:crypto'
import Database from 'better-sqlite3'
import { Fault } from '../errors.ts'
import { prepareDataFile, prepareDataFolder, unusable } from './data-folder.ts'

/** The data folder is ours alone until `release`, or until this process is gone, however it went. */
export type DataLock = {
  /** Names this process in rows that it owns; random, since process ids come again. */
  readonly ownerId: string
  release(): void
}

/**
 * Takes the data folder: an exclusive transaction on `lock.db` that stays open. The operating system drops it with the
 * process, so a kill −9 leaves nothing to clean up. Throws Fault DATA_FOLDER_IN_USE at once if another process has it.
 */
export function lockData(dataFolder: string): DataLock {
  prepareDataFolder(dataFolder)
  const database = openAtOnce(prepareDataFile(dataFolder, 'lock.db'), dataFolder)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (thrown) {
    database.close()
    throw isBusy(thrown) ? inUse(dataFolder, thrown) : unusable(`lock.db in ${dataFolder}`, thrown)
  }
  return { ownerId: randomBytes(8).toString('hex'), release: () => void database.close() }
}

/** `timeout: 0`: a second gateway must say so now, not wait for the first. */
function openAtOnce(file: string, dataFolder: string): Database.Database {
  try {
    return new Database(file, { timeout: 0 })
  } catch (thrown) {
    throw unusable(`lock.db in ${dataFolder}`, thrown)
  }
}

function isBusy(thrown: unknown): boolean {
  return thrown instanceof Database.SqliteError && thrown.code.startsWith('SQLITE_BUSY')
}

function inUse(dataFolder: string, cause: unknown): Fault {
  const text =
    `The data folder ${dataFolder} is in use by another Sallyport. ` +
    'Stop that one first, or give this one a data folder of its own (gateway.data).'
  return new Fault('DATA_FOLDER_IN_USE', text, { cause })
}
