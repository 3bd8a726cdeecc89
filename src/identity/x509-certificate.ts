/**
 * X.509 certificates (RFC 5280) in the one form that the sign-in authority gives out: version 3, Ed25519, four critical extensions. Written
 * and read here byte for byte; whatever has another form is none of ours.
 */
import { randomBytes } from 'node:crypto'
import type { Signer } from '../model.ts'
import {
  type DerElement,
  der,
  derObjectIdentifier,
  DerReader,
  derTag,
  derTime,
  explicitTag,
  MalformedDer,
  readTime,
} from './der.ts'

/**
 * Carries the principal and what it is bound to. *Critical*: who does not know it must refuse the certificate. The number is a UUID
 * (ITU-T X.667), so nobody had to be asked for it.
 */
export const principalExtension = '2.25.152276733194451503451316777057249578523'

const oid = {
  ed25519: '1.3.101.112',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  clientAuthentication: '1.3.6.1.5.5.7.3.2',
} as const

/** Bits of a serial number: unique without a list, and 20 octets are the most that RFC 5280 allows. */
const serialBytes = 16

/** Of a common name (RFC 5280, appendix A.1). Characters. */
const maxCommonName = 64

/** The extensions whose content never differs. */
const fixedExtensions: ReadonlyMap<string, Buffer> = new Map([
  // cA is false by default, and DER leaves defaults out.
  [oid.basicConstraints, der(derTag.sequence)],
  // digitalSignature alone: bit 0, seven bits unused.
  [oid.keyUsage, der(derTag.bitString, Buffer.of(7, 0x80))],
  [oid.extendedKeyUsage, der(derTag.sequence, derObjectIdentifier(oid.clientAuthentication))],
])

const signatureAlgorithm = der(derTag.sequence, derObjectIdentifier(oid.ed25519))

export type ClientCertificateContent = {
  /** For people who look at the certificate; nothing is decided by it. */
  readonly issuerName: string
  readonly subjectName: string
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: Uint8Array
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** What the principal extension says. */
  readonly said: string
}

export type ClientCertificate = {
  /** Hexadecimal, lower case. */
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly said: string
}

/** A certificate signed by the authority, in DER. */
export async function writeClientCertificate(
  content: ClientCertificateContent,
  authority: Signer,
): Promise<{ readonly der: Buffer; readonly serial: string }> {
  const serial = randomBytes(serialBytes)
  // Positive, and never shorter: the highest bit off, the next one on.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  const signed = signedPart(content, serial)
  const signature = der(derTag.bitString, Buffer.of(0), await authority.sign(signed))
  return { der: der(derTag.sequence, signed, signatureAlgorithm, signature), serial: serial.toString('hex') }
}

function signedPart(content: ClientCertificateContent, serial: Buffer): Buffer {
  const { issuerName, subjectName, publicKeyDer, notBeforeMs, notAfterMs, said } = content
  const extensions = [
    ...fixedExtensions,
    [principalExtension, der(derTag.utf8String, Buffer.from(said))] as const,
  ]
  return der(
    derTag.sequence,
    der(explicitTag(0), der(derTag.integer, Buffer.of(2))),
    der(derTag.integer, serial),
    signatureAlgorithm,
    nameOf(issuerName),
    der(derTag.sequence, derTime(notBeforeMs), derTime(notAfterMs)),
    nameOf(subjectName),
    publicKeyDer,
    der(explicitTag(3), der(derTag.sequence, ...extensions.map(([id, value]) => extensionOf(id, value)))),
  )
}

function nameOf(text: string): Buffer {
  const value = der(derTag.utf8String, Buffer.from(Array.from(text).slice(0, maxCommonName).join('')))
  const pair = der(derTag.sequence, derObjectIdentifier(oid.commonName), value)
  return der(derTag.sequence, der(derTag.set, pair))
}

