/** Ten seconds of a terminal around one moment, where somebody reads about it: nothing to look for, and the whole recording is one link away. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Replay, SearchPage, SessionDetail } from '../../../src/api/schema.ts'
import { get, useResource } from '../api.ts'
import { Line } from '../parts/hidden.tsx'
import { Failed, Loading } from '../parts/states.tsx'
import { offsetOf } from '../parts/time.tsx'
import { byNearness } from './nearness.ts'
import type { Player } from './player.ts'
import { StoredSource } from './source.ts'
import { type Playing, usePlaying, useSnapshot } from './use-player.ts'
import { useWatchedReport } from './watched.tsx'

const maxHits = 200
/** What is played before the moment, and after it. Milliseconds. */
const halfMs = 5000

type Stretch = { readonly fromMs: number; readonly toMs: number }

export function MiniPlayer({ session, atMs }: { session: SessionDetail; atMs: number }) {
  const replay = useResource<Replay>(`/sessions/${session.id}/replay`)
  if (replay.state === 'failed') return <Failed error={replay.error} retry={replay.retry} />
  if (replay.state === 'loading') return <Loading what="Preparing the recording" />
  return <Mini session={session.id} info={replay.data} atMs={atMs} />
}

function Mini({ session, info, atMs: givenMs }: { session: string; info: Replay; atMs: number }) {
  const [atMs, setAt] = useState(givenMs)
  const host = useRef<HTMLDivElement>(null)
  const source = useRef<StoredSource>(undefined)
  source.current ??= new StoredSource(session, info)
  const playing = usePlaying(source.current, host)
  const fromMs = Math.max(0, Math.min(atMs, info.durationMs) - halfMs)
  const stretch = { fromMs, toMs: Math.min(info.durationMs, fromMs + 2 * halfMs) }
  return (
    <div class="player mini-player">
      <div
        class="terminal-box"
        tabIndex={playing === undefined ? -1 : 0}
        role="group"
        aria-label="Screen. What counts of it is quoted above."
      >
        <div class="terminal-host" ref={host} />
      </div>
      {playing === undefined ? (
        <Loading what="Loading the terminal" />
      ) : (
        <Controls session={session} playing={playing} stretch={stretch} />
      )}
      <FindShown session={session} atMs={atMs} onFound={setAt} />
    </div>
  )
}

/** The evidence may be what a screen showed at another moment: Enter goes from hit to hit, beginning with the nearest one. */
function FindShown({
  session,
  atMs,
  onFound,
}: {
  session: string
  atMs: number
  onFound: (offsetMs: number) => void
}) {
  const [said, setSaid] = useState('')
  const known = useRef({ q: '', moments: [] as readonly number[], at: 0 })
  const find = async (q: string): Promise<void> => {
    if (known.current.q !== q) {
      const { items } = await get<SearchPage>('/search', { q, session, kind: 'screen', limit: maxHits })
      known.current = { q, moments: byNearness(items, atMs), at: 0 }
    }
    const { moments, at } = known.current
    const moment = moments[at % Math.max(1, moments.length)]
    setSaid(
      moment === undefined
        ? 'It is not in what was shown.'
        : `${(at % moments.length) + 1} of ${moments.length}`,
    )
    if (moment === undefined) return
    known.current.at++
    onFound(moment)
  }
  return (
    <form
      role="search"
      aria-label="What was shown in this session"
      class="row-of"
      onSubmit={event => {
        event.preventDefault()
        const typed = new FormData(event.currentTarget).get('shown')
        const q = typeof typed === 'string' ? typed.trim() : ''
        if (q !== '') find(q).catch((thrown: unknown) => setSaid((thrown as Error).message))
      }}
    >
      <input
        type="search"
        name="shown"
        aria-label="Words on the screen"
        placeholder="Words on the screen"
        autocomplete="off"
        spellcheck={false}
      />
      <button type="submit" class="button small">
        Find
      </button>
      <span class="quiet small" role="status">
        <Line text={said} />
      </span>
    </form>
  )
}

function Controls({
  session,
  playing: { player },
  stretch,
}: {
  session: string
  playing: Playing
  stretch: Stretch
}) {
  const { fromMs, toMs } = stretch
  const at = useSnapshot(player)
  useWatchedReport(session, player)
  useStretch(player, stretch)
  const isPlaying = at.state === 'playing'
  const toggle = (): void => {
    if (isPlaying) player.pause()
    else if (at.positionMs >= toMs) void player.seek(fromMs, true)
    else player.play()
  }
  return (
    <div class="transport" role="group" aria-label="Ten seconds around the moment" data-state={at.state}>
      <button type="button" class="icon play" aria-label={isPlaying ? 'Pause' : 'Play'} onClick={toggle}>
        <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
          <path d={isPlaying ? 'M3 2h4v12H3zM9 2h4v12H9z' : 'M3 1.5L14 8L3 14.5z'} />
        </svg>
      </button>
      <input
        type="range"
        aria-label="Moment"
        aria-valuetext={`${offsetOf(at.positionMs)} into the session`}
        min={fromMs}
        max={toMs}
        step="any"
        value={Math.min(toMs, Math.max(fromMs, at.positionMs))}
        onInput={event => void player.seek(Number(event.currentTarget.value), false)}
      />
      <span class="clocks number">{offsetOf(at.positionMs)}</span>
      {at.problem === undefined ? null : (
        <span class="bad" role="alert">
          <Line text={at.problem} />
        </span>
      )}
    </div>
  )
}

/** Begins in front of the moment, and ends behind it. Nothing moves by itself for who asks their system for less motion. */
function useStretch(player: Player, { fromMs, toMs }: Stretch): void {
  useEffect(() => {
    player.setSkipsIdle(false)
    void player.seek(fromMs, !matchMedia('(prefers-reduced-motion: reduce)').matches)
    return player.subscribe(() => {
      const { state, positionMs } = player.snapshot
      if (state === 'playing' && positionMs >= toMs) player.pause()
    })
  }, [player, fromMs, toMs])
}
