import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Fault, reasonOf } from '../errors.ts'

/** Nobody but the gateway's user has business in the data folder: it holds keys, sign-ins and what people typed. */
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const OTHERS = 0o077

/** Makes the data folder, private to our user. Throws Fault STORE_UNAVAILABLE. */
export function prepareDataFolder(folder: string): void {
  guarded(folder, () => {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE })
    if ((statSync(folder).mode & OTHERS) === 0) return
    if (!isOurs(folder))
      throw new Error(`others may read it and it holds other files; run chmod 700 ${folder}`)
    chmodSync(folder, FOLDER_MODE)
  })
}

/**
 * Makes a file of ours in the data folder with mode 0600 before SQLite opens it, and gives its path. It is not opened
 * if it exists: closing any descriptor of `lock.db` in this process would drop the lock (POSIX locks belong to processes).
 */
export function prepareDataFile(folder: string, name: string): string {
  const file = join(folder, name)
  guarded(folder, () => {
    try {
      closeSync(openSync(file, 'wx', FILE_MODE))
    } catch (thrown) {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST')) throw thrown
      if ((statSync(file).mode & OTHERS) !== 0) chmodSync(file, FILE_MODE)
    }
  })
  return file
}

/** What a new volume holds before we do: a file system's own folder, and the place where recordings are mounted. */
const FOUND_IN_NEW_VOLUMES = ['lost+found', 'recordings']

/** A folder that is empty, or was ours before, may be closed to others; any other might be somebody's by mistake. */
function isOurs(folder: string): boolean {
  const names = readdirSync(folder)
  if (names.includes('lock.db') || names.includes('state.db')) return true
  return names.every(name => FOUND_IN_NEW_VOLUMES.includes(name))
}

function guarded(folder: string, action: () => void): void {
  try {
    action()
  } catch (thrown) {
    throw unusable(`The data folder ${folder}`, thrown)
  }
}

/**
 * The fault of something that cannot be opened. Nobody has signed in yet: who reads it is the operator who starts the
 * gateway, so it says where, why and what to do, unlike the faults of a store that is open.
 */
export function unusable(what: string, cause: unknown): Fault {
  return new Fault('STORE_UNAVAILABLE', `${what} cannot be used: ${reasonOf(cause)}.${adviceOn(cause)}`, {
    cause,
  })
}

/** The same for a path that the operating system refused, as `fs` throws it; undefined for anything else. */
export function unusablePath(cause: unknown): Fault | undefined {
  if (!(cause instanceof Error && 'syscall' in cause && 'path' in cause)) return undefined
  return adviceOn(cause) === '' ? undefined : unusable(String(cause.path), cause)
}

const orAnother = 'or name another folder (gateway.data, recording.folder)'

function adviceOn(cause: unknown): string {
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'EACCES':
    case 'EPERM':
    case 'SQLITE_CANTOPEN':
    case 'SQLITE_READONLY':
      return ` Let the user that Sallyport runs as (uid ${process.getuid?.()}) own it, ${orAnother}.`
    case 'EROFS':
      return ` Its file system is read-only: mount it writable, ${orAnother}.`
    case 'EEXIST':
    case 'ENOTDIR':
      return ` A file stands where a folder should be: move the file, ${orAnother}.`
    case 'ENOSPC':
      return ' Make room on its disk.'
    default:
      return ''
  }
}