function extensionOf(id: string, value: Buffer): Buffer {
  const critical = der(derTag.boolean, Buffer.of(0xff))
  return der(derTag.sequence, derObjectIdentifier(id), critical, der(derTag.octetString, value))
}

/** A certificate taken apart as far as its signature; nothing else in it is believed before that was checked. */
export type SignedBytes = { readonly signed: Buffer; readonly signature: Buffer }

/** Undefined where it is not a certificate signed with Ed25519. */
export function readSignedBytes(certificate: Buffer): SignedBytes | undefined {
  return unlessMalformed(() => {
    const outer = new DerReader(certificate)
    const reader = outer.into(derTag.sequence)
    outer.end()
    const signed = reader.next(derTag.sequence).whole
    if (!reader.next(derTag.sequence).whole.equals(signatureAlgorithm)) return undefined
    const { content } = reader.next(derTag.bitString)
    reader.end()
    return content[0] === 0 && content.length === 65 ? { signed, signature: content.subarray(1) } : undefined
  })
}

export type CertificateProblem = 'malformed' | 'unknown-extension' | 'wrong-use'

/** Reads what our authority signed, and nothing else than the form that it gives out. */
export function readClientCertificate(signed: Buffer): ClientCertificate | CertificateProblem {
  return unlessMalformed(() => readFields(new DerReader(signed).into(derTag.sequence))) ?? 'malformed'
}

function readFields(reader: DerReader): ClientCertificate | CertificateProblem {
  const version = reader.into(explicitTag(0)).next(derTag.integer).content
  if (!version.equals(Buffer.of(2))) return 'malformed'
  const serial = reader.next(derTag.integer).content.toString('hex')
  if (!reader.next(derTag.sequence).whole.equals(signatureAlgorithm)) return 'malformed'
  reader.next(derTag.sequence) // issuer: the key decides, not the name
  const validity = reader.into(derTag.sequence)
  const [notBeforeMs, notAfterMs] = [readTime(validity.any()), readTime(validity.any())]
  validity.end()
  reader.next(derTag.sequence) // subject: for people
  reader.next(derTag.sequence) // public key: TLS has checked that the client holds its other half
  const explicit = reader.into(explicitTag(3))
  const said = readExtensions(explicit.into(derTag.sequence))
  explicit.end()
  reader.end()
  return typeof said === 'string' ? said : { serial, notBeforeMs, notAfterMs, said: said.text }
}

/** Each of the four once, critical, with the content that it must have; any other, critical or not, is refused. */
function readExtensions(reader: DerReader): { text: string } | CertificateProblem {
  const found = new Map<string, Buffer>()
  while (!reader.atEnd) {
    const [id, value] = readExtension(reader.into(derTag.sequence))
    const name = idsByOctets.get(id)
    if (name === undefined || found.has(name)) return 'unknown-extension'
    found.set(name, value)
  }
  for (const [name, value] of fixedExtensions) if (found.get(name)?.equals(value) !== true) return 'wrong-use'
  const said = found.get(principalExtension)
  if (said === undefined) return 'wrong-use'
  const inner = new DerReader(said)
  const text = inner.next(derTag.utf8String).content.toString('utf8')
  inner.end()
  return { text }
}

const idsByOctets: ReadonlyMap<string, string> = new Map(
  [...fixedExtensions.keys(), principalExtension].map(id => [derObjectIdentifier(id).toString('hex'), id]),
)

function readExtension(reader: DerReader): [string, Buffer] {
  const id = reader.next(derTag.objectIdentifier).whole.toString('hex')
  const critical: DerElement | undefined = reader.optional(derTag.boolean)
  if (critical?.content.equals(Buffer.of(0xff)) !== true)
    throw new MalformedDer('an extension that is not critical')
  const value = reader.next(derTag.octetString).content
  reader.end()
  return [id, value]
}

function unlessMalformed<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (thrown) {
    if (thrown instanceof MalformedDer) return undefined
    throw thrown
  }
}
