import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Strangers } from '../../src/ssh/strangers.ts'

const limits = { maxUnauthenticatedConnections: 6, maxUnauthenticatedPerSource: 4 }

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
