/** What rules and baselines noticed in one session. */
import type { FindingSummary } from '../../../src/api/schema.ts'
import { post, usePages } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { say } from '../parts/said.tsx'
import { Severity } from '../parts/severity.tsx'
import { Failed, Loading } from '../parts/states.tsx'
import { offsetOf } from '../parts/time.tsx'
import { Link } from '../router.tsx'
import './parts.css'

/** `onSeek` goes to the moment of one: an offset since the opening. */
export function FindingsPart({
  session,
  openedAtMs,
  onSeek,
}: {
  session: string
  openedAtMs: number
  onSeek: (offsetMs: number) => void
}) {
  const found = usePages<FindingSummary>('/findings', { session, place: 'all' })
  if (found.error !== undefined) return <Failed error={found.error} retry={found.reload} />
  if (found.items.length === 0)
    return found.isOver ? (
      <p class="quiet">Nothing was noticed in this session.</p>
    ) : (
      <Loading what="Fetching findings" />
    )
  return (
    <ul class="findings-part">
      {found.items.map(({ id, severity, sentence, state, atMs }) => (
        <li key={id}>
          <p class="row-of">
            <Severity is={severity} /> <span class="badge quiet">{state}</span>
            <button type="button" class="plain" onClick={() => onSeek(atMs - openedAtMs)}>
              at {offsetOf(atMs - openedAtMs)}
            </button>
            {state === 'new' ? (
              <button type="button" class="button small" onClick={() => void acknowledge(id, found.reload)}>
                Acknowledge
              </button>
            ) : null}
          </p>
          <p>
            <Link to={`/findings?state=${state}&id=${encodeURIComponent(id)}`}>
              <Line text={sentence} />
            </Link>
          </p>
        </li>
      ))}
    </ul>
  )
}

/** That somebody has seen it and looks after it; the decision comes later, among the findings. */
async function acknowledge(id: string, onDone: () => void): Promise<void> {
  try {
    await post(`/findings/${encodeURIComponent(id)}/acknowledge`)
    say('You have acknowledged the finding.')
    onDone()
  } catch (thrown) {
    say((thrown as Error).message)
  }
}
