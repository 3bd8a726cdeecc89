/**
 * Keyframes of a recording that only this page can read: the same terminal, at the same places, as the gateway makes them of those that it can
 * read (src/recorder/keyframe-builder.ts).
 */
import { channelOf } from '../../../src/recorder/choose-channel.ts'
import type { ReplayKeyframe } from '../../../src/api/schema.ts'
import { screenTextOf } from '../../../src/api/v1/replay/screen-text.ts'
import { carriesData, type EventRecord } from '../../../src/recorder/event.ts'
import { type Screen, showOn } from '../../../src/recorder/screen.ts'
import { pieceEvents } from './tail.ts'

/** A keyframe follows so much output, or the first output so long after the one before. */
const everyBytes = 256 * 1024
const everyUs = 30_000_000
/** Terminals that are followed at once, as many as a connection may have open channels. */
const maxScreens = 64
/** Characters of all keyframes: some hundred megabytes of output. After that a seek begins at the last one, and takes longer. */
const maxCharacters = 32 * 1024 * 1024

type Followed = { readonly screen: Screen; bytes: number; lastUs: number; isDue: boolean }

export class KeyframeMaker {
  readonly #followed = new Map<number, Followed>()
  #characters = 0
  /** Of the event that comes next, from 0. */
  #index = 0

  /** The keyframes that become due with these events. */
  take(events: readonly EventRecord[]): readonly ReplayKeyframe[] {
    return events.flatMap(record => {
      const made = this.#takeOne(record)
      this.#index++
      return made === undefined ? [] : [made]
    })
  }

  #takeOne(record: EventRecord): ReplayKeyframe | undefined {
    const channel = channelOf(record.event)
    const followed = channel === undefined ? undefined : this.#follow(channel, record)
    if (channel === undefined || followed === undefined) return undefined
    return this.#keep(channel, followed, record.us)
  }

  #follow(channel: number, record: EventRecord): Followed | undefined {
    const { event, us } = record
    const known = this.#followed.get(channel)
    if (known === undefined && this.#followed.size >= maxScreens) return undefined
    const screen = showOn(known?.screen, record)
    if (screen === undefined) return undefined
    if (event.type === 'channel-close') {
      screen.dispose()
      this.#followed.delete(channel)
      return undefined
    }
    const followed = known ?? { screen, bytes: 0, lastUs: us, isDue: true }
    this.#followed.set(channel, followed)
    if (carriesData(event) && event.type !== 'input') {
      followed.bytes += event.data.length
      followed.isDue ||= followed.bytes >= everyBytes || us - followed.lastUs >= everyUs
    }
    followed.isDue ||= event.type === 'resize'
    return followed
  }

  /** Only where nothing is half received. */
  #keep(channel: number, followed: Followed, us: number): ReplayKeyframe | undefined {
    if (!followed.isDue || !followed.screen.isClean || this.#characters > maxCharacters) return undefined
    const state = followed.screen.state()
    const screen = screenTextOf(state)
    this.#characters += screen.length
    Object.assign(followed, { bytes: 0, lastUs: us, isDue: false })
    const { columns, rows } = state
    const [chunk, skipEvents] = [Math.floor(this.#index / pieceEvents) + 1, (this.#index % pieceEvents) + 1]
    return { channel, atMs: us / 1000, columns, rows, screen, chunk, skipEvents }
  }
}
