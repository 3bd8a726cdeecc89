/** How a recording is played: where its chunks are, when they are, and what of it is busy, idle or missing. Reads each byte of it once. */
import { statSync } from 'node:fs'
import { channelOf, sizeOf, usualSize } from '../../../recorder/choose-channel.ts'
import { carriesData, type EventRecord } from '../../../recorder/event.ts'
import { FormatProblem, readChunkHead } from '../../../recorder/format.ts'
import { FrameReader } from '../../../recorder/frames.ts'
import type { RecordingHeader } from '../../../recorder/header.ts'
import { type ChunkPlace, readRecording } from '../../../recorder/reader.ts'
import type { Replay } from '../../schema.ts'

/** Bars of the two tracks of heat. */
const heatBars = 240
/** Without output for longer than this is idle. */
const idleMs = 10_000
/** Of each: a recording with more channels, idle stretches or gaps than this shows the first ones. */
const maxChannels = 1000
const maxIdle = 10_000
const maxGaps = 100

/** A chunk's place in the file, for those who fetch it. */
export type MappedChunk = Replay['chunks'][number] & {
  readonly offset: number
  readonly record: number
  readonly firstSequence: number
}

export type ReplayMap = Omit<Replay, 'keyframes' | 'chunks'> & {
  readonly chunks: readonly MappedChunk[]
  readonly isEncrypted: boolean
  /** How long the file was. */
  readonly fileBytes: number
}

/** The map of one recording, that of an open session too: of one that has grown only what was added is read. */
export class GrowingMap {
  readonly #file: string
  readonly #isEncrypted: boolean
  readonly #mapper: Mapper
  #map: ReplayMap

  /** Throws a Fault RECORDING_NOT_FOUND, or RECORDING_FORMAT where not even the header can be read. What is damaged behind it is a gap. */
  constructor(file: string) {
    this.#file = file
    const reading = readRecording(file)
    const { header } = reading
    reading.close()
    this.#isEncrypted = header.encryption !== null
    this.#mapper = new Mapper(header)
    this.#map = this.#read(statSync(file).size)
  }

