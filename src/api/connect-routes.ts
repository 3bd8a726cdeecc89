import { parseAddress } from '../config/network.ts'
import { answerProblem, notFound, type WebApp, type WebParts } from './answers.ts'
import {
  type BrowserSession,
  browserAddress,
  findBrowserSession,
  isFresh,
  type WebContext,
} from './browser.ts'
import { isOwnForm } from './csrf.ts'
import { connectPage, passwordPage } from './pages/connect.ts'
import { welcomePage } from './pages/sign-in.ts'
import type { Place } from './places.ts'
import type { Problem } from './problem.ts'
import { notFromOurPage, personOf, startOfConnect } from './sign-in-routes.ts'

const noAddress: Problem = {
  status: 400,
  title: 'Not an address',
  detail: 'Go back and write the IP address that the gateway sees of your client, such as 10.0.0.7.',
}

/** What whoever is signed in may open, and passwords for PostgreSQL clients: their own and nobody else's. */
export function addConnectRoutes(app: WebApp, parts: WebParts): void {
  app.get('/connect', c => show(c, parts))
  app.post('/connect/password', c => make(c, parts))
  app.post('/connect/passwords/:id/revoke', c => revoke(c, parts, c.req.param('id')))
}

async function show(c: WebContext, parts: WebParts): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return await c.html(welcomePage(parts, startOfConnect, 'connect'), 401)
  const address = browserAddress(c, parts)
  const places = parts.places(session.principal, address).map(place => ({
    place,
    form: { action: '/connect/password', token: parts.formTokens.of(session.hash, purposeOf(place)) },
  }))
  const passwords = parts.passwords.listOf(session.principal).map(view => ({
    view,
    form: {
      action: `/connect/passwords/${view.id}/revoke`,
      token: parts.formTokens.of(session.hash, `revoke password ${view.id}`),
    },
  }))
  const page = { places, passwords, endpoints: parts.endpoints(), browserAddress: address }
  return await c.html(connectPage({ ...parts, person: personOf(parts, session) }, page))
}

function purposeOf({ login, target }: { readonly login: string; readonly target: string }): string {
  return `password ${login}@${target}`
}

async function make(c: WebContext, parts: WebParts): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return c.redirect('/connect', 303)
  const form = await c.req.parseBody()
  const { login, target, token } = form
  const named = typeof login === 'string' && typeof target === 'string' ? { login, target } : undefined
  const ours =
    named !== undefined &&
    isOwnForm(c.req.raw.headers, parts.webUrl) &&
    parts.formTokens.matches(token, session.hash, purposeOf(named))
  if (!ours) return await answerProblem(c, parts, notFromOurPage)
  // A password lives as long as its sign-in may: one that is nearly over asks the issuer again.
  if (!isFresh(session, parts)) return c.redirect(startOfConnect, 303)
  const place = placeOf(c, parts, session, named)
  if (place === undefined) return await answerProblem(c, parts, notFound)
  const { use, address } = form
  const from = use === 'often' ? (typeof address === 'string' ? address.trim() : '') : undefined
  if (from !== undefined && parseAddress(from) === undefined) return await answerProblem(c, parts, noAddress)
  return await issue(c, parts, session, place, from)
}

/** Only what the page offers, and only PostgreSQL: `ssh` has no use for a password. */
function placeOf(
  c: WebContext,
  parts: WebParts,
  session: BrowserSession,
  { login, target }: { readonly login: string; readonly target: string },
): Place | undefined {
  return parts
    .places(session.principal, browserAddress(c, parts))
    .find(place => place.protocol === 'postgres' && place.login === login && place.target === target)
}

/** Shown in the answer to the form and nowhere else: no address, no log and no list has it. */
async function issue(
  c: WebContext,
  parts: WebParts,
  session: BrowserSession,
  place: Place,
  reusableFrom: string | undefined,
): Promise<Response> {
  const { principal, hash: browserSession } = session
  const { target, login } = place
  const wish = { principal, browserSession, browser: browserAddress(c, parts), target, login }
  const result = parts.passwords.issue(reusableFrom === undefined ? wish : { ...wish, reusableFrom })
  if (result.kind === 'refused')
    return await answerProblem(c, parts, { status: 409, title: 'No password', detail: result.userText })
  const shown = { ...result, place, endpoints: parts.endpoints() }
  return await c.html(passwordPage({ ...parts, person: personOf(parts, session) }, shown))
}

async function revoke(c: WebContext, parts: WebParts, id: string): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return c.redirect('/connect', 303)
  const form = await c.req.parseBody()
  const ours =
    isOwnForm(c.req.raw.headers, parts.webUrl) &&
    parts.formTokens.matches(form['token'], session.hash, `revoke password ${id}`)
  if (!ours) return await answerProblem(c, parts, notFromOurPage)
  const done = parts.passwords.revoke(id, session.principal, browserAddress(c, parts))
  return done ? c.redirect('/connect#passwords', 303) : await answerProblem(c, parts, notFound)
}
