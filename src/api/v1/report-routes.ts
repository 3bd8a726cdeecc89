/** The evidence report of a session. */
import type { Entry } from '../../analysis/entry.ts'
import type { SessionRow } from '../../model.ts'
import type { ApiParts } from './deps.ts'
import { askerOf } from './finding-routes.ts'
import { holdRecording } from './recordings.ts'
import { reportPage } from './report-page.ts'
import { reportPolicy } from './report-style.ts'
import { commentOf, watchedOf } from './review-routes.ts'
import { type Answer, Refused, type Route, type SessionAsk, sessionRoute } from './route.ts'
import { detailOf } from './session-detail.ts'

/** Rows of the table of a report: two hundred pages. */
const maxEntries = 5000
const maxFindings = 200

export function reportRoutes(parts: ApiParts): readonly Route[] {
  return [
    sessionRoute(
      {
        method: 'GET',
        path: '/sessions/:id/report',
        summary: 'The evidence report, one page to print',
        weight: 'heavy',
        answer: { contentType: 'text/html', what: 'A page without any script' },
      },
      ask => reportOf(parts, ask),
    ),
  ]
}

async function reportOf(parts: ApiParts, ask: SessionAsk): Promise<Answer> {
  const { row, person, c } = ask
  await parts.readings.noteEach(row, person, 'report')
  const detail = await detailOf(parts, ask)
  const asker = askerOf(person)
  const found = await parts.findings?.list({ session: [row.id], place: 'all', limit: maxFindings }, asker)
  const done = detail.encrypted ? noEntries : await entriesOf(parts, row)
  const page = reportPage({
    detail,
    ...done,
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

type Entries = { readonly entries: readonly Entry[]; readonly more: number }
const noEntries: Entries = { entries: [], more: 0 }

/** Of a recording that is gone there is nothing to tell, and the report says that it is gone. */
async function entriesOf(parts: ApiParts, row: SessionRow): Promise<Entries> {
  const held = await holdRecording(parts, row)
  if (held instanceof Refused) return noEntries
  try {
    const kinds = ['command', 'statement', 'file', 'forward'] as const
    const { items, total } = await parts.reading.ask({
      do: 'entries',
      file: held.path,
      kinds,
      from: 0,
      limit: maxEntries,
    })
    return { entries: items, more: total - items.length }
  } finally {
    held.release()
  }
}
