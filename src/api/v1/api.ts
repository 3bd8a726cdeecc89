/** `/api/v1`: mounts the table of routes. What every route has in common is here, so that no route can forget it. */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { reasonOf } from '../../errors.ts'
import { reviewsAnything } from '../../policy/review.ts'
import { browserAddress, type NodeEnv, type WebContext } from '../browser.ts'
import { problemDocument, problemOf } from '../problem.ts'
import { RateLimit } from '../rate-limit.ts'
import { authenticate, isOwnRequest } from './authenticate.ts'
import type { WebParts } from '../answers.ts'
import type { ApiDeps, ApiParts } from './deps.ts'
import { badQuery, readBody, readQuery } from './read.ts'
import { RecordingChecks } from './recording-checks.ts'
import { Readings } from './readings.ts'
import { ReadingThreads } from './replay/reading-thread.ts'
import { nothingHere, notOurPage, notReviewer, tooManyRequests } from './refusals.ts'
import { type Asking, Refused, type Route, type SessionAsk } from './route.ts'
import { allRoutes } from './routes.ts'
import { TokenGuesses } from './token-guesses.ts'

/** Requests of one person in a minute: a page at work asks for some tens, playing fast for some hundreds. */
const perMinute = { light: 1200, heavy: 600 }
/** Of one source that did not say who it is, or not truly: programs that guess. */
const strangersPerMinute = 120

export const apiBase = '/api/v1'

export function createApi(deps: WebParts & ApiDeps): Hono<NodeEnv> {
  const parts: ApiParts = {
    ...deps,
    readings: new Readings(deps),
    reading: new ReadingThreads(),
    checks: new RecordingChecks(deps),
  }
  const app = new Hono<NodeEnv>()
  const limits: Limits = {
    light: new RateLimit((deps.perMinute ?? perMinute).light, parts.clock),
    heavy: new RateLimit((deps.perMinute ?? perMinute).heavy, parts.clock),
    strangers: new TokenGuesses(strangersPerMinute, parts.clock),
  }
  for (const route of allRoutes(parts))
    app.on(route.method, route.path, c => answer(c as WebContext, parts, limits, route))
  app.notFound(c => problemDocument(c, nothingHere))
  app.onError((thrown, c) => {
    if (thrown instanceof HTTPException && thrown.status < 500)
      return problemDocument(c, {
        status: 400,
        title: 'Bad request',
        detail: 'The request could not be read.',
      })
    const problem = problemOf(thrown)
    parts.log.error({ reason: reasonOf(thrown), status: problem.status }, 'api: a request failed')
    return problemDocument(c, problem)
  })
  return app
}

type Limits = Readonly<Record<'light' | 'heavy', RateLimit>> & { readonly strangers: TokenGuesses }

async function answer(c: WebContext, parts: ApiParts, limits: Limits, route: Route): Promise<Response> {
  const authorization = c.req.header('authorization')
  if (!limits.strangers.mayTry(browserAddress(c, parts), authorization))
    return problemDocument(c, tooManyRequests)
  const person = await authenticate(c, parts)
  if (person instanceof Refused) return refuseStranger(c, parts, limits, person)
  limits.strangers.knows(authorization)
  if (!limits[route.weight].allows(person.key)) return problemDocument(c, tooManyRequests)
  if (!isOwnRequest(c, parts, route.method, person)) return problemDocument(c, notOurPage)
  const row = await permitted(c, parts, route, person)
  if (row instanceof Refused) return problemDocument(c, row.problem)
  const query = readQuery(c, route.query)
  if (!query.ok) return badQuery(c, query.problems)
  const body = await readBody(c, route.body)
  if (!body.ok) return badQuery(c, body.problems)
  const params: Readonly<Record<string, string>> = c.req.param()
  const ask = { c, person, params, query: query.value, body: body.value, row, signal: c.req.raw.signal }
  return respond(c, await route.handle(ask as SessionAsk))
}

function refuseStranger(c: WebContext, parts: ApiParts, limits: Limits, { problem }: Refused): Response {
  if (!limits.strangers.refused(browserAddress(c, parts))) return problemDocument(c, tooManyRequests)
  if (parts.bearer !== undefined) c.header('WWW-Authenticate', 'Bearer')
  return problemDocument(c, problem)
}

/** The row that the route is about, if it is about one. Before anything else of the request is read: who may not see it learns nothing. */
async function permitted(
  c: WebContext,
  parts: ApiParts,
  { access }: Route,
  { principal }: Asking,
): Promise<Refused | Awaited<ReturnType<typeof findSession>>> {
  if (access === 'person') return undefined
  if (access === 'reviewer')
    return reviewsAnything(parts.policy(), principal) ? undefined : new Refused(notReviewer)
  const row = await findSession(parts, c.req.param('id'))
  return row !== undefined && parts.mayReview(principal, row) ? row : new Refused(nothingHere)
}

const sessionIdShape = /^[A-Za-z0-9_-]{1,64}$/

async function findSession(parts: ApiParts, id: string | undefined) {
  return id !== undefined && sessionIdShape.test(id) ? await parts.store.sessions.get(id) : undefined
}

function respond(c: WebContext, said: Awaited<ReturnType<Route['handle']>>): Response {
  if (said instanceof Response) return said
  if (said instanceof Refused) return problemDocument(c, said.problem)
  return said === undefined ? c.body(null, 204) : c.json(said)
}
