/** Going from command to command, or from finding to finding: by their own times, though each is shown from a moment before it. */

/** What led to it is seen too. Milliseconds. */
export const leadMs = 2000
/** Going back so soon after one goes to the one before it. Milliseconds. */
const graceMs = 1000

export type Stop = { readonly key: string | number; readonly atMs: number }
/** The stop that one went to last, and where playing began for it. */
export type Jump = Stop & { readonly fromMs: number }

/** In order of time. */
export function stopsOf<T>(items: readonly T[], stopOf: (item: T) => Stop): readonly Stop[] {
  return items.map(stopOf).toSorted((a, b) => a.atMs - b.atMs)
}

/** Not from before the stop before it: then it would be that one that is shown. */
export function jumpTo(stops: readonly Stop[], place: number): Jump | undefined {
  const stop = stops[place]
  if (stop === undefined) return undefined
  return { ...stop, fromMs: Math.max(0, stops[place - 1]?.atMs ?? 0, stop.atMs - leadMs) }
}

/** Whether one went there and it has not come yet. */
export function isAwaited(jump: Jump | undefined, positionMs: number): boolean {
  return jump !== undefined && positionMs >= jump.fromMs && positionMs <= jump.atMs
}

/** The next stop or the one before: counted from where one went last, or else from what is shown. */
export function neighbour(
  stops: readonly Stop[],
  positionMs: number,
  last: Jump | undefined,
  direction: 1 | -1,
): Jump | undefined {
  const here = isAwaited(last, positionMs) ? stops.findIndex(({ key }) => key === last?.key) : -1
  if (here !== -1) return jumpTo(stops, here + direction)
  const place =
    direction === 1
      ? stops.findIndex(({ atMs }) => atMs > positionMs)
      : stops.findLastIndex(({ atMs }) => atMs < positionMs - graceMs)
  return jumpTo(stops, place)
}
