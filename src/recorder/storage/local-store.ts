/** Recordings that stay in the folder that they were written to. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { Fault } from '../../errors.ts'
import type { RecordingStore } from './recording-store.ts'

export function localStore(folder: string): RecordingStore {
  return {
    fetch: async recording => {
      const path = pathIn(folder, recording)
      if (!existsSync(path)) throw notFound(recording)
      return { path, release: () => {} }
    },
    remove: async recording => removeLocal(folder, recording),
    mayRemove: async () => {},
    hold: async () => {},
  }
}

export function notFound(recording: string): Fault {
  return new Fault('RECORDING_NOT_FOUND', `The recording ${recording} is not there.`)
}

/** Rows are ours, and still no path of theirs leads out of the folder. */
export function pathIn(folder: string, recording: string): string {
  const path = join(folder, recording)
  if (relative(folder, path).startsWith('..'))
    throw new TypeError('the path of a recording leads out of its folder')
  return path
}

/** The recording last: as long as it is there, the next try finds what lies beside it. */
export function removeLocal(folder: string, recording: string): void {
  const path = pathIn(folder, recording)
  for (const file of besidesOf(path)) rmSync(file, { force: true })
  rmSync(path, { force: true })
}

/** Index, notes, and what recovery put aside: everything of the same session. */
export function besidesOf(path: string): readonly string[] {
  const folder = dirname(path)
  if (!existsSync(folder)) return []
  const session = basename(path, '.sallyport')
  return readdirSync(folder)
    .filter(name => name.startsWith(`${session}.`) && name !== basename(path))
    .map(name => join(folder, name))
}
