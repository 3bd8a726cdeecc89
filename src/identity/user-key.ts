/**
 * Public keys that people sign in with, as they come in a `publickey` request (RFC 4252, section 7), and their signatures:
 * Ed25519 (RFC 8709), ECDSA (RFC 5656), RSA with SHA-2 (RFC 8332) and the FIDO keys of OpenSSH (PROTOCOL.u2f).
 * Every byte here comes from a stranger.
 */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { WireReader } from '../wire.ts'

/** RFC 4253's `ssh-rsa` key format; its SHA-1 signatures are not among the algorithms. */
export type KeyType =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'ssh-rsa'
  | 'sk-ssh-ed25519@openssh.com'
  | 'sk-ecdsa-sha2-nistp256@openssh.com'

/** Bits of an RSA modulus: below, it can be factored by those who care; above, checking it costs us too much. */
export const minRsaBits = 2048
export const maxRsaBits = 16_384

/** Bytes of an RSA exponent. Everybody has 65537; a long one only makes us work. */
const maxExponentBytes = 8

/** Bytes of a key as it comes; the longest RSA key fits twice. */
const maxKeyBytes = 8 * 1024

/** What a FIDO key is for. It signs this beside the message, so that a web site's key cannot be used here. */
const fidoApplication = /^ssh:[\x20-\x7e]{0,200}$/

/** PROTOCOL.u2f, "SSH U2F signatures". */
const fidoFlag = { userPresent: 0x01, userVerified: 0x04 } as const

type Curve = { readonly jwk: string; readonly name: string; readonly bytes: number; readonly hash: string }

const curves: Partial<Record<KeyType, Curve>> = {
  'ecdsa-sha2-nistp256': { jwk: 'P-256', name: 'nistp256', bytes: 32, hash: 'sha256' },
  'ecdsa-sha2-nistp384': { jwk: 'P-384', name: 'nistp384', bytes: 48, hash: 'sha384' },
  'ecdsa-sha2-nistp521': { jwk: 'P-521', name: 'nistp521', bytes: 66, hash: 'sha512' },
  'sk-ecdsa-sha2-nistp256@openssh.com': { jwk: 'P-256', name: 'nistp256', bytes: 32, hash: 'sha256' },
}

/** A well-formed public key. That somebody sent it says nothing about who they are. */
export type UserKey = {
  readonly type: KeyType
  /** As it came, without a certificate around it. */
  readonly blob: Buffer
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly fingerprint: string
  readonly publicKey: KeyObject
  /** Of FIDO keys only. */
  readonly application: string | undefined
}

/** What a signature said besides being right. */
export type SignatureFacts = {
  /** Of FIDO keys: a finger or a PIN was asked for, and how many signatures the key says that it made. */
  readonly fido: { readonly userVerified: boolean; readonly counter: number } | undefined
}

/** Undefined for anything but a whole key of a type above. */
export function parseUserKey(blob: Buffer): UserKey | undefined {
  if (blob.length > maxKeyBytes) return undefined
  try {
    const reader = new WireReader(blob)
    const type = reader.text()
    const material = isKeyType(type) ? readKeyMaterial(type, reader) : undefined
    reader.end()
    if (material === undefined || !isKeyType(type)) return undefined
    const { publicKey, application } = material
    return { type, blob: Buffer.from(blob), fingerprint: fingerprintOf(blob), publicKey, application }
  } catch {
    return undefined
  }
}

const keyTypes: ReadonlySet<string> = new Set<KeyType>([
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
])

export function isKeyType(text: string): text is KeyType {
  return keyTypes.has(text)
}

export function isFido(type: KeyType): boolean {
  return type.startsWith('sk-')
}

