/**
 * What rules over all sessions of a person have counted, on disk: one file for each person, named by a digest. It holds texts and names of
 * tables as the index does, and goes when the longest rule's time is over, or when the person is forgotten.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { WindowState } from './window-rules.ts'

/** People whose counts are kept; those who were seen longest ago go. */
export const maxPeople = 1000
/** As long as the longest rule looks back (window-rule.ts). */
export const maxAgeMs: number = 31 * 86_400_000
const version = 1

/** How much of a session was counted: so many of its entries, in their order. */
export type Counted = { readonly entries: number; readonly openedAtMs: number }

export type PersonCounts = {
  readonly windows: WindowState
  readonly sessions: readonly (readonly [session: string, counted: Counted])[]
  /** Of sessions that were opened until then it is not known any more whether they were counted: they are not counted again. */
  readonly settledMs: number
}

export class WindowKeeper {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  }

  /** Undefined if there is nothing, or nothing that can be read: counting begins again. */
  load(person: string): PersonCounts | undefined {
    try {
      const stored = JSON.parse(zstdDecompressSync(readFileSync(this.#fileOf(person))).toString()) as
        | (PersonCounts & { version: number })
        | undefined
      return stored?.version === version ? stored : undefined
    } catch {
      return undefined
    }
  }

  save(person: string, counts: PersonCounts): void {
    const file = this.#fileOf(person)
    writeFileSync(`${file}.new`, zstdCompressSync(Buffer.from(JSON.stringify({ version, ...counts }))), {
      mode: 0o600,
    })
    renameSync(`${file}.new`, file)
  }

  drop(person: string): void {
    rmSync(this.#fileOf(person), { force: true })
  }

  /** Removes what is too old, or too much. */
  trim(nowMs: number): void {
    const files = readdirSync(this.#folder).map(name => {
      const file = join(this.#folder, name)
      return { file, atMs: statSync(file).mtimeMs }
    })
    for (const [at, { file, atMs }] of files.toSorted((a, b) => b.atMs - a.atMs).entries())
      if (at >= maxPeople || atMs < nowMs - maxAgeMs) rmSync(file, { force: true })
  }

  #fileOf(person: string): string {
    return join(this.#folder, `${createHash('sha256').update(person).digest('hex').slice(0, 32)}.zst`)
  }
}
