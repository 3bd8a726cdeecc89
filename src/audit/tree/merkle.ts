/** The Merkle tree of RFC 6962, section 2.1: hashes, roots, and the two kinds of proof, made and checked. */
import { createHash } from 'node:crypto'

export const hashBytes = 32
/** Path lengths grow by the logarithm; no honest proof is longer than a tree of 2^63 leaves needs. */
const maxProofHashes = 128

/** The hash of a leaf that holds these bytes. */
export function leafHash(entry: Uint8Array): Buffer {
  return createHash('sha256').update('\x00').update(entry).digest()
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update('\x01').update(left).update(right).digest()
}

/** The root of an empty tree is the hash of nothing. */
export const emptyRoot: Buffer = createHash('sha256').digest()

/** The whole subtrees, largest first, that a tree of some size consists of. Enough to grow it and to know its root. */
export class CompactRange {
  readonly #subtrees: { readonly height: number; readonly hash: Buffer }[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Adds a whole subtree of 2^height leaves, which must fit: the size so far is a multiple of it. */
  append(hash: Buffer, height = 0): void {
    if (this.#size % 2 ** height !== 0) throw new RangeError('a subtree that does not fit the tree')
    this.#size += 2 ** height
    let node = { height, hash }
    for (let last = this.#subtrees.at(-1); last?.height === node.height; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop()
      node = { height: node.height + 1, hash: nodeHash(last.hash, node.hash) }
    }
    this.#subtrees.push(node)
  }

  root(): Buffer {
    const [last, ...before] = this.#subtrees.toReversed()
    if (last === undefined) return emptyRoot
    return before.reduce((right, { hash }) => nodeHash(hash, right), last.hash)
  }
}

/** The root over these leaf (or subtree) hashes, all of one height. */
export function rootOf(hashes: readonly Buffer[]): Buffer {
  const range = new CompactRange()
  for (const hash of hashes) range.append(hash)
  return range.root()
}

/** A subtree that a proof needs: the leaves from `from` (inclusive) to `to` (exclusive). */
export type Span = { readonly from: number; readonly to: number }

/** The spans whose roots prove that leaf `index` is in the tree of `size` leaves; in the order of RFC 6962 (2.1.1). */
export function inclusionSpans(index: number, size: number): readonly Span[] {
  if (!(index >= 0 && index < size)) throw new RangeError('a leaf that is not in the tree')
  return pathIn(index, 0, size)
}

function pathIn(index: number, from: number, to: number): Span[] {
  if (to - from === 1) return []
  const middle = from + largestPowerBelow(to - from)
  return index < middle
    ? [...pathIn(index, from, middle), { from: middle, to }]
    : [...pathIn(index, middle, to), { from, to: middle }]
}

/** The spans whose roots prove that the tree of `size` leaves begins with that of `earlier` leaves (2.1.2). */
export function consistencySpans(earlier: number, size: number): readonly Span[] {
  if (!(earlier >= 0 && earlier <= size))
    throw new RangeError('a tree cannot be consistent with a larger one')
  return earlier === 0 || earlier === size ? [] : subproof(earlier, 0, size, true)
}

function subproof(earlier: number, from: number, to: number, isWhole: boolean): Span[] {
  if (earlier === to - from) return isWhole ? [] : [{ from, to }]
  const half = largestPowerBelow(to - from)
  const middle = from + half
  return earlier <= half
    ? [...subproof(earlier, from, middle, isWhole), { from: middle, to }]
    : [...subproof(earlier - half, middle, to, false), { from, to: middle }]
}

/** The largest power of two that is smaller than `count`; `count` is at least 2. */
export function largestPowerBelow(count: number): number {
  let power = 1
  while (power * 2 < count) power *= 2
  return power
}

/** Whether the proof shows that a leaf of this hash is leaf `index` of the tree (RFC 9162, section 2.1.3.2). */
export function provesInclusion(
  leaf: { readonly hash: Buffer; readonly index: number },
  tree: { readonly size: number; readonly root: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (!isPlausible(proof) || !(leaf.index >= 0 && leaf.index < tree.size)) return false
  let [node, last, hash] = [leaf.index, tree.size - 1, leaf.hash]
  for (const step of proof) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(step, hash)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else hash = nodeHash(hash, step)
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && hash.equals(tree.root)
}

/** Whether the proof shows that `later` begins with `earlier` (RFC 9162, section 2.1.4.2). */
export function provesConsistency(
  earlier: { readonly size: number; readonly root: Buffer },
  later: { readonly size: number; readonly root: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (!isPlausible(proof) || earlier.size > later.size) return false
  if (earlier.size === later.size) return proof.length === 0 && earlier.root.equals(later.root)
  if (earlier.size === 0) return proof.length === 0 && earlier.root.equals(emptyRoot)
  const steps = isPowerOfTwo(earlier.size) ? [earlier.root, ...proof] : [...proof]
  let [node, last] = [earlier.size - 1, later.size - 1]
  while (node % 2 === 1) [node, last] = [half(node), half(last)]
  const first = steps.shift()
  if (first === undefined) return false
  let [old, grown] = [first, first]
  for (const step of steps) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      old = nodeHash(step, old)
      grown = nodeHash(step, grown)
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)]
    } else grown = nodeHash(grown, step)
    ;[node, last] = [half(node), half(last)]
  }
  return last === 0 && old.equals(earlier.root) && grown.equals(later.root)
}

function isPlausible(proof: readonly Buffer[]): boolean {
  return proof.length <= maxProofHashes && proof.every(hash => hash.length === hashBytes)
}

/** Not `>> 1`, which cuts at 32 bits. */
function half(value: number): number {
  return Math.floor(value / 2)
}

function isPowerOfTwo(value: number): boolean {
  return largestPowerBelow(value * 2) === value
}
