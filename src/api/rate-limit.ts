import type { Clock } from '../clock.ts'

/** Sources that are counted at once; past it, the longest quiet ones are forgotten. */
const maxSources = 10_000

/** So many a minute from one source, and as many at once after a quiet minute (a token bucket). */
export class RateLimit {
  readonly #perMinute: number
  readonly #clock: Clock
  /** In the order of their last try. */
  readonly #buckets = new Map<string, { left: number; atUs: number }>()

  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute
    this.#clock = clock
  }

  /** Counts a try. False if it is one too many. */
  allows(source: string): boolean {
    const atUs = this.#clock.monotonicUs()
    const left = this.#left(source, atUs)
    this.#buckets.delete(source)
    this.#buckets.set(source, { left: Math.max(0, left - 1), atUs })
    this.#forget()
    return left >= 1
  }

  /** Whether another try would be allowed; counts none. */
  has(source: string): boolean {
    return this.#left(source, this.#clock.monotonicUs()) >= 1
  }

  #left(source: string, atUs: number): number {
    const before = this.#buckets.get(source) ?? { left: this.#perMinute, atUs }
    const gained = ((atUs - before.atUs) / 60e6) * this.#perMinute
    return Math.min(this.#perMinute, before.left + gained)
  }

  #forget(): void {
    for (const source of this.#buckets.keys()) {
      if (this.#buckets.size <= maxSources) return
      this.#buckets.delete(source)
    }
  }
}
