/** OAUTHBEARER with a client: ask, tell where tokens come from or take one, refuse as libpq 18 expects it. */
import { Fault, reasonOf } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import { bearerRefused, notAnAnswer } from './authentication-refusal.ts'
import { invalidToken, isFarewell, oauthBearer, readBearerResponse } from './sasl/oauth-bearer.ts'
import { authenticationCode, encodeAuthentication, encodeSasl, type Report } from './wire/backend.ts'
import { decodeSaslInitialResponse } from './wire/frontend.ts'

export type BearerParts = {
  /** The TLS server name that chooses OAUTHBEARER. libpq takes SCRAM where both are offered, so it cannot choose by itself. */
  readonly serverName: string | undefined
  readonly issuer: string
  readonly scope: string
  /** Whose access token it is. Throws Fault TOKEN_REFUSED or ISSUER_UNAVAILABLE. */
  readonly verify: (token: string) => Promise<Principal>
}

export type BearerClient = {
  readonly send: (bytes: Buffer) => void
  readonly receive: () => Promise<Buffer | undefined>
}

export type BearerAnswer =
  | { readonly kind: 'proven'; readonly principal: Principal }
  /** The client asked where to get a token and was told. It comes again on a new connection. */
  | { readonly kind: 'told'; readonly report: Report }
  | { readonly kind: 'refused'; readonly code: string; readonly why: string; readonly report: Report }
  | { readonly kind: 'gone' }

/** Throws MalformedMessage for what is no SASLInitialResponse, and Fault ISSUER_UNAVAILABLE. */
export async function signInWithBearer(client: BearerClient, parts: BearerParts): Promise<BearerAnswer> {
  client.send(encodeSasl([oauthBearer]))
  const body = await client.receive()
  if (body === undefined) return { kind: 'gone' }
  const { mechanism, response } = decodeSaslInitialResponse(body)
  if (mechanism !== oauthBearer || response === null)
    return malformed('not OAUTHBEARER with a first response')
  const said = readBearerResponse(response)
  if (said.kind === 'malformed') return malformed(said.why)
  if (said.kind === 'discovery') return await tell(client, parts, { kind: 'told', report: bearerRefused() })
  return await judge(said.token, client, parts)
}

/** AuthenticationOk follows at once, without an AuthenticationSASLFinal: the mechanism has none. */
async function judge(token: string, client: BearerClient, parts: BearerParts): Promise<BearerAnswer> {
  try {
    return { kind: 'proven', principal: await parts.verify(token) }
  } catch (thrown) {
    if (!(thrown instanceof Fault) || thrown.code !== 'TOKEN_REFUSED') throw thrown
    const report = bearerRefused('Sign in again. If it happens again, tell the people who run this gateway.')
    return await tell(client, parts, { kind: 'refused', code: thrown.code, why: reasonOf(thrown), report })
  }
}

/** RFC 7628, section 3.2.2: the status first; the client answers with its farewell, and only then comes the error. */
async function tell(client: BearerClient, parts: BearerParts, answer: BearerAnswer): Promise<BearerAnswer> {
  const status = Buffer.from(invalidToken(parts.issuer, parts.scope))
  client.send(encodeAuthentication(authenticationCode.saslContinue, status))
  const farewell = await client.receive()
  if (farewell === undefined) return { kind: 'gone' }
  return isFarewell(farewell) ? answer : malformed('something else than 0x01 after the status')
}

function malformed(why: string): BearerAnswer {
  return { kind: 'refused', code: 'malformed-response', why, report: notAnAnswer(why) }
}
