/** How far a value is from others of its kind, where some are a thousand times as large as others: on a logarithmic scale, and robustly. */

/** A spread on the logarithmic scale that everybody has: half as much again is the same. */
const minSpread = 0.35
/** Standard deviations of a normal distribution in a median absolute deviation. */
const madFactor = 1.4826
/** From so many deviations on it adds, and so much for each. */
export const freeDeviations = 2.5
export const natsOfDeviation = 0.9

/** Deviations above the median. `logs`: what `Math.log1p` makes of the others. */
export function deviation(value: number, logs: readonly number[]): number {
  const middle = median(logs) ?? 0
  const spread = median(logs.map(log => Math.abs(log - middle))) ?? 0
  return (Math.log1p(value) - middle) / (madFactor * spread + minSpread)
}

/** The lower one of two in the middle; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}
