/** `GET /metrics` on the web pages: for whoever has the token of `web.metrics`. Without one, there is no such page. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Context } from 'hono'
import { notFound, type WebApp, type WebParts } from './answers.ts'
import { type Problem, problemDocument } from './problem.ts'

const wrongToken: Problem = {
  status: 401,
  title: 'No access',
  detail: 'Send the token of web.metrics as "Authorization: Bearer TOKEN".',
}

export function addMetricsRoute(app: WebApp, parts: WebParts): void {
  app.get('/metrics', async c => {
    const token = parts.metricsToken?.()
    if (token === undefined || parts.metrics === undefined) return problemDocument(c, notFound)
    if (!isSame(c.req.header('authorization') ?? '', `Bearer ${token.reveal()}`))
      return problemDocument(c, wrongToken)
    return metricsAnswer(c, await parts.metrics())
  })
}

export function metricsAnswer(c: Context, text: string): Response {
  return c.body(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
}

/** In the same time, whatever was sent. */
function isSame(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
