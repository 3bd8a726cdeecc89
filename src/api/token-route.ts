/**
 * The token endpoint (in the shape of RFC 8693): a workload's JWT and its public key become a certificate of a sign-in authority, for
 * SSH or for TLS, good for minutes. No proof that the caller holds the key is asked for: without the key, the certificate is worthless.
 */
import { networkAround, parseNetwork } from '../config/network.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type Principal, principalOfMachine } from '../identity/principal.ts'
import { type ClientKey, parseClientKey } from '../identity/client-key.ts'
import { issueSignInCertificate } from '../identity/sign-in-certificate.ts'
import { certificateName } from '../identity/user-certificate.ts'
import { parsePublicKeyLine, type UserKey } from '../identity/user-key.ts'
import { issueX509SignIn } from '../identity/x509-sign-in.ts'
import type { MachineToken } from '../identity/machine-token.ts'
import type { Signer } from '../model.ts'
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

/** Our own names for what is issued (RFC 8693, section 3, leaves room for them). */
export const certificateTokenType = 'urn:sallyport:token-type:ssh-certificate'
export const x509TokenType = 'urn:sallyport:token-type:x509-certificate'

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
  const wish = readWish(await formOf(c), parts.signInX509Authority)
  if (wish.kind === 'bad') return badRequest(c, wish.error, wish.detail)
  try {
    const token = await parts.machines.verify(wish.token, wish.key.fingerprint)
    return answer(c, parts, await certify(parts, token, wish, source))
  } catch (thrown) {
    return refuse(c, parts, thrown, source)
  }
}

type Wish = { readonly token: string } & (
  | { readonly kind: 'ssh'; readonly key: UserKey }
  | { readonly kind: 'x509'; readonly key: ClientKey; readonly authority: Signer; readonly from?: string }
)
type BadWish = { readonly kind: 'bad'; readonly error: OauthError; readonly detail: string }

function readWish(form: Readonly<Record<string, unknown>>, x509: Signer | undefined): Wish | BadWish {
  const { grant_type: grant, subject_token: token, subject_token_type: type } = form
  if (grant !== exchangeGrant) return bad('unsupported_grant_type', `grant_type must be ${exchangeGrant}.`)
  if (typeof type !== 'string' || !subjectTokenTypes.has(type))
    return bad('invalid_request', `subject_token_type must be ${[...subjectTokenTypes].join(' or ')}.`)
  if (typeof token !== 'string' || token === '') return bad('invalid_request', 'subject_token is missing.')
  const requested = form['requested_token_type'] ?? certificateTokenType
  if (requested === certificateTokenType) return readSshWish(form, token)
  if (requested === x509TokenType && x509 !== undefined) return readX509Wish(form, token, x509)
  const types = x509 === undefined ? certificateTokenType : `${certificateTokenType} or ${x509TokenType}`
  return bad('invalid_request', `requested_token_type can only be ${types}.`)
}

function readSshWish(form: Readonly<Record<string, unknown>>, token: string): Wish | BadWish {
  const line = form['public_key']
  const key = typeof line === 'string' ? parsePublicKeyLine(line) : undefined
  if (key !== undefined) return { kind: 'ssh', token, key }
  return bad(
    'invalid_request',
    'public_key must be one line of a .pub file: Ed25519, ECDSA, RSA from 2,048 bits, or sk.',
  )
}

/** `source_address` can only make the certificate worth less, so whoever asks may choose it. */
function readX509Wish(
  form: Readonly<Record<string, unknown>>,
  token: string,
  authority: Signer,
): Wish | BadWish {
  const { public_key: pem, source_address: from } = form
  const key = typeof pem === 'string' ? parseClientKey(pem) : undefined
  if (key === undefined)
    return bad(
      'invalid_request',
      'public_key must be a public key or a certificate request in PEM: Ed25519, ECDSA on P-256, P-384 or P-521, or RSA from 2,048 bits.',
    )
  if (from === undefined) return { kind: 'x509', token, key, authority }
  if (typeof from === 'string' && parseNetwork(from).ok) return { kind: 'x509', token, key, authority, from }
  return bad('invalid_request', 'source_address must be an address or a network such as 10.0.0.0/8.')
}

function bad(error: OauthError, detail: string): BadWish {
  return { kind: 'bad', error, detail }
}

/** RFC 6749, Appendix B, asks for form encoding; whatever else comes has no fields. */
async function formOf(c: WebContext): Promise<Readonly<Record<string, unknown>>> {
  const type = c.req.header('content-type') ?? ''
  return type.startsWith('application/x-www-form-urlencoded') ? await c.req.parseBody() : {}
}

/** What was issued, as text. */
type Certified = { readonly text: string; readonly serial: string; readonly validBeforeMs: number }

/** In the audit log before anybody has it. */
async function certify(
  parts: WebParts,
  token: MachineToken,
  wish: Wish,
  sourceAddress: string,
): Promise<Certified & { readonly wish: Wish }> {
  // Certificates count whole seconds, and the sign-in in them must not outlast them by a part of one.
  const nowMs = Math.floor(parts.clock.nowMs() / 1000) * 1000
  const lifetimeMs = Math.min(maxMachineCertificateMs, token.fields.expiresAtMs - nowMs)
  if (lifetimeMs < 1000)
    throw new Fault('TOKEN_REFUSED', 'This token ends within the second. Get a new one and try again.')
  const sessionsMs = token.fields.sessionMs ?? lifetimeMs
  const principal = principalOfMachine(token, nowMs + sessionsMs)
  const issued = await issue(parts, principal, wish, { lifetimeMs, nowMs })
  const { issuer, subject, name } = principal.fields
  parts.audit.append({
    kind: 'sign-in',
    method: 'token-exchange',
    issuer,
    subject,
    name,
    sourceAddress,
    certificate: wish.kind,
    fingerprint: wish.key.fingerprint,
    serial: issued.serial,
    until: new Date(issued.validBeforeMs).toISOString(),
  })
  return { ...issued, wish }
}

async function issue(
  { gatewayName, signInAuthority }: WebParts,
  { fields: principal }: Principal,
  wish: Wish,
  times: { readonly lifetimeMs: number; readonly nowMs: number },
): Promise<Certified> {
  if (wish.kind === 'x509') {
    const { key, from, authority } = wish
    const what = { key, principal, gatewayName, ...times, ...(from === undefined ? {} : { from }) }
    const { pem: text, serial, validBeforeMs } = await issueX509SignIn(what, authority)
    return { text, serial, validBeforeMs }
  }
  const { key } = wish
  const issued = await issueSignInCertificate({ key, principal, gatewayName, ...times }, signInAuthority)
  const text = `${certificateName(key.type)} ${issued.blob.toString('base64')} ${gatewayName}`
  return { text, serial: String(issued.serial), validBeforeMs: issued.validBeforeMs }
}

/** RFC 8693, section 2.2.1; `N_A` says that the token is no bearer's. */
function answer(c: WebContext, parts: WebParts, issued: Certified & { readonly wish: Wish }): Response {
  return c.json({
    access_token: issued.text,
    issued_token_type: issued.wish.kind === 'x509' ? x509TokenType : certificateTokenType,
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
