/** Playing a session: how, its chunks as they are stored, its keyframes, its events. */
import { z } from 'zod'
import type { SessionRow } from '../../model.ts'
import type { ApiParts } from './deps.ts'
import { whole } from './fields.ts'
import { madeIndex } from './keyframe-index.ts'
import { withRecording } from './recordings.ts'
import { notThere } from './refusals.ts'
import { type Answer, type Route, type SessionAsk, sessionRoute } from './route.ts'
import { replay, replayKeyframe } from './shapes.ts'
import type { TaskResult } from './replay/reading-thread.ts'

/** Chunks of one answer: a seek is one request. */
const maxChunks = 64
/** The index of an open session is made anew after so many bytes, and not more often than that (microseconds). */
const liveIndexBytes = 512 * 1024
const liveIndexEveryUs = 60_000_000
/** Open sessions whose last index is remembered. */
const maxLiveIndexes = 1000

const bytes = { contentType: 'application/octet-stream', what: 'Frames of the recording, byte for byte' }
const lines = { contentType: 'application/x-ndjson', what: 'One ReplayEvent a line' }

export function replayRoutes(parts: ApiParts): readonly Route[] {
  const indexes = new LiveIndexes(parts)
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/replay',
        summary: 'How to play it',
        weight: 'heavy',
        answer: replay,
      },
      ask => read(parts, ask, path => replayOf(parts, indexes, ask.row, path)),
    ),
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/chunks/:number',
        summary: 'A chunk as it is stored, and some of those after it',
        weight: 'heavy',
        query: z.strictObject({ count: whole(1, maxChunks).default(1) }),
        answer: bytes,
      },
      ask => read(parts, ask, path => chunkOf(parts, ask, path)),
    ),
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/keyframes/:number',
        summary: "A terminal's screen at one moment",
        weight: 'heavy',
        answer: replayKeyframe,
      },
      ask => read(parts, ask, path => keyframeOf(parts, ask, path)),
    ),
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/events/:number',
        summary: 'The events of a chunk',
        weight: 'heavy',
        answer: lines,
      },
      ask => read(parts, ask, path => eventsOf(parts, ask, path)),
    ),
  ]
}

/** The audit log first. */
async function read(
  parts: ApiParts,
  { row, person }: SessionAsk,
  work: (path: string) => Promise<Answer>,
): Promise<Answer> {
  return await withRecording(parts, row, async path => {
    await parts.readings.note(row, person, 'replay')
    return await work(path)
  })
}

async function replayOf(
  parts: ApiParts,
  indexes: LiveIndexes,
  row: SessionRow,
  file: string,
): Promise<Answer> {
  const first = await parts.reading.ask({ do: 'replay', file })
  if (row.protocol !== 'ssh' || first.bytesBehind === 0) return first.replay
  if (row.state === 'open') indexes.wish(row, file, first.bytesBehind)
  else if (await madeIndex(parts, file)) return (await parts.reading.ask({ do: 'replay', file })).replay
  return first.replay
}

/** Nobody waits for the index of a session that goes on: it is there when the player asks next. */
class LiveIndexes {
  readonly #parts: ApiParts
  readonly #madeAtUs = new Map<string, number>()

  constructor(parts: ApiParts) {
    this.#parts = parts
  }

  wish({ id }: SessionRow, file: string, bytesBehind: number): void {
    const nowUs = this.#parts.clock.monotonicUs()
    const madeAtUs = this.#madeAtUs.get(id)
    const isSoon = madeAtUs !== undefined && nowUs - madeAtUs < liveIndexEveryUs
    if (isSoon || bytesBehind < liveIndexBytes) return
    this.#madeAtUs.delete(id)
    this.#madeAtUs.set(id, nowUs)
    for (const oldest of this.#madeAtUs.keys())
      if (this.#madeAtUs.size > maxLiveIndexes) this.#madeAtUs.delete(oldest)
    void madeIndex(this.#parts, file)
  }
}

function numberIn({ params }: { readonly params: SessionAsk['params'] }): number {
  const text = params['number'] ?? ''
  return /^\d{1,9}$/.test(text) ? Number(text) : -1
}

async function chunkOf(
  parts: ApiParts,
  ask: SessionAsk<{ readonly count: number }>,
  file: string,
): Promise<Answer> {
  const stored = await parts.reading.ask({ do: 'chunks', file, chunk: numberIn(ask), count: ask.query.count })
  return stored === undefined ? notThere : ask.c.body(stored, 200, { 'Content-Type': bytes.contentType })
}

async function keyframeOf(parts: ApiParts, ask: SessionAsk, file: string): Promise<Answer> {
  const found: TaskResult['keyframe'] = await parts.reading.ask({
    do: 'keyframe',
    file,
    number: numberIn(ask),
  })
  return found ?? notThere
}

async function eventsOf(parts: ApiParts, ask: SessionAsk, file: string): Promise<Answer> {
  const found = await parts.reading.ask({ do: 'events', file, chunk: numberIn(ask) })
  return found === undefined ? notThere : ask.c.body(found, 200, { 'Content-Type': lines.contentType })
}
