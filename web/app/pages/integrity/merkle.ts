/** Proofs of the Merkle tree of RFC 6962, checked by the browser's own SHA-256. */
import { type Bytes, isSame, sha256 } from './bytes.ts'

export const hashBytes = 32
/** No honest proof is longer than a tree of 2^63 leaves needs. */
const maxProofHashes = 128

export type Tree = { readonly size: number; readonly root: Uint8Array }

export function leafHash(entry: Uint8Array): Promise<Bytes> {
  return sha256(Uint8Array.of(0), entry)
}

function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Bytes> {
  return sha256(Uint8Array.of(1), left, right)
}

/** Whether the proof shows that a leaf of this hash is leaf `index` of the tree (RFC 9162, section 2.1.3.2). */
export async function provesInclusion(
  leaf: { readonly hash: Uint8Array; readonly index: number },
  tree: Tree,
  proof: readonly Uint8Array[],
): Promise<boolean> {
  if (!isPlausible(proof) || !(leaf.index >= 0 && leaf.index < tree.size)) return false
  let [node, last, hash] = [leaf.index, tree.size - 1, leaf.hash]
  for (const step of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = await nodeHash(step, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else hash = await nodeHash(hash, step)
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && isSame(hash, tree.root)
}

/** Whether the proof shows that `later` begins with `earlier` (RFC 9162, section 2.1.4.2). */
export async function provesConsistency(
  earlier: Tree,
  later: Tree,
  proof: readonly Uint8Array[],
): Promise<boolean> {
  if (!isPlausible(proof) || earlier.size > later.size) return false
  if (earlier.size === later.size) return proof.length === 0 && isSame(earlier.root, later.root)
  if (earlier.size === 0) return proof.length === 0 && isSame(earlier.root, await sha256())
  const steps = isPowerOfTwo(earlier.size) ? [earlier.root, ...proof] : [...proof]
  let [node, last] = [earlier.size - 1, later.size - 1]
  while (node % 2 === 1) [node, last] = [half(node), half(last)]
  const first = steps.shift()
  if (first === undefined) return false
  let [old, grown] = [first, first]
  for (const step of steps) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      ;[old, grown] = [await nodeHash(step, old), await nodeHash(step, grown)]
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else grown = await nodeHash(grown, step)
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && isSame(old, earlier.root) && isSame(grown, later.root)
}

function isPlausible(proof: readonly Uint8Array[]): boolean {
  return proof.length <= maxProofHashes && proof.every(hash => hash.length === hashBytes)
}

/** Not `>> 1`, which cuts at 32 bits. */
function half(value: number): number {
  return Math.floor(value / 2)
}

function isPowerOfTwo(value: number): boolean {
  let power = 1
  while (power < value) power *= 2
  return power === value
}
