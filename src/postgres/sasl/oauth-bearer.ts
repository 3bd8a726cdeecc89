/** OAUTHBEARER (RFC 7628), the server's half as PostgreSQL 18 speaks it (src/backend/libpq/auth-oauth.c). Pure. */

export const oauthBearer = 'OAUTHBEARER'

/** Between the parts of a client's response, and alone as its farewell (RFC 7628, section 3.1). */
const separator = '\u0001'

/** RFC 6750, section 2.1: b64token. */
const tokenShape = /^[A-Za-z0-9\-._~+/]+=*$/

/** RFC 7628, section 3.1: `ALPHA` names; values of printable ASCII, space, tab, CR and LF. */
const pairShape = /^([A-Za-z]+)=([\x20-\x7e\t\r\n]*)$/

/** RFC 5801 as far as PostgreSQL takes it: no channel binding (`n`, `y`) and nobody else's name. */
const gs2Headers = ['n,,', 'y,,']

/** What a client's first response says. */
export type BearerResponse =
  | { readonly kind: 'token'; readonly token: string }
  /** No token yet: the client asks where to get one. */
  | { readonly kind: 'discovery' }
  | { readonly kind: 'malformed'; readonly why: string }

/** Reads the client's first response. As strict as the server: every pair is looked at, `auth` comes once. */
export function readBearerResponse(data: Buffer): BearerResponse {
  const text = data.toString('latin1')
  const header = gs2Headers.find(one => text.startsWith(one))
  if (header === undefined) return malformed('it asks for channel binding or for another name (gs2-header)')
  if (text[header.length] !== separator || !text.endsWith(separator + separator))
    return malformed('its parts are not separated by 0x01')
  return readAuth(text.slice(header.length + 1, -2))
}

function readAuth(pairs: string): BearerResponse {
  const auths: string[] = []
  for (const pair of pairs.split(separator)) {
    const [, name, value] = pairShape.exec(pair) ?? []
    if (name === undefined || value === undefined) return malformed('it has a part that is no key=value')
    if (name === 'auth') auths.push(value)
  }
  const [auth] = auths
  if (auth === undefined || auths.length > 1) return malformed('it does not have exactly one auth')
  return readBearer(auth)
}

function readBearer(auth: string): BearerResponse {
  if (auth === '') return { kind: 'discovery' }
  const token = /^bearer +(.*)$/is.exec(auth)?.[1]
  if (token === undefined) return malformed('its auth is of another scheme than Bearer')
  return tokenShape.test(token)
    ? { kind: 'token', token }
    : malformed('its token has characters that none has')
}

function malformed(why: string): BearerResponse {
  return { kind: 'malformed', why }
}

/**
 * What makes libpq start its device flow, or say that its token was refused: any other status is final. `issuer` is compared byte
 * by byte with the client's own setting.
 */
export function invalidToken(issuer: string, scope: string): string {
  const configuration = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  return JSON.stringify({ status: 'invalid_token', 'openid-configuration': configuration, scope })
}

/** After the status the client has one thing to say: a single 0x01. */
export function isFarewell(body: Buffer): boolean {
  return body.length === 1 && body[0] === 1
}
