import type { MiddlewareHandler } from 'hono'

/**
 * What every answer carries. `form-action` needs no origin but our own: the way to the issuer is a link, not a form, so that an
 * issuer which passes people on to another one is not blocked half-way (Chromium applies form-action to redirects).
 */
const directives = [
  "default-src 'none'",
  "style-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
]
const contentSecurityPolicy = directives.join('; ')

/**
 * Of the page that opens an encrypted recording, which sets it: our own scripts, from files of their own, which may ask nobody but us, and
 * can put nothing into the page but text.
 */
export const policyWithScripts: string = [
  ...directives,
  "script-src 'self'",
  "connect-src 'self'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** One year, as browsers' preload lists ask for. Seconds. */
const strictTransportSeconds = 31_536_000

/** Headers against framing, sniffing, leaking and caching, on every answer, errors included. */
export function securityHeaders(webUrl: string): MiddlewareHandler {
  const https = webUrl.startsWith('https:')
  return async (c, next) => {
    await next()
    const { headers } = c.res
    if (!headers.has('Content-Security-Policy')) headers.set('Content-Security-Policy', contentSecurityPolicy)
    // Built files of the pages alone may be kept: they hold nothing of anybody.
    if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store')
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('X-Frame-Options', 'DENY')
    headers.set('Referrer-Policy', 'no-referrer')
    headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
    headers.set('Permissions-Policy', 'camera=(), geolocation=(), microphone=()')
    if (https) headers.set('Strict-Transport-Security', `max-age=${strictTransportSeconds}`)
  }
}
