/**
 * Certificates of the *sign-in* authority, which only this gateway trusts: whoever proves the certified key is the principal whom the
 * certificate carries (docs/decisions/0040). Every check of OpenSSH, and those that it leaves to others.
 */
import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { contains, parseAddress, parseNetwork } from '../config/network.ts'
import type { PrincipalFields, Signer } from '../model.ts'
import { string, WireReader } from '../wire.ts'
import { maxPrincipalBytes, readCertifiedPrincipal } from './certified-principal.ts'
import type { ProvenKey } from './key-proof.ts'
import { certificateType, type UserCertificate, writeUserCertificate } from './user-certificate.ts'
import type { UserKey } from './user-key.ts'

/**
 * Carries the principal as JSON. A *critical* option: whoever does not know it must refuse the certificate, so that a target which was
 * made to trust the wrong authority still lets nobody in.
 */
export const principalOption = 'principal@sallyport'

/** How far back a certificate starts, so that a clock that is a little behind takes it. Seconds. */
const startsBeforeSeconds = 30

/** No certificate of ours lives longer, whatever its own times say. Milliseconds. */
export const maxCertificateLifetimeMs = 24 * 3_600_000

const authorityKeyType = 'ssh-ed25519'

export type SignInCertificateFields = {
  readonly principal: PrincipalFields
  readonly serial: bigint
  readonly keyId: string
  readonly fingerprint: string
}

/** Evidence that our own authority says who holds the key that signed in this connection. */
class SignInCertificate {
  readonly #issued = true
  readonly fields: SignInCertificateFields

  constructor(fields: SignInCertificateFields) {
    this.fields = Object.freeze(fields)
  }

  static is(x: object): x is SignInCertificate {
    return #issued in x
  }
}
export type { SignInCertificate }

export type SignInCertificateRefusal =
  | 'no-certificate'
  | 'wrong-type'
  | 'unknown-authority'
  | 'bad-signature'
  | 'not-yet-valid'
  | 'expired'
  | 'lives-too-long'
  | 'no-principals'
  | 'another-gateway'
  | 'unknown-critical-option'
  | 'wrong-source-address'
  | 'user-not-verified'
  | 'no-principal-inside'
  | 'unknown-issuer'

export type SignInCertificateCheck = {
  /** The sign-in authority: the key that signs now, and former ones while what they signed is accepted. */
  readonly authorities: readonly Pick<Signer, 'publicKeyPem'>[]
  /** The gateway that the certificate must be for, its only principal in OpenSSH's sense. */
  readonly gatewayName: string
  readonly sourceAddress: string
  readonly nowMs: number
  /** Issuers that are trusted now: one that was taken out of the configuration takes its certificates along. */
  readonly trustsIssuer: (issuer: string) => boolean
}

/** Judges the certificate around a key that has signed. Never throws. */
export function checkSignInCertificate(
  proven: ProvenKey,
  check: SignInCertificateCheck,
): SignInCertificate | SignInCertificateRefusal {
  const { certificate, key } = proven.fields
  if (certificate === undefined) return 'no-certificate'
  const refusal =
    checkAuthority(certificate, check.authorities) ??
    checkTimes(certificate, check.nowMs) ??
    checkUse(certificate, check.gatewayName) ??
    checkOptions(certificate, proven, check.sourceAddress)
  if (refusal !== undefined) return refusal
  const principal = readCertifiedPrincipal(certificate.criticalOptions.get(principalOption))
  if (principal === undefined) return 'no-principal-inside'
  if (!check.trustsIssuer(principal.issuer)) return 'unknown-issuer'
  if (check.nowMs >= principal.expiresAtMs) return 'expired'
  const { serial, keyId } = certificate
  return new SignInCertificate({ principal, serial, keyId, fingerprint: key.fingerprint })
}

/** The blob of an authority's public key. */
export function authorityBlobOf(authority: Pick<Signer, 'publicKeyPem'>): Buffer {
  const jwk = createPublicKey(authority.publicKeyPem).export({ format: 'jwk' })
  return Buffer.concat([string(authorityKeyType), string(Buffer.from(String(jwk.x), 'base64url'))])
}

/**
 * The authority's blob must be ours byte for byte: a plain key, so that a certificate, ours included, is never taken for the authority
 * of another (CVE-2025-49825).
 */
