/** An encrypted recording, opened in this page with the auditor's own key: the key and what it opens never leave it. */
import type { EntryView, ReplayKeyframe, Replay } from '../../../src/api/schema.ts'
import type { EventRecord } from '../../../src/recorder/event.ts'
import { type Opened, openRecording } from '../../recording.ts'
import { isLocked, parseKey, unlockKey } from '../../unlock.ts'
import { getBytes } from '../api.ts'
import { type PlayEvent, toldEvent } from './event.ts'
import type { Source } from './source.ts'
import { infoOf, piecesOf } from './tail.ts'

/** A whole recording is in memory here, and what it inflates to besides. */
export const maxStoredBytes = 256 * 1024 * 1024

export type OpenedSource = {
  readonly source: Source
  readonly commands: readonly EntryView[]
  /** False if its end is missing. */
  readonly isSealed: boolean
}

/** Throws with a sentence for whoever chose the key. */
export async function openSealed(
  session: string,
  openedAtMs: number,
  key: string,
  passphrase: string,
): Promise<OpenedSource> {
  const jwk = parseKey(isLocked(key) ? await unlockKey(key, passphrase) : key)
  const stored = await getBytes(`/sessions/${session}/recording`)
  if (stored.byteLength > maxStoredBytes)
    throw new Error(
      'The recording is too large for this page. Take it out with "sallyport export" and your key.',
    )
  return sourceOf(await openRecording(stored, jwk), openedAtMs)
}

function sourceOf({ events, isSealed }: Opened, openedAtMs: number): OpenedSource {
  const played = events.map(playEvent)
  return {
    source: new MemorySource(infoOf(openedAtMs, played), played),
    commands: commandsIn(played, openedAtMs),
    isSealed,
  }
}

function playEvent({ us, event }: EventRecord): PlayEvent {
  const atMs = us / 1000
  if ('data' in event)
    return { kind: 'data', atMs, channel: event.channel, stream: event.type, data: event.data }
  return toldEvent(atMs, { ...event.fields, type: event.type })
}

class MemorySource implements Source {
  readonly info: Replay
  readonly #pieces: readonly (readonly PlayEvent[])[]

  constructor(info: Replay, events: readonly PlayEvent[]) {
    this.info = info
    this.#pieces = piecesOf(events)
  }

  async load(): Promise<void> {}

  events(place: number): readonly PlayEvent[] | undefined {
    return this.#pieces[place]
  }

  keyframe(): Promise<ReplayKeyframe> {
    return Promise.reject(new Error('There are no keyframes of what only this page can read.'))
  }

  close(): void {}
}

/** What was asked for, and what was typed and shown: the gateway keeps no list of what it cannot read. */
function commandsIn(events: readonly PlayEvent[], openedAtMs: number): readonly EntryView[] {
  return events.flatMap((event, index) => {
    if (event.kind !== 'told') return []
    const text =
      event.type === 'exec'
        ? event.fields['command']
        : event.type === 'typed'
          ? event.fields['text']
          : undefined
    return typeof text === 'string' ? [commandView(index, event, text, openedAtMs)] : []
  })
}

function commandView(number: number, event: PlayEvent, text: string, openedAtMs: number): EntryView {
  const found =
    event.kind === 'told' && event.type === 'exec'
      ? { found: 'exec', sure: 1 }
      : { found: 'typed', sure: 0.5 }
  return {
    number,
    kind: 'command',
    offsetMs: event.atMs,
    atMs: openedAtMs + event.atMs,
    text,
    detail: { channel: event.channel ?? 0, ...found },
    hits: [],
  }
}
