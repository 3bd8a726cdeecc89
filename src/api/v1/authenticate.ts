/** Who asks: a browser by the cookie of its sign-in, or a tool by an OIDC access token. Never both: a token leaves the cookie out of account. */
import { Fault } from '../../errors.ts'
import { type Principal, principalKey } from '../../identity/principal.ts'
import { browserAddress, findBrowserSession, type WebContext } from '../browser.ts'
import { isOwnForm } from '../csrf.ts'
import type { ApiParts } from './deps.ts'
import { notSignedIn, tokenRefused } from './refusals.ts'
import { type Asking, type Method, Refused } from './route.ts'

/** What form tokens of the pages are for: one for all changes, since a page makes many. */
export const changesPurpose = 'api v1'

/** Bytes of an access token: those of directories with many groups have some thousands. */
const maxTokenBytes = 12 * 1024

export async function authenticate(c: WebContext, parts: ApiParts): Promise<Asking | Refused> {
  const authorization = c.req.header('authorization')
  if (authorization !== undefined) return await byToken(c, parts, authorization)
  const session = await findBrowserSession(c, parts)
  if (session === undefined) return new Refused(notSignedIn)
  return asking(c, parts, session.principal, session.hash)
}

async function byToken(c: WebContext, parts: ApiParts, authorization: string): Promise<Asking | Refused> {
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(authorization)?.[1]
  if (parts.bearer === undefined || token === undefined || token.length > maxTokenBytes)
    return new Refused(parts.bearer === undefined ? notSignedIn : tokenRefused)
  try {
    return asking(c, parts, await parts.bearer(token), undefined)
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== 'TOKEN_REFUSED') throw thrown
    parts.log.info({ reason: thrown.message }, 'api: an access token was refused')
    return new Refused(tokenRefused)
  }
}

function asking(c: WebContext, parts: ApiParts, principal: Principal, cookie: string | undefined): Asking {
  const sourceAddress = browserAddress(c, parts)
  return { principal, key: principalKey(principal), name: principal.fields.name, sourceAddress, cookie }
}

/**
 * A cookie goes along with whatever a browser sends. Changes by it need to come from our own pages, with the token that they were given; and
 * what pages of others ask for is not read either, since the audit log would say that the person did.
 */
export function isOwnRequest(c: WebContext, parts: ApiParts, method: Method, person: Asking): boolean {
  if (person.cookie === undefined) return true
  if (method === 'GET') return !isOfOthers(c.req.header('sec-fetch-site'))
  const token = c.req.header('x-sallyport-token')
  return (
    isOwnForm(c.req.raw.headers, parts.webUrl) &&
    parts.formTokens.matches(token, person.cookie, changesPurpose)
  )
}

/** Of another origin, be it on the same site. Browsers that are old say nothing, and an address that is typed is of nobody's page. */
function isOfOthers(site: string | undefined): boolean {
  return site === 'cross-site' || site === 'same-site'
}
