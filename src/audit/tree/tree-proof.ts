/** Proofs that a leaf is in the log (C2SP tlog-proof), as recordings carry them, checked offline. */
import { parseCheckpoint, type ReadCheckpoint } from './checkpoint.ts'
import { leafHash, provesInclusion } from './merkle.ts'
import { isSignedBy, type Note, type NoteVerifier, verifierOf } from './note.ts'
import type { LeafProof } from './session-log.ts'

const firstLine = 'c2sp.org/tlog-proof@v1'

export type CheckedProof = {
  readonly index: number
  readonly checkpoint: ReadCheckpoint
  /** The key (PEM) among those given that signed the checkpoint; undefined if none of them is its signer's. */
  readonly signedBy: string | undefined
}

/**
 * What the proof proves, or why it proves nothing. A checkpoint that claims a signature by a key that is given must have it; whose
 * key is not given is for the caller to say.
 */
export function checkProof({ entry, proof }: LeafProof, keys: readonly string[] = []): CheckedProof | string {
  const split = proof.indexOf('\n\n')
  const [version, indexLine = '', ...hashes] = proof.slice(0, Math.max(0, split)).split('\n')
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(indexLine)?.[1]
  if (version !== firstLine || index === undefined) return 'the proof has another form than C2SP tlog-proof'
  const checkpoint = parseCheckpoint(proof.slice(split + 2))
  if (typeof checkpoint === 'string') return checkpoint
  const leaf = { hash: leafHash(Buffer.from(entry)), index: Number(index) }
  const steps = hashes.map(hash => Buffer.from(hash, 'base64'))
  if (steps.some((step, at) => step.toString('base64') !== hashes[at]))
    return 'the proof is not written as it should be'
  if (!provesInclusion(leaf, checkpoint, steps))
    return 'the proof does not lead to the root of its checkpoint'
  const signedBy = signerOf(checkpoint, keys)
  return typeof signedBy === 'string' || signedBy === undefined
    ? { index: leaf.index, checkpoint, signedBy }
    : 'the signature of the checkpoint is not by the key that it names'
}

/** False if the checkpoint names one of the keys and the signature is not that key's. */
function signerOf({ origin, note }: ReadCheckpoint, keys: readonly string[]): string | undefined | false {
  const verifiers = keys.filter(isEd25519).map(pem => ({ pem, verifier: verifierOf(origin, pem) }))
  const named = verifiers.filter(({ verifier }) =>
    note.signatures.some(({ keyId }) => keyId.equals(verifier.keyId)),
  )
  // An id that none of them has, and a signature that one of them made: somebody changed the id.
  if (named.length === 0)
    return verifiers.some(({ verifier }) => isMadeBy(note, verifier)) ? false : undefined
  return named.find(({ verifier }) => isSignedBy(note, verifier))?.pem ?? false
}

function isMadeBy({ text, signatures }: Note, verifier: NoteVerifier): boolean {
  const { name, keyId } = verifier
  return signatures.some(({ signature }) =>
    isSignedBy({ text, signatures: [{ name, keyId, signature }] }, verifier),
  )
}

/** SubjectPublicKeyInfo of other kinds is longer (RFC 8410). */
export function isEd25519(pem: string): boolean {
  return pem.replaceAll(/-----[^-]+-----|\s/g, '').length === 60
}
