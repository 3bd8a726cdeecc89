/**
 * Client certificates of the *sign-in* X.509 authority, which only this gateway trusts: whoever proved the certified key in the TLS
 * handshake is the principal whom the certificate carries (docs/decisions/0122).
 */
import { createPublicKey, verify } from 'node:crypto'
import { contains, parseAddress, parseNetwork } from '../config/network.ts'
import type { PrincipalFields, Signer } from '../model.ts'
import { maxPrincipalBytes, principalOf } from './certified-principal.ts'
import type { ClientKey } from './client-key.ts'
import { maxCertificateLifetimeMs } from './sign-in-certificate.ts'
import {
  type CertificateProblem,
  type ClientCertificate,
  readClientCertificate,
  readSignedBytes,
  writeClientCertificate,
} from './x509-certificate.ts'

/** How far back a certificate starts, so that a clock that is a little behind takes it. Milliseconds. */
const startsBeforeMs = 30_000

/** Bytes of a certificate with the largest principal. A longer one is none of ours. */
const maxCertificateBytes = maxPrincipalBytes + 16 * 1024

export type X509SignInFields = { readonly principal: PrincipalFields; readonly serial: string }

/** Evidence that our own authority says who holds the key that was proven in this TLS connection. */
class X509SignIn {
  readonly #issued = true
  readonly fields: X509SignInFields

  constructor(fields: X509SignInFields) {
    this.fields = Object.freeze(fields)
  }

  static is(x: object): x is X509SignIn {
    return #issued in x
  }
}
export type { X509SignIn }

export type X509SignInRefusal =
  | CertificateProblem
  | 'unknown-authority'
  | 'not-yet-valid'
  | 'expired'
  | 'lives-too-long'
  | 'no-principal-inside'
  | 'another-gateway'
  | 'wrong-source-address'
  | 'unknown-issuer'

export type X509SignInCheck = {
  /** The sign-in X.509 authority: the key that signs now, and former ones while what they signed is accepted. There are no chains. */
  readonly authorities: readonly Pick<Signer, 'publicKeyPem'>[]
  readonly gatewayName: string
  readonly sourceAddress: string
  readonly nowMs: number
  /** Issuers that are trusted now: one that was taken out of the configuration takes its certificates along. */
  readonly trustsIssuer: (issuer: string) => boolean
}

/** Judges a certificate (DER) whose key the client proved to hold. Never throws. */
export function checkX509SignIn(certificate: Buffer, check: X509SignInCheck): X509SignIn | X509SignInRefusal {
  const parts = certificate.length > maxCertificateBytes ? undefined : readSignedBytes(certificate)
  if (parts === undefined) return 'unknown-authority'
  const { signed, signature } = parts
  const isSigned = check.authorities.some(
    ({ publicKeyPem }) => verify(null, signed, createPublicKey(publicKeyPem), signature) === true,
  )
  if (!isSigned) return 'unknown-authority'
  const read = readClientCertificate(parts.signed)
  if (typeof read === 'string') return read
  return checkTimes(read, check.nowMs) ?? checkSaid(read, check)
}

function checkTimes(
  { notBeforeMs, notAfterMs }: ClientCertificate,
  nowMs: number,
): X509SignInRefusal | undefined {
  if (nowMs < notBeforeMs) return 'not-yet-valid'
  if (nowMs >= notAfterMs) return 'expired'
  return notAfterMs - notBeforeMs > maxCertificateLifetimeMs + startsBeforeMs ? 'lives-too-long' : undefined
}

type Said = {
  readonly gateway: string
  readonly from: string | undefined
  readonly principal: PrincipalFields
}

function checkSaid(
  { said, serial }: ClientCertificate,
  check: X509SignInCheck,
): X509SignIn | X509SignInRefusal {
  const read = readSaid(said)
  if (read === undefined) return 'no-principal-inside'
  const { gateway, from, principal } = read
  if (gateway !== check.gatewayName) return 'another-gateway'
  if (from !== undefined && !liesIn(check.sourceAddress, from)) return 'wrong-source-address'
  if (!check.trustsIssuer(principal.issuer)) return 'unknown-issuer'
  if (check.nowMs >= principal.expiresAtMs) return 'expired'
  return new X509SignIn({ principal, serial })
}

/** Every member known and of its type; another one would mean something that this version does not check. */
function readSaid(json: string): Said | undefined {
  if (Buffer.byteLength(json) > maxPrincipalBytes) return undefined
  try {
    const { gateway, from, principal: fields, ...more } = JSON.parse(json) as Record<string, unknown>
    const principal = principalOf(fields)
    const known = typeof gateway === 'string' && (from === undefined || typeof from === 'string')
    if (!known || principal === undefined || Object.keys(more).length > 0) return undefined
    return { gateway, from, principal }
  } catch {
    return undefined
  }
}

function liesIn(sourceAddress: string, network: string): boolean {
  const address = parseAddress(sourceAddress)
  const read = parseNetwork(network)
  return address !== undefined && read.ok && contains(read.value, address)
}

export type X509SignInWish = {
  readonly key: ClientKey
  readonly principal: PrincipalFields
  readonly gatewayName: string
  readonly lifetimeMs: number
  readonly nowMs: number
  /** The network that it works from, in CIDR form; undefined: any. */
  readonly from?: string
}

export type IssuedX509SignIn = {
  readonly pem: string
  readonly serial: string
  readonly validBeforeMs: number
}

/** Certifies that the holder of the key is this principal. Throws TypeError for a principal that does not fit. */
export async function issueX509SignIn(wish: X509SignInWish, authority: Signer): Promise<IssuedX509SignIn> {
  const { key, principal, gatewayName, from } = wish
  const said = JSON.stringify({ gateway: gatewayName, ...(from === undefined ? {} : { from }), principal })
  if (readSaid(said) === undefined) throw new TypeError('this principal does not fit into a certificate')
  const nowMs = Math.floor(wish.nowMs / 1000) * 1000
  const lifetimeMs = Math.floor(Math.min(wish.lifetimeMs, maxCertificateLifetimeMs) / 1000) * 1000
  const content = {
    issuerName: `Sallyport sign-in of ${gatewayName}`,
    subjectName: principal.name,
    publicKeyDer: key.der,
    notBeforeMs: nowMs - startsBeforeMs,
    notAfterMs: nowMs + lifetimeMs,
    said,
  }
  const { der, serial } = await writeClientCertificate(content, authority)
  return { pem: pemOf(der), serial, validBeforeMs: content.notAfterMs }
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}
