/** What rules and baselines noticed in one session. */
import { useEffect, useRef } from 'preact/hooks'
import type { FindingSummary, Page } from '../../../src/api/schema.ts'
import { type Pages, post, usePages } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { say } from '../parts/said.tsx'
import { Severity } from '../parts/severity.tsx'
import { Failed, Loading } from '../parts/states.tsx'
import { offsetOf } from '../parts/time.tsx'
import { Link } from '../router.tsx'
import './parts.css'

export type Findings = Pages<FindingSummary, Page<FindingSummary>>

/** Findings of one session that a page takes; the inbox has them all. */
const maxFindings = 1000

/** All that were noticed in a session, whatever became of them. */
export function useFindings(session: string): Findings {
  const found = usePages<FindingSummary>('/findings', { session, place: 'all', limit: 200 })
  const { items, isOver, isFetching, error, more } = found
  useEffect(() => {
    if (items.length > 0 && items.length < maxFindings && !isOver && !isFetching && error === undefined)
      more()
  }, [items.length, isOver, isFetching, error])
  const known = useRef(items)
  if (items.length > 0 || isOver) known.current = items
  return { ...found, items: known.current } // what is known stays while it is asked for again
}

/** `onSeek` goes to the moment of one: an offset since the opening. */
export function FindingsPart({
  found,
  openedAtMs,
  onSeek,
}: {
  found: Findings
  openedAtMs: number
  onSeek: (offsetMs: number) => void
}) {
  const { items, isOver, error, more, reload } = found
  if (items.length === 0 && error === undefined)
    return isOver ? (
      <p class="quiet">Nothing was noticed in this session.</p>
    ) : (
      <Loading what="Fetching findings" />
    )
  return (
    <>
      {error === undefined ? null : <Failed error={error} retry={items.length === 0 ? reload : more} />}
      <ul class="findings-part">
        {items.map(({ id, severity, sentence, state, atMs, rules }) => (
          <li key={id}>
            <p class="row-of">
              <Severity is={severity} />
              <button type="button" class="plain" onClick={() => onSeek(atMs - openedAtMs)}>
                at {offsetOf(atMs - openedAtMs)}
              </button>
              <Acknowledge id={id} state={state} onDone={reload} />
            </p>
            <p>
              <Link to={findingPath({ id, state })}>
                <Line text={sentence} />
              </Link>
            </p>
            {rules.length === 0 ? null : (
              <p class="quiet small">
                {rules.length === 1 ? 'rule' : 'rules'} <Line text={rules.join(', ')} />
              </p>
            )}
          </li>
        ))}
      </ul>
    </>
  )
}

export function findingPath({ id, state }: Pick<FindingSummary, 'id' | 'state'>): string {
  return `/findings?state=${state}&id=${encodeURIComponent(id)}`
}

/** The state where somebody looks after it already; it has the focus where the button was that one pressed. */
export function Acknowledge({
  id,
  state,
  onDone,
}: Pick<FindingSummary, 'id' | 'state'> & { onDone: () => void }) {
  const word = useRef<HTMLSpanElement>(null)
  const isPressed = useRef(false)
  useEffect(() => {
    if (isPressed.current && state !== 'new') word.current?.focus()
  }, [state])
  const press = (): void => {
    isPressed.current = true
    void acknowledge(id, onDone)
  }
  if (state !== 'new')
    return (
      <span class="badge quiet" tabIndex={-1} ref={word}>
        {state}
      </span>
    )
  return (
    <button type="button" class="button small" onClick={press}>
      Acknowledge
    </button>
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
