/** Where the player gets a recording from: piece by piece, each kept as long as there is room. */
import type { Replay, ReplayKeyframe } from '../../../src/api/schema.ts'
import { get, getBytes } from '../api.ts'
import type { PlayEvent } from './event.ts'
import { Inflater } from './inflater.ts'

export type Source = {
  /** Of a live session it grows. */
  readonly info: Replay
  /** The events of chunks by their places in `info.chunks`, both ends included. */
  load(first: number, last: number): Promise<void>
  /** Undefined: not loaded, or not any more. */
  events(place: number): readonly PlayEvent[] | undefined
  keyframe(place: number): Promise<ReplayKeyframe>
  close(): void
}

/** Inflated events that are kept: some minutes of the busiest terminal. Bytes. */
const maxKeptBytes = 48 * 1024 * 1024
const maxKeptKeyframes = 64
/** Of one request, as the gateway has them. */
const maxChunksAtOnce = 64
const maxBytesAtOnce = 1024 * 1024
/** An event costs this much besides its bytes. */
const eventBytes = 120

/** A recording that the gateway can read: stored chunks, inflated here. */
export class StoredSource implements Source {
  info: Replay
  readonly #session: string
  readonly #inflater = new Inflater()
  /** By place; the oldest use first. */
  readonly #kept = new Map<number, { events: readonly PlayEvent[]; bytes: number }>()
  readonly #keyframes = new Map<number, Promise<ReplayKeyframe>>()
  readonly #coming = new Map<number, Promise<void>>()
  readonly #stop = new AbortController()
  #keptBytes = 0

  constructor(session: string, info: Replay) {
    this.#session = session
    this.info = info
  }

  async load(first: number, last: number): Promise<void> {
    const waits: Promise<void>[] = []
    for (let place = first; place <= last; ) {
      const coming = this.#coming.get(place)
      if (coming !== undefined) waits.push(coming)
      if (coming !== undefined || this.#use(place) || this.info.chunks[place] === undefined) {
        place++
        continue
      }
      const end = this.#endOfRequest(place, last)
      const request = this.#fetch(place, end)
      waits.push(request)
      for (let at = place; at <= end; at++) this.#coming.set(at, request)
      place = end + 1
    }
    await Promise.all(waits)
  }

  events(place: number): readonly PlayEvent[] | undefined {
    return this.#kept.get(place)?.events
  }

  keyframe(place: number): Promise<ReplayKeyframe> {
    const known = this.#keyframes.get(place)
    if (known !== undefined) return known
    const number = this.info.keyframes[place]?.number ?? place
    const asked = get<ReplayKeyframe>(`/sessions/${this.#session}/keyframes/${number}`, {}, this.#stop.signal)
    asked.catch(() => this.#keyframes.delete(place))
    this.#keyframes.set(place, asked)
    const [oldest] = this.#keyframes.keys()
    if (this.#keyframes.size > maxKeptKeyframes && oldest !== undefined) this.#keyframes.delete(oldest)
    return asked
  }

  close(): void {
    this.#stop.abort()
    this.#inflater.close()
  }

  /** Places mean other chunks from now on. */
  protected forget(): void {
    this.#kept.clear()
    this.#keyframes.clear()
    this.#keptBytes = 0
  }

  #use(place: number): boolean {
    const known = this.#kept.get(place)
    if (known === undefined) return false
    this.#kept.delete(place)
    this.#kept.set(place, known)
    return true
  }

  #endOfRequest(first: number, last: number): number {
    let bytes = 0
    let end = first
    for (let place = first; place <= last && place < first + maxChunksAtOnce; place++) {
      bytes += this.info.chunks[place]?.bytes ?? 0
      const isNeeded =
        this.info.chunks[place] !== undefined && !this.#kept.has(place) && !this.#coming.has(place)
      if (place > first && (!isNeeded || bytes > maxBytesAtOnce)) break
      end = place
    }
    return end
  }

  async #fetch(first: number, last: number): Promise<void> {
    try {
      for (let place = first; place <= last; ) place = await this.#fetchSome(place, last)
    } finally {
      for (let place = first; place <= last; place++) this.#coming.delete(place)
    }
  }

  /** The gateway may give fewer than were asked for: returns the place of the next. */
  async #fetchSome(place: number, last: number): Promise<number> {
    const number = this.info.chunks[place]?.number ?? 0
    const path = `/sessions/${this.#session}/chunks/${number}?count=${last - place + 1}`
    const chunks = await this.#inflater.inflate(await getBytes(path, this.#stop.signal))
    let next = place
    for (const { number, events } of chunks) {
      if (this.info.chunks[next]?.number !== number) break
      this.#keep(next, events)
      next++
    }
    if (next === place) throw new Error('The gateway gave another part of the recording than was asked for.')
    return next
  }

  #keep(place: number, events: readonly PlayEvent[]): void {
    const bytes = events.reduce(
      (sum, event) => sum + eventBytes + (event.kind === 'data' ? event.data.length : 0),
      0,
    )
    this.#kept.set(place, { events, bytes })
    this.#keptBytes += bytes
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#keptBytes <= maxKeptBytes || oldest === place) break
      this.#kept.delete(oldest)
      this.#keptBytes -= bytes
    }
  }
}
