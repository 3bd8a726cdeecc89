/** One box over commands, statements, screens, files, people and targets, of what the asker may see and nothing else. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Found } from '../../analysis/index/search-types.ts'
import { mayReview } from '../../policy/review.ts'
import type { SearchHit, SearchPage } from '../schema.ts'
import type { ApiParts } from './deps.ts'
import { cursor, limit, several } from './fields.ts'
import { namedSessions } from './named-sessions.ts'
import { who } from './review-routes.ts'
import { type Ask, Refused, route, type Route } from './route.ts'
import { searchPage } from './shapes.ts'
import { sessionOfNobody } from '../../store/session-of-nobody.ts'

/** Characters of what somebody looks for. */
const maxQuery = 1000
/** The same search by the same person is noted once an hour (decision 253), in microseconds. */
const againAfterUs = 3_600_000_000
const maxRemembered = 20_000

const query = z.strictObject({
  q: z.string().min(1).max(maxQuery),
  kind: several(z.enum(['command', 'statement', 'file', 'screen', 'forward'])),
  session: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no id of a session')
    .optional(),
  cursor,
  limit,
})
type Query = z.output<typeof query>

const noIndex = new Refused({
  status: 503,
  title: 'No index',
  detail: 'There is nothing to search in on this gateway: its index is not running.',
})

export function searchRoutes(parts: ApiParts): readonly Route[] {
  const noted = new NotedSearches(parts)
  return [
    route(
      'reviewer',
      {
        method: 'GET',
        path: '/search',
        summary: 'Looks for words in what was done and shown; docs/search.md has the language',
        weight: 'heavy',
        query,
        answer: searchPage,
      },
      ask => search(parts, noted, ask),
    ),
  ]
}

async function search(
  parts: ApiParts,
  noted: NotedSearches,
  { person, query: { q, kind, session, cursor: at, limit: most } }: Ask<Query>,
): Promise<SearchPage | Refused> {
  const { index } = parts
  if (index === undefined) return noIndex
  noted.note({ ...who(person), sourceAddress: person.sourceAddress }, q, session)
  const policy = parts.policy()
  const targets = (await index.targets()).filter(
    ({ protocol, name }) => mayReview(policy, person.principal, sessionOfNobody(protocol, name)).allowed,
  )
  const { issuer, subject } = person.principal.fields
  const wish = {
    text: q,
    scope: { targets, except: [{ issuer, subject }] },
    limit: most,
    ...(kind === undefined ? {} : { kinds: kind }),
    ...(session === undefined ? {} : { session }),
    ...(at === undefined ? {} : { cursor: at }),
  }
  const found = await index.search(wish, person.key)
  if (!found.ok) return new Refused({ status: 400, title: 'Not a search', detail: found.problem })
  const { items, next, ...about } = found.page
  const isForNames = at === undefined && kind === undefined && session === undefined
  const named = isForNames ? await namedSessions(parts, person, q, parts.clock.nowMs()) : undefined
  return {
    ...about,
    items: items.map(hitOf),
    ...(named === undefined ? {} : { named }),
    ...(next === undefined ? {} : { next }),
  }
}

function hitOf({ session, entry, kind, atMs, offsetMs, principal, target, text, marks }: Found): SearchHit {
  return { session, entry, kind, atMs, offsetMs, principal, target, text, marks }
}

/** Before anything is found: a search reads what it finds. */
class NotedSearches {
  readonly #parts: Pick<ApiParts, 'audit' | 'clock'>
  readonly #noted = new Map<string, number>()

  constructor(parts: Pick<ApiParts, 'audit' | 'clock'>) {
    this.#parts = parts
  }

  note(
    asker: ReturnType<typeof who> & { readonly sourceAddress: string },
    text: string,
    session: string | undefined,
  ): void {
    const key = createHash('sha256')
      .update(JSON.stringify([asker.issuer, asker.subject, text, session]))
      .digest('base64')
    const nowUs = this.#parts.clock.monotonicUs()
    const notedAtUs = this.#noted.get(key)
    if (notedAtUs !== undefined && nowUs - notedAtUs < againAfterUs) return
    this.#parts.audit.append({
      kind: 'search',
      query: text,
      ...(session === undefined ? {} : { session }),
      ...asker,
    })
    this.#noted.delete(key)
    this.#noted.set(key, nowUs)
    for (const oldest of this.#noted.keys()) if (this.#noted.size > maxRemembered) this.#noted.delete(oldest)
  }
}
