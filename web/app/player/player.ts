/**
 * Plays a recording onto a screen. Knows nothing of the page: it is told the time, and tells what it is at.
 *
 * loading → paused ⇄ playing → ended; a seek leads from each of them through seeking to paused or playing. `failed` says why and ends with the
 * next seek. Whatever is drawn is drawn by one loop at a time (`#drawing`), so that a seek never meets half a tick.
 */
import type { Replay } from '../../../src/api/schema.ts'
import type { PlayEvent } from './event.ts'
import type { Source } from './source.ts'

/** What a player draws on. */
export type Surface = {
  /** `isTerminal`: false for what was sent to no terminal, whose lines end with a line feed alone. */
  reset(columns: number, rows: number, isTerminal: boolean): Promise<void>
  resize(columns: number, rows: number): Promise<void>
  write(bytes: Uint8Array): void
  writeText(text: string): void
  flush(): Promise<void>
}

export type PlayState = 'loading' | 'paused' | 'playing' | 'seeking' | 'ended' | 'failed'
export type Skipped = { readonly fromMs: number; readonly toMs: number }
export type Told = Extract<PlayEvent, { kind: 'told' }>
export type Snapshot = {
  readonly state: PlayState
  /** It plays, or goes on to once what is sought is drawn. */
  readonly plays: boolean
  readonly positionMs: number
  readonly durationMs: number
  readonly speed: number
  readonly skipsIdle: boolean
  readonly channel: number
  /** The last stretch that was skipped, until something else happens than playing on. */
  readonly skipped: Skipped | undefined
  /** What was said last that no screen shows: a password that was typed, a refusal, the end of a command. */
  readonly told: Told | undefined
  readonly problem: string | undefined
  /** At the end of a session that goes on. */
  readonly isFollowing: boolean
}

export const speeds = [0.5, 1, 2, 4, 8, 16] as const

/** Nothing happened for longer than this: idle. Milliseconds. */
export const idleMs = 10_000
/** What is shown of an idle stretch before it is skipped, and before what ends it. */
const lingerMs = 1000
/** Played so far ahead, what comes next is loaded. Milliseconds of playing, not of recording. */
const aheadMs = 4000
/** A seek is over when no other follows for so long. Milliseconds. */
const settleMs = 400
/** A tick is never longer: a page that slept goes on where it was. */
const longestTickMs = 500
/** Chunks that are read at once where there is no keyframe to begin at. */
const batch = 48

const toldTypes = new Set([
  'unechoed-line',
  'request-refused',
  'signal',
  'exit-status',
  'exit-signal',
  'progress',
  'exec',
])

/** The next event: its chunk, by place, and its place there. */
type Cursor = { readonly chunk: number; readonly event: number }

export class Player {
  readonly #source: Source
  readonly #screen: Surface
  readonly #listeners = new Set<() => void>()
  /** Stretches that were played since they were last taken. */
  #watched: { fromMs: number; toMs: number }[] = []
  #state: PlayState = 'loading'
  /** While seeking: whether it plays afterwards. */
  #plays = false
  #positionMs = 0
  #speed = 1
  #skipsIdle = true
  #channel = 0
  #skipped: Skipped | undefined
  #told: Told | undefined
  #problem: string | undefined
  #isFollowing = false
  #cursor: Cursor = { chunk: 0, event: 0 }
  /** False until the screen shows what it should at the position. */
  #isDrawn = false
  /** The keyframe that what is on the screen was drawn from, by place; -1: from the beginning. */
  #drawnFrom = -1
  #drawing: Promise<void> = Promise.resolve()
  #prefetching: ReturnType<typeof setTimeout> | undefined
  #calmMs = 0
  /** What has come is drawn then. */
  #growing: ReturnType<typeof setTimeout> | undefined
  #isTicking = false
  /** Counts seeks: the latest wins. */
  #seeks = 0
  #snapshot: Snapshot | undefined

  constructor(source: Source, screen: Surface) {
    this.#source = source
    this.#screen = screen
    this.#channel = shownFirst(source.info)
  }

  get info(): Replay {
    return this.#source.info
  }

