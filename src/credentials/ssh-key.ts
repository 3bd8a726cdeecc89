/** Ed25519 keys, and the gateway's RSA host key, in the forms that OpenSSH reads and writes (RFC 8709; PROTOCOL.key of openssh-portable). */
import { createHash, createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import { byte, string, uint32, WireReader } from '../wire.ts'

export const ed25519 = 'ssh-ed25519'

/** The 32 bytes of a public key, of either half. OpenSSL writes DER ten times as slowly as this. */
export function rawPublicKey(key: KeyObject): Buffer {
  const half = key.type === 'private' ? createPublicKey(key) : key
  return Buffer.from(half.export({ format: 'jwk' }).x ?? '', 'base64url')
}

/** RFC 8709, section 4, and RFC 4253, section 6.6: the key blob that certificates and known_hosts hold. */
export function publicKeyBlob(key: KeyObject): Buffer {
  if (key.asymmetricKeyType !== 'rsa') return Buffer.concat([string(ed25519), string(rawPublicKey(key))])
  const { e, n } = key.export({ format: 'jwk' })
  return Buffer.concat([string('ssh-rsa'), mpint(e), mpint(n)])
}

/** RFC 4251, section 5, from the unsigned number of a JSON Web Key: a zero keeps it positive. */
function mpint(base64url: string | undefined): Buffer {
  const number = Buffer.from(base64url ?? '', 'base64url')
  return string((number[0] ?? 0) >= 0x80 ? Buffer.concat([byte(0), number]) : number)
}

/** The inverse of `publicKeyBlob`; undefined for anything that is not exactly an Ed25519 key. */
export function parsePublicKeyBlob(blob: Buffer): KeyObject | undefined {
  try {
    const reader = new WireReader(blob)
    const algorithm = reader.text()
    const raw = reader.string()
    reader.end()
    if (algorithm !== ed25519 || raw.length !== 32) return undefined
    return createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') },
      format: 'jwk',
    })
  } catch {
    return undefined
  }
}

/** `SHA256:…` without padding, as `ssh-keygen -l` prints it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/** One line of an authorized_keys or TrustedUserCAKeys file. */
export function publicKeyLine(blob: Buffer, comment: string): string {
  const algorithm = new WireReader(blob).text()
  return `${algorithm} ${blob.toString('base64')} ${comment}`
}

/** The unencrypted `openssh-key-v1` container, which is the form that the SSH engine loads host keys from. */
export function openSshPrivateKey(key: KeyObject): string {
  const check = randomBytes(4)
  const secret = pad(Buffer.concat([check, check, privateFields(key), string('')]))
  const container = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    string('none'),
    string('none'),
    string(''),
    uint32(1),
    string(publicKeyBlob(key)),
    string(secret),
  ])
  const lines = container.toString('base64').match(/.{1,70}/g) ?? []
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`
}

/** As ssh-agent gets them (draft-miller-ssh-agent, section 4.2), which the container holds too. */
function privateFields(key: KeyObject): Buffer {
  const jwk = key.export({ format: 'jwk' })
  if (key.asymmetricKeyType === 'rsa')
    return Buffer.concat([string('ssh-rsa'), ...[jwk.n, jwk.e, jwk.d, jwk.qi, jwk.p, jwk.q].map(mpint)])
  const raw = rawPublicKey(key)
  const seed = Buffer.from(String(jwk.d), 'base64url')
  return Buffer.concat([string(ed25519), string(raw), string(Buffer.concat([seed, raw]))])
}

/** PROTOCOL.key: padded with 1, 2, 3… to the cipher's block, which is 8 for "none". */
function pad(bytes: Buffer): Buffer {
  const missing = (8 - (bytes.length % 8)) % 8
  return Buffer.concat([bytes, ...Array.from({ length: missing }, (_, index) => byte(index + 1))])
}
