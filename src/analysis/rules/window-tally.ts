/** What came within a time: different values, or amounts. Bounded: it holds as much as its rule asks for. */

/** Sums are kept in so many pieces of the time; what is older than the time goes piece by piece. */
const pieces = 64

/** As it is kept: values or pieces of time, each with its instant and how much; how many were counted in all. */
export type TallyState = {
  readonly amounts: readonly (readonly [string | number, number, number])[]
  readonly count: number
}

export class WindowTally {
  readonly #withinMs: number
  readonly #amounts = new Map<string | number, { atMs: number; amount: number }>()
  #total = 0
  #count = 0

  constructor(withinMs: number, state?: TallyState) {
    this.#withinMs = withinMs
    if (state === undefined) return
    this.#count = state.count
    for (const [key, atMs, amount] of state.amounts) {
      this.#amounts.set(key, { atMs, amount })
      this.#total += amount
    }
  }

  get state(): TallyState {
    const amounts = [...this.#amounts].map(([key, { atMs, amount }]) => [key, atMs, amount] as const)
    return { amounts, count: this.#count }
  }

  /** All that is within the time before the last one added. */
  get total(): number {
    return this.#total
  }

  /** Counts a value once, however often it comes; it counts from the last time that it came. */
  addDistinct(value: string, atMs: number): void {
    this.#drop(value)
    this.#put(value, atMs, 1)
  }

  addOne(atMs: number): void {
    this.#put(this.#count++, atMs, 1)
  }

  addAmount(amount: number, atMs: number): void {
    const piece = Math.floor((atMs * pieces) / this.#withinMs)
    const known = this.#amounts.get(piece)?.amount ?? 0
    this.#drop(piece)
    this.#put(piece, atMs, known + amount)
  }

  clear(): void {
    this.#amounts.clear()
    this.#total = 0
  }

  #put(key: string | number, atMs: number, amount: number): void {
    this.#amounts.set(key, { atMs, amount })
    this.#total += amount
    for (const [old, { atMs: thenMs }] of this.#amounts) {
      if (thenMs >= atMs - this.#withinMs) return
      this.#drop(old)
    }
  }

  #drop(key: string | number): void {
    const known = this.#amounts.get(key)
    if (known === undefined) return
    this.#amounts.delete(key)
    this.#total -= known.amount
  }
}
