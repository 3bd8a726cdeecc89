/**
 * Profiles on disk, in a folder of their own that nobody else reads: the state of today, snapshots that findings were made with, a few words for each
 * person, and what the gateway wants to be done (taught, forgotten), which it leaves as files.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { Baseline, type BaselineState, scoringVersion } from '../baseline/baseline.ts'
import type { ActivityEvent } from '../baseline/event.ts'
import type { SessionFacts } from '../baseline/habit.ts'
import { Habits, type HabitsState } from '../baseline/habits.ts'

const stateFile = 'profiles.zst'
const inbox = 'inbox'
const words = 'people'
const snapshots = 'snapshots'
const unreadable =
  'what was to be taught to or forgotten by profiles cannot be read, and was removed: who asked to be forgotten has to be forgotten again'
/** Snapshots that findings were made with; the oldest go, by count and by size. */
const maxSnapshots = 60
const maxSnapshotBytes = 512 * 1024 * 1024
/** Wishes that wait to be read. */
const maxWishes = 1000
/** Blocks of 100 are scored together; the class wants to know, and on line nobody asks it to fill one. */
const blockEvents = 100

/** What was held back of a session that differed too much to be learned. */
export type Held = {
  readonly session: string
  readonly atMs: number
  readonly facts: SessionFacts
  readonly events: readonly ActivityEvent[]
}

/** Everything that baselines know. */
export type Known = {
  readonly baseline: Baseline
  readonly habits: Habits
  /** By session; the oldest first. */
  readonly held: Map<string, Held>
  /** Sessions that were learned or held back: none counts twice. */
  readonly seen: Map<string, number>
}

type KnownState = {
  readonly version: typeof scoringVersion
  readonly baseline: BaselineState
  readonly habits: HabitsState
  readonly held: readonly Held[]
  readonly seen: readonly (readonly [string, number])[]
}

export type ProfileWish =
  | { readonly do: 'teach'; readonly session: string }
  | { readonly do: 'forget'; readonly person: string }
/** With the file that it is in. */
type Wished = { readonly file: string; readonly wish: ProfileWish }

export type PersonInWords = {
  readonly events: number
  readonly sinceMs: number
  readonly text: readonly string[]
}

export class ProfileKeeper {
  readonly #folder: string
  readonly #onTrouble: (cause: unknown) => void

  /** `onTrouble` hears of what was to be done and cannot be read. */
  constructor(folder: string, onTrouble: (cause: unknown) => void = () => {}) {
    this.#folder = folder
    this.#onTrouble = onTrouble
    for (const name of ['', inbox, words, snapshots])
      mkdirSync(join(folder, name), { recursive: true, mode: 0o700 })
  }

