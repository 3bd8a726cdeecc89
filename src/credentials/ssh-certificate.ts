/**
 * OpenSSH certificates for Ed25519 keys (PROTOCOL.certkeys of openssh-portable): written, read and checked.
 * Only Ed25519 on both sides: the gateway makes every key that it certifies.
 */
import { type KeyObject, randomBytes, verify } from 'node:crypto'
import type { Signer } from '../model.ts'
import { string, uint32, uint64, WireReader } from '../wire.ts'
import { createPublicKey } from 'node:crypto'
import { ed25519, parsePublicKeyBlob, publicKeyBlob, rawPublicKey } from './ssh-key.ts'

export const certificateAlgorithm = 'ssh-ed25519-cert-v01@openssh.com'

const typeNumber = { user: 1, host: 2 } as const

export type CertificateFields = {
  readonly serial: bigint
  readonly type: 'user' | 'host'
  readonly keyId: string
  readonly principals: readonly string[]
  readonly validAfterSeconds: number
  readonly validBeforeSeconds: number
  /** Name → value; an option that a checker does not know makes the certificate void. */
  readonly criticalOptions: Readonly<Record<string, string>>
  /** Names of permissions, such as `permit-pty`. */
  readonly extensions: readonly string[]
}

export type Certificate = CertificateFields & {
  readonly publicKey: KeyObject
  readonly authorityBlob: Buffer
}

/** Signs a certificate for `publicKey` and returns its blob. */
export async function issueCertificate(
  publicKey: KeyObject,
  fields: CertificateFields,
  authority: Signer,
): Promise<Buffer> {
  const body = Buffer.concat([
    string(certificateAlgorithm),
    string(randomBytes(32)),
    string(rawPublicKey(publicKey)),
    uint64(fields.serial),
    uint32(typeNumber[fields.type]),
    string(fields.keyId),
    string(Buffer.concat(fields.principals.map(name => string(name)))),
    uint64(BigInt(fields.validAfterSeconds)),
    uint64(BigInt(fields.validBeforeSeconds)),
    string(encodeOptions(fields.criticalOptions)),
    string(encodeOptions(Object.fromEntries(fields.extensions.map(name => [name, undefined])))),
    string(''),
    string(blobOf(authority)),
  ])
  const signature = Buffer.concat([string(ed25519), string(await authority.sign(body))])
  return Buffer.concat([body, string(signature)])
}

const blobs = new WeakMap<Signer, { readonly keyId: string; readonly blob: Buffer }>()

/** Read once for each key: a Signer has another after a rotation. */
function blobOf(authority: Signer): Buffer {
  const { keyId, publicKeyPem } = authority
  const known = blobs.get(authority)
  if (known?.keyId === keyId) return known.blob
  const blob = publicKeyBlob(createPublicKey(publicKeyPem))
  blobs.set(authority, { keyId, blob })
  return blob
}

/** Sorted by name, as the format demands; a value is a string inside a string, a bare permission has none. */
function encodeOptions(options: Readonly<Record<string, string | undefined>>): Buffer {
  const names = Object.keys(options).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return Buffer.concat(
    names.flatMap(name => {
      const value = options[name]
      return [string(name), string(value === undefined ? '' : string(value))]
    }),
  )
}

function decodeOptions(bytes: Buffer): Record<string, string> {
  const reader = new WireReader(bytes)
  const options: Record<string, string> = Object.create(null) as Record<string, string>
  let previous = ''
  while (reader.remaining > 0) {
    const name = reader.text()
    const value = reader.string()
    if (name <= previous) throw new Error('options are not in order')
    previous = name
    options[name] = value.length === 0 ? '' : new WireReader(value).text()
  }
  return options
}

function decodePrincipals(bytes: Buffer): string[] {
  const reader = new WireReader(bytes)
  const names: string[] = []
  while (reader.remaining > 0) names.push(reader.text())
  return names
}

export type CertificateRefusal =
  | 'malformed'
  | 'wrong-type'
  | 'unknown-authority'
  | 'bad-signature'
  | 'not-yet-valid'
  | 'expired'
  | 'no-principals'
  | 'wrong-principal'
  | 'unknown-critical-option'
  | 'wrong-source-address'