  /** As the file is now; undefined if it is shorter than it was, and so another one. */
  now(): ReplayMap | undefined {
    const { size } = statSync(this.#file)
    if (size < this.#map.fileBytes) return undefined
    if (size > this.#map.fileBytes) this.#map = this.#read(size)
    return this.#map
  }

  #read(fileBytes: number): ReplayMap {
    if (this.#isEncrypted) this.#mapper.readLocked(this.#file)
    else this.#mapper.read(this.#file)
    return { ...this.#mapper.map(), isEncrypted: this.#isEncrypted, fileBytes }
  }
}

type Channel = { channel: number; kind: string; columns: number; rows: number; hasSize: boolean }

class Mapper {
  readonly #openedAtMs: number
  readonly #chunks: MappedChunk[] = []
  readonly #channels = new Map<number, Channel>()
  readonly #output = new Heat()
  readonly #input = new Heat()
  readonly #idle: { fromMs: number; toMs: number }[] = []
  readonly #gaps: { fromMs: number; toMs: number; why: string }[] = []
  #lastOutputMs = 0
  #lastMs = 0
  /** A gap ends where the next good chunk begins. */
  #openGap: string | undefined
  /** Behind the last chunk that was read. */
  #place: ChunkPlace | undefined

  constructor(header: RecordingHeader) {
    this.#openedAtMs = Date.parse(header.openedAt)
  }

  /** From where the last one ended. */
  read(file: string): void {
    const reader = readRecording(file, { onGap: gap => (this.#openGap ??= gap.reason) })
    try {
      for (const { record, offset, bytes, head, events } of reader.chunks(this.#place)) {
        this.#add({ record, offset, bytes, head })
        for (const event of events) this.#take(event)
      }
    } finally {
      reader.close()
    }
  }

  /** Without its key: chunks say when they are, and how much is in them. From where the last one ended. */
  readLocked(file: string): void {
    const frames = new FrameReader(file)
    if (this.#place !== undefined) frames.jump(this.#place)
    try {
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        if (frame.kind !== 'chunk') continue
        const { record, offset, body, stored } = frame
        const head = readChunkHead(body, record, offset)
        this.#add({ record, offset, head, bytes: stored.length })
        this.#noteOutput(head.firstUs / 1000, stored.length)
        this.#noteOutput(head.lastUs / 1000, 0)
      }
    } catch (error) {
      if (!(error instanceof FormatProblem)) throw error
      this.#openGap ??= error.reason
    } finally {
      frames.close()
    }
  }

  map(): Omit<ReplayMap, 'isEncrypted' | 'fileBytes'> {
    const durationMs = this.#lastMs
    return {
      openedAtMs: this.#openedAtMs,
      durationMs,
      channels: [...this.#channels.values()].map(({ channel, kind, columns, rows, hasSize }) => ({
        channel,
        kind,
        columns,
        rows,
        isTerminal: hasSize,
      })),
      chunks: this.#chunks,
      heat: { output: this.#output.bars(durationMs), input: this.#input.bars(durationMs) },
      idle: [...this.#idle, ...this.#idleUntil(durationMs)].slice(0, maxIdle),
      gaps: [...this.#gaps, ...this.#gapUntil(durationMs)].slice(0, maxGaps),
    }
  }

  #add(chunk: {
    readonly record: number
    readonly offset: number
    readonly bytes: number
    readonly head: {
      readonly number: number
      readonly firstSequence: number
      readonly firstUs: number
      readonly lastUs: number
    }
  }): void {
    const { record, offset, bytes, head } = chunk
    const fromMs = head.firstUs / 1000
    this.#closeGap(fromMs)
    const { number, firstSequence } = head
    this.#chunks.push({ number, fromMs, toMs: head.lastUs / 1000, bytes, offset, record, firstSequence })
    this.#lastMs = Math.max(this.#lastMs, head.lastUs / 1000)
    this.#place = { offset: offset + bytes, record: record + 1 }
  }

  #take({ us, event }: EventRecord): void {
    const atMs = us / 1000
    const channel = channelOf(event)
    if (carriesData(event)) {
      if (event.type === 'input') this.#input.add(atMs, event.data.length)
      else this.#noteOutput(atMs, event.data.length)
    } else if (event.type === 'input-count') this.#input.add(atMs, numberOf(event.fields['bytes']))
    else if (event.type === 'result') this.#noteOutput(atMs, 1 + numberOf(event.fields['bytes']))
    else if (event.type === 'statement') this.#input.add(atMs, 1)
    if (channel !== undefined && !carriesData(event)) this.#noteChannel(channel, event.type, event.fields)
  }

  #noteOutput(atMs: number, bytes: number): void {
    this.#closeIdle(atMs)
    this.#lastOutputMs = atMs
    this.#output.add(atMs, bytes)
  }

  #noteChannel(channel: number, type: string, fields: Readonly<Record<string, unknown>>): void {
    const known = this.#channels.get(channel)
    if (known === undefined && this.#channels.size >= maxChannels) return
    const made = known ?? { channel, kind: 'session', ...usualSize, hasSize: false }
    if (type === 'shell' || type === 'exec' || type === 'subsystem') made.kind = kindOf(type, fields)
    else if (type === 'channel-open' && fields['kind'] !== 'session') made.kind = String(fields['kind'])
    if (type === 'pty' && !made.hasSize) Object.assign(made, sizeOf(fields), { hasSize: true })
    this.#channels.set(channel, made)
  }

  #closeIdle(atMs: number): void {
    if (this.#idle.length < maxIdle) this.#idle.push(...this.#idleUntil(atMs))
  }

  #idleUntil(toMs: number): { fromMs: number; toMs: number }[] {
    return toMs - this.#lastOutputMs > idleMs ? [{ fromMs: this.#lastOutputMs, toMs }] : []
  }

  #closeGap(toMs: number): void {
    if (this.#gaps.length < maxGaps) this.#gaps.push(...this.#gapUntil(toMs))
    this.#openGap = undefined
  }

  #gapUntil(toMs: number): { fromMs: number; toMs: number; why: string }[] {
    return this.#openGap === undefined ? [] : [{ fromMs: this.#lastMs, toMs, why: this.#openGap }]
  }
}

function kindOf(type: string, fields: Readonly<Record<string, unknown>>): string {
  return type === 'subsystem' && typeof fields['name'] === 'string' ? fields['name'] : type
}

function numberOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

/** Bytes per stretch of time. Stretches grow as the recording does, so that what is kept does not. */
class Heat {
  #binMs = 50
  #bins = new Map<number, number>()
  static readonly #maxBins = 20_000

  add(atMs: number, bytes: number): void {
    const bin = Math.floor(atMs / this.#binMs)
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + bytes)
    if (this.#bins.size > Heat.#maxBins) this.#widen()
  }

  bars(durationMs: number): number[] {
    const bars = Array.from({ length: heatBars }, () => 0)
    for (const [bin, bytes] of this.#bins) {
      const share = durationMs === 0 ? 0 : (bin * this.#binMs) / durationMs
      const at = Math.min(heatBars - 1, Math.floor(share * heatBars))
      bars[at] = (bars[at] ?? 0) + bytes
    }
    return bars
  }

  #widen(): void {
    const wider = new Map<number, number>()
    for (const [bin, bytes] of this.#bins) {
      const at = Math.floor(bin / 2)
      wider.set(at, (wider.get(at) ?? 0) + bytes)
    }
    this.#bins = wider
    this.#binMs *= 2
  }
}