  /** As they were kept; nothing known if there is nothing, or if it is of another version or damaged: profiles grow again. */
  load(): { readonly known: Known; readonly problem?: string } {
    const empty = knownFrom(undefined)
    try {
      const bytes = readFileSync(join(this.#folder, stateFile))
      const state = JSON.parse(zstdDecompressSync(bytes).toString()) as KnownState
      if (state.version !== scoringVersion) return { known: empty, problem: 'profiles of another version' }
      return { known: knownFrom(state) }
    } catch (cause) {
      const isThere = (cause as { code?: unknown }).code !== 'ENOENT'
      return isThere
        ? { known: empty, problem: `profiles cannot be read: ${String(cause)}` }
        : { known: empty }
    }
  }

  save(known: Known): void {
    this.#write(stateFile, packed(known), true)
    syncFolder(this.#folder)
  }

  /** Keeps what findings are made with; gives back its id, which is its digest. */
  snapshot(known: Known): string {
    const bytes = packed(known)
    const id = createHash('sha256').update(bytes).digest('hex').slice(0, 16)
    this.#write(join(snapshots, `${id}.zst`), bytes)
    this.#trimSnapshots()
    return id
  }

  /** Undefined once it is too old. */
  restore(snapshot: string): Known | undefined {
    try {
      const bytes = readFileSync(join(this.#folder, snapshots, `${snapshot}.zst`))
      return knownFrom(JSON.parse(zstdDecompressSync(bytes).toString()) as KnownState)
    } catch {
      return undefined
    }
  }

  /** A few words about a person, for themselves. */
  tell(person: string, said: PersonInWords): void {
    this.#write(join(words, fileOf(person)), Buffer.from(JSON.stringify(said)))
  }

  /** Nothing of a person stays: neither words nor snapshots, which hold everybody. */
  drop(person: string): void {
    rmSync(join(this.#folder, words, fileOf(person)), { force: true })
    for (const name of readdirSync(join(this.#folder, snapshots)))
      rmSync(join(this.#folder, snapshots, name), { force: true })
  }

  /** What the gateway wants, the oldest first; each is told until it was granted. */
  wishes(): readonly Wished[] {
    const names = readdirSync(join(this.#folder, inbox)).filter(name => name.endsWith('.json'))
    const oldest = names.toSorted().slice(0, maxWishes)
    return oldest.flatMap(name => this.#wishIn(join(this.#folder, inbox, name)))
  }

  /** They were done, and what came of it is on the disk. */
  granted(wishes: readonly Wished[]): void {
    for (const { file } of wishes) rmSync(file, { force: true })
  }

  /** What cannot be read now never can, and must not keep others from being read. */
  #wishIn(file: string): Wished[] {
    try {
      return [{ file, wish: wishFrom(JSON.parse(readFileSync(file, 'utf8'))) }]
    } catch {
      rmSync(file, { force: true, recursive: true })
      this.#onTrouble(new Error(unreadable)) // without the text, which may name somebody
      return []
    }
  }

  #write(name: string, bytes: Buffer, flush = false): void {
    const file = join(this.#folder, name)
    writeFileSync(`${file}.new`, bytes, { mode: 0o600, flush })
    renameSync(`${file}.new`, file)
  }

  #trimSnapshots(): void {
    const folder = join(this.#folder, snapshots)
    const files = readdirSync(folder).map(name => ({ name, stat: statSync(join(folder, name)) }))
    const newest = files.toSorted((a, b) => b.stat.mtimeMs - a.stat.mtimeMs)
    let bytes = 0
    for (const [at, { name, stat }] of newest.entries()) {
      bytes += stat.size
      if (at >= maxSnapshots || bytes > maxSnapshotBytes) rmSync(join(folder, name), { force: true })
    }
  }
}

function wishFrom(value: unknown): ProfileWish {
  const { do: what, session, person } = value as Readonly<Record<string, unknown>>
  if (what === 'teach' && typeof session === 'string') return { do: what, session }
  if (what === 'forget' && typeof person === 'string') return { do: what, person }
  throw new TypeError('no wish')
}

/** Without it, a power cut may undo what was renamed. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** From the gateway's thread: leaves a wish on the disk, which the analyst reads within a second or two. */
export function wishOf(folder: string, wish: ProfileWish, nowMs: number): void {
  const name = join(folder, inbox, `${String(nowMs).padStart(15, '0')}-${randomBytes(4).toString('hex')}`)
  mkdirSync(join(folder, inbox), { recursive: true, mode: 0o700 })
  writeFileSync(`${name}.new`, JSON.stringify(wish), { mode: 0o600, flush: true })
  renameSync(`${name}.new`, `${name}.json`)
  syncFolder(join(folder, inbox))
}

/** From the gateway's thread: what baselines know of a person; undefined if nothing. */
export function wordsOf(folder: string, person: string): PersonInWords | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, words, fileOf(person)), 'utf8')) as PersonInWords
  } catch {
    return undefined
  }
}

function fileOf(person: string): string {
  return `${createHash('sha256').update(person).digest('hex').slice(0, 32)}.json`
}

function packed({ baseline, habits, held, seen }: Known): Buffer {
  const state: KnownState = {
    version: scoringVersion,
    baseline: baseline.state,
    habits: habits.state,
    held: [...held.values()],
    seen: [...seen],
  }
  return zstdCompressSync(Buffer.from(JSON.stringify(state)))
}

function knownFrom(state: KnownState | undefined): Known {
  return {
    baseline: new Baseline({ blockEvents }, state?.baseline),
    habits: new Habits(state?.habits),
    held: new Map(state?.held.map(one => [one.session, one])),
    seen: new Map(state?.seen),
  }
}
