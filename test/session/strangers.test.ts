import fc from 'fast-check'
import { expect, test } from 'vitest'
import { dropPercent, Strangers } from '../../src/session/strangers.ts'

/** Without chance: from the last place on. */
const limits = {
  maxUnauthenticatedConnections: 6,
  maxUnauthenticatedPerSource: 4,
  randomDropFrom: 6,
  randomDropPercent: 30,
}

/** Comes in if it may; gives back how it leaves, or the refusal. */
function arrive(strangers: Strangers, source: string, evicted: string[] = []): string | (() => void) {
  return strangers.refusal(source, limits) ?? strangers.enter(source, () => evicted.push(source))
}

test('a source that has all its places is refused, and others are not', () => {
  const strangers = new Strangers()
  for (let n = 0; n < 4; n++) expect(arrive(strangers, 'a')).toBeTypeOf('function')
  expect(arrive(strangers, 'a')).toContain('from your address')
  expect(arrive(strangers, 'b')).toBeTypeOf('function')
})

test('leaving makes room once, however often it is said', () => {
  const strangers = new Strangers()
  const leave = arrive(strangers, 'a') as () => void
  leave()
  leave()
  for (let n = 0; n < 4; n++) arrive(strangers, 'a')
  expect(arrive(strangers, 'a')).toContain('from your address')
})

test('when all places are taken, the oldest of the largest source makes room for one from elsewhere', () => {
  const strangers = new Strangers()
  const evicted: string[] = []
  for (const source of ['a', 'a', 'a', 'a', 'b', 'b']) arrive(strangers, source, evicted)
  expect(arrive(strangers, 'c', evicted)).toBeTypeOf('function')
  expect(evicted).toEqual(['a'])
})

test('nobody makes room for a source that would then have more than they', () => {
  const strangers = new Strangers()
  for (const source of ['a', 'a', 'b', 'b', 'c', 'c']) arrive(strangers, source)
  expect(arrive(strangers, 'a')).toContain('busy')
  expect(arrive(strangers, 'b')).toContain('busy')
  expect(arrive(strangers, 'd')).toBeTypeOf('function')
})

test('property: the limits hold, and whoever is alone always gets in while somebody has two', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }), arrivals => {
      const strangers = new Strangers()
      const inside: string[] = []
      for (const source of arrivals) {
        if (strangers.refusal(source, limits) !== undefined) continue
        strangers.enter(source, () => inside.splice(inside.indexOf(source), 1))
        inside.push(source)
        expect(inside.length).toBeLessThanOrEqual(6)
        expect(inside.filter(one => one === source).length).toBeLessThanOrEqual(4)
      }
      if (inside.length === 6) expect(strangers.refusal('alone', limits)).toBeUndefined()
    }),
  )
})

const byChance = {
  maxUnauthenticatedConnections: 100,
  maxUnauthenticatedPerSource: 20,
  randomDropFrom: 10,
  randomDropPercent: 30,
}

test('the chance of being turned away is that of MaxStartups 10:30:100', () => {
  const chances = [0, 9, 10, 55, 99, 100, 200].map(count => Math.round(dropPercent(count, byChance)))
  expect(chances).toEqual([0, 0, 30, 65, 99, 100, 100])
})

test('a start at or past the end leaves nothing to chance', () => {
  const limits = { ...byChance, randomDropFrom: 100 }
  expect([99, 100].map(count => dropPercent(count, limits))).toEqual([0, 100])
})

test('the first places are free, then chance decides, with what was drawn', () => {
  let drawn = 29
  const strangers = new Strangers(() => drawn)
  for (let n = 0; n < 10; n++) {
    expect(strangers.refusal(`s${n}`, byChance)).toBeUndefined()
    strangers.enter(`s${n}`, () => {})
  }
  expect(strangers.refusal('late', byChance)).toContain('busy')
  drawn = 30
  expect(strangers.refusal('late', byChance)).toBeUndefined()
})

test('whoever would get the place of a greedier source is not left to chance', () => {
  const strangers = new Strangers(() => 0)
  for (let n = 0; n < 10; n++) strangers.enter('greedy', () => {})
  expect(strangers.refusal('greedy', byChance)).toContain('busy')
  expect(strangers.refusal('late', byChance)).toBeUndefined()
})

test('property: the chance never falls as the gateway fills, and stays a chance', () => {
  const some = fc.record({
    maxUnauthenticatedConnections: fc.integer({ min: 1, max: 1000 }),
    maxUnauthenticatedPerSource: fc.constant(1),
    randomDropFrom: fc.integer({ min: 1, max: 1000 }),
    randomDropPercent: fc.integer({ min: 1, max: 100 }),
  })
  fc.assert(
    fc.property(some, fc.nat(1100), (limits, count) => {
      const [now, next] = [dropPercent(count, limits), dropPercent(count + 1, limits)]
      expect(now).toBeGreaterThanOrEqual(0)
      expect(next).toBeLessThanOrEqual(100)
      expect(next).toBeGreaterThanOrEqual(now)
    }),
  )
})
