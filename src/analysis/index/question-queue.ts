/**
 * Which question the thread is asked next. What pages need to be drawn at all (rows, entries, names) takes milliseconds and goes first; a
 * search may take seconds, so people take turns with theirs, and nobody keeps the others waiting by asking often.
 */
import type { Question } from './search-messages.ts'

/** Questions that wait, of everybody. */
const maxWaiting = 64
/** Searches of one person that wait: what a page still wants, and another window's. */
const maxSearchesOfOne = 8

export type Queued = { readonly id: number; readonly question: Question }

export class QuestionQueue {
  readonly #quick: Queued[] = []
  /** By who asked; whose turn it was goes to the end. */
  readonly #searches = new Map<string, Queued[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** `asker`: whose turn it takes, of a search. Whether there was room. */
  add(queued: Queued, asker?: string): boolean {
    const theirs = asker === undefined ? this.#quick : (this.#searches.get(asker) ?? [])
    if (this.#size >= maxWaiting || (asker !== undefined && theirs.length >= maxSearchesOfOne)) return false
    if (asker !== undefined) this.#searches.set(asker, theirs)
    theirs.push(queued)
    this.#size++
    return true
  }

  next(): Queued | undefined {
    const queued = this.#quick.shift() ?? this.#nextSearch()
    if (queued !== undefined) this.#size--
    return queued
  }

  clear(): void {
    this.#quick.length = 0
    this.#searches.clear()
    this.#size = 0
  }

  #nextSearch(): Queued | undefined {
    for (const [asker, theirs] of this.#searches) {
      const queued = theirs.shift()
      this.#searches.delete(asker)
      if (theirs.length > 0) this.#searches.set(asker, theirs)
      if (queued !== undefined) return queued
    }
    return undefined
  }
}
