/** Keys of people for tests: real ones, and FIDO keys made of node's own, since none can be touched here. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { type KeyOffer, proveKey, type ProvenKey, signedBytes } from '../../src/identity/key-proof.ts'
import { byte, string, uint32 } from '../../src/wire.ts'

export type TestKey = {
  readonly type: string
  readonly blob: Buffer
  /** What a signature blob holds, for data and an algorithm (RSA has two). */
  readonly sign: (data: Buffer, algorithm?: string) => Buffer
}

function jwkPart(key: KeyObject, part: string): Buffer {
  return Buffer.from(String((key.export({ format: 'jwk' }) as Record<string, unknown>)[part]), 'base64url')
}

export function mpint(bytes: Buffer): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const rest = bytes.subarray(start)
  return string(((rest[0] ?? 0) & 0x80) === 0 ? rest : Buffer.concat([Buffer.of(0), rest]))
}

export function ed25519Key(): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const type = 'ssh-ed25519'
  const blob = Buffer.concat([string(type), string(jwkPart(publicKey, 'x'))])
  return { type, blob, sign: data => Buffer.concat([string(type), string(sign(null, data, privateKey))]) }
}

export function rsaKey(modulusLength = 2048): TestKey {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength })
  const blob = Buffer.concat([
    string('ssh-rsa'),
    mpint(jwkPart(publicKey, 'e')),
    mpint(jwkPart(publicKey, 'n')),
  ])
  const hashes: Record<string, string> = {
    'ssh-rsa': 'sha1',
    'rsa-sha2-256': 'sha256',
    'rsa-sha2-512': 'sha512',
  }
  return {
    type: 'ssh-rsa',
    blob,
    sign: (data, algorithm = 'rsa-sha2-512') =>
      Buffer.concat([string(algorithm), string(sign(hashes[algorithm] ?? 'sha512', data, privateKey))]),
  }
}

const curves = {
  256: ['P-256', 'sha256'],
  384: ['P-384', 'sha384'],
  521: ['P-521', 'sha512'],
} as const

function ecdsaPair(bits: 256 | 384 | 521) {
  const [namedCurve, hash] = curves[bits]
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
  const point = Buffer.concat([Buffer.of(4), jwkPart(publicKey, 'x'), jwkPart(publicKey, 'y')])
  const signed = (data: Buffer): Buffer => {
    const raw = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const half = raw.length / 2
    return string(Buffer.concat([mpint(raw.subarray(0, half)), mpint(raw.subarray(half))]))
  }
  return { point, signed }
}

export function ecdsaKey(bits: 256 | 384 | 521): TestKey {
  const { point, signed } = ecdsaPair(bits)
  const type = `ecdsa-sha2-nistp${bits}`
  const blob = Buffer.concat([string(type), string(`nistp${bits}`), string(point)])
  return { type, blob, sign: data => Buffer.concat([string(type), signed(data)]) }
}

export type FidoOptions = {
  readonly flags?: number
  readonly counter?: number
  readonly application?: string
  readonly kind?: 'ed25519' | 'ecdsa'
}

/** PROTOCOL.u2f: SHA-256 of the application, flags, counter, SHA-256 of the message. */
export function fidoKey({
  flags = 1,
  counter = 7,
  application = 'ssh:',
  kind = 'ed25519',
}: FidoOptions = {}): TestKey {
  const more = Buffer.concat([byte(flags), uint32(counter)])
  const toSign = (data: Buffer) => Buffer.concat([sha256(application), more, sha256(data)])
  if (kind === 'ecdsa') {
    const { point, signed } = ecdsaPair(256)
    const type = 'sk-ecdsa-sha2-nistp256@openssh.com'
    const blob = Buffer.concat([string(type), string('nistp256'), string(point), string(application)])
    return { type, blob, sign: data => Buffer.concat([string(type), signed(toSign(data)), more]) }
  }
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const type = 'sk-ssh-ed25519@openssh.com'
  const blob = Buffer.concat([string(type), string(jwkPart(publicKey, 'x')), string(application)])
  return {
    type,
    blob,
    sign: data => Buffer.concat([string(type), string(sign(null, toSign(data), privateKey)), more]),
  }
}

function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}

export const connection = {
  sessionId: Buffer.alloc(32, 7),
  userName: 'root@web1',
  service: 'ssh-connection',
} as const

/** A key that signed in a connection, as evidence. */
export function proven(key: TestKey, offer: Partial<KeyOffer> = {}): ProvenKey {
  const request = { ...connection, algorithm: algorithmOf(key), blob: key.blob, ...offer }
  const evidence = proveKey({ ...request, signature: key.sign(signedBytes(request)) })
  if (evidence === undefined) throw new Error('the key did not prove itself')
  return evidence
}

export function algorithmOf(key: TestKey): string {
  return key.type === 'ssh-rsa' ? 'rsa-sha2-512' : key.type
}
