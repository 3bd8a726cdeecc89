/** What is stored about who asks, what they have to say about it, and the lists that they come back to. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { RateLimit } from '../rate-limit.ts'
import type { OwnData, SavedView } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { prose, line } from './fields.ts'
import { said } from './finding-routes.ts'
import { conflict, notThere, tooManyRequests } from './refusals.ts'
import { who } from './review-routes.ts'
import { type Ask, type Asking, Refused, route, type Route } from './route.ts'
import { ownData, savedView } from './shapes.ts'

/** What one person says about findings and sessions of theirs in a minute: the audit log keeps all of it. */
const contestsPerMinute = 10
/** Readings of one's sessions that are shown. */
const maxShownReadings = 500
/** Lists that one person keeps. */
const maxViews = 50
/** Characters of the filters of one list, as in an address. */
const maxQuery = 2000

const id = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no id')
const contestBody = z
  .strictObject({ finding: id.optional(), session: id.optional(), text: prose(4000) })
  .refine(({ finding, session }) => (finding === undefined) !== (session === undefined), {
    message: 'say either which finding or which session',
    path: ['finding'],
  })
const viewBody = z.strictObject({
  name: line(100),
  page: z.enum(['sessions', 'findings', 'search']),
  query: z
    .string()
    .max(maxQuery)
    .regex(/^[\w!$&'()*+,./:;=?@~%-]*$/, 'is not what stands in an address'),
})

export function ownRoutes(parts: ApiParts): readonly Route[] {
  const contests = new RateLimit(contestsPerMinute, parts.clock)
  return [
    route(
      'person',
      { method: 'GET', path: '/me/data', summary: 'What is stored about you', answer: ownData },
      ({ person }) => dataOf(parts, person),
    ),
    route(
      'person',
      {
        method: 'POST',
        path: '/me/contest',
        summary: 'Say what you think of a finding about you, or of a session of yours',
        body: contestBody,
        answer: undefined,
      },
      ask => (contests.allows(ask.person.key) ? contest(parts, ask) : new Refused(tooManyRequests)),
    ),
    ...viewRoutes(parts),
  ]
}

async function dataOf(parts: ApiParts, { principal }: Asking): Promise<OwnData> {
  const own = await parts.findings?.ownRecord(principal)
  const read = await parts.reviews.readingsAbout(principal.fields, maxShownReadings)
  return {
    categories: own?.categories ?? [],
    ...(own?.baseline === undefined ? {} : { baseline: own.baseline }),
    findings: own?.findings ?? [],
    views: read.map(({ atMs, name, session, purpose }) => ({ atMs, by: name, session, purpose })),
  }
}

async function contest(
  parts: ApiParts,
  { person, body }: Ask<unknown, z.output<typeof contestBody>>,
): Promise<Refused | undefined> {
  const { finding, session, text } = body
  if (parts.findings === undefined) return notThere
  const wish = {
    ...(finding === undefined ? {} : { finding }),
    ...(session === undefined ? {} : { session }),
    text,
  }
  return said(await parts.findings.contest(person.principal, wish))
}

function viewRoutes(parts: ApiParts): readonly Route[] {
  return [
    route(
      'person',
      { method: 'GET', path: '/me/views', summary: 'Lists that you keep', answer: z.array(savedView) },
      async ({ person }) => (await parts.reviews.viewsOf(who(person))).map(viewOf),
    ),
    route(
      'person',
      { method: 'POST', path: '/me/views', summary: 'Keep a list', body: viewBody, answer: savedView },
      ask => keepView(parts, ask),
    ),
    route(
      'person',
      { method: 'DELETE', path: '/me/views/:view', summary: 'Keep it no longer', answer: undefined },
      async ({ person, params }) =>
        (await parts.reviews.removeView(params['view'] ?? '', who(person))) ? undefined : notThere,
    ),
  ]
}

async function keepView(
  parts: ApiParts,
  { person, body }: Ask<unknown, z.output<typeof viewBody>>,
): Promise<SavedView | Refused> {
  const { issuer, subject } = who(person)
  const row = { id: randomUUID(), issuer, subject, ...body, createdAtMs: parts.clock.nowMs() }
  const isKept = await parts.reviews.saveView(row, maxViews)
  return isKept
    ? viewOf(row)
    : conflict('Too many', `You keep ${maxViews} lists already. Remove one that you do not need.`)
}

function viewOf({
  id: viewId,
  name,
  page,
  query,
}: {
  readonly id: string
  readonly name: string
  readonly page: string
  readonly query: string
}): SavedView {
  return { id: viewId, name, page, query }
}
