/**
 * Who is at the other end of a PostgreSQL connection (DESIGN §7): a client certificate of ours, a password from the page, a workload's
 * token as the password, a browser that confirms, or OAUTHBEARER. The user name says where to, never who.
 */
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import { Fault, reasonOf } from '../errors.ts'
import type { PasswordUse, RedeemResult } from '../identity/connection-passwords.ts'
import type { MachineTokens } from '../identity/machine-token.ts'
import { type Principal, principalOfMachine, principalOfX509 } from '../identity/principal.ts'
import type { RefusalNotes } from '../identity/refusal-notes.ts'
import type { X509SignIn, X509SignInRefusal } from '../identity/x509-sign-in.ts'
import type { Log } from '../log.ts'
import { type NamedPlace, type PlaceNames, readPlace } from './authentication-address.ts'
import { type SignInOpener, waitForBrowser } from './authentication-browser.ts'
import { type BearerParts, signInWithBearer } from './authentication-oauth.ts'
import {
  lookUpFailed,
  needsTls,
  notAnAnswer,
  type SignInRefusals,
  wrongPassword,
} from './authentication-refusal.ts'
import { authenticationCleartextPassword, type Report } from './wire/backend.ts'
import { decodePassword } from './wire/frontend.ts'

/** The password that asks for a browser instead (docs/decisions/0120). */
export const browserWord = 'browser'

/** Three parts of base64url; the first is JSON that begins with `{"`. */
const jwtShape = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/

/** The connection, as far as signing in needs it. The listener's half. */
export type SignInClient = {
  readonly send: (bytes: Buffer) => void
  /**
   * The body of the client's next `p` message (at most 65,535 bytes). Undefined once the connection is gone, which it is too where the
   * client says something else: the listener answers that.
   */
  readonly receive: () => Promise<Buffer | undefined>
  /** From now on so many milliseconds are left to sign in, whatever was left before. */
  readonly allowTime: (ms: number) => void
  /** Aborts when the client has gone. It must be noticed while nothing is received, too. */
  readonly gone: AbortSignal
}

/** What the listener knows. Texts are the client's. */
export type SignInAsked = {
  readonly user: string
  readonly sourceAddress: string
  /** `loopback`: no TLS, on a listener that is bound to loopback. `open`: no TLS anywhere else. */
  readonly transport: 'tls' | 'loopback' | 'open'
  readonly tlsServerName: string | undefined
  /** DER of the certificate whose key the client proved to hold in the TLS handshake. */
  readonly clientCertificate: Buffer | undefined
  /** It came in at `postgres.oauth.listen`. */
  readonly oauthListener: boolean
}

/** How somebody proved who they are, for what follows from it. */
export type SignInProof =
  | { readonly method: 'password'; readonly id: string }
  | { readonly method: 'token' }
  | { readonly method: 'browser-confirmation' }
  | { readonly method: 'certificate'; readonly serial: string }
  | { readonly method: 'oauth-bearer' }

export type SignInResult =
  | {
      readonly kind: 'proven'
      readonly principal: Principal
      /** For `openSession`: where the user name, the TLS server name or the password lead. */
      readonly place: NamedPlace
      readonly proof: SignInProof
      /** True: AuthenticationOk (and `client_encoding`) have been said already. */
      readonly authenticationOkSent: boolean
    }
  /** To be sent as an ErrorResponse; then close. */
  | { readonly kind: 'refused'; readonly report: Report }
  | { readonly kind: 'gone' }

/** `ConnectionPasswords`, here or in the process that keeps them. Using a password up and finding it are one step. */
export type PasswordRedeemer = {
  readonly redeem: (password: string, use: PasswordUse) => RedeemResult | Promise<RedeemResult>
}

export type AuthenticationParts = {
  readonly passwords: PasswordRedeemer
  readonly machines: Pick<MachineTokens, 'verify'>
  /** Those of this listener alone. */
  readonly waiting: SignInOpener
  readonly signInTimeoutMs: () => number
  /** Judges a client certificate: ours, valid and for here, or why not. */
  readonly checkCertificate: (der: Buffer, sourceAddress: string) => X509SignIn | X509SignInRefusal
  /** Only if configured. */
  readonly oauth: BearerParts | undefined
  readonly places: () => PlaceNames
  readonly refusals: SignInRefusals
  readonly notes: Pick<RefusalNotes, 'note'>
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
  readonly log: Log
}

/** Signs a connection in after its StartupMessage was read. Never throws; a look-up that fails refuses. */
export async function authenticate(
  client: SignInClient,
  asked: SignInAsked,
  parts: AuthenticationParts,
): Promise<SignInResult> {
  try {
    if (asked.transport === 'open') return refuse(asked, parts, 'no-tls', needsTls())
    const place = readPlace(asked.user, asked.tlsServerName, parts.places())
    if (parts.oauth !== undefined && wantsBearer(asked, parts.oauth))
      return await bearer(client, asked, place, parts, parts.oauth)
    const certified = byCertificate(asked, place, parts)
    if (certified?.kind === 'proven') return certified
    return await byPassword(client, asked, place, parts, certified?.why)
  } catch (thrown) {
    parts.log.warn({ source: asked.sourceAddress, cause: reasonOf(thrown) }, 'a PostgreSQL sign-in failed')
    return refuseFault(asked, parts, thrown)
  }
}

type Proven = Extract<SignInResult, { kind: 'proven' }>

