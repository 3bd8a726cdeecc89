/** Signed notes (C2SP signed-note): text, an empty line, and signatures, each with the name and the id of its key. */
import { type Bytes, fromBase64, isSame, sha256, utf8 } from './bytes.ts'
import { isSignature } from './ed25519.ts'

/** Longer notes than any checkpoint with a hundred witnesses are not ours. */
const maxNoteCharacters = 64 * 1024
const maxSignatures = 100
const keyIdBytes = 4
/** C2SP signed-note, "Signature types": Ed25519 over the text. */
const ed25519Type = 1

export type NoteSignature = { readonly name: string; readonly keyId: Bytes; readonly signature: Bytes }
export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] }

/** Takes a note apart without believing it, or says what is wrong with its form. */
export function parseNote(note: string): Note | string {
  if (note.length > maxNoteCharacters) return 'the note is too long'
  if (/[\x00-\x09\x0b-\x1f\ufffd]/.test(note)) return 'the note holds control characters'
  const split = note.lastIndexOf('\n\n')
  if (split < 0 || !note.endsWith('\n')) return 'the note has no signatures'
  const lines = note.slice(split + 2, -1).split('\n')
  if (lines.length > maxSignatures) return 'the note has too many signatures'
  const signatures = lines.map(parseSignature)
  if (!signatures.every(signature => signature !== undefined)) return 'a signature line is malformed'
  return { text: note.slice(0, split + 1), signatures }
}

function parseSignature(line: string): NoteSignature | undefined {
  const match = /^— ([^\s+]{1,255}) ([A-Za-z0-9+/]+={0,2})$/.exec(line)
  const bytes = fromBase64(match?.[2] ?? '')
  if (bytes === undefined || bytes.length <= keyIdBytes) return undefined
  return { name: match?.[1] ?? '', keyId: bytes.slice(0, keyIdBytes), signature: bytes.slice(keyIdBytes) }
}

/** The first four bytes of SHA-256 over name, newline, type and key. */
export async function noteKeyId(name: string, publicKey: Uint8Array): Promise<Bytes> {
  const digest = await sha256(utf8(`${name}\n`), Uint8Array.of(ed25519Type), publicKey)
  return digest.slice(0, keyIdBytes)
}

/** Whether one of the note's signatures has this key's name and id, and is right. */
export async function isSignedBy(note: Note, name: string, publicKey: Uint8Array): Promise<boolean> {
  const keyId = await noteKeyId(name, publicKey)
  for (const one of note.signatures)
    if (one.name === name && isSame(one.keyId, keyId))
      if (await isSignature(publicKey, one.signature, utf8(note.text))) return true
  return false
}
