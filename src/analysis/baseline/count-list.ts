/** Numbers in order of first appearance, and how often each: what is counted of one block. Lists are used again, so that none is made for each block. */

const minLength = 128

export class CountList {
  /** Only the first `length` places of these lists say anything. */
  keys: Float64Array = new Float64Array(minLength)
  counts: Float64Array = new Float64Array(minLength)
  /** Shares of a block in which repetitions count less and less; they add up to 1. */
  weights: Float64Array = new Float64Array(minLength)
  /** How often the person whose block this is had each of them altogether, once the block was learned. */
  learned: Float64Array = new Float64Array(minLength)
  length = 0

  /** Answers with its place. */
  append(key: number): number {
    if (this.length === this.keys.length) this.#reserve(this.length * 2)
    this.keys[this.length] = key
    this.counts[this.length] = 1
    return this.length++
  }

  again(place: number): void {
    this.counts[place] = (this.counts[place] ?? 0) + 1
  }

  /** Of all counts together. */
  get total(): number {
    let total = 0
    for (let at = 0; at < this.length; at++) total += this.counts[at] ?? 0
    return total
  }

  /** Once everything is counted. */
  weigh(): void {
    const { counts, weights, length } = this
    let total = 0
    for (let at = 0; at < length; at++) total += weights[at] = logOfOneMore(counts[at] ?? 0)
    total = Math.max(total, Math.LN2)
    for (let at = 0; at < length; at++) weights[at] = (weights[at] ?? 0) / total
  }

  become({ keys, counts, weights, learned, length }: CountList): void {
    if (length > this.keys.length) this.#reserve(length)
    for (let at = 0; at < length; at++) {
      this.keys[at] = keys[at] ?? 0
      this.counts[at] = counts[at] ?? 0
      this.weights[at] = weights[at] ?? 0
      this.learned[at] = learned[at] ?? 0
    }
    this.length = length
  }

  #reserve(length: number): void {
    this.keys = longer(this.keys, length)
    this.counts = longer(this.counts, length)
    this.weights = longer(this.weights, length)
    this.learned = longer(this.learned, length)
  }
}

function longer(list: Float64Array, length: number): Float64Array {
  const larger = new Float64Array(length)
  larger.set(list)
  return larger
}

/** Most counts of a block are small. */
const logs = Float64Array.from({ length: 256 }, (_, count) => Math.log1p(count))

function logOfOneMore(count: number): number {
  return count < logs.length ? (logs[count] ?? 0) : Math.log1p(count)
}
