import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CompactRange,
  consistencySpans,
  emptyRoot,
  inclusionSpans,
  leafHash,
  provesConsistency,
  provesInclusion,
  rootOf,
  type Span,
} from '../../../src/audit/tree/merkle.ts'

/** The leaves and roots that implementations of RFC 6962 are tested with. */
const leaves = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const knownRoots: Record<number, string> = {
  1: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  2: 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  3: 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  8: '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
}

const hashesOf = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, at) => leafHash(Buffer.from(`${at}`)))
const spansOf = (hashes: Buffer[], spans: readonly Span[]): Buffer[] =>
  spans.map(({ from, to }) => rootOf(hashes.slice(from, to)))

describe('the tree', () => {
  test.each(Object.entries(knownRoots))('of %s known leaves has the known root', (size, root) => {
    const hashes = leaves.slice(0, Number(size)).map(leaf => leafHash(Buffer.from(leaf, 'hex')))
    expect(rootOf(hashes).toString('hex')).toBe(root)
  })

  test('of no leaves has the hash of nothing as its root', () => {
    expect(emptyRoot.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(rootOf([])).toEqual(emptyRoot)
  })

  test('is the same whether it grows by leaves or by whole subtrees', () => {
    const hashes = hashesOf(11)
    const range = new CompactRange()
    range.append(rootOf(hashes.slice(0, 8)), 3)
    range.append(rootOf(hashes.slice(8, 10)), 1)
    range.append(hashes[10] ?? Buffer.alloc(0))
    expect(range.root()).toEqual(rootOf(hashes))
  })

  test('takes no subtree that does not fit', () => {
    const range = new CompactRange()
    range.append(leafHash(Buffer.alloc(0)))
    expect(() => range.append(emptyRoot, 1)).toThrow(RangeError)
  })
})

describe('proofs', () => {
  test('show every leaf of every tree, and nothing else', () => {
    for (let size = 1; size <= 40; size++) {
      const hashes = hashesOf(size)
      const tree = { size, root: rootOf(hashes) }
      for (const [index, hash] of hashes.entries()) {
        const proof = spansOf(hashes, inclusionSpans(index, size))
        expect(provesInclusion({ hash, index }, tree, proof)).toBe(true)
        expect(provesInclusion({ hash: leafHash(Buffer.from('other')), index }, tree, proof)).toBe(false)
        expect(provesInclusion({ hash, index: index + 1 }, tree, proof)).toBe(false)
        expect(provesInclusion({ hash, index }, tree, [...proof, emptyRoot])).toBe(false)
        if (proof.length > 0) expect(provesInclusion({ hash, index }, tree, proof.slice(1))).toBe(false)
      }
    }
  })

  test('show that a tree begins with an earlier one, and refuse any other', () => {
    for (let size = 1; size <= 40; size++) {
      const hashes = hashesOf(size)
      const later = { size, root: rootOf(hashes) }
      for (let earlierSize = 0; earlierSize <= size; earlierSize++) {
        const earlier = { size: earlierSize, root: rootOf(hashes.slice(0, earlierSize)) }
        const proof = spansOf(hashes, consistencySpans(earlierSize, size))
        expect(provesConsistency(earlier, later, proof)).toBe(true)
        const other = { size: earlierSize, root: leafHash(Buffer.from('other')) }
        expect(provesConsistency(other, later, proof)).toBe(false)
        const changed = { size, root: leafHash(Buffer.from('other')) }
        expect(provesConsistency(earlier, changed, proof)).toBe(earlierSize === 0) // every tree begins with the empty one
        expect(provesConsistency(earlier, later, [...proof, emptyRoot])).toBe(false)
      }
    }
  })

  test('with one bit changed prove nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 300 }),
        fc.nat(),
        fc.nat(),
        fc.nat(7),
        (size, leaf, place, bit) => {
          const hashes = hashesOf(size)
          const index = leaf % size
          const proof = spansOf(hashes, inclusionSpans(index, size)).map(hash => Buffer.from(hash))
          const at = place % (proof.length * 32)
          const step = proof[Math.floor(at / 32)]
          if (step !== undefined) step[at % 32] = (step[at % 32] ?? 0) ^ (1 << bit)
          const hash = leafHash(Buffer.from(`${index}`))
          expect(provesInclusion({ hash, index }, { size, root: rootOf(hashes) }, proof)).toBe(false)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('of the wrong length or beyond any tree are refused without work', () => {
    const tree = { size: 2, root: emptyRoot }
    expect(provesInclusion({ hash: emptyRoot, index: 0 }, tree, [Buffer.alloc(31)])).toBe(false)
    expect(provesInclusion({ hash: emptyRoot, index: 0 }, tree, Array(129).fill(emptyRoot))).toBe(false)
    expect(() => inclusionSpans(2, 2)).toThrow(RangeError)
    expect(() => consistencySpans(3, 2)).toThrow(RangeError)
  })
})
