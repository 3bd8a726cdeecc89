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
    const before = this.#buckets.get(source) ?? { left: this.#perMinute, atUs }
    const gained = ((atUs - before.atUs) / 60e6) * this.#perMinute
    const left = Math.min(this.#perMinute, before.left + gained)
    this.#buckets.delete(source)
    this.#buckets.set(source, { left: Math.max(0, left - 1), atUs })
    this.#forget()
    return left >= 1
  }

  #forget(): void {
    for (const source of this.#buckets.keys()) {
      if (this.#buckets.size <= maxSources) return
      this.#buckets.delete(source)
    }
  }
}
