/** When to try again: twice as long each time, up to a limit, and never all at the same instant. */

const firstMs = 500
/** An outage that is over is found within this. */
const longestMs = 60_000

/** `failures` counts from 1; `random` is from 0 to 1. */
export function delayAfterMs(failures: number, random = Math.random()): number {
  const most = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 20))
  return Math.round(most / 2 + (most / 2) * random)
}
