import { statSync } from 'node:fs'
import { channelOf, sizeOf } from './choose-channel.ts'
import { carriesData, commandOf, type EventRecord } from './event.ts'
import { type Frame, FrameReader } from './frames.ts'
import { type IndexedCommand, type Keyframe, type KeyframeIndex, packScreen } from './keyframe.ts'
import { encrypted } from './encryption/auditor-key.ts'
import { type Content, contentOf } from './encryption/content.ts'
import type { ContentKeys } from './encryption/content-keys.ts'
import { type Chunk, type ChunkPlace, openChunk, type ReadOptions } from './reader.ts'
import { readHeader } from './header.ts'
import { type Screen, showOn } from './screen.ts'
import { FormatProblem } from './format.ts'

/** A keyframe follows so much output ... */
const everyBytes = 256 * 1024
/** ... or the first output so long after the one before. */
const everyUs = 30_000_000
/** Commands beyond this are not indexed; nobody looks through so many. */
const maxCommands = 100_000
/** Terminals of one recording that are followed at once, as many as a connection may have open channels ... */
const maxScreens = 64
/** ... and their cells together. One takes some 100 bytes while its state is taken; a screen full of small text has 65,000. */
const maxCells = 256 * 1024
/** Keyframes of one index, as they are kept. After so much (gigabytes of output) a seek begins at the last one, and takes longer. */
const maxKeyframeBytes = 16 * 1024 * 1024

/** Reads a recording once and makes its index. Memory: a screen for each open terminal, and the index. */
export function indexOf(file: string, { keys }: ReadOptions = {}): KeyframeIndex {
  const bytes = statSync(file).size
  const frames = new FrameReader(file)
  try {
    return new IndexBuilder(frames, keys).run(bytes)
  } finally {
    frames.close()
  }
}

type Followed = { screen: Screen; bytes: number; lastUs: number; isDue: boolean }

class IndexBuilder {
  readonly #frames: FrameReader
  readonly #keys: ContentKeys | undefined
  readonly #followed = new Map<number, Followed>()
  readonly #keyframes: Keyframe[] = []
  readonly #commands: IndexedCommand[] = []
  #durationUs = 0
  #keyframeBytes = 0

  constructor(frames: FrameReader, keys: ContentKeys | undefined) {
    this.#frames = frames
    this.#keys = keys
  }

  run(bytes: number): KeyframeIndex {
    let last = this.#frames.next()
    const header = last === undefined ? 'the header is cut' : readHeader(last.body)
    if (last === undefined || typeof header === 'string')
      throw new FormatProblem(0, 0, typeof header === 'string' ? header : '')
    const content = contentOf(header, this.#keys)
    if (content.kind === 'locked') throw encrypted(content.encryption)
    for (const frame of this.#goodFrames()) {
      if (frame.kind === 'chunk') {
        const chunk = openGood(frame, content)
        if (chunk === undefined) break
        for (const record of chunk.events) this.#take(record, { offset: frame.offset, record: frame.record })
      }
      last = frame
    }
    for (const { screen } of this.#followed.values()) screen.dispose()
    return {
      format: 'sallyport keyframes',
      version: 1,
      session: header.session,
      of: { lastFrame: last.offset, bytes, link: last.link.toString('hex') },
      durationUs: this.#durationUs,
      keyframes: this.#keyframes,
      commands: this.#commands,
    }
  }

  /** Those up to damage: what is good of a recording can be sought in. */
  *#goodFrames(): Generator<Frame> {
    try {
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) yield frame
    } catch (error) {
      if (!(error instanceof FormatProblem)) throw error
    }
  }

  #take(record: EventRecord, place: ChunkPlace): void {
    this.#durationUs = record.us
    this.#noteCommand(record)
    const channel = channelOf(record.event)
    if (channel === undefined) return
    const followed = this.#follow(channel, record)
    if (followed !== undefined) this.#keep(channel, followed, record, place)
    if (record.event.type === 'channel-close') this.#forget(channel)
  }

  #follow(channel: number, record: EventRecord): Followed | undefined {
    const known = this.#followed.get(channel)
    if (!this.#hasRoomFor(known, record)) return this.#forget(channel)
    const screen = showOn(known?.screen, record)
    if (screen === undefined) return undefined
    const followed = known ?? { screen, bytes: 0, lastUs: record.us, isDue: true }
    this.#followed.set(channel, followed)
    const { event } = record
    if (carriesData(event) && event.type !== 'input') {
      followed.bytes += event.data.length
      followed.isDue ||= followed.bytes >= everyBytes || record.us - followed.lastUs >= everyUs
    }
    followed.isDue ||= event.type === 'resize'
    return followed
  }

  /** A terminal that is too much is followed no longer, and has no keyframes from there on. */
  #hasRoomFor(known: Followed | undefined, { event }: EventRecord): boolean {
    if (known === undefined && this.#followed.size >= maxScreens) return false
    if (carriesData(event) || (event.type !== 'pty' && event.type !== 'resize')) return true
    const { columns, rows } = sizeOf(event.fields)
    const others = [...this.#followed.values()].filter(followed => followed !== known)
    const cells = others.reduce((sum, { screen }) => sum + screen.terminal.cols * screen.terminal.rows, 0)
    return cells + columns * rows <= maxCells
  }

  /** At a clean point; one that is due waits for it. */
  #keep(channel: number, followed: Followed, { sequence, us }: EventRecord, place: ChunkPlace): void {
    if (!followed.isDue || !followed.screen.isClean || this.#keyframeBytes > maxKeyframeBytes) return
    const state = followed.screen.state()
    const screen = packScreen(state)
    this.#keyframeBytes += screen.length
    this.#keyframes.push({ channel, sequence, us, place, columns: state.columns, rows: state.rows, screen })
    followed.bytes = 0
    followed.lastUs = us
    followed.isDue = false
  }

  #noteCommand({ sequence, us, event }: EventRecord): void {
    if (carriesData(event) || this.#commands.length >= maxCommands) return
    const channel = channelOf(event) ?? 0
    if (event.type === 'exec')
      this.#commands.push({ channel, sequence, us, kind: 'exec', text: commandOf(event)?.toString() ?? '' })
    if (event.type === 'typed')
      this.#commands.push({ channel, sequence, us, kind: 'typed', text: String(event.fields['text']) })
  }

  #forget(channel: number): undefined {
    this.#followed.get(channel)?.screen.dispose()
    this.#followed.delete(channel)
    return undefined
  }
}

function openGood(frame: Frame, content: Content): Chunk | undefined {
  try {
    return openChunk(frame, content)
  } catch (error) {
    if (error instanceof FormatProblem) return undefined
    throw error
  }
}
