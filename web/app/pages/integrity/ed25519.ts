/** Ed25519 by WebCrypto (RFC 8032, pure), and the names that people know keys by. */
import { type Bytes, fromBase64, joined, sha256, toBase64, utf8 } from './bytes.ts'

export const publicKeyBytes = 32
export const signatureBytes = 64

/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410). */
const spkiHead = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

/** What cannot be a key or a signature has signed nothing. Throws only where the browser has no Ed25519. */
export async function isSignature(
  publicKey: Uint8Array,
  signature: Uint8Array,
  signed: Uint8Array,
): Promise<boolean> {
  if (publicKey.length !== publicKeyBytes || signature.length !== signatureBytes) return false
  const key = await importKey(publicKey)
  return key !== undefined && crypto.subtle.verify('Ed25519', key, joined(signature), joined(signed))
}

async function importKey(publicKey: Uint8Array) {
  try {
    return await crypto.subtle.importKey('raw', joined(publicKey), 'Ed25519', false, ['verify'])
  } catch (error) {
    if (error instanceof Error && error.name === 'NotSupportedError')
      throw new Error(
        'This browser cannot check Ed25519 signatures. Use a newer one, or "sallyport verify".',
        { cause: error },
      )
    return undefined // a point that is none
  }
}

/** The 32 bytes of a public key in PEM; undefined for any other kind of key. */
export function keyOfPem(pem: string): Bytes | undefined {
  const match = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(pem.trim())
  const spki = fromBase64((match?.[1] ?? '').replaceAll(/\s/g, ''))
  if (spki === undefined || spki.length !== spkiHead.length + publicKeyBytes) return undefined
  return spkiHead.every((byte, at) => byte === spki[at]) ? spki.slice(spkiHead.length) : undefined
}

/** `SHA256:…` as ssh-keygen prints it (RFC 8709). */
export async function keyIdOf(publicKey: Uint8Array): Promise<string> {
  const digest = await sha256(sshString(utf8('ssh-ed25519')), sshString(publicKey))
  return `SHA256:${toBase64(digest).replace(/=+$/, '')}`
}

function sshString(bytes: Uint8Array): Bytes {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.length)
  return joined(length, bytes)
}
