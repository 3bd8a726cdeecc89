/**
 * Remembers what was asked for lately, within a number of entries and of characters. Two generations: what is asked for moves
 * to the young one, and when that is full the old one goes. A hit costs one look-up and no bookkeeping.
 */
export class Recent<Value> {
  readonly #maxEntries: number
  readonly #maxCharacters: number
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()
  #characters = 0

  /** Limits are of one generation; twice as much is kept at most. */
  constructor(limits: { readonly maxEntries: number; readonly maxCharacters: number }) {
    this.#maxEntries = limits.maxEntries
    this.#maxCharacters = limits.maxCharacters
  }

  get(key: string): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, value: Value): void {
    if (key.length > this.#maxCharacters) return
    if (this.#young.size >= this.#maxEntries || this.#characters + key.length > this.#maxCharacters) {
      this.#old = this.#young
      this.#young = new Map()
      this.#characters = 0
    }
    if (!this.#young.has(key)) this.#characters += key.length
    this.#young.set(key, value)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }
}
