/**
 * The token endpoint (in the shape of RFC 8693): a workload's JWT and its SSH public key become a certificate of the sign-in
 * authority, good for minutes. No proof that the caller holds the key is asked for: without the key, the certificate is worthless.
 */
import { networkAround } from '../config/network.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type Principal, principalOfMachine } from '../identity/principal.ts'
import { type IssuedSignInCertificate, issueSignInCertificate } from '../identity/sign-in-certificate.ts'
import { certificateName } from '../identity/user-certificate.ts'
import { parsePublicKeyLine, type UserKey } from '../identity/user-key.ts'
import type { MachineToken } from '../identity/machine-token.ts'
import type { WebApp, WebParts } from './answers.ts'
import { browserAddress, type WebContext } from './browser.ts'
import { type Problem, problemDocument, problemOf } from './problem.ts'
import { RateLimit } from './rate-limit.ts'

/** How long a machine's certificate signs in, at most; never longer than its token. Milliseconds. */
export const maxMachineCertificateMs = 10 * 60_000

/** Exchanges of one source in a minute: a build farm behind one address starts many jobs. */
export const exchangesPerMinute = 60

/** A source is an IPv4 address, or what one IPv6 subscriber has. */
const countedNetwork = { ipv4Prefix: 32, ipv6Prefix: 64 }

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const subjectTokenTypes = new Set([
  'urn:ietf:params:oauth:token-type:jwt',
  'urn:ietf:params:oauth:token-type:id_token',
])

/** Our own name for what is issued (RFC 8693, section 3, leaves room for it). */
export const certificateTokenType = 'urn:sallyport:token-type:ssh-certificate'

/** RFC 6749, section 5.2. */
type OauthError = 'invalid_request' | 'invalid_grant' | 'unsupported_grant_type'

const tooMany: Problem = {
  status: 429,
  title: 'Too many exchanges',
  detail: `At most ${exchangesPerMinute} tokens a minute are exchanged for one address. Wait a moment.`,
}

export function addTokenRoute(app: WebApp, parts: WebParts): void {
  const limit = new RateLimit(exchangesPerMinute, parts.clock)
  app.post('/token', async c => {
    const source = browserAddress(c, parts)
    if (!limit.allows(networkAround(source, countedNetwork) ?? source)) {
      c.header('Retry-After', '60')
      return problemDocument(c, tooMany)
    }
    return await exchange(c, parts, source)
  })
}

async function exchange(c: WebContext, parts: WebParts, source: string): Promise<Response> {
  const wish = readWish(await formOf(c))
  if (wish.kind === 'bad') return badRequest(c, wish.error, wish.detail)
  try {
    const token = await parts.machines.verify(wish.token, wish.key.fingerprint)
    return answer(c, parts, await certify(parts, token, wish.key, source), wish.key)
  } catch (thrown) {
    return refuse(c, parts, thrown, source)
  }
}

type Wish =
  | { readonly kind: 'good'; readonly token: string; readonly key: UserKey }
  | { readonly kind: 'bad'; readonly error: OauthError; readonly detail: string }

function readWish(form: Readonly<Record<string, unknown>>): Wish {
  const { grant_type: grant, subject_token: token, subject_token_type: type } = form
  if (grant !== exchangeGrant) return bad('unsupported_grant_type', `grant_type must be ${exchangeGrant}.`)
  if (typeof type !== 'string' || !subjectTokenTypes.has(type))
    return bad('invalid_request', `subject_token_type must be ${[...subjectTokenTypes].join(' or ')}.`)
  if (typeof token !== 'string' || token === '') return bad('invalid_request', 'subject_token is missing.')
  const requested = form['requested_token_type']
  if (requested !== undefined && requested !== certificateTokenType)
    return bad('invalid_request', `requested_token_type can only be ${certificateTokenType}.`)
  const line = form['public_key']
  const key = typeof line === 'string' ? parsePublicKeyLine(line) : undefined
  if (key !== undefined) return { kind: 'good', token, key }
  return bad(
    'invalid_request',
    'public_key must be one line of a .pub file: Ed25519, ECDSA, RSA from 2,048 bits, or sk.',
  )
}

function bad(error: OauthError, detail: string): Wish {
  return { kind: 'bad', error, detail }
}

/** RFC 6749, Appendix B, asks for form encoding; whatever else comes has no fields. */
async function formOf(c: WebContext): Promise<Readonly<Record<string, unknown>>> {
  const type = c.req.header('content-type') ?? ''
  return type.startsWith('application/x-www-form-urlencoded') ? await c.req.parseBody() : {}
}

type Certified = { readonly issued: IssuedSignInCertificate; readonly principal: Principal }

/** In the audit log before anybody has it. */
async function certify(
  parts: WebParts,
  token: MachineToken,
  key: UserKey,
  sourceAddress: string,
): Promise<Certified> {
  // Certificates count whole seconds, and the sign-in in them must not outlast them by a part of one.
  const nowMs = Math.floor(parts.clock.nowMs() / 1000) * 1000
  const lifetimeMs = Math.min(maxMachineCertificateMs, token.fields.expiresAtMs - nowMs)
  if (lifetimeMs < 1000)
    throw new Fault('TOKEN_REFUSED', 'This token ends within the second. Get a new one and try again.')
  const sessionsMs = token.fields.sessionMs ?? lifetimeMs
  const principal = principalOfMachine(token, nowMs + sessionsMs)
  const wish = { key, principal: principal.fields, gatewayName: parts.gatewayName, lifetimeMs, nowMs }
  const issued = await issueSignInCertificate(wish, parts.signInAuthority)
  const { issuer, subject, name } = principal.fields
  parts.audit.append({
    kind: 'sign-in',
    method: 'token-exchange',
    issuer,
    subject,
    name,
    sourceAddress,
    fingerprint: key.fingerprint,
    serial: String(issued.serial),
    until: new Date(issued.validBeforeMs).toISOString(),
  })
  return { issued, principal }
}

/** RFC 8693, section 2.2.1; `N_A` says that the token is no bearer's. */
function answer(c: WebContext, parts: WebParts, { issued }: Certified, key: UserKey): Response {
  const line = `${certificateName(key.type)} ${issued.blob.toString('base64')} ${parts.gatewayName}`
  return c.json({
    access_token: line,
    issued_token_type: certificateTokenType,
    token_type: 'N_A',
    expires_in: Math.max(0, Math.floor((issued.validBeforeMs - parts.clock.nowMs()) / 1000)),
  })
}

function badRequest(c: WebContext, error: OauthError, detail: string): Response {
  return problemDocument(c, { status: 400, title: 'Bad request', detail }, undefined, {
    error,
    error_description: detail,
  })
}

/** Why exactly is for the audit log: whoever sends tokens of others learns nothing here. */
function refuse(c: WebContext, parts: WebParts, thrown: unknown, sourceAddress: string): Response {
  const code = thrown instanceof Fault ? thrown.code : 'unknown'
  parts.audit.append({
    kind: 'refusal',
    method: 'token-exchange',
    code,
    reasons: reasonOf(thrown),
    sourceAddress,
  })
  const problem = problemOf(thrown)
  const isGrant = code === 'TOKEN_REFUSED'
  return problemDocument(c, { ...problem, status: isGrant ? 400 : problem.status }, code, {
    error: isGrant ? 'invalid_grant' : 'temporarily_unavailable',
    error_description: problem.detail,
  })
}
