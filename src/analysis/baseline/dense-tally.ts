/** How often everybody together used a token: by its number in one flat array, since they know most tokens there are. */
import type { CountList } from './count-list.ts'
import type { TokenId } from './tally.ts'

const minLength = 1024

export class DenseTally {
  #counts = new Float64Array(minLength)
  total = 0

  constructor(counts: Iterable<readonly [TokenId, number]> = []) {
    for (const [token, count] of counts) this.add(token, count)
  }

  /** Tokens whose count is not 0. */
  get counts(): Iterable<readonly [TokenId, number]> {
    return [...this.#counts.entries()].filter(([, count]) => count !== 0)
  }

  of(token: TokenId): number {
    return this.#counts[token] ?? 0
  }

  /** The counts of all tokens of a list, in its order, into the first places of `found`. */
  look({ keys, length }: CountList, found: Float64Array): void {
    const counts = this.#counts
    for (let at = 0; at < length; at++) {
      const token = keys[at] ?? 0
      found[at] = token < counts.length ? (counts[token] ?? 0) : 0
    }
  }

  add(token: TokenId, count: number): void {
    if (token >= this.#counts.length) this.#grow(token)
    this.#counts[token] = (this.#counts[token] ?? 0) + count
    this.total += count
  }

  /** Takes back what was added before; never below nothing. */
  take(token: TokenId, count: number): void {
    const taken = Math.min(count, this.of(token))
    if (taken > 0) this.add(token, -taken)
  }

  #grow(token: TokenId): void {
    const larger = new Float64Array(Math.max(token + 1, this.#counts.length * 2))
    larger.set(this.#counts)
    this.#counts = larger
  }
}
