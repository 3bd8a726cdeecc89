import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { type Placed, placesOf } from '../../../src/analysis/findings/queue.ts'
import { severityOrder } from '../../../src/analysis/findings/finding.ts'
import { ann, closeDesks, deskWith } from './desk-world.ts'

afterEach(closeDesks)

let made = 0
function placed(fields: Partial<Placed> = {}): Placed {
  return {
    id: `f${++made}`,
    kind: 'rule',
    state: 'new',
    severity: 'medium',
    unusualness: undefined,
    createdAtMs: made,
    place: 'below',
    issuer: 'i',
    subject: 'bob',
    ...fields,
  }
}

const limits = { budget: 20, perPerson: 2 }
const above = (day: readonly Placed[], open = new Map<string, number>(), of = limits): string[] =>
  [...placesOf(day, open, of)].filter(([, { place }]) => place === 'queue').map(([id]) => id)

test('no day shows more than its budget, and nothing is lost', () => {
  const finding = fc.record({
    kind: fc.constantFrom('rule', 'baseline', 'sample'),
    severity: fc.constantFrom(...severityOrder),
    place: fc.constantFrom('below', 'queue'),
    subject: fc.constantFrom('ann', 'bob', 'carl'),
  })
  fc.assert(
    fc.property(fc.array(finding, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), (fields, budget) => {
      const day = fields.map(one => placed(one as Partial<Placed>))
      const places = placesOf(day, new Map(), { budget, perPerson: 2 })
      expect(places.size).toBe(day.length)
      expect([...places.values()].filter(({ place }) => place === 'queue').length).toBeLessThanOrEqual(budget)
      const open = new Map<string, number>()
      for (const { id, kind, subject } of day)
        if (kind === 'baseline' && places.get(id)?.place === 'queue')
          open.set(subject, (open.get(subject) ?? 0) + 1)
      for (const count of open.values()) expect(count).toBeLessThanOrEqual(2)
    }),
  )
})

test('a worse finding takes the place of a milder one that nobody has looked at', () => {
  const mild = placed({ severity: 'medium', place: 'queue' })
  const worse = placed({ severity: 'high' })
  expect(above([mild, worse], new Map(), { budget: 1, perPerson: 2 })).toEqual([worse.id])
})

test('what somebody has begun to look at stays where it is', () => {
  const begun = placed({ severity: 'low', place: 'queue', state: 'acknowledged' })
  const worse = placed({ severity: 'critical' })
  expect(above([begun, worse], new Map(), { budget: 1, perPerson: 2 })).toEqual([begun.id])
})

test('one person has at most so many open findings of baselines, those of earlier days too; rules are not capped', () => {
  const day = [1, 2, 3].map(at => placed({ kind: 'baseline', unusualness: at }))
  expect(above(day)).toEqual([day[2]?.id, day[1]?.id])
  expect(above(day, new Map([['i\nbob', 1]]))).toEqual([day[2]?.id])
  expect(above(day, new Map([['i\nbob', 2]]))).toEqual([])
  expect(above([...day, ...Array.from({ length: 5 }, () => placed())])).toHaveLength(7)
})

test('rules of low severity take nothing of the budget, and stand below the line with the reason', () => {
  const low = placed({ severity: 'low' })
  const baseline = placed({ severity: 'low', kind: 'baseline', unusualness: 5 })
  expect(above([low, baseline])).toEqual([baseline.id])
  expect(placesOf([low], new Map(), limits).get(low.id)?.reason).toBe(
    'Of low severity, which is not in the day’s budget.',
  )
  expect(above([{ ...low, place: 'queue', state: 'acknowledged' }])).toEqual([low.id])
})

test('a disk that fails does not push out what people did', () => {
  const broken = Array.from({ length: 30 }, () => placed({ kind: 'integrity', severity: 'high' }))
  const mild = Array.from({ length: 10 }, () => placed({ severity: 'medium' }))
  const shown = above([...broken, ...mild])
  expect(shown).toHaveLength(15)
  expect(shown.filter(id => broken.some(one => one.id === id))).toHaveLength(5)
})

test('the random sample has its share, however bad the day', () => {
  const bad = Array.from({ length: 40 }, () => placed({ severity: 'critical' }))
  const samples = Array.from({ length: 5 }, () => placed({ kind: 'sample', severity: 'info' }))
  const shown = above([...bad, ...samples])
  expect(shown.filter(id => samples.some(one => one.id === id))).toHaveLength(2)
  expect(shown).toHaveLength(20)
})

test('in a real store the queue of a day keeps to its budget and tells the others why not', async () => {
  const { desk, session, find } = await deskWith({ budget: 2 })
  for (const [at, severity] of (['low', 'medium', 'high', 'critical'] as const).entries()) {
    await session({ id: `q${at}` })
    await find({ session: `q${at}`, severity })
  }
  const queue = (await desk.list({}, ann)).items
  expect(queue.map(({ severity }) => severity)).toEqual(['critical', 'high'])
  const below = (await desk.list({ place: 'below' }, ann)).items
  expect(below.map(one => [one.severity, one.below])).toEqual([
    ['medium', 'Past the budget of its day.'],
    ['low', 'Of low severity, which is not in the day’s budget.'],
  ])
})
