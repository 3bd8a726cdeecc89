/**
 * OpenSSH user certificates for every type of key that people have (PROTOCOL.certkeys of openssh-portable), written and read.
 * Reading checks the form alone; who signed it and what it is worth is decided in `sign-in-certificate.ts`.
 */
import { randomBytes } from 'node:crypto'
import type { Signer } from '../model.ts'
import { string, uint32, uint64, WireReader } from '../wire.ts'
import { isKeyType, keyFieldCount, type KeyType, parseUserKey, type UserKey } from './user-key.ts'

const suffix = '-cert-v01@openssh.com'

/** PROTOCOL.certkeys: 1 is a user's, 2 a host's. */
export const certificateType = { user: 1, host: 2 } as const

/** Bytes of a certificate: two long RSA keys and the groups of a person. */
const maxCertificateBytes = 128 * 1024

export type UserCertificate = {
  /** The key that it certifies, without the certificate. */
  readonly key: UserKey
  readonly serial: bigint
  readonly type: number
  readonly keyId: string
  readonly principals: readonly string[]
  /** Seconds since the Unix epoch. */
  readonly validAfter: bigint
  readonly validBefore: bigint
  readonly criticalOptions: ReadonlyMap<string, string>
  readonly extensions: ReadonlyMap<string, string>
  readonly authorityBlob: Buffer
  /** Everything before the signature, and the signature with its name. */
  readonly signedBytes: Buffer
  readonly signature: Buffer
}

/** `ssh-ed25519-cert-v01@openssh.com` and the like. FIDO names have their domain moved to the end. */
export function certificateName(type: KeyType): string {
  return type.replace(/@openssh\.com$/, '') + suffix
}

/** The type of key that a certificate of this name is for; undefined where the name is of no certificate. */
export function keyTypeOfCertificate(name: string): KeyType | undefined {
  if (!name.endsWith(suffix)) return undefined
  const base = name.slice(0, -suffix.length)
  const type = base.startsWith('sk-') ? `${base}@openssh.com` : base
  return isKeyType(type) ? type : undefined
}

/** Undefined for anything but a whole certificate. */
export function parseUserCertificate(blob: Buffer): UserCertificate | undefined {
  if (blob.length > maxCertificateBytes) return undefined
  try {
    return readCertificate(Buffer.from(blob))
  } catch {
    return undefined
  }
}

function readCertificate(blob: Buffer): UserCertificate | undefined {
  const reader = new WireReader(blob)
  const keyType = keyTypeOfCertificate(reader.text())
  if (keyType === undefined) return undefined
  reader.string() // nonce
  const key = parseUserKey(readKeyBlob(keyType, reader))
  if (key === undefined) return undefined
  const fields = {
    key,
    serial: reader.uint64(),
    type: reader.uint32(),
    keyId: reader.text(),
    principals: readNames(reader.string()),
    validAfter: reader.uint64(),
    validBefore: reader.uint64(),
    criticalOptions: readOptions(reader.string()),
    extensions: readOptions(reader.string()),
  }
  reader.string() // reserved
  const authorityBlob = reader.string()
  const signedBytes = blob.subarray(0, blob.length - reader.remaining)
  const signature = reader.string()
  reader.end()
  return { ...fields, authorityBlob, signedBytes, signature }
}

/** The fields of the key stand in the certificate without its name. */
function readKeyBlob(type: KeyType, reader: WireReader): Buffer {
  const fields = Array.from({ length: keyFieldCount(type) }, () => string(reader.string()))
  return Buffer.concat([string(type), ...fields])
}

function readNames(bytes: Buffer): readonly string[] {
  const reader = new WireReader(bytes)
  const names: string[] = []
  while (reader.remaining > 0) names.push(reader.text())
  return names
}

/** Sorted and each once, as the format demands: two readers must never see two different options. */
function readOptions(bytes: Buffer): ReadonlyMap<string, string> {
  const reader = new WireReader(bytes)
  const options = new Map<string, string>()
  let previous: Buffer | undefined
  while (reader.remaining > 0) {
    const name = reader.text()
    const raw = Buffer.from(name)
    if (previous !== undefined && Buffer.compare(raw, previous) <= 0) throw new TypeError('not in order')
    options.set(name, readValue(reader.string()))
    previous = raw
  }
  return options
}

/** A value is a string inside a string; a bare permission has none. */
function readValue(bytes: Buffer): string {
  if (bytes.length === 0) return ''
  const reader = new WireReader(bytes)
  const value = reader.text()
  reader.end()
  return value
}

export type CertificateContent = {
  readonly serial: bigint
  readonly keyId: string
  readonly principals: readonly string[]
  readonly validAfter: bigint
  readonly validBefore: bigint
  readonly criticalOptions: ReadonlyMap<string, string>
}

/** Certifies a key. Gives back the certificate's blob. */
export async function writeUserCertificate(
  key: UserKey,
  content: CertificateContent,
  authority: Signer,
  authorityBlob: Buffer,
): Promise<Buffer> {
  const body = Buffer.concat([
    string(certificateName(key.type)),
    string(randomBytes(32)),
    keyFields(key),
    uint64(content.serial),
    uint32(certificateType.user),
    string(content.keyId),
    string(Buffer.concat(content.principals.map(name => string(name)))),
    uint64(content.validAfter),
    uint64(content.validBefore),
    string(writeOptions(content.criticalOptions)),
    string(''), // extensions: permissions at targets, where it is worth nothing
    string(''), // reserved
    string(authorityBlob),
  ])
  const signature = Buffer.concat([string('ssh-ed25519'), string(await authority.sign(body))])
  return Buffer.concat([body, string(signature)])
}

function keyFields(key: UserKey): Buffer {
  const reader = new WireReader(key.blob)
  reader.string()
  return reader.rest()
}

function writeOptions(options: ReadonlyMap<string, string>): Buffer {
  const entries = [...options].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  return Buffer.concat(entries.flatMap(([name, value]) => [string(name), string(string(value))]))
}