  get snapshot(): Snapshot {
    this.#snapshot ??= {
      state: this.#state,
      plays: this.#isPlayingOn,
      positionMs: this.#positionMs,
      durationMs: this.info.durationMs,
      speed: this.#speed,
      skipsIdle: this.#skipsIdle,
      channel: this.#channel,
      skipped: this.#skipped,
      told: this.#told,
      problem: this.#problem,
      isFollowing: this.#isFollowing,
    }
    return this.#snapshot
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  play(): void {
    if (this.#state === 'failed') void this.seek(this.#positionMs, true)
    else if (this.#state === 'seeking') this.#playsNext(true)
    else if (this.#state === 'ended' || this.#positionMs >= this.info.durationMs) void this.seek(0, true)
    else if (this.#state === 'paused') this.#set('playing')
  }

  pause(): void {
    this.#isFollowing = false
    if (this.#state === 'seeking') this.#playsNext(false)
    if (this.#state === 'playing') this.#set('paused')
  }

  toggle(): void {
    if (this.#isPlayingOn) this.pause()
    else this.play()
  }

  get #isPlayingOn(): boolean {
    return this.#state === 'playing' || (this.#state === 'seeking' && this.#plays)
  }

  #playsNext(plays: boolean): void {
    this.#plays = plays
    this.#tell()
  }

  /** Between two pictures of a session that goes on, for whoever wants no flashing. Milliseconds; 0: as they come. */
  setCalm(ms: number): void {
    this.#calmMs = ms
  }

  setSpeed(speed: number): void {
    this.#speed = speed
    this.#tell()
  }

  setSkipsIdle(skips: boolean): void {
    this.#skipsIdle = skips
    this.#skipped = undefined
    this.#tell()
  }

  async setChannel(channel: number): Promise<void> {
    if (channel === this.#channel) return
    this.#channel = channel
    this.#isDrawn = false
    await this.seek(this.#positionMs)
  }

  /** Shows that moment. Resolves when it is drawn, or a later seek has begun. */
  async seek(toMs: number, plays: boolean = this.#isPlayingOn): Promise<void> {
    const seek = ++this.#seeks
    this.#plays = plays
    this.#isFollowing = false
    this.#skipped = undefined
    this.#told = undefined
    this.#positionMs = Math.min(this.info.durationMs, Math.max(0, toMs))
    this.#set('seeking')
    await this.#draw(async () => {
      if (seek === this.#seeks) await this.#seekTo(this.#positionMs, () => seek === this.#seeks)
    })
    if (seek === this.#seeks && this.#state === 'seeking') this.#set(this.#plays ? 'playing' : 'paused')
  }

  /** As far as is known, and further as it goes on. */
  async follow(): Promise<void> {
    await this.seek(this.info.durationMs, false)
    if (this.#state !== 'paused') return
    this.#isFollowing = true
    this.#tell()
  }

  /** More has come of a session that goes on. */
  grown(): void {
    if (!this.#isFollowing) return this.#tell()
    if (this.#calmMs === 0) return this.#showGrown()
    this.#growing ??= setTimeout(() => {
      this.#growing = undefined
      this.#showGrown()
    }, this.#calmMs)
  }

  #showGrown(): void {
    const to = this.info.durationMs
    void this.#draw(async () => {
      if (!this.#isFollowing) return
      await this.#apply(to)
      this.#note(this.#positionMs, to)
      this.#positionMs = to
      this.#tell()
    })
  }

  /** The moments of the events before and after this one that draw something or were typed, as far as they are loaded. */
  async step(direction: 1 | -1): Promise<void> {
    const to = await this.#neighbour(direction)
    if (to !== undefined) await this.seek(to, false)
  }

  /**
   * Fills what one can scroll back to: shows the same moment, drawn from so many keyframes further back. Resolves to whether there was
   * anything further back.
   */
  async deepen(keyframes: number): Promise<boolean> {
    const seek = this.#seeks // a seek that goes on is drawn first, and one that comes is drawn instead
    let isDeeper = false
    await this.#draw(async () => {
      if (this.#drawnFrom < 0 || seek !== this.#seeks) return
      this.#isDrawn = false
      const from = Math.max(-1, this.#drawnFrom - keyframes)
      await this.#seekTo(this.#positionMs, () => seek === this.#seeks, from)
      isDeeper = true
    })
    return isDeeper
  }

  /** The source has put its chunks into another order. */
  async moved(): Promise<void> {
    this.#isDrawn = false
    if (this.#isFollowing) await this.follow()
    else await this.seek(this.#positionMs)
  }

  /** Time has passed: milliseconds of the clock on the wall. */
  tick(elapsedMs: number): void {
    if (this.#state !== 'playing' || this.#isTicking) return
    this.#isTicking = true
    void this.#draw(() => this.#advance(Math.min(longestTickMs, elapsedMs) * this.#speed)).finally(() => {
      this.#isTicking = false
    })
  }

  /** What was played since the last time, in order. */
  takeWatched(): readonly Skipped[] {
    const taken = this.#watched
    this.#watched = []
    return taken
  }

  close(): void {
    this.#seeks++
    clearTimeout(this.#prefetching)
    clearTimeout(this.#growing)
    this.#listeners.clear()
    this.#state = 'ended'
    this.#source.close()
  }

  // ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────

  #draw(work: () => Promise<void>): Promise<void> {
    this.#drawing = this.#drawing.then(work).catch((thrown: unknown) => {
      this.#problem = thrown instanceof Error ? thrown.message : String(thrown)
      this.#isDrawn = false
      this.#set('failed')
    })
    return this.#drawing
  }

  async #advance(byMs: number): Promise<void> {
    if (this.#state !== 'playing') return
    const from = this.#positionMs
    const { durationMs } = this.info
    const to = Math.min(durationMs, this.#afterIdle(from) ?? from + byMs)
    await this.#apply(to)
    if (this.#state !== 'playing') return
    this.#note(from, to)
    this.#positionMs = to
    if (to >= durationMs) this.#set('ended')
    else this.#tell()
    this.#loadAhead()
  }

  /** Where to go on if nothing happens here for long; notes what is skipped. Any event ends a stretch, of any channel, shown or not. */
  #afterIdle(fromMs: number): number | undefined {
    if (!this.#skipsIdle) return undefined
    const next = this.#nextMs() ?? this.info.durationMs
    const isIdle = next - fromMs > idleMs && fromMs - this.#lastMs() >= lingerMs
    if (!isIdle) return undefined
    const toMs = next - lingerMs
    this.#skipped = { fromMs, toMs }
    return toMs
  }

  /** Of the next event, whether its chunk is loaded or not. */
  #nextMs(): number | undefined {
    const { chunk, event } = this.#cursor
    return (
      this.#source.events(chunk)?.[event]?.atMs ??
      this.info.chunks.find((one, place) => place > chunk - 1 && one.fromMs > this.#positionMs)?.fromMs
    )
  }

  /** Of the event before the next one. */
  #lastMs(): number {
    const { chunk, event } = this.#cursor
    if (event > 0) return this.#source.events(chunk)?.[event - 1]?.atMs ?? 0
    return this.info.chunks[chunk - 1]?.toMs ?? 0
  }

  async #seekTo(toMs: number, isWanted: () => boolean, from = this.#keyframeBefore(toMs)): Promise<void> {
    const keyframe = this.info.keyframes[from]
    const here = this.#lastMs()
    const goesOn = this.#isDrawn && here <= toMs && (keyframe === undefined || keyframe.atMs <= here)
    if (!goesOn) {
      this.#isDrawn = false
      if (keyframe === undefined) await this.#begin()
      else await this.#restore(from, toMs, isWanted)
      this.#drawnFrom = keyframe === undefined ? -1 : from
    }
    if (!isWanted()) return
    this.#isDrawn = true
    await this.#apply(toMs, isWanted)
    await this.#screen.flush()
    this.#problem = undefined
    if (isWanted()) this.#prefetch(from)
  }

  /** The last keyframe of the channel that is not later, or -1. */
  #keyframeBefore(ms: number): number {
    return this.info.keyframes.findLastIndex(({ channel, atMs }) => channel === this.#channel && atMs <= ms)
  }

  async #begin(): Promise<void> {
    const shown = this.info.channels.find(({ channel }) => channel === this.#channel)
    const { columns, rows, isTerminal } = shown ?? { columns: 80, rows: 24, isTerminal: false }
    this.#cursor = { chunk: 0, event: 0 }
    await this.#screen.reset(columns || 80, rows || 24, isTerminal)
  }

  /** Keyframe and chunks are fetched at once. */
  async #restore(place: number, toMs: number, isWanted: () => boolean): Promise<void> {
    const chunk = this.#placeOf(this.info.keyframes[place]?.chunk ?? 0)
    const [keyframe] = await Promise.all([
      this.#source.keyframe(place),
      this.#source.load(chunk, Math.min(this.#chunkAt(toMs), chunk + batch)),
    ])
    if (!isWanted()) return
    await this.#screen.reset(keyframe.columns, keyframe.rows, true)
    this.#screen.writeText(keyframe.screen)
    this.#cursor = { chunk: this.#placeOf(keyframe.chunk), event: keyframe.skipEvents }
  }

  /** Draws all events up to and at that moment. */
  async #apply(toMs: number, isWanted: () => boolean = () => true): Promise<void> {
    const last = this.#chunkAt(toMs)
    while (this.#cursor.chunk <= last && isWanted()) {
      const { chunk } = this.#cursor
      if (this.#source.events(chunk) === undefined)
        await this.#source.load(chunk, Math.min(last, chunk + batch))
      const events = this.#source.events(chunk)
      if (events === undefined || !isWanted()) return
      const isOver = await this.#applyChunk(events, toMs)
      if (!isOver) return
      if (this.info.chunks[chunk + 1] === undefined) return
      this.#cursor = { chunk: chunk + 1, event: 0 }
    }
  }

  /** Whether all of it is drawn. */
  async #applyChunk(events: readonly PlayEvent[], toMs: number): Promise<boolean> {
    for (let at = this.#cursor.event; at < events.length; at++) {
      const event = events[at]
      if (event === undefined || event.atMs > toMs) return false
      this.#cursor = { chunk: this.#cursor.chunk, event: at + 1 }
      if (event.channel !== this.#channel) continue
      if (event.kind === 'data' && event.stream !== 'input') this.#screen.write(event.data)
      if (event.kind === 'told' && toldTypes.has(event.type)) this.#told = event
      if (event.kind === 'size') await this.#screen.resize(event.columns, event.rows)
    }
    return true
  }

  /** The place of the last chunk that begins before or at that moment. */
  #chunkAt(ms: number): number {
    const { chunks } = this.info
    let [low, high] = [0, chunks.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if ((chunks[middle]?.fromMs ?? 0) <= ms) low = middle
      else high = middle - 1
    }
    return low
  }

  #placeOf(number: number): number {
    const { chunks } = this.info
    const guess = number - (chunks[0]?.number ?? 1)
    return chunks[guess]?.number === number
      ? guess
      : Math.max(
          0,
          chunks.findIndex(one => one.number === number),
        )
  }

  /** What a person seeks next is near. Not while they are still looking for the place: the gateway counts what one person asks for. */
  #prefetch(place: number): void {
    clearTimeout(this.#prefetching)
    this.#prefetching = setTimeout(() => {
      for (const near of [place - 1, place + 1])
        if (this.info.keyframes[near]?.channel === this.#channel) this.#source.keyframe(near).catch(() => {})
      this.#loadAhead()
    }, settleMs)
  }

  #loadAhead(): void {
    const to = this.#chunkAt(this.#positionMs + aheadMs * this.#speed)
    this.#source.load(this.#cursor.chunk, to).catch(() => {})
  }

  async #neighbour(direction: 1 | -1): Promise<number | undefined> {
    const at = this.#positionMs
    const here = this.#chunkAt(at)
    for (let chunk = here; chunk >= 0 && chunk < this.info.chunks.length; chunk += direction) {
      await this.#source.load(chunk, chunk)
      const events =
        this.#source
          .events(chunk)
          ?.filter(event => event.channel === this.#channel && event.kind !== 'told') ?? []
      const found =
        direction === 1 ? events.find(({ atMs }) => atMs > at) : events.findLast(({ atMs }) => atMs < at)
      if (found !== undefined) return found.atMs
    }
    return undefined
  }

  #note(fromMs: number, toMs: number): void {
    const last = this.#watched.at(-1)
    if (last !== undefined && Math.abs(last.toMs - fromMs) < 1) last.toMs = toMs
    else if (toMs > fromMs) this.#watched.push({ fromMs, toMs })
  }

  #set(state: PlayState): void {
    this.#state = state
    this.#tell()
  }

  #tell(): void {
    this.#snapshot = undefined
    for (const listener of this.#listeners) listener()
  }
}

/** The first terminal, or the first channel where there is none. */
function shownFirst({ channels }: Replay): number {
  return (channels.find(({ columns }) => columns > 0) ?? channels[0])?.channel ?? 0
}
