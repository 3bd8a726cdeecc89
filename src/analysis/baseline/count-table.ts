/** Counts by whole number, as a `Map` would hold them, in one flat array: looked up some ten times for each command of a session. */

import type { CountList } from './count-list.ts'

const minCapacity = 16
/** Of the places, so many may be taken: probing stays short. */
const maxLoad = 0.5
/** In a place where no key is; keys are kept with one added. */
const none = 0

/** Keys are whole numbers from 0 to 2⁵³ − 2. */
export class CountTable {
  /** Key and count side by side, so that a look-up touches one line of the processor's cache. */
  #cells: Float64Array
  #shift: number
  #size = 0
  #touched = 0
  /** Places with a key, also those whose count was taken back. */
  #taken = 0

  constructor(capacity: number = minCapacity) {
    const bits = Math.max(4, Math.ceil(Math.log2(capacity)))
    this.#cells = new Float64Array(2 ** bits * 2)
    this.#shift = 32 - bits
  }

  /** Keys whose count is not 0. */
  get size(): number {
    return this.#size
  }

  get(key: number): number {
    return this.#cells[placeOf(this.#cells, this.#shift, key) + 1] ?? 0
  }

  /**
   * The counts of all keys of a list, in its order, into the first places of `found`. Each place is touched once before any is
   * compared: tables of many people are not in the processor's cache, and so it fetches them at once.
   */
  look({ keys, length }: CountList, found: Float64Array): void {
    const cells = this.#cells
    const shift = this.#shift
    let touched = 0
    for (let at = 0; at < length; at++) touched += cells[homeOf(shift, keys[at] ?? 0)] ?? 0
    this.#touched = touched
    for (let at = 0; at < length; at++) found[at] = cells[placeOf(cells, shift, keys[at] ?? 0) + 1] ?? 0
  }

  /** Answers with what was there before; 0 also for a key that was not. */
  add(key: number, amount: number): number {
    let at = placeOf(this.#cells, this.#shift, key)
    if (this.#cells[at] === none) {
      if (this.#taken * 2 >= this.#cells.length * maxLoad) {
        this.#grow()
        at = placeOf(this.#cells, this.#shift, key)
      }
      this.#cells[at] = key + 1
      this.#taken++
    }
    const before = this.#cells[at + 1] ?? 0
    this.#cells[at + 1] = before + amount
    if (before === 0) this.#size++
    return before
  }

  /** Takes back what was added, never below nothing; answers with how much that was. */
  take(key: number, amount: number): number {
    const at = placeOf(this.#cells, this.#shift, key)
    const before = this.#cells[at + 1] ?? 0
    const taken = Math.min(before, amount)
    this.#cells[at + 1] = before - taken
    if (before > 0 && before === taken) this.#size--
    return taken
  }

  /** Forgets everything, and keeps its place in memory. */
  clear(): void {
    if (this.#taken === 0) return
    this.#cells.fill(0)
    this.#size = 0
    this.#taken = 0
  }

  *[Symbol.iterator](): Generator<readonly [number, number]> {
    const cells = this.#cells
    for (let at = 0; at < cells.length; at += 2) {
      const count = cells[at + 1] ?? 0
      if (count !== 0) yield [(cells[at] ?? 0) - 1, count]
    }
  }

  #grow(): void {
    const cells = this.#cells
    this.#cells = new Float64Array(cells.length * 2)
    this.#shift--
    this.#taken = 0
    for (let at = 0; at < cells.length; at += 2) {
      const count = cells[at + 1] ?? 0
      if (count === 0) continue
      const key = (cells[at] ?? 0) - 1
      const place = placeOf(this.#cells, this.#shift, key)
      this.#cells[place] = key + 1
      this.#cells[place + 1] = count
      this.#taken++
    }
  }
}

const oneOf2To32 = 2 ** -32

/** Where the search for a key begins. */
function homeOf(shift: number, key: number): number {
  const mixed = (key | 0) ^ Math.imul((key * oneOf2To32) | 0, 0x85_eb_ca_6b)
  return (Math.imul(mixed, 0x9e_37_79_b1) >>> shift) << 1
}

/** Where a key is, or would be. */
function placeOf(cells: Float64Array, shift: number, key: number): number {
  const mask = cells.length - 1
  const kept = key + 1
  let at = homeOf(shift, key)
  for (;;) {
    const found = cells[at]
    if (found === kept || found === none) return at
    at = (at + 2) & mask
  }
}
