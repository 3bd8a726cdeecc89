import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * Tokens that tie a form to the browser session that was shown it, and to what it does. They need no storage: an HMAC under a
 * key that lives as long as the process.
 */
export class FormTokens {
  readonly #key = randomBytes(32)

  /** The token for one purpose (`confirm <id>`, `sign-out`) in one browser session. */
  of(browserSession: string, purpose: string): string {
    return createHmac('sha256', this.#key).update(`${browserSession}\n${purpose}`).digest('base64url')
  }

  matches(token: unknown, browserSession: string, purpose: string): boolean {
    if (typeof token !== 'string') return false
    return timingSafeEqual(digest(token), digest(this.of(browserSession, purpose)))
  }
}

/**
 * Whether a POST comes from our own pages. `Sec-Fetch-Site` decides where the browser sends it (our `Referrer-Policy` makes
 * `Origin` say `null` then). Browsers without it send `Origin` on every cross-site POST; text browsers send
 * neither, and for them the form token alone decides.
 */
export function isOwnForm(headers: Headers, webUrl: string): boolean {
  const origin = headers.get('origin')
  const site = headers.get('sec-fetch-site')
  if (site !== null)
    return site === 'same-origin' && (origin === null || origin === 'null' || origin === webUrl)
  return origin === null || origin === webUrl
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
