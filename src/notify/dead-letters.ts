/**
 * Messages that their receiver did not take: which they were and why, one small file each. The message itself is in the audit log, so
 * a letter only names its line.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FeedLine } from './audit-feed.ts'
import { type Position, writeWhole } from './position.ts'

/** Of one sink. The oldest goes when there is one more: whoever has not looked at so many does not look. */
export const maxLetters = 10_000

export type Letter = {
  /** `SINK.SEQUENCE`. */
  readonly id: string
  readonly sink: string
  readonly sequence: number
  readonly uid: string
  readonly kind: string
  /** When it happened. */
  readonly atMs: number
  readonly attempts: number
  readonly diedAtMs: number
  readonly reason: string
  /** Behind its line. */
  readonly position: Position
}

export class DeadLetters {
  readonly #folder: string
  readonly #sink: string
  readonly #max: number
  /** Sequences, oldest first. */
  #sequences: number[] = []
  /** Letters that went because there were too many, since the start. */
  lost = 0

  constructor(folder: string, sink: string, max: number = maxLetters) {
    this.#folder = join(folder, sink)
    this.#sink = sink
    this.#max = max
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const names = await readdir(this.#folder)
    const sequences = names.flatMap(name => /^([0-9]{1,15})\.json$/.exec(name)?.[1] ?? []).map(Number)
    this.#sequences = sequences.toSorted((a, b) => a - b)
  }

  get size(): number {
    return this.#sequences.length
  }

  async add(
    { event, after }: FeedLine,
    about: Pick<Letter, 'attempts' | 'diedAtMs' | 'reason'>,
  ): Promise<void> {
    const { sequence, uid, kind, atMs } = event
    const id = `${this.#sink}.${sequence}`
    const letter: Letter = { id, sink: this.#sink, sequence, uid, kind, atMs, ...about, position: after }
    await writeWhole(this.#path(sequence), letter)
    if (!this.#sequences.includes(sequence)) this.#sequences.push(sequence)
    while (this.#sequences.length > this.#max) await this.#lose(this.#sequences[0] ?? 0)
  }

  async #lose(sequence: number): Promise<void> {
    await this.remove(sequence)
    this.lost++
  }

  /** The oldest first, at most `limit`. */
  async list(limit: number): Promise<readonly Letter[]> {
    const letters = await Promise.all(this.#sequences.slice(0, limit).map(sequence => this.get(sequence)))
    return letters.filter(letter => letter !== undefined)
  }

  async get(sequence: number): Promise<Letter | undefined> {
    if (!this.#sequences.includes(sequence)) return undefined
    try {
      return JSON.parse(await readFile(this.#path(sequence), 'utf8')) as Letter
    } catch {
      return undefined
    }
  }

  async remove(sequence: number): Promise<void> {
    await rm(this.#path(sequence), { force: true })
    this.#sequences = this.#sequences.filter(one => one !== sequence)
  }

  #path(sequence: number): string {
    return join(this.#folder, `${sequence}.json`)
  }
}

/** The parts of a letter's id, or undefined for what is none. */
export function parseLetterId(id: string): { readonly sink: string; readonly sequence: number } | undefined {
  const [, sink, sequence] = /^([a-z0-9][a-z0-9-]{0,62})\.([0-9]{1,15})$/.exec(id) ?? []
  return sink === undefined ? undefined : { sink, sequence: Number(sequence) }
}
