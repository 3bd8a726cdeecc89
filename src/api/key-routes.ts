import { browserAddress, findBrowserSession, type WebContext } from './browser.ts'
import { isOwnForm } from './csrf.ts'
import { keysPage } from './pages/keys.ts'
import { welcomePage } from './pages/sign-in.ts'
import { answerProblem, notFound, type WebApp, type WebParts } from './answers.ts'
import { notFromOurPage, personOf, startOfKeys } from './sign-in-routes.ts'

/** The keys of whoever is signed in: nobody sees or revokes another's. */
export function addKeyRoutes(app: WebApp, parts: WebParts): void {
  app.get('/keys', c => list(c, parts))
  app.post('/keys/:id/revoke', c => revoke(c, parts, c.req.param('id')))
}

async function list(c: WebContext, parts: WebParts): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return await c.html(welcomePage(parts, startOfKeys), 401)
  const rows = await parts.keys.listOf(session.principal)
  const views = rows.map(row => ({
    row,
    form: {
      action: `/keys/${row.id}/revoke`,
      token: parts.formTokens.of(session.hash, `revoke ${row.id}`),
    },
  }))
  return await c.html(keysPage({ ...parts, person: personOf(parts, session) }, views))
}

async function revoke(c: WebContext, parts: WebParts, id: string): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return c.redirect('/keys', 303)
  const form = await c.req.parseBody()
  const ours =
    isOwnForm(c.req.raw.headers, parts.webUrl) &&
    parts.formTokens.matches(form['token'], session.hash, `revoke ${id}`)
  if (!ours) return await answerProblem(c, parts, notFromOurPage)
  const done = await parts.keys.revoke(id, session.principal, browserAddress(c, parts))
  return done ? c.redirect('/keys', 303) : await answerProblem(c, parts, notFound)
}