function checkAuthority(
  certificate: UserCertificate,
  authorities: SignInCertificateCheck['authorities'],
): SignInCertificateRefusal | undefined {
  if (certificate.type !== certificateType.user) return 'wrong-type'
  const authority = authorities.find(each => certificate.authorityBlob.equals(authorityBlobOf(each)))
  if (authority === undefined) return 'unknown-authority'
  const signature = readSignature(certificate.signature)
  const publicKey = createPublicKey(authority.publicKeyPem)
  const signed =
    signature !== undefined && verify(null, certificate.signedBytes, publicKey, signature) === true
  return signed ? undefined : 'bad-signature'
}

function readSignature(bytes: Buffer): Buffer | undefined {
  try {
    const reader = new WireReader(bytes)
    const algorithm = reader.text()
    const signature = reader.string()
    reader.end()
    return algorithm === authorityKeyType && signature.length === 64 ? signature : undefined
  } catch {
    return undefined
  }
}

function checkTimes(
  { validAfter, validBefore }: UserCertificate,
  nowMs: number,
): SignInCertificateRefusal | undefined {
  const now = BigInt(Math.floor(nowMs / 1000))
  if (now < validAfter) return 'not-yet-valid'
  if (now >= validBefore) return 'expired'
  const longest = BigInt(maxCertificateLifetimeMs / 1000 + startsBeforeSeconds)
  return validBefore - validAfter > longest ? 'lives-too-long' : undefined
}

/** To sshd an empty list of principals once meant everybody. Here it means nobody. */
function checkUse(
  { principals }: UserCertificate,
  gatewayName: string,
): SignInCertificateRefusal | undefined {
  if (principals.length === 0) return 'no-principals'
  return principals.includes(gatewayName) ? undefined : 'another-gateway'
}

function checkOptions(
  certificate: UserCertificate,
  proven: ProvenKey,
  sourceAddress: string,
): SignInCertificateRefusal | undefined {
  for (const [name, value] of certificate.criticalOptions) {
    if (name === principalOption) continue
    if (name === 'source-address') {
      if (!liesIn(sourceAddress, value)) return 'wrong-source-address'
    } else if (name === 'verify-required') {
      if (proven.fields.facts.fido?.userVerified !== true) return 'user-not-verified'
    } else return 'unknown-critical-option'
  }
  return undefined
}

/** PROTOCOL.certkeys: networks with commas between; one that cannot be read spoils the list. */
function liesIn(sourceAddress: string, list: string): boolean {
  const address = parseAddress(sourceAddress)
  const networks = list.split(',').map(text => parseNetwork(text))
  if (address === undefined || networks.some(network => !network.ok)) return false
  return networks.some(network => network.ok && contains(network.value, address))
}

export type SignInCertificateWish = {
  readonly key: UserKey
  readonly principal: PrincipalFields
  readonly gatewayName: string
  readonly lifetimeMs: number
  readonly nowMs: number
}

export type IssuedSignInCertificate = {
  readonly blob: Buffer
  readonly serial: bigint
  readonly keyId: string
  readonly validBeforeMs: number
}

/**
 * Certifies that the holder of the key is this principal. No proof that the asker holds the key is needed: without it the
 * certificate is worth nothing. Throws TypeError for a principal that does not fit.
 */
export async function issueSignInCertificate(
  wish: SignInCertificateWish,
  authority: Signer,
): Promise<IssuedSignInCertificate> {
  const { key, principal, gatewayName, nowMs } = wish
  const json = JSON.stringify(principal)
  if (Buffer.byteLength(json) > maxPrincipalBytes || readCertifiedPrincipal(json) === undefined)
    throw new TypeError('this principal does not fit into a certificate')
  const serial = randomBytes(8).readBigUInt64BE()
  const nowSeconds = Math.floor(nowMs / 1000)
  const lifetimeMs = Math.min(wish.lifetimeMs, maxCertificateLifetimeMs)
  const validBefore = nowSeconds + Math.floor(lifetimeMs / 1000)
  const keyId = `sallyport sign-in serial=${serial} subject=${principal.subject}`
  const content = {
    serial,
    keyId,
    principals: [gatewayName],
    validAfter: BigInt(nowSeconds - startsBeforeSeconds),
    validBefore: BigInt(validBefore),
    criticalOptions: new Map([[principalOption, json]]),
  }
  const blob = await writeUserCertificate(key, content, authority, authorityBlobOf(authority))
  return { blob, serial, keyId, validBeforeMs: validBefore * 1000 }
}
