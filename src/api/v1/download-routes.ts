/** What leaves the gateway as a file: the recording as it is stored, and what can be made of it. Each is in the audit log, each time. */
import { createReadStream, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import { z } from 'zod'
import type { SessionRow } from '../../model.ts'
import type { BundleParts } from '../../recorder/bundle/bundle.ts'
import type { ApiParts } from './deps.ts'
import { startDownload } from './download/download.ts'
import { type DownloadFormat, kindOf } from './download/formats.ts'
import { DownloadPlaces } from './download/places.ts'
import { whileTaken } from './download/taken.ts'
import { whole } from './fields.ts'
import { holdRecording } from './recordings.ts'
import { type Answer, type Asking, Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'

/** Downloads on their way at once, of everybody and of one person: each that is made has a thread. */
const maxMade = 4
const maxMadeOfOne = 2
const maxStored = 16
const maxStoredOfOne = 6

const query = z.strictObject({ channel: whole(0, 1_000_000).optional() })

const noSuchForm = new Refused({
  status: 404,
  title: 'No such form',
  detail: 'This session cannot be taken out like that. Try bundle, text, html, json, csv or ndjson.',
})

export function downloadRoutes(parts: ApiParts): readonly Route[] {
  const made = new DownloadPlaces(maxMade, maxMadeOfOne)
  const stored = new DownloadPlaces(maxStored, maxStoredOfOne)
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/recording',
        summary: 'The recording, byte for byte as it is stored',
        weight: 'heavy',
        answer: { contentType: 'application/octet-stream', what: 'recordings/README.md describes it' },
      },
      ask => stored.during(ask.person.key, done => storedOf(parts, ask, done)),
    ),
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/exports/:format',
        summary:
          'A download: asciicast-v2, asciicast-v3, text, html, json, sql, csv, ndjson, files-csv, files-ndjson or bundle',
        weight: 'heavy',
        query,
        answer: { contentType: 'application/octet-stream', what: 'A file, its type by its format' },
      },
      ask => made.during(ask.person.key, done => madeOf(parts, ask, done)),
    ),
  ]
}

async function storedOf(parts: ApiParts, { c, row, person }: SessionAsk, done: () => void): Promise<Answer> {
  const held = await holdRecording(parts, row)
  if (held instanceof Refused) return held
  try {
    await parts.readings.noteEach(row, person, 'recording as stored')
    const { size } = statSync(held.path)
    const file = createReadStream(held.path, { end: Math.max(0, size - 1) })
    file.once('close', () => {
      held.release()
      done()
    })
    return c.body(taken(c, Readable.toWeb(file) as ReadableStream<Uint8Array>), 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': String(size),
      ...named(`${row.id}.sallyport`),
    })
  } catch (cause) {
    held.release()
    throw cause
  }
}

async function madeOf(
  parts: ApiParts,
  { c, row, person, params, query: { channel } }: SessionAsk<z.output<typeof query>>,
  done: () => void,
): Promise<Answer> {
  const kind = kindOf(params['format'] ?? '', row.protocol)
  if (kind === undefined) return noSuchForm
  const held = await holdRecording(parts, row)
  if (held instanceof Refused) return held
  const end = (): void => {
    held.release()
    done()
  }
  try {
    const bundle = await noted(parts, row, person, kind.format)
    const order = { file: held.path, format: kind.format, channel, bundle }
    // From here on the download itself says when it is over.
    const stream = await startDownload(order, end)
    return c.body(taken(c, stream), 200, {
      'Content-Type': kind.contentType,
      'Content-Security-Policy': "default-src 'none'; sandbox",
      ...named(`${row.id}.${kind.suffix}`),
    })
  } catch (cause) {
    held.release()
    throw cause
  }
}

/** Who takes nothing for long loses the connection: what was sent is not whole, and must not look so. */
function taken(c: SessionAsk['c'], stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return whileTaken(stream, () => c.env.incoming?.socket.destroy())
}

function named(name: string): { readonly 'Content-Disposition': string } {
  return { 'Content-Disposition': `attachment; filename="${name}"` }
}

/** In the audit log before the first byte; a bundle holds the proof of that. */
async function noted(
  parts: ApiParts,
  row: SessionRow,
  person: Asking,
  format: DownloadFormat,
): Promise<Omit<BundleParts, 'file'> | undefined> {
  if (format === 'bundle') return await bundleParts(parts, row, person)
  await parts.readings.noteEach(row, person, `export as ${format}`)
  return undefined
}

async function bundleParts(
  parts: ApiParts,
  row: SessionRow,
  person: Asking,
): Promise<Omit<BundleParts, 'file'> | undefined> {
  const signed = await parts.readings.noteSigned(row, person, 'export as bundle')
  return { export: signed, ...parts.proofs(), nowMs: parts.clock.nowMs() }
}
