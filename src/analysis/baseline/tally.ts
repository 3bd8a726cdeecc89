/** How often tokens of one family were seen: by one person, or by everybody. */

import type { CountList } from './count-list.ts'
import { CountTable } from './count-table.ts'

/** A token's number; the dictionary gives them out. */
export type TokenId = number

/** After so many events of a person the older half of the fast counts weighs half. */
const fastHalfLifeEvents = 1500
/** Growing weights are scaled back before they leave the range in which sums are exact enough. */
const maxWeight = 1e9

/** Counts that keep everything. */
export class Tally {
  readonly counts: CountTable = new CountTable()
  total = 0

  constructor(counts: Iterable<readonly [TokenId, number]> = []) {
    for (const [token, count] of counts) this.add(token, count)
  }

  of(token: TokenId): number {
    return this.counts.get(token)
  }

  /** The counts of all tokens of a list, in its order, into the first places of `found`. */
  look(list: CountList, found: Float64Array): void {
    this.counts.look(list, found)
  }

  /** Answers with what was there before. */
  add(token: TokenId, count: number): number {
    this.total += count
    return this.counts.add(token, count)
  }

  /** Tells the list what is there now of each. At most `limit` tokens stay; false if none had to go. */
  learn(list: CountList, limit: number): boolean {
    const { keys, counts, learned, length } = list
    for (let at = 0; at < length; at++) {
      const count = counts[at] ?? 0
      learned[at] = this.add(keys[at] ?? 0, count) + count
    }
    if (!this.trim(limit)) return false
    this.look(list, learned)
    return true
  }

  /** Takes back what was added before; never below nothing. */
  take(token: TokenId, count: number): void {
    this.total -= this.counts.take(token, count)
  }

  /** Drops what was seen least, so that at most `limit` tokens stay. Rare tokens become new again: that errs towards showing. False if none had to go. */
  trim(limit: number): boolean {
    if (this.counts.size <= limit) return false
    const kept = [...this.counts].toSorted((a, b) => b[1] - a[1]).slice(0, Math.floor(limit * 0.9))
    this.counts.clear()
    this.total = 0
    for (const [token, count] of kept) this.add(token, count)
    return true
  }
}

/** Counts that forget: what was seen lately weighs more. Weights grow instead of old counts shrinking. */
export class FadingTally {
  readonly #tally: Tally
  #weight: number

  /** `weighedTotal`: counts that are added up again in another order differ in the last digit. */
  constructor(counts: Iterable<readonly [TokenId, number]> = [], weight = 1, weighedTotal?: number) {
    this.#tally = new Tally(counts)
    this.#weight = weight
    if (weighedTotal !== undefined) this.#tally.total = weighedTotal
  }

  get counts(): CountTable {
    return this.#tally.counts
  }

  get weight(): number {
    return this.#weight
  }

  get total(): number {
    return this.#tally.total / this.#weight
  }

  get weighedTotal(): number {
    return this.#tally.total
  }

  of(token: TokenId): number {
    return this.#tally.of(token) / this.#weight
  }

  look(list: CountList, found: Float64Array): void {
    this.#tally.look(list, found)
    for (let at = 0; at < list.length; at++) found[at] = (found[at] ?? 0) / this.#weight
  }

  add(token: TokenId, count: number): void {
    this.#tally.add(token, count * this.#weight)
  }

  addAll({ keys, counts, length }: CountList): void {
    for (let at = 0; at < length; at++) this.add(keys[at] ?? 0, counts[at] ?? 0)
  }

  /** So many events have gone by. */
  age(events: number): void {
    this.#weight *= 2 ** (events / fastHalfLifeEvents)
    if (this.#weight > maxWeight) this.#rescale()
  }

  trim(limit: number): void {
    this.#tally.trim(limit)
  }

  #rescale(): void {
    const scaled = [...this.#tally.counts].map(([token, count]) => [token, count / this.#weight] as const)
    this.#tally.counts.clear()
    this.#tally.total = 0
    for (const [token, count] of scaled) if (count > 1e-3) this.#tally.add(token, count)
    this.#weight = 1
  }
}
