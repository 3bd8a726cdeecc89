import type { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { reasonOf } from '../errors.ts'
import type { NodeEnv, WebContext } from './browser.ts'
import type { FormTokens } from './csrf.ts'
import type { WebDeps } from './deps.ts'
import type { Flows } from './flows.ts'
import { messagePage } from './pages/message.ts'
import { type Problem, problemDocument, problemOf } from './problem.ts'

export type WebApp = Hono<NodeEnv>

/** What the routes share. */
export type WebParts = WebDeps & { readonly flows: Flows; readonly formTokens: FormTokens }

/** Nothing is here, or nothing that the asker may see: the two answer alike. */
export const notFound: Problem = {
  status: 404,
  title: 'Not found',
  detail: 'There is nothing here, or nothing that you may see.',
}

/** A page for people, a problem document for programs. */
export function answerProblem(
  c: WebContext,
  parts: WebParts,
  problem: Problem,
): Response | Promise<Response> {
  if (wantsJson(c) || c.req.path.startsWith('/api/')) return problemDocument(c, problem)
  const page = messagePage(parts, { title: problem.title, text: problem.detail })
  return c.html(page, problem.status)
}

export function answerThrown(c: WebContext, parts: WebParts, thrown: unknown): Response | Promise<Response> {
  if (thrown instanceof HTTPException)
    return answerProblem(c, parts, {
      ...notFound,
      status: 400,
      title: 'Bad request',
      detail: 'The request could not be read.',
    })
  const problem = problemOf(thrown)
  parts.log.error({ reason: reasonOf(thrown), status: problem.status }, 'web: a request failed')
  return answerProblem(c, parts, problem)
}

function wantsJson(c: WebContext): boolean {
  const accept = c.req.header('accept') ?? ''
  return accept.includes('json') && !accept.includes('text/html')
}
