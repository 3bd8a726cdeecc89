/** What was watched, told to the gateway as it happens; and who watched how much, for everybody who reviews. */
import { useEffect } from 'preact/hooks'
import type { Watched, WatchedWish } from '../../../src/api/schema.ts'
import { tell, useResource } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { Failed } from '../parts/states.tsx'
import { Ago } from '../parts/time.tsx'
import type { Player } from './player.ts'

/** How often it is told. Milliseconds. */
const everyMs = 15_000
/** Stretches of one telling; a person who seeks around makes more than this in a quarter of a minute hardly. */
const maxStretches = 200

/** What tells which stretches were seen since it was asked last. */
export type Watching = Pick<Player, 'takeWatched'>

export function useWatchedReport(session: string, player: Watching): void {
  useEffect(() => {
    const report = (): void => {
      const stretches = player
        .takeWatched()
        .slice(-maxStretches)
        .map(({ fromMs, toMs }) => ({ fromMs: Math.floor(fromMs), toMs: Math.ceil(toMs) }))
      const wish: WatchedWish = { stretches }
      if (stretches.length > 0) tell(`/sessions/${session}/watched`, wish)
    }
    const timer = setInterval(report, everyMs)
    addEventListener('pagehide', report)
    return () => {
      report()
      clearInterval(timer)
      removeEventListener('pagehide', report)
    }
  }, [session, player])
}

/** `durationMs` is what the whole would be; `share` says otherwise how much of it somebody saw. */
export function WatchedPart({
  session,
  durationMs,
  share = stretches => `${shareOf(stretches, durationMs)} %`,
}: {
  session: string
  durationMs: number
  share?: (stretches: Watched['stretches']) => string
}) {
  const found = useResource<readonly Watched[]>(`/sessions/${session}/watched`)
  if (found.state === 'failed') return <Failed error={found.error} retry={found.retry} />
  if (found.state !== 'ready' || found.data.length === 0) return null
  return (
    <div class="watched">
      <h2>Watched</h2>
      <ul>
        {found.data.map(({ by, lastMs, stretches }, place) => (
          // Two people may have one name.
          <li key={`${place} ${by}`}>
            <Line text={by} /> · {share(stretches)} · <Ago ms={lastMs} />
            <svg viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true">
              {stretches.map(({ fromMs, toMs }) => (
                <rect
                  key={fromMs}
                  x={(fromMs / durationMs) * 1000}
                  width={Math.max(2, ((toMs - fromMs) / durationMs) * 1000)}
                  height="8"
                />
              ))}
            </svg>
          </li>
        ))}
      </ul>
    </div>
  )
}

function shareOf(stretches: Watched['stretches'], durationMs: number): number {
  const watchedMs = stretches.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0)
  return Math.min(100, Math.round((watchedMs / Math.max(1, durationMs)) * 100))
}
