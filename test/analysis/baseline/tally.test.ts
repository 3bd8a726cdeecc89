import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FadingTally, Tally } from '../../../src/analysis/baseline/tally.ts'

test('counts add up', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 9 }))), seen => {
      const tally = new Tally()
      for (const [token, count] of seen) tally.add(token, count)
      expect(tally.total).toBe(seen.reduce((sum, [, count]) => sum + count, 0))
      expect([...tally.counts].reduce((sum, [, count]) => sum + count, 0)).toBe(tally.total)
    }),
  )
})

test('what was seen least goes first, and the total with it', () => {
  const tally = new Tally(Array.from({ length: 100 }, (_, token) => [token, token + 1] as const))
  tally.trim(50)
  expect(tally.counts.size).toBe(45)
  expect(tally.of(0)).toBe(0)
  expect(tally.of(99)).toBe(100)
  expect(tally.total).toBe([...tally.counts].reduce((sum, [, count]) => sum + count, 0))
})

test('fading counts halve, for ever, without overflow', () => {
  const tally = new FadingTally()
  tally.add(1, 100)
  tally.age(1500)
  expect(tally.of(1)).toBeCloseTo(50)
  for (let round = 0; round < 1000; round++) {
    tally.add(2, 10)
    tally.age(1500)
  }
  expect(tally.of(2)).toBeCloseTo(10, 5)
  expect(tally.of(1)).toBe(0)
  expect(tally.total).toBeCloseTo(10, 5)
})
