/** One table of routes drives routing, authorization, the OpenAPI document and the tests: what a route is. */
import type { z } from 'zod'
import type { Principal } from '../../identity/principal.ts'
import type { SessionRow } from '../../model.ts'
import type { WebContext } from '../browser.ts'
import type { Problem } from '../problem.ts'

/**
 * Who may ask: `person`, whoever is signed in, about themselves; `reviewer`, whoever reviews anything, and of each thing only what they may see;
 * `session`, whoever reviews the session that the address names, which for everybody else is not there.
 */
export type Access = 'person' | 'reviewer' | 'session'

/** How an answer that is not JSON is described. */
export type Raw = { readonly contentType: string; readonly what: string }

/** What one request costs others: `light` reads rows; `heavy` reads recordings in a thread, or makes something of them. */
export type Weight = 'light' | 'heavy'

/** Who asks, proven by a cookie or by an access token. */
export type Asking = {
  readonly principal: Principal
  /** As `principalKey` gives it. */
  readonly key: string
  readonly name: string
  readonly sourceAddress: string
  /** Of the browser's sign-in; undefined for a tool with a token. */
  readonly cookie: string | undefined
}

export type Ask<Query = unknown, Body = unknown> = {
  readonly c: WebContext
  readonly person: Asking
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly body: Body
  /** Aborted when the asker is gone. */
  readonly signal: AbortSignal
}
export type SessionAsk<Query = unknown, Body = unknown> = Ask<Query, Body> & { readonly row: SessionRow }

/** No, and why. */
export class Refused {
  readonly problem: Problem
  constructor(problem: Problem) {
    this.problem = problem
  }
}

/** An object is answered as JSON, undefined as 204. */
export type Answer = object | Response | Refused | undefined

export type Method = 'GET' | 'POST' | 'DELETE'

type About<Query extends z.ZodType, Body extends z.ZodType> = {
  readonly method: Method
  /** Below `/api/v1`, with `:name` for what varies. */
  readonly path: string
  readonly summary: string
  readonly weight?: Weight
  readonly query?: Query
  readonly body?: Body
  /** Undefined: there is nothing to say (204). */
  readonly answer: z.ZodType | Raw | undefined
}

export type Route = {
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly access: Access
  readonly weight: Weight
  readonly query: z.ZodType | undefined
  readonly body: z.ZodType | undefined
  readonly answer: z.ZodType | Raw | undefined
  /** `row` is there if the access is `session`. */
  readonly handle: (ask: SessionAsk) => Answer | Promise<Answer>
}

export function route<Query extends z.ZodType, Body extends z.ZodType>(
  access: Exclude<Access, 'session'>,
  about: About<Query, Body>,
  handle: (ask: Ask<z.output<Query>, z.output<Body>>) => Answer | Promise<Answer>,
): Route {
  return routeOf(access, about, handle as Route['handle'])
}

/** Of one session: `:id` in the path. */
export function sessionRoute<Query extends z.ZodType, Body extends z.ZodType>(
  about: About<Query, Body>,
  handle: (ask: SessionAsk<z.output<Query>, z.output<Body>>) => Answer | Promise<Answer>,
): Route {
  return routeOf('session', about, handle as Route['handle'])
}

function routeOf(access: Access, about: About<z.ZodType, z.ZodType>, handle: Route['handle']): Route {
  const { method, path, summary, weight = 'light', query, body, answer } = about
  return { method, path, summary, access, weight, query, body, answer, handle }
}
