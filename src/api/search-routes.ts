/** Searching over the admin socket: what `sallyport search` and `sallyport reindex` ask for. */
import type { Hono } from 'hono'
import { z } from 'zod'
import { kinds } from '../analysis/index/schema.ts'
import type { SearchThread } from '../analysis/index/search-thread.ts'
import type { AdminDeps } from './deps.ts'
import { problemDocument } from './problem.ts'

export type SearchDoor = {
  readonly search: Pick<SearchThread, 'search' | 'progress'>
  /** Reads all recordings again. False where none are read at all. */
  readonly reindex: () => Promise<boolean>
}

const searchQuery = z.strictObject({
  q: z.string().max(1000),
  by: z.string().trim().min(1).max(200),
  kind: z.enum(kinds as [string, ...string[]]).optional(),
  session: z.string().max(64).optional(),
  cursor: z.string().max(20).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
})
const byBody = z.strictObject({ by: z.string().trim().min(1).max(200) })

export function addSearchRoutes(
  app: Hono,
  door: SearchDoor,
  audit: AdminDeps['audit'],
  bodyOf: (c: Parameters<typeof problemDocument>[0]) => Promise<unknown>,
): void {
  app.get('/search', async c => {
    const { q: text, by, kind, session, cursor, limit } = searchQuery.parse(c.req.query())
    audit.append({ kind: 'search', query: text, by, ...(session === undefined ? {} : { session }) })
    const wish = {
      text,
      scope: { targets: 'all' as const },
      limit,
      ...(kind === undefined ? {} : { kinds: kinds.filter(each => each === kind) }),
      ...(session === undefined ? {} : { session }),
      ...(cursor === undefined ? {} : { cursor }),
    }
    const answer = await door.search.search(wish, `local ${by}`)
    if (answer.ok) return c.json(answer.page)
    return problemDocument(c, { status: 400, title: 'This search cannot be used', detail: answer.problem })
  })
  app.get('/index', async c => c.json(await door.search.progress()))
  app.post('/index/rebuild', async c => {
    const { by } = byBody.parse(await bodyOf(c))
    audit.append({ kind: 'index-rebuilt', by })
    const begun = await door.reindex()
    if (begun) return c.json(await door.search.progress())
    const detail = 'Recordings are not read for searching here: analysis.index is false.'
    return problemDocument(c, { status: 404, title: 'No index', detail })
  })
}
