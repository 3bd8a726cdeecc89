/** Reads recordings for the interface, away from the thread that carries everybody's sessions. What was read of a recording once is remembered for a while. */
import { parentPort } from 'node:worker_threads'
import { Fault, reasonOf } from '../../../errors.ts'
import { FormatProblem } from '../../../recorder/format.ts'
import { FrameReader } from '../../../recorder/frames.ts'
import type { KeyframeIndex } from '../../../recorder/keyframe.ts'
import { readRecording } from '../../../recorder/reader.ts'
import type { Entry } from '../../../analysis/entry.ts'
import type { Replay } from '../../schema.ts'
import { bytesBehind, indexBeside, placesOf, replayKeyframe } from './keyframes.ts'
import { replayEventOf } from './replay-event.ts'
import { GrowingMap, type MappedChunk, type ReplayMap } from './replay-map.ts'
import { openingFacts } from './opening-facts.ts'
import { screensAt, type ScreensAt } from './screens-at.ts'
import { checkRecording } from './check-recording.ts'
import { GrowingEntries, pageOf } from './session-entries.ts'
import { statementIn } from './statement-text.ts'
import type { Given, Order, Task, TaskResult } from './reading-thread.ts'

/** Recordings whose maps and indexes are remembered: those of a hundred people at work. */
const maxRemembered = 64
/** Their indexes may be large: so many of them. */
const maxIndexes = 8

type Remembered = {
  readonly growing: GrowingMap
  map: ReplayMap
  index?: { readonly of: KeyframeIndex | undefined }
}
const remembered = new Map<string, Remembered>()

parentPort?.on('message', (order: Order) => void answer(order))

async function answer(order: Order): Promise<void> {
  const given = await attempt(order.task)
  const bytes = given.ok && given.value instanceof Uint8Array ? [given.value.buffer as ArrayBuffer] : []
  parentPort?.postMessage({ id: order.id, given }, bytes)
}

async function attempt(task: Task): Promise<Given> {
  try {
    return { ok: true, value: await run(task) }
  } catch (error) {
    if (error instanceof Fault)
      return { ok: false, code: error.code, userText: error.userText, log: error.message }
    return { ok: false, code: undefined, userText: '', log: reasonOf(error) }
  }
}

function run(task: Task): unknown {
  switch (task.do) {
    case 'check':
      return checkRecording(task.file, task.keys, task.revoked)
    case 'entries':
      return pageOf(entriesOf(task.file), task.kinds, task.from, task.limit)
    case 'screens':
      return screensOf(task.file, task.moments)
    case 'statement':
      return statementOf(task.file, task.entry)
    case 'replay':
      return replayOf(task.file)
    case 'opening':
      return openingFacts(task.file)
    case 'keyframe':
      return keyframeOf(task.file, task.number)
    case 'events':
      return eventsOf(task.file, task.chunk)
    case 'chunks':
      return storedChunks(task.file, task.chunk, task.count)
  }
}

/** Of this very state of the file: a live one has grown since, and what was added is read. */
function mapOf(file: string): Remembered {
  const known = remembered.get(file)
  remembered.delete(file)
  const found = (known === undefined ? undefined : readOn(known)) ?? mapAnew(file)
  remembered.set(file, found)
  forgetOldest()
  return found
}

function readOn(known: Remembered): Remembered | undefined {
  const map = known.growing.now()
  if (map === undefined) return undefined
  if (map !== known.map) delete known.index
  known.map = map
  return known
}

function mapAnew(file: string): Remembered {
  const growing = new GrowingMap(file)
  const map = growing.now()
  if (map === undefined) throw new Error('the recording became shorter while it was read')
  return { growing, map }
}

function forgetOldest(): void {
  const all = [...remembered.entries()].toReversed()
  for (const [file] of all.slice(maxRemembered)) remembered.delete(file)
  for (const [, one] of all.filter(([, { index }]) => index !== undefined).slice(maxIndexes)) delete one.index
}

function indexOf(file: string, found: Remembered): KeyframeIndex | undefined {
  found.index ??= { of: found.map.isEncrypted ? undefined : indexBeside(file) }
  return found.index.of
}

