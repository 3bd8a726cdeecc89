/** Proofs that a leaf is in the log (C2SP tlog-proof), as recordings carry them, checked offline. */
import { openCheckpoint, type ReadCheckpoint } from './checkpoint.ts'
import { leafHash, provesInclusion } from './merkle.ts'
import type { NoteVerifier } from './note.ts'
import type { LeafProof } from './session-log.ts'

const firstLine = 'c2sp.org/tlog-proof@v1'

/** The checkpoint that the proof leads to, or why the proof proves nothing. */
export function checkProof(
  { entry, proof }: LeafProof,
  verifiers: readonly NoteVerifier[],
): { readonly index: number; readonly checkpoint: ReadCheckpoint } | string {
  const split = proof.indexOf('\n\n')
  const [version, indexLine = '', ...hashes] = proof.slice(0, Math.max(0, split)).split('\n')
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(indexLine)?.[1]
  if (version !== firstLine || index === undefined) return 'the proof has another form than C2SP tlog-proof'
  const checkpoint = openCheckpoint(proof.slice(split + 2), verifiers)
  if (typeof checkpoint === 'string') return checkpoint
  const leaf = { hash: leafHash(Buffer.from(entry)), index: Number(index) }
  const steps = hashes.map(hash => Buffer.from(hash, 'base64'))
  if (!provesInclusion(leaf, checkpoint, steps))
    return 'the proof does not lead to the root of its checkpoint'
  return { index: leaf.index, checkpoint }
}
