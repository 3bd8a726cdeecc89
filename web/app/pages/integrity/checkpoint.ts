/** Checkpoints of the log of sessions (C2SP tlog-checkpoint), and the proofs that recordings carry (C2SP tlog-proof). */
import { type Bytes, fromBase64, isSame, utf8 } from './bytes.ts'
import { hashBytes, leafHash, provesInclusion } from './merkle.ts'
import { isSignedBy, type Note, noteKeyId, parseNote } from './note.ts'
import type { TrustedKey } from './trust.ts'

export type Checkpoint = {
  readonly origin: string
  readonly size: number
  readonly root: Bytes
  readonly note: Note
}

/** Takes a checkpoint apart without believing it, or says what is wrong with its form. */
export function parseCheckpoint(text: string): Checkpoint | string {
  const note = parseNote(text)
  if (typeof note === 'string') return note
  const [origin = '', size = '', encoded = ''] = note.text.split('\n')
  const root = fromBase64(encoded)
  if (origin === '' || !/^(0|[1-9][0-9]{0,15})$/.test(size)) return 'the checkpoint names no log or no size'
  if (root?.length !== hashBytes) return 'the checkpoint has no root hash'
  if (!note.signatures.some(({ name }) => name === origin))
    return 'the checkpoint has no signature by the log that it names'
  return { origin, size: Number(size), root, note }
}

/** The first of these keys that signed it. */
export async function signerOf<Key extends Pick<TrustedKey, 'publicKey'>>(
  { origin, note }: Checkpoint,
  keys: readonly Key[],
): Promise<Key | undefined> {
  for (const key of keys) if (await isSignedBy(note, origin, key.publicKey)) return key
  return undefined
}

/** Whether it claims a signature by one of these keys: then that signature has to be right. */
export async function claimsOneOf(
  { origin, note }: Checkpoint,
  keys: readonly Pick<TrustedKey, 'publicKey'>[],
): Promise<boolean> {
  for (const { publicKey } of keys) {
    const keyId = await noteKeyId(origin, publicKey)
    if (note.signatures.some(one => one.name === origin && isSame(one.keyId, keyId))) return true
  }
  return false
}

const proofLine = 'c2sp.org/tlog-proof@v1'

/** Where the entry is in the log, if the proof leads to the root of its checkpoint; else why it does not. The signature is for the caller. */
export async function checkInclusion(
  entry: string,
  proof: string,
): Promise<{ readonly index: number; readonly checkpoint: Checkpoint } | string> {
  const split = proof.indexOf('\n\n')
  const [version, indexLine = '', ...hashes] = proof.slice(0, Math.max(0, split)).split('\n')
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(indexLine)?.[1]
  if (version !== proofLine || index === undefined) return 'the proof has another form than C2SP tlog-proof'
  const checkpoint = parseCheckpoint(proof.slice(split + 2))
  if (typeof checkpoint === 'string') return checkpoint
  const steps = hashes.map(fromBase64).filter(step => step !== undefined)
  if (steps.length !== hashes.length) return 'the proof is not written as it should be'
  const leaf = { hash: await leafHash(utf8(entry)), index: Number(index) }
  const isRight = await provesInclusion(leaf, checkpoint, steps)
  return isRight ? { index: leaf.index, checkpoint } : 'the proof does not lead to the root of its checkpoint'
}
