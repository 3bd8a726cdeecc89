import { Fault } from '../errors.ts'
import { principalFromToken } from '../identity/principal.ts'
import type { SignInQuestion } from '../identity/waiting-sign-in.ts'
import {
  type BrowserSession,
  browserAddress,
  dropCookie,
  findBrowserSession,
  isFresh,
  secretCookieHash,
  setSecretCookie,
  type WebContext,
} from './browser.ts'
import { isOwnForm } from './csrf.ts'
import { type Flow, flowLifetimeMs, type ReturnTarget } from './flows.ts'
import { messagePage } from './pages/message.ts'
import { codePage, confirmPage, confirmWithoutCodePage, landingPage, welcomePage } from './pages/sign-in.ts'
import type { Problem } from './problem.ts'
import { answerProblem, type WebApp, type WebParts } from './answers.ts'

const notWaiting: Problem = {
  status: 404,
  title: 'Nothing is waiting here',
  detail:
    'This link was used, is over, or belongs to another browser. Connect again in your terminal and open the new link that it shows.',
}

export const notFromOurPage: Problem = {
  status: 403,
  title: 'That did not come from our page',
  detail: 'Go back, load the page again and press the button there.',
}

const tooManyFlows: Problem = {
  status: 429,
  title: 'Too many sign-ins at once',
  detail: 'Many sign-ins from your address are under way. Wait a few minutes, then try again.',
}

const lostFlow: Problem = {
  status: 400,
  title: 'That sign-in is over',
  detail:
    'It took too long, was finished before, or was started in another browser. Open the link in your terminal once more, and allow cookies for this site.',
}

/** How a session id looks; anything else in an address is no id of ours. */
const sessionIdShape = /^[A-Za-z0-9_-]{1,64}$/

/** Sign-in with the browser: from the link in a terminal to the code, and into the pages themselves. */
export function addSignInRoutes(app: WebApp, parts: WebParts): void {
  app.get('/sign-in', c => c.html(welcomePage(parts, startOfPages(undefined))))
  app.get('/sign-in/start', c => start(c, parts, pagesTarget(c.req.query())))
  app.get('/sign-in/:id', c => landing(c, parts, c.req.param('id')))
  app.get('/sign-in/:id/start', c => startWaiting(c, parts, c.req.param('id')))
  app.get('/sign-in/:id/confirm', c => askToConfirm(c, parts, c.req.param('id')))
  app.post('/sign-in/:id/confirm', c => decide(c, parts, c.req.param('id')))
  app.get('/callback', c => callback(c, parts))
  app.post('/sign-out', c => signOut(c, parts))
}

/** The way to the issuer and back to the pages: to one session, if an id is given that can be one. */
export function startOfPages(session: string | undefined): string {
  return session !== undefined && sessionIdShape.test(session)
    ? `/sign-in/start?session=${session}`
    : '/sign-in/start'
}

/** The same, back to the page of enrolled keys. */
export const startOfKeys = '/sign-in/start?page=keys'

/** The same, back to the page of targets and passwords. */
export const startOfConnect = '/sign-in/start?page=connect'

/** Characters of an address within the auditors' pages: filters and a time. */
const maxAppPath = 2000

