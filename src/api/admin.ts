import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import { z } from 'zod'
import { purposes } from '../credentials/key-list.ts'
import { reasonOf } from '../errors.ts'
import type { AdminDeps } from './deps.ts'
import { addFindingRoutes } from './finding-routes.ts'
import { watchSession } from './watch-route.ts'
import { metricsAnswer } from './metrics-route.ts'
import { type Problem, problemDocument, problemOf } from './problem.ts'
import { addNotifyRoutes } from './notify-routes.ts'
import { ReadTickets } from './read-tickets.ts'
import { addSearchRoutes } from './search-routes.ts'
import { sentence } from './sentence.ts'
import { addRetentionRoutes } from './retention-routes.ts'
import { type PurgedView, purgedText } from '../recorder/retention/view.ts'

/** Rows in one answer. */
const maxRows = 1000

/** Bytes of a request: a sentence. */
const maxBodyBytes = 16 * 1024

const endBody = z.strictObject({ reason: sentence })
/** `signed`: with the proof of who reads, for a bundle. */
const readBody = z.strictObject({ purpose: sentence, signed: z.boolean().default(false) })
const purpose = z.enum(purposes)
const keyBody = z.intersection(
  z.discriminatedUnion('change', [
    z.object({ change: z.literal('rotate'), purpose, overlapMs: z.number().nonnegative().optional() }),
    z.object({ change: z.literal('activate'), purpose }),
    z.object({
      change: z.literal('revoke'),
      keyId: sentence,
      why: sentence,
      sinceMs: z.number().nonnegative().optional(),
    }),
  ]),
  z.object({ by: sentence }),
)
/** Of recordings whose readers are done with them. */
const doneBody = z.strictObject({ tickets: z.array(z.int()).max(maxRows) })
const listQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(maxRows).default(100),
  state: z.enum(['open', 'ended', 'interrupted']).optional(),
})

const texts = z.strictObject({
  is: z.array(z.string().min(1).max(300)).max(50),
  not: z.array(z.string().min(1).max(300)).max(50),
})
const findBody = z.strictObject({
  filter: z.strictObject({
    fromMs: z.int().optional(),
    toMs: z.int().optional(),
    among: z.strictObject({
      principalName: texts.optional(),
      target: texts.optional(),
      protocol: texts.optional(),
    }),
    states: z.array(z.enum(['open', 'ended', 'terminated', 'interrupted'])).optional(),
  }),
  limit: z.int().min(1).max(maxRows),
  before: z.strictObject({ openedAtMs: z.int(), id: z.string().max(64) }).optional(),
})

/**
 * What the command line asks of a running gateway. Speaks over a socket in the data folder only: whoever the operating system
 * lets open that may do all of this, so nothing here asks who it is.
 */
export function createAdmin(deps: AdminDeps): Hono {
  const app = new Hono()
  const tickets = new ReadTickets()
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: c => problemDocument(c, tooLarge),
    }),
  )
  app.get('/sessions', c => listSessions(c, deps))
  app.post('/sessions/find', c => findSessions(c, deps))
  app.get('/sessions/:id', c => oneSession(c, deps, c.req.param('id')))
  app.get('/sessions/:id/watch', c => watchSession(c, deps, c.req.param('id')))
  app.post('/sessions/:id/end', c => endSession(c, deps, c.req.param('id')))
  app.post('/recordings/:id/read', c => readRecording(c, deps, tickets, c.req.param('id')))
  app.post('/recordings/done', async c => {
    for (const ticket of doneBody.parse(await bodyOf(c)).tickets) tickets.release(ticket)
    return c.json({})
  })
  app.post('/reload', c => reload(c, deps))
  app.post('/keys', c => changeKeys(c, deps))
  app.post('/sweep', async c => c.json(await deps.sweep()))
  app.get('/metrics', async c => metricsAnswer(c, await deps.metrics()))
  app.post('/probe', async c => c.json({ results: await deps.probe() }))
  addRetentionRoutes(app, deps.retention, bodyOf)
  addFindingRoutes(app, deps.findings, bodyOf)
  addSearchRoutes(app, deps.analysis, deps.audit, bodyOf)
  addNotifyRoutes(app, deps.notify, bodyOf)
  app.notFound(c => problemDocument(c, noSession))
  app.onError((thrown, c) => {
    if (thrown instanceof z.ZodError) return problemDocument(c, badRequest(z.prettifyError(thrown)))
    if (thrown instanceof HTTPException) return problemDocument(c, badRequest(thrown.message))
    deps.log.error({ reason: reasonOf(thrown) }, 'admin: a request failed')
    return problemDocument(c, problemOf(thrown))
  })
  return app
}

