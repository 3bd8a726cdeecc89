/** What leaves the gateway as a file: the recording as it is stored, and what can be made of it. Each is in the audit log, each time. */
import { createReadStream, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import { z } from 'zod'
import type { SessionRow } from '../../model.ts'
import type { BundleParts } from '../../recorder/bundle/bundle.ts'
import type { ApiParts } from './deps.ts'
import { startDownload } from './download/download.ts'
import { type DownloadFormat, kindOf } from './download/formats.ts'
import { whole } from './fields.ts'
import { holdRecording } from './recordings.ts'
import { tooBusy } from './refusals.ts'
import { type Answer, type Asking, Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'

/** Downloads on their way at once, of everybody: each that is made has a thread. */
const maxMade = 4
const maxStored = 16

const query = z.strictObject({ channel: whole(0, 1_000_000).optional() })

const noSuchForm = new Refused({
  status: 404,
  title: 'No such form',
  detail: 'This session cannot be taken out like that. Try bundle, text, html, json, csv or ndjson.',
})

export function downloadRoutes(parts: ApiParts): readonly Route[] {
  const running = { made: 0, stored: 0 }
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/recording',
        summary: 'The recording, byte for byte as it is stored',
        weight: 'heavy',
        answer: { contentType: 'application/octet-stream', what: 'recordings/README.md describes it' },
      },
      ask => counted(running, 'stored', maxStored, done => storedOf(parts, ask, done)),
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
      ask => counted(running, 'made', maxMade, done => madeOf(parts, ask, done)),
    ),
  ]
}

/** `work` calls what it is given when the last byte is gone; if it refuses or throws, that is done for it. */
async function counted(
  running: Record<'made' | 'stored', number>,
  kind: 'made' | 'stored',
  most: number,
  work: (done: () => void) => Promise<Answer>,
): Promise<Answer> {
  if (running[kind] >= most) return new Refused(tooBusy)
  running[kind] += 1
  let isDone = false
  const done = (): void => {
    if (!isDone) running[kind] -= 1
    isDone = true
  }
  try {
    const answer = await work(done)
    if (answer instanceof Refused) done()
    return answer
  } catch (cause) {
    done()
    throw cause
  }
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
    return c.body(Readable.toWeb(file) as ReadableStream, 200, {
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
    return c.body(stream, 200, {
      'Content-Type': kind.contentType,
      'Content-Security-Policy': "default-src 'none'; sandbox",
      ...named(`${row.id}.${kind.suffix}`),
    })
  } catch (cause) {
    held.release()
    throw cause
  }
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
