/** Which statements of a session somebody has had before them in full: told as the stretches in which they ran. */
import { useEffect, useRef } from 'preact/hooks'
import { useWatchedReport, WatchedPart } from '../../player/watched.tsx'
import { readText } from './read-text.ts'
import type { Statement } from './statement.ts'

/** Whoever steps over a statement has not read it. Milliseconds. */
const readMs = 1000

/** `shown` is before the reader in full; undefined while something else is. */
export function useReadReport(session: string, shown: Statement | undefined): void {
  const seen = useRef<{ fromMs: number; toMs: number }[]>([])
  const watching = useRef({ takeWatched: () => seen.current.splice(0) })
  useWatchedReport(session, watching.current)
  useEffect(() => {
    if (shown === undefined) return
    const { offsetMs, durationMs = 0 } = shown
    const timer = setTimeout(
      () => seen.current.push({ fromMs: offsetMs, toMs: offsetMs + durationMs }),
      readMs,
    )
    return () => clearTimeout(timer)
  }, [shown?.number])
}

export function ReadPart({
  session,
  statements,
  durationMs,
}: {
  session: string
  statements: readonly Statement[]
  durationMs: number
}) {
  return (
    <WatchedPart
      session={session}
      durationMs={Math.max(1, durationMs)}
      share={stretches => readText(statements, stretches)}
    />
  )
}