const tooLarge: Problem = {
  status: 413,
  title: 'Too large',
  detail: `Requests here are at most ${maxBodyBytes} bytes.`,
}

const noSession: Problem = {
  status: 404,
  title: 'Not found',
  detail: 'There is no such session. "sallyport sessions list" shows all.',
}

const notOpen: Problem = {
  status: 404,
  title: 'Not open',
  detail:
    'No such session is open on this gateway. "sallyport sessions list --state open" shows those that are.',
}

/** Not "not found": it was there, and this is why it is not any more. */
function purgedProblem(purged: PurgedView): Problem {
  return { status: 410, title: 'Removed', detail: purgedText(purged) }
}

function badRequest(detail: string): Problem {
  return { status: 400, title: 'Bad request', detail }
}

async function listSessions(c: Context, deps: AdminDeps): Promise<Response> {
  const { limit, state } = listQuery.parse(c.req.query())
  const sessions = await deps.store.sessions.list({ limit, ...(state === undefined ? {} : { state }) })
  return c.json({ sessions })
}

async function findSessions(c: Context, deps: AdminDeps): Promise<Response> {
  const { filter, ...wish } = findBody.parse(await bodyOf(c))
  return c.json(await deps.catalogue.page({ ...wish, filter: { ...filter, visible: { kind: 'all' } } }))
}

async function oneSession(c: Context, deps: AdminDeps, id: string): Promise<Response> {
  const row = await deps.store.sessions.get(id)
  if (row === undefined) return problemDocument(c, noSession)
  const [kept] = await deps.retention.viewsOf([row])
  return c.json({ ...row, kept })
}

async function endSession(c: Context, deps: AdminDeps, id: string): Promise<Response> {
  const { reason } = endBody.parse(await bodyOf(c))
  return deps.live.end(id, reason, 'an operator') ? c.json({ ended: id }) : problemDocument(c, notOpen)
}

/** The path of a recording, after the reading is in the audit log; if it cannot be, nobody learns the path. */
async function readRecording(
  c: Context,
  deps: AdminDeps,
  tickets: ReadTickets,
  id: string,
): Promise<Response> {
  const { purpose, signed } = readBody.parse(await bodyOf(c))
  const row = await deps.store.sessions.get(id)
  if (row === undefined) return problemDocument(c, noSession)
  const [kept] = await deps.retention.viewsOf([row])
  if (kept?.purged !== undefined) return problemDocument(c, purgedProblem(kept.purged))
  const { path, release } = await deps.recordings.fetch(row.recording)
  const event = { kind: 'recording-read', session: id, purpose, by: 'admin socket' } as const
  try {
    const proof = signed ? { signed: await deps.appendSigned(event) } : deps.audit.append(event)
    return c.json({ path, ticket: tickets.keep(release), ...proof })
  } catch (cause) {
    release()
    throw cause
  }
}

async function changeKeys(c: Context, deps: AdminDeps): Promise<Response> {
  const { by, ...ask } = keyBody.parse(await bodyOf(c))
  return c.json({ changes: await deps.changeKeys(ask, by) })
}

async function reload(c: Context, deps: AdminDeps): Promise<Response> {
  const result = await deps.reload()
  if (result.ok) return c.json({ endedSessions: result.endedSessions })
  return problemDocument(c, { status: 422, title: 'Nothing was changed', detail: result.problems })
}

/** JSON, or an empty object where there is no body; text that is no JSON is an answer to the asker, not a fault. */
async function bodyOf(c: Context): Promise<unknown> {
  try {
    return JSON.parse((await c.req.text()) || '{}')
  } catch {
    throw new HTTPException(400, { message: 'The body is not JSON.' })
  }
}
