import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { type Principal, restorePrincipal } from '../identity/principal.ts'
import { plainAddress } from '../identity/source-address.ts'
import type { WebDeps } from './deps.ts'
import type { Upgrade } from './upgrade.ts'

/** What hono's Node server adds to a request. */
export type NodeEnv = {
  Bindings: {
    readonly incoming?: Pick<IncomingMessage, 'socket'>
    /** Where the request asks for a WebSocket. */
    readonly upgrade?: Upgrade
  }
}
export type WebContext = Context<NodeEnv>

/** Somebody is signed in with this browser. */
export type BrowserSession = {
  readonly principal: Principal
  /** SHA-256 of the cookie: what the store knows, and what sign-ins and form tokens are bound to. */
  readonly hash: string
}

/**
 * A sign-in in whose second half a new SSH session is confirmed asks the issuer again, so that no session starts with less
 * than this share of a sign-in's life before it. With single sign-on at the issuer that is a redirect and no typing.
 */
const freshShare = 0.5

/** Cookies: random 256 bit, known to the store only as a hash; `__Host-` ties them to this very origin where there is TLS. */
const cookieBytes = 32

export type CookieName = 'sallyport' | 'sallyport-flow'

/** A new cookie for this browser. Returns its hash. */
export function setSecretCookie(c: WebContext, name: CookieName, webUrl: string, maxAgeMs: number): string {
  const value = randomBytes(cookieBytes).toString('base64url')
  setCookie(c, fullName(name, webUrl), value, {
    path: '/',
    httpOnly: true,
    sameSite: 'Lax',
    secure: isHttps(webUrl),
    maxAge: Math.max(1, Math.floor(maxAgeMs / 1000)),
  })
  return hashOf(value)
}

/** The hash of a cookie that the browser sent, if it sent one. */
export function secretCookieHash(c: WebContext, name: CookieName, webUrl: string): string | undefined {
  const value = getCookie(c, fullName(name, webUrl))
  return value === undefined ? undefined : hashOf(value)
}

export function dropCookie(c: WebContext, name: CookieName, webUrl: string): void {
  const options = { path: '/', httpOnly: true, sameSite: 'Lax', secure: isHttps(webUrl), maxAge: 0 } as const
  setCookie(c, fullName(name, webUrl), '', options)
}

/** Who is signed in with this browser, if the store still vouches for it and the issuer is still ours. */
export async function findBrowserSession(c: WebContext, deps: WebDeps): Promise<BrowserSession | undefined> {
  const hash = secretCookieHash(c, 'sallyport', deps.webUrl)
  if (hash === undefined) return undefined
  const nowMs = deps.clock.nowMs()
  const row = await deps.store.signIns.find(hash, nowMs)
  if (row === undefined || row.expiresAtMs <= nowMs || row.principal.issuer !== deps.issuer.url)
    return undefined
  return { principal: restorePrincipal(row), hash }
}

/** Fresh enough to open a session with. */
export function isFresh(session: BrowserSession, deps: WebDeps): boolean {
  return session.principal.fields.expiresAtMs - deps.clock.nowMs() > deps.identity.sessionMs * freshShare
}

/** The address of the browser, in the spelling that connections use too; behind a proxy, what the proxy itself saw. */
export function browserAddress(c: WebContext, deps: WebDeps): string {
  const seen = c.env?.incoming?.socket.remoteAddress ?? 'unknown'
  const forwarded =
    deps.behindProxy === true ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined
  return plainAddress(forwarded === undefined || forwarded === '' ? seen : forwarded)
}

function fullName(name: CookieName, webUrl: string): string {
  return isHttps(webUrl) ? `__Host-${name}` : name
}

function isHttps(webUrl: string): boolean {
  return webUrl.startsWith('https:')
}

function hashOf(value: string): string {
  return createHash('sha256').update(value).digest('hex')
}
