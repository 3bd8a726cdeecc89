import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Names files, so it is strict: no separators, no dots. */
const sessionPattern = /^[A-Za-z0-9_-]{1,64}$/

export function isSessionName(session: string): boolean {
  return sessionPattern.test(session)
}

/**
 * A small file for each open recording, named after its session and holding the recording's path. What a crash leaves is
 * found by these, without looking through all recordings of all years.
 */
export class OpenNotes {
  readonly #folder: string
  /** Sessions that another process left open. */
  readonly left: readonly string[]

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    chmodSync(folder, 0o700)
    this.#folder = folder
    this.left = readdirSync(folder).filter(isSessionName)
  }

  /** Written before the recording exists; whole or not at all. Gives the note's own path. */
  write(session: string, path: string): string {
    const draft = join(this.#folder, `${session}.draft`)
    const note = join(this.#folder, session)
    writeFileSync(draft, path, { mode: 0o600 })
    renameSync(draft, note)
    return note
  }

  /** The path of a recording that was left open. */
  read(session: string): string {
    return readFileSync(join(this.#folder, session), 'utf8')
  }

  remove(session: string): void {
    rmSync(join(this.#folder, session), { force: true })
  }
}
