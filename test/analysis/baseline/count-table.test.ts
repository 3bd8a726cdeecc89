import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Block, pairOf } from '../../../src/analysis/baseline/block.ts'
import { CountTable } from '../../../src/analysis/baseline/count-table.ts'
import { DenseTally } from '../../../src/analysis/baseline/dense-tally.ts'
import { Population } from '../../../src/analysis/baseline/population.ts'
import { Profile } from '../../../src/analysis/baseline/profile.ts'

const keys = fc.oneof(
  fc.nat(40),
  fc.tuple(fc.nat(40), fc.nat(40)).map(([head, next]) => pairOf(head, next)),
  fc.constant(2 ** 40 - 1),
)
const steps = fc.array(
  fc.tuple(fc.constantFrom('add', 'take', 'clear'), keys, fc.integer({ min: 1, max: 5 })),
)

test('holds what a map would hold', () => {
  fc.assert(
    fc.property(steps, done => {
      const table = new CountTable()
      const map = new Map<number, number>()
      for (const [step, key, amount] of done) {
        const before = map.get(key) ?? 0
        if (step === 'clear') {
          table.clear()
          map.clear()
        } else if (step === 'add') {
          expect(table.add(key, amount)).toBe(before)
          map.set(key, before + amount)
        } else {
          expect(table.take(key, amount)).toBe(Math.min(before, amount))
          if (before > amount) map.set(key, before - amount)
          else map.delete(key)
        }
        expect(table.size).toBe(map.size)
      }
      for (const [key, value] of map) expect(table.get(key)).toBe(value)
      expect([...table].toSorted(([a], [b]) => a - b)).toEqual([...map].toSorted(([a], [b]) => a - b))
    }),
  )
})

test('many keys, and keys that come and go for ever, stay findable', () => {
  const table = new CountTable()
  for (let key = 0; key < 50_000; key++) table.add(pairOf(key, key * 7), 1)
  for (let key = 0; key < 50_000; key++) expect(table.get(pairOf(key, key * 7))).toBe(1)
  for (let key = 0; key < 200_000; key++) {
    table.add(key, 1)
    table.take(key, 1)
  }
  expect(table.size).toBe(50_000)
})

test('counts of everybody are counts, by number', () => {
  const tally = new DenseTally([[5, 2]])
  tally.add(5000, 3)
  tally.take(5, 10)
  expect([...tally.counts]).toEqual([[5000, 3]])
  expect([tally.of(5), tally.of(5000), tally.of(1e6), tally.total]).toEqual([0, 3, 0, 3])
})

test('pairs of everybody have a limit, however many there are', () => {
  const population = new Population(undefined, { maxPairs: 1000 })
  const usual = pairOf(1, 2)
  for (let round = 0; round < 50; round++) {
    const block = new Block()
    block.pairs.append(usual)
    for (let at = 0; at < 100; at++) block.pairs.append(pairOf(round + 10, at))
    population.learn(block, new Profile())
    expect(population.pairs.counts.size).toBeLessThanOrEqual(1000)
  }
  expect(population.pairs.of(usual)).toBe(50)
})
