import { offsetOf } from '../../parts/time.tsx'

/** Where in a session: sessions of programs take less than a second, as a rule. */
export function placeOf(offsetMs: number, durationMs: number): string {
  return durationMs < 60_000 ? `${(offsetMs / 1000).toFixed(2)} s` : offsetOf(offsetMs)
}
