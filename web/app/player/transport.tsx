/** What plays, pauses, and says where one is: in the recording and in the world. */
import type { ComponentChildren } from 'preact'
import { Line } from '../parts/hidden.tsx'
import { duration, offsetOf, textOf } from '../parts/time.tsx'
import { useSetting } from '../settings.ts'
import { type Player, type Snapshot, speeds } from './player.ts'
import { useCalm } from './use-player.ts'

export function Transport({
  player,
  at,
  isLive,
  children,
}: {
  player: Player
  at: Snapshot
  isLive: boolean
  children: ComponentChildren
}) {
  const { openedAtMs, channels } = player.info
  const [zone] = useSetting('zone')
  const [isCalm, setCalm] = useCalm()
  const isPlaying = at.plays
  return (
    <div
      class="transport"
      role="group"
      aria-label="Playing"
      data-state={at.state}
      data-position={Math.round(at.positionMs)}
    >
      <button
        type="button"
        class="icon play"
        aria-label={isPlaying ? 'Pause' : 'Play'}
        aria-keyshortcuts="Space"
        onClick={() => player.toggle()}
      >
        <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
          <path d={isPlaying ? 'M3 2h4v12H3zM9 2h4v12H9z' : 'M3 1.5L14 8L3 14.5z'} />
        </svg>
      </button>
      <button
        type="button"
        class="icon"
        aria-label="5 seconds back"
        onClick={() => void player.seek(at.positionMs - 5000)}
      >
        −5
      </button>
      <button
        type="button"
        class="icon"
        aria-label="5 seconds on"
        onClick={() => void player.seek(at.positionMs + 5000)}
      >
        +5
      </button>
      <select
        aria-label="Speed"
        value={String(at.speed)}
        onChange={event => player.setSpeed(Number(event.currentTarget.value))}
      >
        {speeds.map(speed => (
          <option key={speed} value={speed} selected={speed === at.speed}>
            {speed}×
          </option>
        ))}
      </select>
      <label class="tick">
        <input
          type="checkbox"
          role="switch"
          checked={at.skipsIdle}
          onChange={event => player.setSkipsIdle(event.currentTarget.checked)}
        />
        Skip idle
      </label>
      <label class="tick" title="Shows recorded output in few pictures, so that nothing flashes">
        <input
          type="checkbox"
          role="switch"
          checked={isCalm}
          onChange={event => setCalm(event.currentTarget.checked)}
        />
        Calm
      </label>
      <span class="clocks number">
        <strong>{offsetOf(at.positionMs)}</strong> of {offsetOf(at.durationMs)}
        <span class="quiet"> · {textOf(openedAtMs + at.positionMs, zone)}</span>
      </span>
      {isLive && !at.isFollowing ? (
        <button type="button" class="button small first" onClick={() => void player.follow()}>
          Go live
        </button>
      ) : null}
      {isLive && at.isFollowing ? <span class="live-word">live</span> : null}
      {channels.length > 1 ? (
        <select
          aria-label="Channel"
          value={String(at.channel)}
          onChange={event => void player.setChannel(Number(event.currentTarget.value))}
        >
          {channels.map(({ channel, kind }) => (
            <option key={channel} value={channel} selected={channel === at.channel}>
              {channel}: {kind}
            </option>
          ))}
        </select>
      ) : null}
      <span class="push row-of">{children}</span>
    </div>
  )
}

/** What lies over the screen, in words: skipped, typed unseen, missing. Nothing of it goes by itself while paused. */
export function Notices({ player, at }: { player: Player; at: Snapshot }) {
  const gap = player.info.gaps.find(({ fromMs, toMs }) => at.positionMs >= fromMs && at.positionMs <= toMs)
  const isFresh = at.told !== undefined && at.positionMs - at.told.atMs < freshMs * Math.max(1, at.speed)
  const isSkipFresh =
    at.skipped !== undefined && at.positionMs - at.skipped.toMs < freshMs * Math.max(1, at.speed)
  return (
    <div class="notices">
      <div role="status" aria-live="polite">
        {at.skipped !== undefined && isSkipFresh ? (
          <p class="notice">
            Skipped {duration(at.skipped.toMs - at.skipped.fromMs)} in which nothing happened
          </p>
        ) : null}
        {at.told !== undefined && isFresh && sayOf(at.told) !== '' ? (
          <p class="notice">{sayOf(at.told)}</p>
        ) : null}
      </div>
      {gap === undefined ? null : (
        <p class="notice bad">
          Missing here: <Line text={gap.why} />
        </p>
      )}
      {at.state === 'failed' ? (
        <p class="notice bad" role="alert">
          <Line text={at.problem ?? ''} />{' '}
          <button type="button" class="plain" onClick={() => void player.seek(at.positionMs)}>
            Try again
          </button>
        </p>
      ) : null}
    </div>
  )
}

/** Milliseconds of the recording that a notice stays. */
const freshMs = 4000

function sayOf({ type, fields }: NonNullable<Snapshot['told']>): string {
  const number = (name: string): number => (typeof fields[name] === 'number' ? fields[name] : 0)
  switch (type) {
    case 'unechoed-line':
      return `A line of ${number('characters')} characters was typed that the screen did not show. It was not recorded.`
    case 'request-refused':
      return 'The gateway refused a request here.'
    case 'exit-status':
      return `The program ended with status ${number('status')}.`
    case 'exit-signal':
      return 'The program was ended by a signal.'
    case 'signal':
      return 'The user sent a signal.'
    case 'progress':
      return 'From here on output is counted and not kept: its limit was reached.'
    default:
      return ''
  }
}
