/** Opens an encrypted recording with an auditor's key, by WebCrypto: nothing leaves this page. recordings/README.md says how. */
import type { GeneralJWE, JWK } from 'jose'
import { compactDecrypt } from 'jose/jwe/compact/decrypt'
import { generalDecrypt } from 'jose/jwe/general/decrypt'
import { importJWK } from 'jose/key/import'

export type Opener = {
  readonly chunk: (number: number, head: Uint8Array, sealed: Uint8Array) => Promise<Uint8Array>
  readonly event: (sequence: number, sealed: Uint8Array) => Promise<Uint8Array>
}

/** Rounds of PBKDF2 that a locked file may ask for. */
const maxRounds = 10_000_000

/** Throws with a sentence for whoever typed it. */
export async function unlockKey(text: string, passphrase: string): Promise<string> {
  try {
    const { plaintext } = await compactDecrypt(text, new TextEncoder().encode(passphrase), {
      keyManagementAlgorithms: ['PBES2-HS512+A256KW'],
      contentEncryptionAlgorithms: ['A256GCM'],
      maxPBES2Count: maxRounds,
    })
    return new TextDecoder().decode(plaintext)
  } catch {
    throw new Error('This passphrase does not open the key.')
  }
}

/** The key in a file that somebody chose. Throws with a sentence for them. */
export function parseKey(text: string): JWK {
  let jwk: JWK = {}
  try {
    jwk = JSON.parse(text) as JWK
  } catch {
    // said below
  }
  if (typeof jwk.d !== 'string' || typeof jwk.kty !== 'string')
    throw new Error(
      'This file holds no private key as a JWK. Choose the one that "sallyport keys auditor" made.',
    )
  return { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, d: jwk.d } as JWK
}

/** `link` is the SHA-256 of the stored header. */
export async function openerOf(key: GeneralJWE, jwk: JWK, link: Uint8Array): Promise<Opener> {
  const dataKey = await unwrap(key, jwk)
  const chunks = await derive(dataKey, 'chunks')
  const events = await derive(dataKey, 'events')
  dataKey.fill(0)
  return {
    chunk: (number, head, sealed) => open(chunks, number, joined(link, head), sealed),
    event: (sequence, sealed) => open(events, sequence, link, sealed),
  }
}

async function unwrap(key: GeneralJWE, jwk: JWK): Promise<Uint8Array> {
  try {
    const { plaintext } = await generalDecrypt(key, await importJWK(jwk, 'ECDH-ES+A256KW'), {
      keyManagementAlgorithms: ['ECDH-ES+A256KW'],
      contentEncryptionAlgorithms: ['A256GCM'],
    })
    return plaintext
  } catch {
    throw new Error('This key does not open the recording. It was encrypted to others.')
  }
}

async function derive(dataKey: Uint8Array, purpose: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', dataKey as BufferSource, 'HKDF', false, ['deriveKey'])
  const info = new TextEncoder().encode(`sallyport recording v1 ${purpose}`)
  const how = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info }
  return crypto.subtle.deriveKey(how, material, { name: 'AES-GCM', length: 256 }, false, ['decrypt'])
}

async function open(
  key: CryptoKey,
  number: number,
  additionalData: Uint8Array,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  const iv = new Uint8Array(12)
  new DataView(iv.buffer).setBigUint64(4, BigInt(number))
  const how = { name: 'AES-GCM', iv, additionalData: additionalData as BufferSource, tagLength: 128 }
  try {
    return new Uint8Array(await crypto.subtle.decrypt(how, key, sealed as BufferSource))
  } catch {
    throw new Error(
      'What was recorded has been changed, or belongs to another recording: it cannot be opened.',
    )
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length)
  bytes.set(a)
  bytes.set(b, a.length)
  return bytes
}
