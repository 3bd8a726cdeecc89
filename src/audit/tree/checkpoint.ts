/** Checkpoints of the log of sessions (C2SP tlog-checkpoint): origin, size and root, signed as a note. */
import type { Signer } from '../../model.ts'
import { hashBytes } from './merkle.ts'
import { isSignedBy, type Note, type NoteVerifier, parseNote, signNote } from './note.ts'

export type TreeHead = { readonly origin: string; readonly size: number; readonly root: Buffer }
export type ReadCheckpoint = TreeHead & { readonly note: Note }

export function checkpointText({ origin, size, root }: TreeHead): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}

/** The name of the keys is the origin, as the specification wants it. */
export function signCheckpoint(head: TreeHead, ...signers: readonly Signer[]): Promise<string> {
  return signNote(checkpointText(head), head.origin, ...signers)
}

/** Takes a checkpoint apart without believing it, or says what is wrong with its form. */
export function parseCheckpoint(text: string): ReadCheckpoint | string {
  const note = parseNote(text)
  if (typeof note === 'string') return note
  const [origin = '', size = '', encoded = ''] = note.text.split('\n')
  const root = Buffer.from(encoded, 'base64')
  if (origin === '' || !/^(0|[1-9][0-9]{0,15})$/.test(size)) return 'the checkpoint names no log or no size'
  if (root.length !== hashBytes || root.toString('base64') !== encoded)
    return 'the checkpoint has no root hash'
  if (!note.signatures.some(({ name }) => name === origin))
    return 'the checkpoint has no signature by the log that it names'
  return { origin, size: Number(size), root, note }
}

/** A checkpoint that one of the keys signed, or why it cannot be believed. */
export function openCheckpoint(text: string, verifiers: readonly NoteVerifier[]): ReadCheckpoint | string {
  const checkpoint = parseCheckpoint(text)
  if (typeof checkpoint === 'string') return checkpoint
  if (!verifiers.some(verifier => isSignedBy(checkpoint.note, verifier)))
    return 'the checkpoint is not signed by a key that you trust'
  return checkpoint
}
