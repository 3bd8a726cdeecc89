/**
 * Access tokens that PostgreSQL 18 clients bring (OAUTHBEARER): JWTs as RFC 9068 writes them, checked here, and opaque ones, which only
 * their issuer can read (RFC 7662).
 */
import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import type { PostgresOAuth } from '../config/config.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { ClaimNames } from './claims.ts'
import { introspect } from './introspection.ts'
import { acceptedAlgorithms, clockSkewSeconds, readAuthTime, subjectShape } from './token.ts'

/** What people sign in to; the token must be for it and by it. */
export type AccessTokenRules = Omit<PostgresOAuth, 'serverName' | 'listen'> & { readonly claims: ClaimNames }

/** What an issuer offers to those who are shown its access tokens. */
export type TokenIssuer = {
  readonly keys: JWTVerifyGetKey
  /** Who the token's owner is. Undefined where the issuer does not say. */
  readonly userInfo: (
    token: string,
    subject: string,
  ) => Promise<Readonly<Record<string, unknown>> | undefined>
}

export type AccessTokenFields = {
  readonly issuer: string
  readonly subject: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly authenticatedAtMs: number
}

/** Evidence that this issuer gave this person, at our client, an access token for us. */
class AccessToken {
  readonly #issued = true
  readonly fields: AccessTokenFields

  constructor(fields: AccessTokenFields) {
    this.fields = Object.freeze(fields)
  }

  static is(x: object): x is AccessToken {
    return #issued in x
  }
}
export type { AccessToken }

const jwtShape = /^[\w-]+\.[\w-]+\.[\w-]+$/

/** RFC 9068, section 2.1. */
const accessTokenTypes = new Set(['AT+JWT', 'APPLICATION/AT+JWT'])

/** Scopes that say something about the person, not about what the token is good for. */
const standardScopes = new Set(['openid', 'profile', 'email', 'address', 'phone', 'offline_access', 'groups'])

export type AccessTokensParts = {
  readonly clock: Clock
  readonly rules: AccessTokenRules
  /** Throws Fault ISSUER_UNAVAILABLE. */
  readonly discover: (issuer: string, allowHttpIssuer: boolean) => Promise<TokenIssuer>
}

/** How long what the issuer said about itself counts, in milliseconds. Keys are fetched anew as needed. */
const discoveredMaxAgeMs = 60 * 60_000

export class AccessTokens {
  readonly #parts: AccessTokensParts
  #issuer: { readonly found: Promise<TokenIssuer>; readonly atUs: number } | undefined

  constructor(parts: AccessTokensParts) {
    this.#parts = parts
  }

