/** How far somebody has read the audit log, and where that is kept. */
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Where the next line begins, and which one was the last. */
export type Position = {
  /** The sequence of the first line of the file, which names it. */
  readonly segment: number
  /** In bytes. */
  readonly offset: number
  /** Of the last line that was read. */
  readonly sequence: number
  /** SHA-256 of the last line that was read, in hexadecimal; empty at the beginning of a file. */
  readonly link: string
}

/** Behind the line that closed a session. */
export type PendingContent = { readonly position: Position; readonly sinceMs: number }

/** What a sink remembers over restarts. */
export type Cursor = {
  readonly version: 1
  readonly position: Position
  /** Sessions that are over and whose content is still to be sent: where their last lines are. */
  readonly content?: readonly PendingContent[]
  /** Why nothing is sent any more, until somebody says so or the configuration changes. */
  readonly disabled?: { readonly reason: string; readonly atMs: number }
}

/** Undefined if there is none; `unreadable` if it is no cursor. */
export async function readCursor(path: string): Promise<Cursor | 'unreadable' | undefined> {
  try {
    const cursor = JSON.parse(await readFile(path, 'utf8')) as Cursor
    return cursor.version === 1 && isPosition(cursor.position) ? cursor : 'unreadable'
  } catch (cause) {
    return (cause as { code?: unknown }).code === 'ENOENT' ? undefined : 'unreadable'
  }
}

function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false
  const { segment, offset, sequence, link } = value as Record<string, unknown>
  return [segment, offset, sequence].every(Number.isSafeInteger) && typeof link === 'string'
}

/** Whole or not at all, also over a power cut. */
export async function writeWhole(path: string, value: unknown): Promise<void> {
  const file = await open(`${path}.draft`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(value)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.draft`, path)
  await syncFolder(dirname(path))
}

/** So that names in it outlive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