/** The address of a page below `/app`, or undefined if it could be anything else: another origin, another page of ours, or characters that no address has. */
export function appPath(wanted: string | undefined): string | undefined {
  if (wanted === undefined || wanted.length > maxAppPath || !/^\/app\/[\w!$&'()*+,./:;=?@~%-]*$/.test(wanted))
    return undefined
  const url = new URL(wanted, 'https://gateway.invalid')
  return url.pathname.startsWith('/app/') ? url.pathname + url.search : undefined
}

function pagesTarget(query: Readonly<Record<string, string>>): ReturnTarget {
  const { session, page, app } = query
  const path = appPath(app)
  if (path !== undefined) return { to: 'app', path }
  if (page === 'keys' || page === 'connect') return { to: page }
  return session !== undefined && sessionIdShape.test(session)
    ? { to: 'session', id: session }
    : { to: 'sessions' }
}

async function landing(c: WebContext, parts: WebParts, id: string): Promise<Response> {
  const view = parts.waiting.find(id)
  if (view === undefined) return await answerProblem(c, parts, notWaiting)
  const session = await findBrowserSession(c, parts)
  if (session !== undefined && isFresh(session, parts)) return c.redirect(`/sign-in/${id}/confirm`, 303)
  return await c.html(landingPage(parts, view, browserAddress(c, parts), `/sign-in/${id}/start`))
}

function startWaiting(c: WebContext, parts: WebParts, id: string): Response | Promise<Response> {
  if (parts.waiting.find(id) === undefined) return answerProblem(c, parts, notWaiting)
  return start(c, parts, { to: 'waiting', id })
}

/** Sends the browser to the issuer. A link from elsewhere does not start anything: it leads to the page with the button. */
async function start(c: WebContext, parts: WebParts, returnTo: ReturnTarget): Promise<Response> {
  if (c.req.header('sec-fetch-site') === 'cross-site') return c.redirect(beforeStart(returnTo), 303)
  const sourceAddress = browserAddress(c, parts)
  if (!parts.flows.hasRoomFor(sourceAddress)) return await answerProblem(c, parts, tooManyFlows)
  const { url, ...checks } = await parts.issuer.begin(
    `${parts.webUrl}/callback`,
    c.req.query('again') === '1',
  )
  const flow = { checks, browser: flowCookie(c, parts), sourceAddress, returnTo }
  // Asked again: others may have started while the issuer was looked up.
  return parts.flows.add(flow) ? c.redirect(url.href, 303) : await answerProblem(c, parts, tooManyFlows)
}

function beforeStart(target: ReturnTarget): string {
  return target.to === 'waiting' ? `/sign-in/${target.id}` : '/sign-in'
}

/** A browser with a sign-in under way in another tab keeps its cookie, so that both tabs come back well. */
function flowCookie(c: WebContext, parts: WebParts): string {
  const present = secretCookieHash(c, 'sallyport-flow', parts.webUrl)
  if (present !== undefined && parts.flows.knows(present)) return present
  return setSecretCookie(c, 'sallyport-flow', parts.webUrl, flowLifetimeMs)
}

async function callback(c: WebContext, parts: WebParts): Promise<Response> {
  const browser = secretCookieHash(c, 'sallyport-flow', parts.webUrl)
  const flow = browser === undefined ? undefined : parts.flows.take(c.req.query('state') ?? '', browser)
  if (flow === undefined) return await answerProblem(c, parts, lostFlow)
  await signIn(c, parts, flow)
  return c.redirect(afterSignIn(flow.returnTo), 303)
}

/** The token becomes a person, the person a new cookie: never one that the browser brought along (session fixation). */
async function signIn(c: WebContext, parts: WebParts, flow: Flow): Promise<void> {
  const sourceAddress = browserAddress(c, parts)
  const nowMs = parts.clock.nowMs()
  const principal = await redeem(c, parts, flow, nowMs)
  const { issuer, subject, name, expiresAtMs } = principal.fields
  parts.audit.append({ kind: 'sign-in', method: 'browser', issuer, subject, name, sourceAddress })
  await parts.store.signIns.removeExpired(nowMs)
  const before = secretCookieHash(c, 'sallyport', parts.webUrl)
  if (before !== undefined) await parts.store.signIns.remove(before)
  const tokenHash = setSecretCookie(c, 'sallyport', parts.webUrl, expiresAtMs - nowMs)
  if (before !== undefined) parts.passwords.signedInAnew(before, tokenHash, principal)
  await parts.store.signIns.insert({
    tokenHash,
    principal: principal.fields,
    createdAtMs: nowMs,
    expiresAtMs,
  })
  parts.onSignIn?.(principal)
}

async function redeem(c: WebContext, parts: WebParts, flow: Flow, nowMs: number) {
  try {
    const answer = new URL(`/callback${new URL(c.req.url).search}`, parts.webUrl)
    return principalFromToken(await parts.issuer.redeem(answer, flow.checks), parts.identity, nowMs)
  } catch (thrown) {
    const code = thrown instanceof Fault ? thrown.code : 'unknown'
    parts.audit.append({ kind: 'refusal', method: 'browser', code, sourceAddress: flow.sourceAddress })
    throw thrown
  }
}

function afterSignIn(target: ReturnTarget): string {
  if (target.to === 'waiting') return `/sign-in/${target.id}/confirm`
  if (target.to === 'app') return target.path
  if (target.to === 'keys' || target.to === 'connect') return `/${target.to}`
  return target.to === 'session' ? `/sessions/${target.id}` : '/sessions'
}

async function askToConfirm(c: WebContext, parts: WebParts, id: string): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined || !isFresh(session, parts)) return c.redirect(`/sign-in/${id}`, 303)
  const bound = parts.waiting.bind(id, session.principal, session.hash)
  if (bound.kind === 'gone') return await answerProblem(c, parts, notWaiting)
  const form = { action: `/sign-in/${id}/confirm`, token: parts.formTokens.of(session.hash, `confirm ${id}`) }
  const frame = { ...parts, person: personOf(parts, session) }
  if (bound.view.answer === 'confirmation')
    return await c.html(confirmWithoutCodePage(frame, bound.view, browserAddress(c, parts), form))
  const keys = {
    terms: enrolmentOffer(parts, session, bound.view),
    enrolled: (await parts.keys.listOf(session.principal)).length,
  }
  return await c.html(confirmPage(frame, bound.view, browserAddress(c, parts), form, keys))
}

