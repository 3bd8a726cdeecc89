/** Searching within one session: in what was typed, or in what the screen showed. Enter goes from hit to hit. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { EntryView, SearchHit, SearchPage } from '../../../src/api/schema.ts'
import { useResource } from '../api.ts'
import { MarkedLine } from '../parts/hidden.tsx'
import { Failed, Loading } from '../parts/states.tsx'
import { offsetOf } from '../parts/time.tsx'
import { aroundFirst, type Marks, marksIn } from './cut.ts'
import { leadMs } from './stops.ts'

type Scope = 'typed' | 'shown'
type Hit = Pick<SearchHit, 'entry' | 'offsetMs' | 'text'> & { readonly marks: Marks }

/** Typing stops for so long, then the gateway is asked. Milliseconds. */
const settleMs = 250
const maxHits = 200
/** Of a line with a hit: so many letters before it, so that it is in sight, and so many in all. */
const lettersBefore = 12
const hitLetters = 240

export function SearchPart({
  session,
  commands,
  screens,
  inputId,
  onHits,
  onSeek,
}: {
  session: string
  commands: readonly EntryView[]
  /** What screens showed, where this page has it itself: the gateway cannot read the recording. */
  screens: readonly EntryView[] | undefined
  inputId: string
  onHits: (moments: readonly number[]) => void
  onSeek: (ms: number) => void
}) {
  const [text, setText] = useState('')
  const [scope, setScope] = useState<Scope>('typed')
  const [at, setAt] = useState(-1)
  const wanted = useSettled(text.trim())
  const asksGateway = scope === 'shown' && screens === undefined && wanted.length > 1
  const found = useResource<SearchPage>(asksGateway ? '/search' : undefined, {
    q: wanted,
    session,
    kind: 'screen',
    limit: maxHits,
  })
  const hits = useMemo<readonly Hit[]>(() => {
    if (wanted === '') return []
    if (asksGateway) return found.state === 'ready' ? found.data.items : []
    return hitsIn((scope === 'shown' ? screens : commands) ?? [], wanted)
  }, [wanted, scope, commands, screens, found.state])
  const told = useRef(onHits)
  told.current = onHits
  useEffect(() => {
    setAt(-1)
    told.current(hits.map(({ offsetMs }) => offsetMs))
  }, [hits])
  const go = (index: number): void => {
    const hit = hits[index]
    if (hit === undefined) return
    setAt(index)
    onSeek(Math.max(0, hit.offsetMs - leadMs))
  }
  return (
    <div class="search-part">
      <form
        role="search"
        aria-label="This session"
        class="row-of"
        onSubmit={event => {
          event.preventDefault()
          go(hits.length === 0 ? -1 : (at + 1) % hits.length)
        }}
      >
        <input
          id={inputId}
          type="search"
          aria-label="Search in this session"
          placeholder="Search in this session"
          value={text}
          spellcheck={false}
          onInput={event => setText(event.currentTarget.value)}
        />
        <select
          aria-label="Where"
          value={scope}
          onChange={event => setScope(event.currentTarget.value as Scope)}
        >
          <option value="typed" selected={scope === 'typed'}>
            typed
          </option>
          <option value="shown" selected={scope === 'shown'}>
            shown
          </option>
        </select>
        <span class="quiet small" role="status">
          {wanted === '' ? '' : `${at >= 0 ? `${at + 1} of ` : ''}${countText(hits.length)}`}
        </span>
      </form>
      {asksGateway && found.state === 'loading' ? <Loading what="Searching" /> : null}
      {asksGateway && found.state === 'failed' ? <Failed error={found.error} retry={found.retry} /> : null}
      {hits.length === 0 ? null : (
        <ol class="hits">
          {hits.map((hit, index) => (
            <li key={`${hit.entry} ${hit.offsetMs}`}>
              <button type="button" class={`go ${index === at ? 'current' : ''}`} onClick={() => go(index)}>
                <span class="number quiet">{offsetOf(hit.offsetMs)}</span>{' '}
                <code>
                  <MarkedLine {...aroundFirst(hit, lettersBefore, hitLetters)} />
                </code>
              </button>
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}

function hitsIn(entries: readonly EntryView[], wanted: string): readonly Hit[] {
  return entries
    .filter(entry => entry.text.toLowerCase().includes(wanted.toLowerCase()))
    .slice(0, maxHits)
    .map(({ number, offsetMs, text }) => ({ entry: number, offsetMs, text, marks: marksIn(text, wanted) }))
}

function countText(count: number): string {
  if (count >= maxHits) return `the first ${maxHits} hits`
  return count === 1 ? '1 hit' : `${count} hits`
}

function useSettled(text: string): string {
  const [settled, setSettled] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), settleMs)
    return () => clearTimeout(timer)
  }, [text])
  return settled
}