/** `SHA256:…` without padding. */
export function fingerprintOf(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** The key in one line, as in a `.pub` file; undefined for what is none. A comment may follow and is ignored. */
export function parsePublicKeyLine(line: string): UserKey | undefined {
  const [type = '', base64 = ''] = line.trim().split(/[ \t]+/)
  const blob = Buffer.from(base64, 'base64')
  if (blob.toString('base64') !== base64) return undefined
  const key = parseUserKey(blob)
  return key?.type === type ? key : undefined
}

/** How many strings (or mpints) make up a key of this type after its name; certificates hold the same between their own fields. */
export function keyFieldCount(type: KeyType): number {
  if (type === 'ssh-ed25519') return 1
  return type === 'sk-ecdsa-sha2-nistp256@openssh.com' ? 3 : 2
}

type KeyMaterial = { readonly publicKey: KeyObject; readonly application?: string }

function readKeyMaterial(
  type: KeyType,
  reader: WireReader,
): { publicKey: KeyObject; application: string | undefined } | undefined {
  const material = type === 'ssh-rsa' ? readRsa(reader) : readPoint(type, reader)
  if (material === undefined) return undefined
  if (!isFido(type)) return { publicKey: material.publicKey, application: undefined }
  const application = reader.text()
  return fidoApplication.test(application) ? { publicKey: material.publicKey, application } : undefined
}

function readPoint(type: KeyType, reader: WireReader): KeyMaterial | undefined {
  const curve = curves[type]
  return curve === undefined ? readEd25519(reader) : readEcdsa(curve, reader)
}

function readEd25519(reader: WireReader): KeyMaterial | undefined {
  const raw = reader.string()
  if (raw.length !== 32) return undefined
  return fromJwk({ kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') })
}

/** RFC 5656, section 3.1: only the uncompressed form. The import refuses points that are not on the curve. */
function readEcdsa(curve: Curve, reader: WireReader): KeyMaterial | undefined {
  const name = reader.text()
  const point = reader.string()
  if (name !== curve.name || point.length !== 1 + 2 * curve.bytes || point[0] !== 4) return undefined
  const x = point.subarray(1, 1 + curve.bytes).toString('base64url')
  const y = point.subarray(1 + curve.bytes).toString('base64url')
  return fromJwk({ kty: 'EC', crv: curve.jwk, x, y })
}

function readRsa(reader: WireReader): KeyMaterial | undefined {
  const exponent = readPositive(reader)
  const modulus = readPositive(reader)
  if (exponent === undefined || modulus === undefined) return undefined
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  const odd = ((exponent.at(-1) ?? 0) & (modulus.at(-1) ?? 0) & 1) === 1
  const tiny = exponent.length === 1 && (exponent[0] ?? 0) < 3
  if (bits < minRsaBits || bits > maxRsaBits || exponent.length > maxExponentBytes || !odd || tiny)
    return undefined
  return fromJwk({ kty: 'RSA', e: exponent.toString('base64url'), n: modulus.toString('base64url') })
}

function fromJwk(jwk: Record<string, string>): KeyMaterial {
  return { publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }
}

/** RFC 4251, section 5: an mpint above zero in its one shortest form; without the zero that marks it as positive. */
function readPositive(reader: WireReader): Buffer | undefined {
  const bytes = reader.string()
  const [first = 0, second = 0] = bytes
  if (bytes.length === 0 || (first & 0x80) !== 0) return undefined
  if (first !== 0) return bytes
  return bytes.length > 1 && (second & 0x80) !== 0 ? bytes.subarray(1) : undefined
}

/**
 * Whether `signature` (name and bytes, as in the request) is the key's over `data` by exactly `algorithm`. Undefined if it is
 * not, whatever the reason; a FIDO key must also say that somebody touched it.
 */
export function checkSignature(
  key: UserKey,
  algorithm: string,
  data: Buffer,
  signature: Buffer,
): SignatureFacts | undefined {
  try {
    const reader = new WireReader(signature)
    // The name inside must be the one asked for: never what the signer would like it to be (T22).
    if (reader.text() !== algorithm || !belongsTo(algorithm, key.type)) return undefined
    const bytes = reader.string()
    if (isFido(key.type)) return checkFido(key, data, bytes, reader)
    reader.end()
    return isSignedBy(key, algorithm, data, bytes) ? { fido: undefined } : undefined
  } catch {
    return undefined
  }
}

/** Algorithms and key types have the same names but for RSA, whose keys sign with either hash (RFC 8332). */
function belongsTo(algorithm: string, type: KeyType): boolean {
  return type === 'ssh-rsa'
    ? algorithm === 'rsa-sha2-256' || algorithm === 'rsa-sha2-512'
    : algorithm === type
}

/** PROTOCOL.u2f: what a FIDO key signs is made of hashes, so that it never sees the message. */
function checkFido(
  key: UserKey,
  data: Buffer,
  bytes: Buffer,
  reader: WireReader,
): SignatureFacts | undefined {
  const flagsAndCounter = reader.rest()
  if (flagsAndCounter.length !== 5) return undefined
  const flags = flagsAndCounter.readUInt8(0)
  if ((flags & fidoFlag.userPresent) === 0) return undefined
  const signed = Buffer.concat([sha256(key.application ?? ''), flagsAndCounter, sha256(data)])
  if (!isSignedBy(key, key.type, signed, bytes)) return undefined
  const userVerified = (flags & fidoFlag.userVerified) !== 0
  return { fido: { userVerified, counter: flagsAndCounter.readUInt32BE(1) } }
}

function isSignedBy(key: UserKey, algorithm: string, data: Buffer, bytes: Buffer): boolean {
  const curve = curves[key.type]
  if (curve !== undefined) return isEcdsa(key, curve, data, bytes)
  if (key.type === 'ssh-rsa') return isRsa(key, algorithm, data, bytes)
  return bytes.length === 64 && verify(null, data, key.publicKey, bytes) === true
}

/** RFC 5656, section 3.1.2: two mpints, which Node wants side by side at full width. */
function isEcdsa(key: UserKey, curve: Curve, data: Buffer, bytes: Buffer): boolean {
  const reader = new WireReader(bytes)
  const numbers = [readPositive(reader), readPositive(reader)]
  reader.end()
  const wide = numbers.map(number =>
    number === undefined || number.length > curve.bytes ? undefined : widened(number, curve.bytes),
  )
  if (wide[0] === undefined || wide[1] === undefined) return false
  const signature = Buffer.concat([wide[0], wide[1]])
  return verify(curve.hash, data, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, signature) === true
}

/** Some clients drop leading zeros of the signature, as sshd allows. */
function isRsa(key: UserKey, algorithm: string, data: Buffer, bytes: Buffer): boolean {
  const width = Math.ceil((key.publicKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8)
  if (bytes.length === 0 || bytes.length > width) return false
  const hash = algorithm === 'rsa-sha2-512' ? 'sha512' : 'sha256'
  return verify(hash, data, key.publicKey, widened(bytes, width)) === true
}

function widened(bytes: Buffer, width: number): Buffer {
  return Buffer.concat([Buffer.alloc(width - bytes.length), bytes])
}

function sha256(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(data).digest()
}
