/** The evidence report of a session. */
import { z } from 'zod'
import type { Entry } from '../../analysis/entry.ts'
import type { SessionRow } from '../../model.ts'
import type { ApiParts } from './deps.ts'
import { askerOf } from './finding-routes.ts'
import { several, whole } from './fields.ts'
import { madeIndex } from './keyframe-index.ts'
import { printWaitMs } from './recording-checks.ts'
import { holdRecording } from './recordings.ts'
import { type ReportFrame, reportPage } from './report-page.ts'
import { reportPolicy } from './report-style.ts'
import { commentOf, watchedOf } from './review-routes.ts'
import type { FindingSummary } from '../schema.ts'
import { type Answer, Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'
import { detailOf } from './session-detail.ts'

/** Rows of the table of a report: two hundred pages. */
const maxEntries = 5000
const maxFindings = 200
/** Screens of one report: some pages. */
const maxFrames = 20
/** Findings so near to each other have one screen. Milliseconds. */
const nearMs = 1000
/** No session lasts longer. Milliseconds. */
const maxOffsetMs = 366 * 86_400_000

/** `frames`: moments whose screens are printed, in milliseconds since the opening. */
const reportQuery = z.strictObject({ frames: several(whole(0, maxOffsetMs), maxFrames) })
type ReportAsk = SessionAsk<z.output<typeof reportQuery>>

export function reportRoutes(parts: ApiParts): readonly Route[] {
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/report',
        summary: 'The evidence report, one page to print',
        weight: 'heavy',
        query: reportQuery,
        answer: { contentType: 'text/html', what: 'A page without any script' },
      },
      ask => reportOf(parts, ask),
    ),
  ]
}

async function reportOf(parts: ApiParts, ask: ReportAsk): Promise<Answer> {
  const { row, person, c } = ask
  await parts.readings.noteEach(row, person, 'report')
  const detail = await detailOf(parts, ask, printWaitMs)
  const asker = askerOf(person)
  const found = await parts.findings?.list({ session: [row.id], place: 'all', limit: maxFindings }, asker)
  const moments = ask.query.frames?.map(offsetMs => ({ offsetMs })) ?? momentsOf(row, found?.items ?? [])
  const read = detail.encrypted ? nothingRead : await readOf(parts, row, moments)
  const page = reportPage({
    detail,
    ...read,
    isAskedForFrames: ask.query.frames !== undefined,
    findings: found?.items ?? [],
    areMoreFindings: found?.next !== undefined,
    comments: (await parts.reviews.commentsOf(row.id)).map(commentOf),
    watched: (await parts.reviews.watchedOf(row.id)).map(watchedOf),
    gatewayName: parts.gatewayName,
    webUrl: parts.webUrl,
    madeBy: person.name,
    madeAtMs: parts.clock.nowMs(),
  })
  c.header('Content-Security-Policy', reportPolicy)
  return await c.html(page)
}

type Moment = Pick<ReportFrame, 'offsetMs' | 'why'>

/** What findings are about: the first ones, as they are in the order of time. */
function momentsOf({ openedAtMs }: SessionRow, findings: readonly FindingSummary[]): readonly Moment[] {
  const moments: { offsetMs: number; why: string[] }[] = []
  for (const { atMs, sentence } of findings.toSorted((a, b) => a.atMs - b.atMs)) {
    const offsetMs = Math.max(0, atMs - openedAtMs)
    const last = moments.at(-1)
    if (last !== undefined && offsetMs - last.offsetMs < nearMs) last.why.push(sentence)
    else moments.push({ offsetMs, why: [sentence] })
  }
  return moments.slice(0, maxFrames)
}

type Read = {
  readonly entries: readonly Entry[]
  readonly more: number
  readonly frames: readonly ReportFrame[]
}
const nothingRead: Read = { entries: [], more: 0, frames: [] }

/** Of a recording that is gone there is nothing to tell, and the report says that it is gone. */
async function readOf(parts: ApiParts, row: SessionRow, moments: readonly Moment[]): Promise<Read> {
  const held = await holdRecording(parts, row)
  if (held instanceof Refused) return nothingRead
  try {
    const kinds = ['command', 'statement', 'file', 'forward'] as const
    const { items, total } = await parts.reading.ask({
      do: 'entries',
      file: held.path,
      kinds,
      from: 0,
      limit: maxEntries,
    })
    const frames = row.protocol === 'ssh' ? await framesOf(parts, row, held.path, moments) : []
    return { entries: items, more: total - items.length, frames }
  } finally {
    held.release()
  }
}

/** In the order of time, whoever chose them. */
async function framesOf(
  parts: ApiParts,
  row: SessionRow,
  file: string,
  wanted: readonly Moment[],
): Promise<readonly ReportFrame[]> {
  if (wanted.length === 0) return []
  const { bytesBehind } = await parts.reading.ask({ do: 'replay', file })
  if (bytesBehind > 0 && row.state !== 'open') await madeIndex(parts, file)
  const moments = wanted.toSorted((a, b) => a.offsetMs - b.offsetMs)
  const drawn = await parts.reading.ask({
    do: 'screens',
    file,
    moments: moments.map(({ offsetMs }) => offsetMs),
  })
  return (drawn ?? []).flatMap(({ screens, isTooFar }, at) => {
    const moment = moments[at]
    return moment === undefined ? [] : [{ ...moment, screens, isTooFar }]
  })
}
