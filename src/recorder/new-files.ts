import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { linkOf } from '../chain.ts'
import type { AppendSync } from '../model.ts'
import type { DiskSync } from './disk-sync.ts'
import { frameHead, preamble } from './format.ts'
import type { RecordingHeader } from './header.ts'
import type { KnownFolder } from './known-folder.ts'
import type { OpenNotes } from './open-notes.ts'
import { begunFileOf } from './recover.ts'
import type { Register } from './register.ts'

/** A recording's file that has its header and nothing else: the hash of that, and the key that will sign. */
export type NewFile = { readonly fd: number; readonly link: Buffer; readonly keyId: string }

export type NewFilesOptions = {
  /** Where recordings are kept. */
  readonly folder: string
  /** Those that must still be what they were. */
  readonly folders: readonly KnownFolder[]
  readonly notes: OpenNotes
  readonly disk: DiskSync
  readonly append: AppendSync
  readonly register: Register | undefined
}

/** Begins the files of recordings. */
export class NewFiles {
  readonly #options: NewFilesOptions

  constructor(options: NewFilesOptions) {
    this.#options = options
  }

  /** The header is with the operating system, noted and entered in the log of sessions when this returns. Throws whatever failed, and leaves nothing then. */
  create(path: string, header: RecordingHeader): NewFile {
    const { folders, notes, disk } = this.#options
    const file = join(this.#options.folder, path)
    try {
      for (const folder of folders) folder.mustBeThere()
      const made = mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
      const note = notes.write(header.session, path)
      const begun = this.#begin(file, header)
      disk.created(note, dirname(note), file, dirname(file), ...foldersAround(dirname(file), made))
      return begun
    } catch (error) {
      notes.remove(header.session)
      throw error
    }
  }

  #begin(file: string, header: RecordingHeader): NewFile {
    const fd = openSync(begunFileOf(file), 'wx', 0o600)
    const body = Buffer.from(JSON.stringify(header))
    const start = preamble()
    const head = frameHead('header', body.length, linkOf(start))
    try {
      this.#options.append(fd, [start, head, body])
      renameSync(begunFileOf(file), file)
      this.#options.register?.opened(header.session, linkOf(head, body))
    } catch (error) {
      closeSync(fd)
      for (const one of [begunFileOf(file), file]) rmSync(one, { force: true })
      throw error
    }
    return { fd, link: linkOf(head, body), keyId: header.signing.keyId }
  }
}

/** `YYYY/MM/DD/<session>.sallyport`, by the day of opening in UTC. */
export function pathOf(session: string, openedAtMs: number): string {
  const day = new Date(openedAtMs).toISOString().slice(0, 10)
  return join(...day.split('-'), `${session}.sallyport`)
}

/** The folders that hold the name of one that was made: those from the first one made on, and the one it was made in. */
function foldersAround(folder: string, firstMade: string | undefined): string[] {
  const around: string[] = []
  if (firstMade === undefined) return around
  for (let at = folder; at.length >= firstMade.length; at = dirname(at)) around.push(dirname(at))
  return around
}
