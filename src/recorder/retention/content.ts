/** What lies on this machine of a recording: the file itself, and what was derived from it or put aside beside it. */
import { closeSync, fsyncSync, openSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'

/** Where recordings are kept; it may be far away. */
export type RecordingRemoval = {
  /** Removing what is gone is fine. Throws a Fault that says until when, if something forbids it. */
  readonly remove: (recording: string) => Promise<void>
}

export type Removed = { readonly files: number; readonly bytes: number }

/** Removes what begins with the session's name beside its recording, and what the storage has. `recording` is relative to `folder`. */
export async function removeContent(
  folder: string,
  recording: string,
  storage: RecordingRemoval | undefined,
): Promise<Removed> {
  const file = join(folder, recording)
  if (relative(folder, file).startsWith('..')) throw new TypeError(`${recording} is outside the recordings`)
  const beside = filesOf(file)
  const bytes = beside.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0)
  await storage?.remove(recording) // first: what it refuses to remove is not half removed
  for (const path of beside) rmSync(path, { force: true })
  if (beside.length > 0) flushFolder(dirname(file))
  return { files: beside.length, bytes }
}

/** `<session>.sallyport`, `<session>.keyframes`, `<session>.sallyport.damaged-…`. */
function filesOf(file: string): readonly string[] {
  const prefix = `${basename(file, '.sallyport')}.`
  try {
    return readdirSync(dirname(file))
      .filter(name => name.startsWith(prefix))
      .map(name => join(dirname(file), name))
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    throw cause
  }
}

/** The names are gone from the disk too, before anybody is told that they are. */
function flushFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
