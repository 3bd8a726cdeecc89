import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { DerReader, derTag, explicitTag, MalformedDer } from './der.ts'

/** A key that a client may use in TLS, as it came to the token endpoint. */
export type ClientKey = {
  /** SubjectPublicKeyInfo. */
  readonly der: Buffer
  /** `SHA256:…` of it, as `openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | base64` gives it. */
  readonly fingerprint: string
}

const minRsaBits = 2048
const acceptedCurves: readonly string[] = ['prime256v1', 'secp384r1', 'secp521r1']

/** RFC 7468: one block of one of these labels and nothing else; a private key by mistake is not even looked at. */
const pemShape = /^-----BEGIN (PUBLIC KEY|CERTIFICATE REQUEST)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/

/**
 * The public key of a PEM text: SubjectPublicKeyInfo, or a PKCS #10 request, of which only the key is taken. Whether the asker holds its
 * other half is checked when it is used. Undefined where it is none that can be certified.
 */
export function parseClientKey(pem: string): ClientKey | undefined {
  const [, label, base64 = ''] = pemShape.exec(pem.trim()) ?? []
  if (label === undefined) return undefined
  const bytes = Buffer.from(base64, 'base64')
  const spki = label === 'PUBLIC KEY' ? bytes : keyOfRequest(bytes)
  return spki === undefined ? undefined : acceptable(spki)
}

function acceptable(spki: Buffer): ClientKey | undefined {
  const key = readKey(spki)
  if (key === undefined || !isAcceptable(key)) return undefined
  // As this program writes it: nothing that came along goes into what we sign.
  const der = key.export({ format: 'der', type: 'spki' })
  return {
    der,
    fingerprint: `SHA256:${createHash('sha256').update(der).digest('base64').replace(/=+$/, '')}`,
  }
}

function readKey(spki: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** Ed25519, ECDSA on the NIST curves, or RSA from 2,048 bits: what libpq, JDBC and Node can use. */
function isAcceptable({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (type === 'ed25519') return true
  if (type === 'ec') return acceptedCurves.includes(details?.namedCurve ?? '')
  return type === 'rsa' && (details?.modulusLength ?? 0) >= minRsaBits
}

/** RFC 2986, section 4: CertificationRequestInfo is version, subject, key and attributes. */
function keyOfRequest(request: Buffer): Buffer | undefined {
  try {
    const info = new DerReader(request).into(derTag.sequence).into(derTag.sequence)
    info.next(derTag.integer)
    info.next(derTag.sequence)
    const spki = info.next(derTag.sequence).whole
    info.optional(explicitTag(0))
    info.end()
    return spki
  } catch (thrown) {
    if (thrown instanceof MalformedDer) return undefined
    throw thrown
  }
}