export type CertificateCheck = {
  readonly type: 'user' | 'host'
  /** Blobs of the authorities that may have signed it. */
  readonly authorities: readonly Buffer[]
  readonly principal: string
  readonly nowMs: number
  /** For `source-address`; undefined refuses certificates that carry it. */
  readonly sourceAddressMatches?: (list: string) => boolean
}

/**
 * Reads a certificate and checks everything that sshd checks, and one thing more: an empty list of principals, which to
 * OpenSSH's host side means "anybody", is refused. A certificate can never be the authority of another (CVE-2025-49825).
 */
export function checkCertificate(blob: Buffer, check: CertificateCheck): Certificate | CertificateRefusal {
  const parsed = parseCertificate(blob)
  if (parsed === undefined) return 'malformed'
  const { certificate, signedBytes, signature } = parsed
  if (certificate.type !== check.type) return 'wrong-type'
  if (!check.authorities.some(authority => authority.equals(certificate.authorityBlob)))
    return 'unknown-authority'
  const authority = parsePublicKeyBlob(certificate.authorityBlob)
  if (authority === undefined) return 'unknown-authority'
  if (verify(null, signedBytes, authority, signature) !== true) return 'bad-signature'
  return checkFields(certificate, check) ?? certificate
}

function checkFields(certificate: Certificate, check: CertificateCheck): CertificateRefusal | undefined {
  const nowSeconds = check.nowMs / 1000
  if (nowSeconds < certificate.validAfterSeconds) return 'not-yet-valid'
  if (nowSeconds >= certificate.validBeforeSeconds) return 'expired'
  if (certificate.principals.length === 0) return 'no-principals'
  if (!certificate.principals.includes(check.principal)) return 'wrong-principal'
  for (const [name, value] of Object.entries(certificate.criticalOptions)) {
    if (name !== 'source-address') return 'unknown-critical-option'
    if (check.sourceAddressMatches?.(value) !== true) return 'wrong-source-address'
  }
  return undefined
}

type ParsedCertificate = { certificate: Certificate; signedBytes: Buffer; signature: Buffer }

/** Undefined for anything but a well-formed Ed25519 certificate signed with Ed25519. Checks no signature. */
export function parseCertificate(blob: Buffer): ParsedCertificate | undefined {
  try {
    return readCertificate(blob)
  } catch {
    return undefined
  }
}

function readCertificate(blob: Buffer): ParsedCertificate | undefined {
  const reader = new WireReader(blob)
  if (reader.text() !== certificateAlgorithm) return undefined
  reader.string() // nonce
  const publicKey = parsePublicKeyBlob(Buffer.concat([string(ed25519), string(reader.string())]))
  const serial = reader.uint64()
  const type = reader.uint32()
  const keyId = reader.text()
  const principals = decodePrincipals(reader.string())
  const validAfterSeconds = secondsOf(reader.uint64())
  const validBeforeSeconds = secondsOf(reader.uint64())
  const criticalOptions = decodeOptions(reader.string())
  const extensions = Object.keys(decodeOptions(reader.string()))
  reader.string() // reserved
  const authorityBlob = reader.string()
  const signedBytes = blob.subarray(0, blob.length - reader.remaining)
  const signature = readSignature(reader.string())
  reader.end()
  if (publicKey === undefined || signature === undefined || (type !== 1 && type !== 2)) return undefined
  const fields = {
    serial,
    keyId,
    principals,
    validAfterSeconds,
    validBeforeSeconds,
    criticalOptions,
    extensions,
  }
  const certificate = { ...fields, type: type === 1 ? 'user' : 'host', publicKey, authorityBlob } as const
  return { certificate, signedBytes, signature }
}

/** Beyond what a double holds exactly lies "for ever", which is how OpenSSH writes it. */
function secondsOf(value: bigint): number {
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value)
}

function readSignature(bytes: Buffer): Buffer | undefined {
  const reader = new WireReader(bytes)
  const algorithm = reader.text()
  const signature = reader.string()
  reader.end()
  return algorithm === ed25519 && signature.length === 64 ? signature : undefined
}
