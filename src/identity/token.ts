import { errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import type { Clock } from '../clock.ts'
import { Fault, reasonOf } from '../errors.ts'

/**
 * Signatures that prove the issuer. Nothing symmetric, so that a public key can never be taken for a shared secret,
 * and never `none`.
 */
export const acceptedAlgorithms: readonly string[] = Object.freeze([
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
])

/** How far two honest clocks may be apart, in seconds. */
export const clockSkewSeconds = 30

/** An ID token comes fresh from the token endpoint; an older one was kept by somebody. In seconds. */
const maxTokenAgeSeconds = 600

/** Bytes of an ID token: a thousand groups of ordinary length fit. */
const maxTokenBytes = 256 * 1024

/** OpenID Connect Core 1.0, section 2: `sub` must not exceed 255 ASCII characters. */
export const subjectShape = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/

export type VerifiedTokenFields = {
  readonly issuer: string
  readonly subject: string
  /** Everything that the issuer said, with what userinfo added. */
  readonly claims: Readonly<Record<string, unknown>>
  /** `auth_time`, else `iat`. */
  readonly authenticatedAtMs: number
}

/** Evidence that this issuer said these claims to us, in answer to the question that we asked. */
class VerifiedToken {
  readonly #issued = true
  readonly fields: VerifiedTokenFields

  constructor(fields: VerifiedTokenFields) {
    this.fields = Object.freeze(fields)
  }

  static is(x: object): x is VerifiedToken {
    return #issued in x
  }

  /** The same token with claims of the same subject's userinfo where the token itself was silent. */
  static completed(token: VerifiedToken, more: Readonly<Record<string, unknown>>): VerifiedToken {
    return new VerifiedToken({ ...token.fields, claims: { ...more, ...token.fields.claims } })
  }
}
export type { VerifiedToken }

export type TokenExpectations = {
  readonly issuer: string
  readonly clientId: string
  /** The nonce of the one authorization request that this token may answer. */
  readonly nonce: string
  readonly jwks: JWTVerifyGetKey
  readonly clock: Clock
}

/**
 * Checks an ID token as OpenID Connect Core 1.0, section 3.1.3.7, asks: signature by a key of the issuer with an accepted
 * algorithm, `iss`, `aud` and `azp`, `exp`, `nbf`, `iat`, `nonce`, and a subject that can be written down.
 * Throws Fault TOKEN_REFUSED, or ISSUER_UNAVAILABLE where the keys could not be fetched.
 */
export async function verifyIdToken(jwt: string, expected: TokenExpectations): Promise<VerifiedToken> {
  if (Buffer.byteLength(jwt) > maxTokenBytes) throw refused(`longer than ${maxTokenBytes} bytes`)
  const payload = await verifySignatureAndTimes(jwt, expected)
  checkAudience(payload, expected.clientId)
  if (payload['nonce'] !== expected.nonce) throw refused('answers another authorization request (nonce)')
  return new VerifiedToken({
    issuer: expected.issuer,
    subject: readSubject(payload),
    claims: Object.freeze({ ...payload }),
    authenticatedAtMs: readAuthTime(payload, expected.clock.nowMs()),
  })
}

/**
 * Fills in, from the userinfo answer for the same subject, the claims that the token does not have. The token's own
 * words always win. Throws Fault TOKEN_REFUSED where userinfo speaks of somebody else.
 */
export function completeToken(
  token: VerifiedToken,
  userInfo: Readonly<Record<string, unknown>>,
): VerifiedToken {
  if (userInfo['sub'] !== token.fields.subject) throw refused('and userinfo speak of different people (sub)')
  const { email, email_verified: emailVerified, ...more } = userInfo
  // An address and its verification belong together: never the address of one answer with the verification of the other.
  if (token.fields.claims['email'] === undefined && token.fields.claims['email_verified'] === undefined)
    return VerifiedToken.completed(token, { ...more, email, email_verified: emailVerified })
  return VerifiedToken.completed(token, more)
}

async function verifySignatureAndTimes(jwt: string, expected: TokenExpectations): Promise<JWTPayload> {
  try {
    const { payload, protectedHeader } = await jwtVerify(jwt, expected.jwks, {
      algorithms: [...acceptedAlgorithms],
      issuer: expected.issuer,
      audience: expected.clientId,
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(expected.clock.nowMs()),
      maxTokenAge: maxTokenAgeSeconds,
      requiredClaims: ['sub', 'iat', 'exp', 'nonce'],
    })
    // RFC 8725, section 3.11: a logout or access token of the same issuer is not an ID token.
    if (protectedHeader.typ !== undefined && protectedHeader.typ.toUpperCase() !== 'JWT')
      throw refused('is of another type (typ)')
    return payload
  } catch (thrown) {
    throw asFault(thrown)
  }
}

function asFault(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const aboutToken =
    thrown instanceof errors.JOSEError &&
    !(thrown instanceof errors.JWKSTimeout) &&
    thrown.code !== errors.JOSEError.code
  return aboutToken ? refused(reasonOf(thrown), thrown) : keysUnavailable(thrown)
}

function checkAudience(payload: JWTPayload, clientId: string): void {
  const severalAudiences = Array.isArray(payload.aud) && payload.aud.length > 1
  const authorizedParty = payload['azp']
  if (authorizedParty === undefined && !severalAudiences) return
  if (authorizedParty !== clientId) throw refused('was issued to another client (azp)')
}

function readSubject(payload: JWTPayload): string {
  const subject: unknown = payload.sub
  if (typeof subject === 'string' && subjectShape.test(subject)) return subject
  throw refused('names a subject that is not 1 to 255 printable ASCII characters (sub)')
}

export function readAuthTime(payload: JWTPayload, nowMs: number): number {
  const seconds: unknown = payload['auth_time'] ?? payload.iat
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0)
    throw refused('has an authentication time that is no time (auth_time)')
  if (seconds * 1000 > nowMs + clockSkewSeconds * 1000) throw refused('was made in the future (auth_time)')
  return seconds * 1000
}

function refused(why: string, cause?: unknown): Fault {
  return new Fault(
    'TOKEN_REFUSED',
    'The answer of the identity provider could not be accepted. Start the sign-in again; if it happens again, tell the people who run this gateway.',
    { log: `the ID token was refused: it ${why}`, cause },
  )
}

function keysUnavailable(cause: unknown): Fault {
  return new Fault(
    'ISSUER_UNAVAILABLE',
    'The keys of the identity provider could not be fetched, so nobody can be signed in. Try again in a minute.',
    { log: `the issuer's keys could not be fetched: ${reasonOf(cause)}`, cause },
  )
}
