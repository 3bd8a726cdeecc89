import { Hono } from 'hono'
import { limitBodies } from './body-limit.ts'
import type { NodeEnv, WebContext } from './browser.ts'
import { FormTokens } from './csrf.ts'
import type { WebDeps } from './deps.ts'
import { Flows } from './flows.ts'
import { securityHeaders } from './headers.ts'
import { answerProblem, answerThrown, notFound, type WebApp, type WebParts } from './answers.ts'
import { addAppFiles } from './app-files.ts'
import { addConnectRoutes } from './connect-routes.ts'
import { addEncryptedRoutes } from './encrypted-routes.ts'
import { addKeyRoutes } from './key-routes.ts'
import { addMetricsRoute } from './metrics-route.ts'
import { addSessionRoutes } from './session-routes.ts'
import { addSignInRoutes } from './sign-in-routes.ts'
import { apiBase, createApi } from './v1/api.ts'
import { addTokenRoute } from './token-route.ts'
import { styleSheet } from './style.ts'

/** Bytes of a form: two tokens and a decision. */
const maxBodyBytes = 16 * 1024

/** The web pages: browser sign-in and the review of sessions. Server-rendered, and without any script but for recordings that only the browser may open. */
export function createWeb(deps: WebDeps): WebApp {
  const parts: WebParts = { ...deps, flows: new Flows(deps.clock), formTokens: new FormTokens() }
  const app: WebApp = new Hono<NodeEnv>()
  app.use(securityHeaders(deps.webUrl))
  app.use(leaveUnread)
  app.get('/healthz', c => c.json({ status: 'ok' }))
  if (deps.behindProxy !== true) app.use(ownHost(parts))
  app.use(limitBodies(maxBodyBytes, (c, problem) => answerProblem(c, parts, problem)))
  app.get('/style.css', c => c.body(styleSheet, 200, { 'Content-Type': 'text/css; charset=utf-8' }))
  app.get('/favicon.ico', c => c.body(null, 204))
  addSignInRoutes(app, parts)
  addEncryptedRoutes(app, parts)
  addSessionRoutes(app, parts)
  addKeyRoutes(app, parts)
  addConnectRoutes(app, parts)
  addTokenRoute(app, parts)
  addMetricsRoute(app, parts)
  addAppFiles(app, parts)
  if (deps.api !== undefined) app.route(apiBase, createApi({ ...parts, ...deps.api }))
  app.notFound(c => answerProblem(c, parts, notFound))
  app.onError((thrown, c) => answerThrown(c, parts, thrown))
  return app
}

/** Nobody takes the body of what answers HEAD: whatever makes it is told, so that its place is free. */
async function leaveUnread(c: WebContext, next: () => Promise<void>): Promise<void> {
  await next()
  if (c.req.method === 'HEAD') await c.res.body?.cancel()
}

/** Another name that points here (DNS rebinding, an address typed by hand) gets no page of ours. */
function ownHost(parts: WebParts) {
  const own = new URL(parts.webUrl).host
  return async (c: WebContext, next: () => Promise<void>) => {
    if (c.req.header('host') === own) return await next()
    return await answerProblem(c, parts, {
      status: 421,
      title: 'Another address',
      detail: `These pages are at ${parts.webUrl} and nowhere else.`,
    })
  }
}