  /** Throws Fault TOKEN_REFUSED, or ISSUER_UNAVAILABLE where the issuer had to be asked and does not answer. */
  async verify(token: string): Promise<AccessToken> {
    const { rules, clock } = this.#parts
    const issuer = await this.#discovered()
    const said = jwtShape.test(token) ? await this.#verifyJwt(token, issuer.keys) : await this.#ask(token)
    checkPurpose(said, rules)
    const { sub } = said
    if (typeof sub !== 'string' || !subjectShape.test(sub))
      throw refused('its subject is not 1 to 255 printable ASCII characters (sub)')
    return new AccessToken({
      issuer: rules.issuer,
      subject: sub,
      claims: Object.freeze(await this.#complete(said, token, sub, issuer)),
      authenticatedAtMs: readAuthTime(said, clock.nowMs()),
    })
  }

  async #verifyJwt(token: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    const { rules, clock } = this.#parts
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        algorithms: [...acceptedAlgorithms],
        issuer: rules.issuer,
        audience: rules.audience,
        clockTolerance: clockSkewSeconds,
        currentDate: new Date(clock.nowMs()),
        requiredClaims: ['sub', 'aud', 'iat', 'exp'],
      })
      checkType(protectedHeader.typ, payload, rules)
      return payload
    } catch (thrown) {
      throw asFault(thrown)
    }
  }

  /** What the issuer says of an opaque token. It must be active, by this issuer if it says so, and for us. */
  async #ask(token: string): Promise<JWTPayload> {
    const { rules, clock } = this.#parts
    if (rules.introspection === undefined) throw refused('it is no JWT, and introspection is not configured')
    const said = await introspect(token, rules.introspection)
    if (said === undefined) throw refused('its issuer says that it is not active')
    const now = Math.floor(clock.nowMs() / 1000)
    const { iss, aud, exp, nbf } = said
    if (iss !== undefined && iss !== rules.issuer) throw refused('it is of another issuer (iss)')
    if (!(Array.isArray(aud) ? aud : [aud]).includes(rules.audience))
      throw refused('it is for somebody else (aud)')
    if (typeof exp !== 'number' || now > exp + clockSkewSeconds)
      throw refused('it has no end or has expired (exp)')
    if (nbf !== undefined && !(now + clockSkewSeconds >= nbf)) throw refused('it is not valid yet (nbf)')
    return said
  }

  /** Asks userinfo where the token leaves out who the person is called or which groups they are in. The token's own words win. */
  async #complete(
    said: JWTPayload,
    token: string,
    subject: string,
    issuer: TokenIssuer,
  ): Promise<Record<string, unknown>> {
    const { name, groups } = this.#parts.rules.claims
    if (said[name] !== undefined && said[groups] !== undefined) return { ...said }
    const more = await issuer.userInfo(token, subject)
    if (more === undefined) return { ...said }
    if (more['sub'] !== subject) throw refused('and userinfo speak of different people (sub)')
    const { email, email_verified: emailVerified, ...others } = more
    // An address and its verification belong together: never the address of one answer with the verification of the other.
    const address = said['email'] === undefined && said['email_verified'] === undefined
    return { ...others, ...(address ? { email, email_verified: emailVerified } : {}), ...said }
  }

  async #discovered(): Promise<TokenIssuer> {
    const { clock, rules, discover } = this.#parts
    const nowUs = clock.monotonicUs()
    const known = this.#issuer
    const fresh = known !== undefined && nowUs - known.atUs < discoveredMaxAgeMs * 1000
    const entry = fresh ? known : { found: discover(rules.issuer, rules.allowHttpIssuer), atUs: nowUs }
    this.#issuer = entry
    try {
      return await entry.found
    } catch (thrown) {
      if (this.#issuer === entry) this.#issuer = undefined
      throw thrown
    }
  }
}

/**
 * RFC 8725, section 3.11: an ID token is no access token. Issuers that do not write `at+jwt` are believed only where their ID tokens
 * cannot be meant, since those are for the client.
 */
function checkType(
  typ: string | undefined,
  payload: JWTPayload,
  { audience, clientId }: AccessTokenRules,
): void {
  const type = typ?.toUpperCase()
  if (type !== undefined && accessTokenTypes.has(type)) return
  const plain = type === undefined || type === 'JWT'
  if (!plain || audience === clientId || payload['nonce'] !== undefined)
    throw refused('its type is that of another kind of token (typ)')
}

/** Given to our client, and for what we asked. */
function checkPurpose(said: JWTPayload, { clientId, scope }: AccessTokenRules): void {
  const client = said['client_id'] ?? said['azp']
  if (clientId !== undefined && client !== undefined && client !== clientId)
    throw refused('it was given to another client (client_id)')
  const has = scopesOf(said['scope'] ?? said['scp'])
  const missing = scope.split(' ').filter(one => one !== '' && !standardScopes.has(one) && !has.includes(one))
  if (missing.length > 0) throw refused(`it lacks ${missing.join(' ')} (scope)`)
}

function scopesOf(value: unknown): readonly unknown[] {
  if (typeof value === 'string') return value.split(' ')
  return Array.isArray(value) ? value : []
}

function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const aboutToken =
    thrown instanceof errors.JOSEError &&
    !(thrown instanceof errors.JWKSTimeout) &&
    thrown.code !== errors.JOSEError.code
  if (aboutToken) return refused(reasonOf(thrown), thrown)
  return new Fault(
    'ISSUER_UNAVAILABLE',
    'The keys of the identity provider could not be fetched. Try again in a minute.',
    { log: `the keys for access tokens could not be fetched: ${reasonOf(thrown)}`, cause: thrown },
  )
}

function refused(why: string, cause?: unknown): Fault {
  return new Fault('TOKEN_REFUSED', 'This access token is not one that the gateway takes.', {
    log: `an access token was refused: ${why}`,
    cause,
  })
}
