/** What is stored of a recording: the file itself, and what was derived from it or put aside beside it. */
import { closeSync, fsyncSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { besidesOf, pathIn } from '../storage/local-store.ts'
import type { RecordingStore } from '../storage/recording-store.ts'

/** What lay on this machine of it. */
export type Removed = { readonly files: number; readonly bytes: number }

/** Removes all of it, here and in the bucket. Rejects as `RecordingStore.remove` does. `recording` is relative to `folder`. */
export async function removeContent(
  folder: string,
  recording: string,
  storage: Pick<RecordingStore, 'remove'>,
): Promise<Removed> {
  const path = pathIn(folder, recording)
  const sizes = [path, ...besidesOf(path)].flatMap(file => sizeOf(file) ?? [])
  await storage.remove(recording)
  flushFolder(dirname(path))
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size
}

/** The names are gone from the disk too, before anybody is told that they are. */
function flushFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