function replayOf(file: string): { replay: Replay; isEncrypted: boolean; bytesBehind: number } {
  const found = mapOf(file)
  delete found.index // somebody may have made it meanwhile
  const index = indexOf(file, found)
  const { isEncrypted, fileBytes: _, chunks, ...map } = found.map
  const replay = {
    ...map,
    chunks: chunks.map(({ number, fromMs, toMs, bytes }) => ({ number, fromMs, toMs, bytes })),
    keyframes: placesOf(index, found.map),
  }
  return { replay, isEncrypted, bytesBehind: isEncrypted ? 0 : bytesBehind(index, file) }
}

function keyframeOf(file: string, number: number): unknown {
  const found = mapOf(file)
  const keyframe = indexOf(file, found)?.keyframes[number]
  return keyframe === undefined ? undefined : replayKeyframe(keyframe, found.map)
}

function screensOf(file: string, moments: readonly number[]): readonly ScreensAt[] | undefined {
  const found = mapOf(file)
  delete found.index // somebody may have made it meanwhile
  const index = indexOf(file, found)
  return found.map.isEncrypted ? undefined : screensAt(file, { map: found.map, index, moments })
}

/** Sessions whose entries are remembered. */
const maxEntryLists = 4
const entryLists = new Map<string, GrowingEntries>()

/** Those of an open session as far as it has come. */
function entriesOf(file: string): readonly Entry[] {
  return readEntries(file).entries
}

function readEntries(file: string): {
  readonly entries: readonly Entry[]
  readonly damage: string | undefined
} {
  const known = entryLists.get(file)
  entryLists.delete(file)
  const entries = known?.now(Date.now())
  const list = known === undefined || entries === undefined ? new GrowingEntries(file) : known
  entryLists.set(file, list)
  for (const oldest of entryLists.keys()) if (entryLists.size > maxEntryLists) entryLists.delete(oldest)
  const all = entries ?? list.now(Date.now()) ?? []
  return { entries: all, damage: list.damage }
}

/** Behind damage nobody knows which statement is which. */
async function statementOf(file: string, entry: number): Promise<TaskResult['statement']> {
  const { entries, damage } = readEntries(file)
  const { statement } = entries.find(({ number }) => number === entry) ?? {}
  if (statement === undefined) return damage === undefined ? undefined : { damage }
  const reader = readRecording(file)
  try {
    return await statementIn(reader.events(), statement.statement, entry)
  } finally {
    reader.close()
  }
}

function chunkIn(file: string, number: number): MappedChunk | undefined {
  const { chunks } = mapOf(file).map
  const guess = chunks[number] // without gaps, they are counted from 0 or 1
  if (guess?.number === number) return guess
  return chunks.find(chunk => chunk.number === number)
}

/** One line for each event, in order: keyframes count them. */
function eventsOf(file: string, number: number): Uint8Array | undefined {
  const place = chunkIn(file, number)
  if (place === undefined) return undefined
  const reader = readRecording(file)
  try {
    for (const { events } of reader.chunks(place))
      return new TextEncoder().encode(
        events.map(({ us, event }) => `${JSON.stringify(replayEventOf(us, event))}\n`).join(''),
      )
    return undefined
  } finally {
    reader.close()
  }
}

/** Bytes of one answer, unless one chunk alone is more. */
const maxStoredBytes = 1024 * 1024

/** Frames of chunks, their heads included, byte for byte, one behind the other. What is damaged ends the answer. */
function storedChunks(file: string, number: number, count: number): Uint8Array | undefined {
  const place = chunkIn(file, number)
  if (place === undefined) return undefined
  const frames = new FrameReader(file)
  const found: Buffer[] = []
  let bytes = 0
  try {
    frames.jump(place)
    for (let frame = frames.next(); frame !== undefined && found.length < count; frame = frames.next()) {
      if (frame.kind !== 'chunk') continue
      bytes += frame.stored.length
      if (found.length > 0 && bytes > maxStoredBytes) break
      found.push(frame.stored)
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
  } finally {
    frames.close()
  }
  return found.length === 0 ? undefined : new Uint8Array(Buffer.concat(found))
}
