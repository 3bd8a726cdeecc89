/** Stretches of time that somebody has watched, as few as say the same. */
import type { WatchedStretch } from '../../model.ts'

/** Of one person in one session: beyond it, the shortest are forgotten. */
export const maxStretches = 500
/** What is closer than this is one stretch, in milliseconds. */
const joinMs = 250

/** In order, and none of them touch. */
export function mergeStretches(all: readonly WatchedStretch[]): readonly WatchedStretch[] {
  const merged: { fromMs: number; toMs: number }[] = []
  for (const { fromMs, toMs } of all.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const last = merged.at(-1)
    if (last !== undefined && fromMs <= last.toMs + joinMs) last.toMs = Math.max(last.toMs, toMs)
    else merged.push({ fromMs, toMs })
  }
  return merged.length <= maxStretches ? merged : withFewer(merged)
}

/** Says rather too little than too much: what was not watched between two of them is not said to be. */
function withFewer(merged: readonly WatchedStretch[]): readonly WatchedStretch[] {
  const longest = merged.toSorted((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs)).slice(0, maxStretches)
  return longest.toSorted((a, b) => a.fromMs - b.fromMs)
}