/** Only for a key that signed in the very connection that asks. */
function enrolmentOffer(parts: WebParts, session: BrowserSession, view: SignInQuestion) {
  if (view.keyFingerprint === undefined || view.keyMayBeEnrolled !== true) return undefined
  return parts.keys.terms(session.principal, view.sourceAddress)
}

async function decide(c: WebContext, parts: WebParts, id: string): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return c.redirect(`/sign-in/${id}`, 303)
  const form = await c.req.parseBody()
  const ours =
    isOwnForm(c.req.raw.headers, parts.webUrl) &&
    parts.formTokens.matches(form['token'], session.hash, `confirm ${id}`)
  if (!ours) return await answerProblem(c, parts, notFromOurPage)
  if (form['decision'] === 'deny') return await deny(c, parts, id, session)
  if (parts.waiting.find(id)?.answer === 'confirmation') return await approve(c, parts, id, session)
  return await confirm(c, parts, id, session, form['enrol'] === 'yes')
}

async function confirm(
  c: WebContext,
  parts: WebParts,
  id: string,
  session: BrowserSession,
  ticked: boolean,
): Promise<Response> {
  const view = parts.waiting.find(id)
  const terms = view === undefined || !ticked ? undefined : enrolmentOffer(parts, session, view)
  const answer = parts.waiting.confirm(id, session.hash, { enrolKey: terms !== undefined })
  if (view === undefined || answer.kind === 'gone') return await answerProblem(c, parts, notWaiting)
  // Written before the code is seen: if it cannot be, nobody sees the code. The sign-in itself is the terminal's to tell.
  parts.audit.append({ kind: 'code-shown', ...answered(c, parts, session, view) })
  return await c.html(codePage({ ...parts, person: personOf(parts, session) }, answer.code, view, terms))
}

/** The connection itself writes the sign-in into the audit log, before it goes on. */
async function approve(
  c: WebContext,
  parts: WebParts,
  id: string,
  session: BrowserSession,
): Promise<Response> {
  const view = parts.waiting.find(id)
  const answer = parts.waiting.approve(id, session.hash, browserAddress(c, parts))
  if (view === undefined || answer.kind === 'gone') return await answerProblem(c, parts, notWaiting)
  const frame = { ...parts, person: personOf(parts, session) }
  if (answer.kind === 'elsewhere') {
    parts.audit.append({ kind: 'refusal', code: 'another-address', ...answered(c, parts, session, view) })
    const text =
      'That connection comes from another address than this browser, so it cannot be confirmed here. Make a password on the page "Connect" and paste it where your client asks for one.'
    return await c.html(messagePage(frame, { title: 'Not from here', text }), 403)
  }
  const text = 'Your client goes on now. You can close this page.'
  return await c.html(messagePage(frame, { title: 'Signed in', text }))
}

async function deny(c: WebContext, parts: WebParts, id: string, session: BrowserSession): Promise<Response> {
  const answer = parts.waiting.deny(id, session.hash)
  if (answer.kind === 'gone') return await answerProblem(c, parts, notWaiting)
  parts.audit.append({
    kind: 'refusal',
    code: 'denied-by-person',
    ...answered(c, parts, session, answer.view),
  })
  const text =
    'Nobody was signed in, and that connection cannot be any more. If you did not expect this question, tell the people who run this gateway.'
  return await c.html(messagePage({ ...parts, person: personOf(parts, session) }, { title: 'Denied', text }))
}

/** For the audit log: who answered, from which browser, to which connection from where. */
function answered(c: WebContext, parts: WebParts, session: BrowserSession, question: SignInQuestion) {
  const { issuer, subject, name } = session.principal.fields
  const { protocol, userName, sourceAddress } = question
  const browser = browserAddress(c, parts)
  const method = question.answer === 'confirmation' ? 'browser-confirmation' : 'browser-code'
  return { method, issuer, subject, name, browser, protocol, userName, sourceAddress }
}

async function signOut(c: WebContext, parts: WebParts): Promise<Response> {
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return c.redirect('/sign-in', 303)
  const form = await c.req.parseBody()
  const ours =
    isOwnForm(c.req.raw.headers, parts.webUrl) &&
    parts.formTokens.matches(form['token'], session.hash, 'sign-out')
  if (!ours) return await answerProblem(c, parts, notFromOurPage)
  parts.passwords.signedOut(session.hash)
  await parts.store.signIns.remove(session.hash)
  dropCookie(c, 'sallyport', parts.webUrl)
  return c.redirect('/sign-in', 303)
}

/** The signed-in person for the frame of a page, with the token of its sign-out form. */
export function personOf(parts: WebParts, session: BrowserSession): { name: string; formToken: string } {
  return { name: session.principal.fields.name, formToken: parts.formTokens.of(session.hash, 'sign-out') }
}
