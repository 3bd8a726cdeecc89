/** Signed notes (C2SP signed-note): text, an empty line, and signatures, each with the name and the id of its key. */
import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { Signer } from '../../model.ts'

/** C2SP signed-note: 1 is Ed25519 over the note's text, 4 a cosignature with its time (C2SP tlog-cosignature). */
export const signatureType = { ed25519: 1, cosignature: 4 } as const
export type SignatureType = (typeof signatureType)[keyof typeof signatureType]

/** Longer notes than any checkpoint with a hundred witnesses are not ours. */
const maxNoteBytes = 64 * 1024
const maxSignatures = 100
const keyIdBytes = 4

/** A key that may sign notes, as its owner announces it: `name+hex id+base64(type ‖ key)`. */
export type NoteVerifier = {
  readonly name: string
  readonly type: SignatureType
  readonly keyId: Buffer
  readonly key: KeyObject
}

export type NoteSignature = { readonly name: string; readonly keyId: Buffer; readonly signature: Buffer }
export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] }

/** The raw 32 bytes of an Ed25519 public key, which end its SubjectPublicKeyInfo (RFC 8410). */
export function rawPublicKey(publicKeyPem: string): Buffer {
  return createPublicKey(publicKeyPem).export({ type: 'spki', format: 'der' }).subarray(-32)
}

export function noteKeyId(name: string, type: SignatureType, publicKey: Uint8Array): Buffer {
  const hash = createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.from([type]))
    .update(publicKey)
  return hash.digest().subarray(0, keyIdBytes)
}

/** How a key is announced to those who verify. */
export function verifierLine(name: string, publicKeyPem: string): string {
  const raw = rawPublicKey(publicKeyPem)
  const id = noteKeyId(name, signatureType.ed25519, raw).toString('hex')
  return `${name}+${id}+${Buffer.concat([Buffer.from([signatureType.ed25519]), raw]).toString('base64')}`
}

export function verifierOf(name: string, publicKeyPem: string): NoteVerifier {
  const type = signatureType.ed25519
  return {
    name,
    type,
    keyId: noteKeyId(name, type, rawPublicKey(publicKeyPem)),
    key: createPublicKey(publicKeyPem),
  }
}

/** Reads what `verifierLine` and the keys of witnesses look like, or says what is wrong with it. */
export function parseVerifier(line: string): NoteVerifier | string {
  const match = /^([^\s+]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(line.trim())
  if (match === null) return 'must be name+id+key, as C2SP signed-note writes verifier keys'
  const [, name = '', id = '', encoded = ''] = match
  const bytes = Buffer.from(encoded, 'base64')
  const type = bytes[0]
  if (bytes.length !== 33 || (type !== signatureType.ed25519 && type !== signatureType.cosignature))
    return 'must be an Ed25519 key or a cosignature key'
  const keyId = noteKeyId(name, type, bytes.subarray(1))
  if (keyId.toString('hex') !== id) return 'has an id that does not belong to its name and key'
  return { name, type, keyId, key: publicKeyFrom(bytes.subarray(1)) }
}

function publicKeyFrom(raw: Buffer): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }, format: 'jwk' })
}

/** The note with our signature, and those of other keys of ours. `text` ends with a newline. */
export async function signNote(text: string, name: string, ...signers: readonly Signer[]): Promise<string> {
  const signatures = signers.map(async signer => {
    const keyId = noteKeyId(name, signatureType.ed25519, rawPublicKey(signer.publicKeyPem))
    return { name, keyId, signature: await signer.sign(Buffer.from(text)) }
  })
  return printNote({ text, signatures: await Promise.all(signatures) })
}

export function printNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(signatureLine).join('')}`
}

export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  return `— ${name} ${Buffer.concat([keyId, signature]).toString('base64')}\n`
}

/** Takes a note apart without believing it, or says what is wrong with its form. */
export function parseNote(note: string): Note | string {
  if (Buffer.byteLength(note) > maxNoteBytes) return 'the note is too long'
  // oxlint-disable-next-line no-control-regex -- a note's text has no control characters but newlines
  if (/[\x00-\x09\x0b-\x1f\ufffd]/.test(note)) return 'the note holds control characters'
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return 'the note has no signatures'
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > maxSignatures) return 'the note has too many signatures'
  const signatures = lines.map(parseSignature)
  if (!signatures.every(signature => signature !== undefined)) return 'a signature line is malformed'
  return { text: note.slice(0, split + 1), signatures }
}

/** One line of a signature, without its newline. */
export function parseSignature(line: string): NoteSignature | undefined {
  const match = /^— ([^\s+]{1,255}) ([A-Za-z0-9+/]+={0,2})$/.exec(line)
  if (match === null) return undefined
  const bytes = Buffer.from(match[2] ?? '', 'base64')
  if (bytes.length <= keyIdBytes || bytes.toString('base64') !== match[2]) return undefined
  return { name: match[1] ?? '', keyId: bytes.subarray(0, keyIdBytes), signature: bytes.subarray(keyIdBytes) }
}

/** Whether one of the note's signatures is by this key, and right. */
export function isSignedBy(note: Note, verifier: NoteVerifier): boolean {
  return note.signatures.some(
    signature =>
      signature.name === verifier.name &&
      signature.keyId.equals(verifier.keyId) &&
      isRight(note.text, signature.signature, verifier),
  )
}

function isRight(text: string, signature: Buffer, { type, key }: NoteVerifier): boolean {
  if (type === signatureType.ed25519)
    return signature.length === 64 && verify(null, Buffer.from(text), key, signature)
  if (signature.length !== 72) return false
  const seconds = signature.readBigUInt64BE(0)
  const signed = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`)
  return verify(null, signed, key, signature.subarray(8))
}
