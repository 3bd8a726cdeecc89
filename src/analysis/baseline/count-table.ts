/** Counts by whole number, as a `Map` would hold them, in two flat arrays: looked up some ten times for each command of a session. */

const minCapacity = 16
/** Of the places, so many may be taken: probing stays short. */
const maxLoad = 0.5
/** In a place where no key is. */
const none = -1

/** Keys are whole numbers from 0 to 2⁵³. */
export class CountTable {
  #keys: Float64Array
  #values: Float64Array
  #shift: number
  #size = 0
  /** Places with a key, also those whose count was taken back. */
  #taken = 0

  constructor(capacity: number = minCapacity) {
    const bits = Math.max(4, Math.ceil(Math.log2(capacity)))
    this.#keys = new Float64Array(2 ** bits).fill(none)
    this.#values = new Float64Array(2 ** bits)
    this.#shift = 32 - bits
  }

  /** Keys whose count is not 0. */
  get size(): number {
    return this.#size
  }

  get(key: number): number {
    return this.#values[this.#place(key)] ?? 0
  }

  /** Answers with what was there before; 0 also for a key that was not. */
  add(key: number, amount: number): number {
    let at = this.#place(key)
    if (this.#keys[at] === none) {
      if (this.#taken >= this.#keys.length * maxLoad) {
        this.#grow()
        at = this.#place(key)
      }
      this.#keys[at] = key
      this.#taken++
    }
    const before = this.#values[at] ?? 0
    this.#values[at] = before + amount
    if (before === 0) this.#size++
    return before
  }

  /** Takes back what was added, never below nothing; answers with how much that was. */
  take(key: number, amount: number): number {
    const at = this.#place(key)
    const before = this.#values[at] ?? 0
    const taken = Math.min(before, amount)
    this.#values[at] = before - taken
    if (before > 0 && before === taken) this.#size--
    return taken
  }

  /** Forgets everything, and keeps its place in memory. */
  clear(): void {
    if (this.#taken === 0) return
    this.#keys.fill(none)
    this.#values.fill(0)
    this.#size = 0
    this.#taken = 0
  }

  *[Symbol.iterator](): Generator<readonly [number, number]> {
    for (let at = 0; at < this.#keys.length; at++) {
      const value = this.#values[at] ?? 0
      if (value !== 0) yield [this.#keys[at] ?? 0, value]
    }
  }

  /** Where a key is, or would be. */
  #place(key: number): number {
    const keys = this.#keys
    const mask = keys.length - 1
    const mixed = (key | 0) ^ Math.imul((key / 4_294_967_296) | 0, 0x85_eb_ca_6b)
    let at = Math.imul(mixed, 0x9e_37_79_b1) >>> this.#shift
    for (;;) {
      const found = keys[at]
      if (found === key || found === none) return at
      at = (at + 1) & mask
    }
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values]
    this.#keys = new Float64Array(keys.length * 2).fill(none)
    this.#values = new Float64Array(keys.length * 2)
    this.#shift--
    this.#taken = 0
    for (let at = 0; at < keys.length; at++) {
      const value = values[at] ?? 0
      if (value === 0) continue
      const place = this.#place(keys[at] ?? 0)
      this.#keys[place] = keys[at] ?? 0
      this.#values[place] = value
      this.#taken++
    }
  }
}
