import { closeSync, openSync, readFileSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { linkOf } from '../chain.ts'
import { Fault, reasonOf } from '../errors.ts'
import { channelOf } from './choose-channel.ts'
import { frameHeadBytes } from './format.ts'
import type { EventRecord } from './event.ts'
import { IndexThread } from './keyframe-thread.ts'
import type { ContentKeys } from './encryption/content-keys.ts'
import { type ChunkPlace, readRecording, type ReadOptions } from './reader.ts'
import { Screen, type ScreenState, showOn } from './screen.ts'

/** A terminal's state between two events of a recording. */
export type Keyframe = {
  readonly channel: number
  /** The last event that the state includes. */
  readonly sequence: number
  readonly us: number
  /** The chunk that holds that event. */
  readonly place: ChunkPlace
  readonly columns: number
  readonly rows: number
  /** The ScreenState, as JSON, compressed with zstd, in base64. */
  readonly screen: string
}

/** A command that was asked for, or a line that was typed and shown. */
export type IndexedCommand = {
  readonly channel: number
  readonly sequence: number
  readonly us: number
  readonly kind: 'exec' | 'typed'
  readonly text: string
}

/** What makes seeking fast. Derived from the recording and rebuilt from it: no evidence of anything. */
export type KeyframeIndex = {
  readonly format: 'sallyport keyframes'
  readonly version: 1
  readonly session: string
  /** The recording that it was made of: where its last frame begins, how long the file was, and that frame's link. */
  readonly of: { readonly lastFrame: number; readonly bytes: number; readonly link: string }
  readonly durationUs: number
  readonly keyframes: readonly Keyframe[]
  readonly commands: readonly IndexedCommand[]
}

/** A larger index is rebuilt rather than read: ten hours of work have some megabytes. */
const maxIndexBytes = 512 * 1024 * 1024
/** No frame is longer: that of a chunk that holds one event of the largest size. */
const maxFrameBytes = 32 * 1024 * 1024
/** A compressed screen inflates to this at most: a thousand by a thousand cells with their colours. */
const maxScreenBytes = 64 * 1024 * 1024

export function indexFileOf(file: string): string {
  return file.replace(/\.sallyport$/, '') + '.keyframes'
}

export function packScreen(state: ScreenState): string {
  const params = { [constants.ZSTD_c_compressionLevel]: 3 }
  return zstdCompressSync(JSON.stringify(state), { params }).toString('base64')
}

export function unpackScreen(screen: string): ScreenState {
  const json = zstdDecompressSync(Buffer.from(screen, 'base64'), { maxOutputLength: maxScreenBytes })
  return JSON.parse(json.toString()) as ScreenState
}

/** The index beside a recording, or undefined if there is none, or it was made of another state of the file. */
export function readIndex(file: string): KeyframeIndex | undefined {
  try {
    const index = readIndexBeside(file)
    return index !== undefined && isMadeOf(index, file) ? index : undefined
  } catch {
    return undefined // it can be built again
  }
}

/** Whatever index lies beside a recording, of whichever state of it. */
export function readIndexBeside(file: string): KeyframeIndex | undefined {
  try {
    const path = indexFileOf(file)
    if (statSync(path).size > maxIndexBytes) return undefined
    const index = JSON.parse(readFileSync(path, 'utf8')) as KeyframeIndex
    return index.format === 'sallyport keyframes' && index.version === 1 ? index : undefined
  } catch {
    return undefined
  }
}

/** Looks at the last frame alone, so that a long recording opens as fast as a short one. */
function isMadeOf(index: KeyframeIndex, file: string): boolean {
  return statSync(file).size === index.of.bytes && hasFrameOf(index, file)
}

/** Whether the frame that was the last one when the index was made is there. It is not read as one: a proof stands behind a seal alone. */
export function hasFrameOf({ of }: KeyframeIndex, file: string): boolean {
  const fd = openSync(file, 'r')
  try {
    const length = Buffer.alloc(4)
    if (readSync(fd, length, 0, 4, of.lastFrame) < 4) return false
    const stored = Buffer.alloc(Math.min(frameHeadBytes + length.readUInt32BE(0), maxFrameBytes))
    const read = readSync(fd, stored, 0, stored.length, of.lastFrame)
    return linkOf(stored.subarray(0, read)).toString('hex') === of.link
  } finally {
    closeSync(fd)
  }
}

/**
 * Builds the index of a recording in a worker and keeps it beside it, unless the recording is encrypted. For a live recording it holds what is in the file so
 * far. Rejects with a Fault RECORDING_FORMAT where the recording is damaged.
 */
export async function buildIndex(file: string, { keys }: ReadOptions = {}): Promise<KeyframeIndex> {
  const index = await inThread(file, true, keys)
  if (index === undefined) throw new TypeError('the index was asked for')
  return index
}

/** The same, where nobody wants to look at it yet. */
export async function prepareIndex(file: string): Promise<void> {
  await inThread(file, false)
}

const thread = new IndexThread()

async function inThread(
  file: string,
  isWanted: boolean,
  keys?: ContentKeys,
): Promise<KeyframeIndex | undefined> {
  try {
    return await thread.build(file, isWanted, keys)
  } catch (cause) {
    throw new Fault('RECORDING_FORMAT', reasonOf(cause), { cause })
  }
}

/** Keeps an index beside its recording; whole or not at all. */
export function keepIndex(file: string, index: KeyframeIndex): void {
  const path = indexFileOf(file)
  writeFileSync(`${path}.draft`, JSON.stringify(index), { mode: 0o600 })
  renameSync(`${path}.draft`, path)
}

/** The index of a recording: the one beside it, or a new one. Of an encrypted recording none was ever kept: what lies beside it is somebody else's. */
export async function openIndex(file: string, options: ReadOptions = {}): Promise<KeyframeIndex> {
  return (options.keys === undefined ? readIndex(file) : undefined) ?? buildIndex(file, options)
}

/** Where playing goes on: a terminal's state, if there is one before that instant, and the events after it. */
export type Seek = {
  readonly channel: number
  readonly screen: ScreenState | undefined
  /** All events of the recording after `screen`, those of other channels too. Read them while their time is not past the instant. */
  readonly events: () => Generator<EventRecord>
}

/** The state of a channel's terminal shortly before an instant. */
export function seekTo(
  file: string,
  index: KeyframeIndex,
  channel: number,
  us: number,
  options: ReadOptions = {},
): Seek {
  const keyframe = index.keyframes.findLast(keyframe => keyframe.channel === channel && keyframe.us <= us)
  const screen = keyframe === undefined ? undefined : unpackScreen(keyframe.screen)
  return { channel, screen, events: () => eventsAfter(file, keyframe, options) }
}

function* eventsAfter(
  file: string,
  keyframe: Keyframe | undefined,
  options: ReadOptions,
): Generator<EventRecord> {
  const reader = readRecording(file, options)
  try {
    for (const record of reader.events(keyframe?.place))
      if (record.sequence > (keyframe?.sequence ?? 0)) yield record
  } finally {
    reader.close()
  }
}

/** The screen of a channel at an instant: events of that very microsecond are on it. Undefined before its terminal is there. */
export function screenAt(
  file: string,
  index: KeyframeIndex,
  channel: number,
  us: number,
  options: ReadOptions = {},
): Screen | undefined {
  const seek = seekTo(file, index, channel, us, options)
  let screen = seek.screen === undefined ? undefined : Screen.restore(seek.screen)
  for (const record of seek.events()) {
    if (record.us > us) break
    if (channelOf(record.event) === channel) screen = showOn(screen, record)
  }
  return screen
}
