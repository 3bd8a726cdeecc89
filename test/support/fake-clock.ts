import type { Clock } from '../../src/clock.ts'

/** Time that stands until a test moves it. */
export class FakeClock implements Clock {
  #ms: number

  constructor(startMs = Date.UTC(2026, 2, 1, 12)) {
    this.#ms = startMs
  }

  readonly nowMs = (): number => this.#ms
  readonly monotonicUs = (): number => this.#ms * 1000

  advance(ms: number): void {
    this.#ms += ms
  }
}
