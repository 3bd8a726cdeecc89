/** Where time comes from, so that tests can hold it. */
export type Clock = {
  /** Wall time, milliseconds since the Unix epoch: for stamps, certificates and policy. */
  readonly nowMs: () => number
  /** Monotonic microseconds from an arbitrary start: for limits and offsets, since wall clocks step. */
  readonly monotonicUs: () => number
}

export const systemClock: Clock = {
  nowMs: Date.now,
  monotonicUs: () => Math.floor(performance.now() * 1000),
}
