/** The browser's proofs against the gateway's own: two implementations of RFC 6962 that share no code. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  consistencySpans,
  inclusionSpans,
  leafHash as ownLeafHash,
  rootOf,
} from '../../../src/audit/tree/merkle.ts'
import { leafHash, provesConsistency, provesInclusion } from '../../../web/app/pages/integrity/merkle.ts'

const maxLeaves = 70
const hashes = Array.from({ length: maxLeaves }, (_, leaf) => ownLeafHash(Buffer.from(`leaf ${leaf}`)))
const treeOf = (size: number) => ({ size, root: rootOf(hashes.slice(0, size)) })
const sizes = fc.integer({ min: 1, max: maxLeaves })

test('a leaf hashes as the gateway hashes it', async () => {
  expect(Buffer.from(await leafHash(Buffer.from('leaf 3')))).toEqual(hashes[3])
})

test('an inclusion with a changed step, another index or another tree proves nothing', async () => {
  const proof = inclusionOf(5, 11)
  const leaf = { hash: hashes[5] ?? Buffer.alloc(0), index: 5 }
  const changed = proof.with(1, Buffer.alloc(32, 7))
  expect(await provesInclusion(leaf, treeOf(11), changed)).toBe(false)
  expect(await provesInclusion({ ...leaf, index: 4 }, treeOf(11), proof)).toBe(false)
  expect(await provesInclusion(leaf, treeOf(12), proof)).toBe(false)
  expect(await provesInclusion(leaf, treeOf(11), proof.slice(1))).toBe(false)
  expect(await provesInclusion(leaf, treeOf(11), [...proof, Buffer.alloc(32)])).toBe(false)
  expect(await provesInclusion({ ...leaf, index: -1 }, treeOf(11), proof)).toBe(false)
})

test('a log that was rewritten is not consistent with what it was', async () => {
  const other = { size: 11, root: rootOf([Buffer.alloc(32, 1), ...hashes.slice(1, 11)]) }
  expect(await provesConsistency(treeOf(6), other, consistencyOf(6, 11))).toBe(false)
  expect(await provesConsistency(treeOf(11), treeOf(6), [])).toBe(false)
  expect(await provesConsistency(treeOf(6), treeOf(11), [])).toBe(false)
  expect(await provesConsistency({ size: 11, root: Buffer.alloc(32) }, treeOf(11), [])).toBe(false)
})

test('every leaf of every small tree is proven by what the gateway proves it with', async () => {
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(), async (size, anyIndex) => {
      const index = anyIndex % size
      const leaf = { hash: hashes[index] ?? Buffer.alloc(0), index }
      expect(await provesInclusion(leaf, treeOf(size), inclusionOf(index, size))).toBe(true)
    }),
  )
})

test('every earlier tree is proven to be the beginning of every later one', async () => {
  await fc.assert(
    fc.asyncProperty(sizes, sizes, async (a, b) => {
      const [earlier, later] = [Math.min(a, b), Math.max(a, b)]
      const proof = consistencyOf(earlier, later)
      expect(await provesConsistency(treeOf(earlier), treeOf(later), proof)).toBe(true)
    }),
  )
})

function inclusionOf(index: number, size: number): Buffer[] {
  return inclusionSpans(index, size).map(({ from, to }) => rootOf(hashes.slice(from, to)))
}

function consistencyOf(earlier: number, later: number): Buffer[] {
  return consistencySpans(earlier, later).map(({ from, to }) => rootOf(hashes.slice(from, to)))
}