/** A certificate of anybody else is no sign-in: libpq sends what it finds in the home folder. */
function byCertificate(
  asked: SignInAsked,
  place: NamedPlace,
  parts: AuthenticationParts,
): Proven | { kind: 'not'; why: X509SignInRefusal } | undefined {
  if (asked.clientCertificate === undefined) return undefined
  const certificate = parts.checkCertificate(asked.clientCertificate, asked.sourceAddress)
  if (typeof certificate === 'string') return { kind: 'not', why: certificate }
  const { serial } = certificate.fields
  const proof = { method: 'certificate', serial } as const
  return proven(asked, parts, principalOfX509(certificate), place, proof)
}

async function byPassword(
  client: SignInClient,
  asked: SignInAsked,
  place: NamedPlace,
  parts: AuthenticationParts,
  certificate: X509SignInRefusal | undefined,
): Promise<SignInResult> {
  client.send(authenticationCleartextPassword)
  const body = await client.receive()
  if (body === undefined) return { kind: 'gone' }
  const password = decodePassword(body).trim()
  if (parts.refusals.browserSignIn && password.toLowerCase() === browserWord)
    return await byBrowser(client, asked, place, parts)
  if (jwtShape.test(password)) return await byToken(asked, place, parts, password)
  const result = await parts.passwords.redeem(password, {
    ...place,
    sourceAddress: asked.sourceAddress,
    protocol: 'postgres',
    userName: asked.user,
  })
  if (result.kind === 'proven') {
    const proof = { method: 'password', id: result.id } as const
    return {
      kind: 'proven',
      principal: result.principal,
      place: result.place,
      proof,
      authenticationOkSent: false,
    }
  }
  const why = password === '' ? 'no-password' : result.why
  const owner = result.owner === undefined ? {} : { principal: result.owner.fields.name, id: result.id }
  const about =
    certificate === undefined
      ? undefined
      : `The client certificate does not count here either: ${certificate}.`
  return refuse(asked, parts, why, wrongPassword(parts.refusals, about), owner)
}

/**
 * The token is the workload's for as long as it lives, so it may open several connections, but only from the address that it was first
 * used from: whoever finds it in a log elsewhere gets nothing (docs/decisions/0121).
 */
async function byToken(
  asked: SignInAsked,
  place: NamedPlace,
  parts: AuthenticationParts,
  jwt: string,
): Promise<SignInResult> {
  const token = await parts.machines.verify(jwt, `PostgreSQL from ${asked.sourceAddress}`)
  const { sessionMs, expiresAtMs } = token.fields
  const until = sessionMs === undefined ? expiresAtMs : parts.clock.nowMs() + sessionMs
  return proven(asked, parts, principalOfMachine(token, until), place, { method: 'token' })
}

async function byBrowser(
  client: SignInClient,
  asked: SignInAsked,
  place: NamedPlace,
  parts: AuthenticationParts,
): Promise<SignInResult> {
  const answer = await waitForBrowser(client, { ...asked, place }, parts)
  if (answer.kind === 'gone') return answer
  if (answer.kind === 'refused') return refuse(asked, parts, answer.code, answer.report)
  const method = 'browser-confirmation'
  return { ...proven(asked, parts, answer.principal, place, { method }), authenticationOkSent: true }
}

/** Names of hosts are the same in any case (RFC 6066, section 3). */
function wantsBearer({ oauthListener, tlsServerName }: SignInAsked, { serverName }: BearerParts): boolean {
  const named = serverName !== undefined && tlsServerName?.toLowerCase() === serverName.toLowerCase()
  return oauthListener || named
}

async function bearer(
  client: SignInClient,
  asked: SignInAsked,
  place: NamedPlace,
  parts: AuthenticationParts,
  oauth: BearerParts,
): Promise<SignInResult> {
  const answer = await signInWithBearer(client, oauth)
  switch (answer.kind) {
    case 'gone':
      return answer
    case 'told':
      return { kind: 'refused', report: answer.report }
    case 'refused':
      return refuse(asked, parts, answer.code, answer.report, { reasons: answer.why })
    case 'proven':
      return proven(asked, parts, answer.principal, place, { method: 'oauth-bearer' })
  }
}

/** In the audit log before the client hears of it. */
function proven(
  asked: SignInAsked,
  parts: AuthenticationParts,
  principal: Principal,
  place: NamedPlace,
  proof: SignInProof,
): Proven {
  const { issuer, subject, name } = principal.fields
  const { user, sourceAddress } = asked
  const serial = proof.method === 'certificate' ? { serial: proof.serial } : {}
  const who = { issuer, subject, principal: name, protocol: 'postgres', userName: user, sourceAddress }
  parts.audit.append({ kind: 'sign-in', method: proof.method, ...who, ...serial })
  return { kind: 'proven', principal, place, proof, authenticationOkSent: false }
}

function refuse(
  { user, sourceAddress }: SignInAsked,
  parts: AuthenticationParts,
  code: string,
  report: Report,
  more: Readonly<Record<string, string | undefined>> = {},
): SignInResult {
  parts.notes.note(sourceAddress, { protocol: 'postgres', method: 'sign-in', code, userName: user, ...more })
  return { kind: 'refused', report }
}

/** Tokens that are no good, messages that are none, and look-ups that failed. */
function refuseFault(asked: SignInAsked, parts: AuthenticationParts, thrown: unknown): SignInResult {
  const code = thrown instanceof Fault ? thrown.code : 'unknown'
  const report =
    code === 'TOKEN_REFUSED'
      ? wrongPassword(parts.refusals)
      : code === 'POSTGRES_PROTOCOL'
        ? notAnAnswer(lookUpFailed(thrown).message)
        : lookUpFailed(thrown)
  try {
    return refuse(asked, parts, code, report, { reasons: reasonOf(thrown) })
  } catch (failed) {
    parts.log.error({ cause: reasonOf(failed) }, 'a refused sign-in could not be written down')
    return { kind: 'refused', report }
  }
}
