/** A clock that walks through the statements as they came, faster, and over stretches in which nothing ran. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { statementAt } from './filter.ts'
import type { Statement } from './statement.ts'
import { idleMs } from './timeline.ts'

export const speeds: readonly number[] = [0.5, 1, 2, 4, 8, 16]
/** How often the highlight may move. */
const tickMs = 100

/** Where the clock is after a while: an idle stretch is left two seconds before its end, if it is to be skipped. */
export function advanced(
  offsetMs: number,
  byMs: number,
  {
    statements,
    durationMs,
    skipsIdle,
  }: { statements: readonly Statement[]; durationMs: number; skipsIdle: boolean },
): { offsetMs: number; skippedMs: number } {
  const to = Math.min(durationMs, offsetMs + byMs)
  if (!skipsIdle) return { offsetMs: to, skippedMs: 0 }
  const current = statementAt(statements, to)
  const busyUntilMs = current === undefined ? 0 : current.offsetMs + (current.durationMs ?? 0)
  const next = statements.find(one => one.offsetMs > to)
  const nextMs = next?.offsetMs ?? durationMs
  const isIdle = to > busyUntilMs + 1000 && nextMs - Math.max(busyUntilMs, 0) > idleMs
  if (!isIdle || nextMs - to <= 2000) return { offsetMs: to, skippedMs: 0 }
  return { offsetMs: nextMs - 2000, skippedMs: nextMs - 2000 - to }
}

export type Clock = {
  readonly isPlaying: boolean
  readonly offsetMs: number
  readonly skippedMs: number
  readonly toggle: () => void
  readonly seek: (offsetMs: number) => void
}

/** `onMove` hears of each statement that the highlight comes to. */
export function useClock(
  about: {
    readonly statements: readonly Statement[]
    readonly durationMs: number
    readonly skipsIdle: boolean
  },
  speed: number,
  startMs: number,
  onMove: (statement: Statement) => void,
): Clock {
  const [isPlaying, setPlaying] = useState(false)
  const [{ offsetMs, skippedMs }, setPlace] = useState({ offsetMs: startMs, skippedMs: 0 })
  const latest = useRef({ about, speed, onMove, offsetMs })
  latest.current = { about, speed, onMove, offsetMs }
  useEffect(() => {
    if (!isPlaying) return
    let before = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      const { about, speed, onMove, offsetMs } = latest.current
      const next = advanced(offsetMs, (now - before) * speed, about)
      before = now
      const [from, to] = [
        statementAt(about.statements, offsetMs),
        statementAt(about.statements, next.offsetMs),
      ]
      if (to !== undefined && from !== to) onMove(to)
      setPlace(place => ({ offsetMs: next.offsetMs, skippedMs: next.skippedMs || place.skippedMs }))
      if (next.offsetMs >= about.durationMs) setPlaying(false)
    }, tickMs)
    return () => clearInterval(timer)
  }, [isPlaying])
  return {
    isPlaying,
    offsetMs,
    skippedMs,
    toggle: () => setPlaying(!isPlaying),
    seek: to => setPlace({ offsetMs: to, skippedMs: 0 }),
  }
}
