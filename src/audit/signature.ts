import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'

/** Whether a raw Ed25519 signature over these bytes is by this key. What is no Ed25519 key has signed nothing. */
export function isSignature(signed: Uint8Array, signature: Uint8Array, publicKeyPem: string): boolean {
  try {
    const key = createPublicKey(publicKeyPem)
    return key.asymmetricKeyType === 'ed25519' && verify(null, signed, key, signature)
  } catch {
    return false
  }
}

/** `SHA256:…` as ssh-keygen prints it for this Ed25519 key (RFC 8709), or `unknown` for what is none. */
export function keyIdOf(publicKeyPem: string): string {
  try {
    const key = createPublicKey(publicKeyPem)
    if (key.asymmetricKeyType !== 'ed25519') return 'unknown'
    const digest = createHash('sha256').update(sshBlob(key)).digest('base64')
    return `SHA256:${digest.replace(/=+$/, '')}`
  } catch {
    return 'unknown'
  }
}

/** string "ssh-ed25519", string key: the last 32 bytes of the SubjectPublicKeyInfo (RFC 8410). */
function sshBlob(key: KeyObject): Buffer {
  const raw = key.export({ type: 'spki', format: 'der' }).subarray(-32)
  return Buffer.concat([sshString(Buffer.from('ssh-ed25519')), sshString(raw)])
}

function sshString(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
