/** What is remembered, kept and thrown away never shows in a score, and has limits. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Baseline, type BaselineState, type ScoredBlock } from '../../../src/analysis/baseline/baseline.ts'
import type { ActivityEvent } from '../../../src/analysis/baseline/event.ts'
import { simulateCompany } from '../../support/activity.ts'

/** A state that the first version of the product kept, blocks of a session, and how it scored them. */
const older = JSON.parse(
  readFileSync(new URL('../../fixtures/baseline/state-1.json', import.meta.url), 'utf8'),
) as { readonly state: BaselineState; readonly blocks: ActivityEvent[][]; readonly scored: ScoredBlock[] }

const pieces = ['ls', ' -l', ' /srv', 'cat', ' x', '|', '"', 'sudo ', 'SELECT 1', ' FROM t', ';', "'a'"]
const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 5 }).map(parts => parts.join(''))
const events = fc
  .array(fc.tuple(fc.nat(3), texts, fc.boolean()), { minLength: 20, maxLength: 200 })
  .map(list =>
    list.map(([person, text, isStatement], at): ActivityEvent => {
      const protocol = isStatement ? 'postgres' : 'ssh'
      return { principal: `person${person}`, target: `web${person}`, protocol, atMs: at * 1e6, text }
    }),
  )

function score(baseline: Baseline, list: readonly ActivityEvent[]): ScoredBlock[] {
  const scored = list.map(event => baseline.observe(event, false))
  return [...scored.filter(block => block !== undefined), ...baseline.rest(false)]
}

/** Terms are made of what was known when the block was scored: they are looked at only at the end. */
const told = (scored: readonly ScoredBlock[]): unknown => structuredClone(scored)

test('scores are the same whatever texts are remembered', () => {
  fc.assert(
    fc.property(
      events,
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 40 }),
      (list, entries, characters) => {
        const remembered = { maxEntries: entries, maxCharacters: characters }
        const forgetful = new Baseline({ blockEvents: 10, remembered })
        expect(told(score(forgetful, list))).toEqual(told(score(new Baseline({ blockEvents: 10 }), list)))
      },
    ),
    { numRuns: 50 },
  )
})

test('terms say the same when they are asked for late', () => {
  const { events: list } = simulateCompany({ seed: 4, people: 6, blocks: 8, trainingBlocks: 2 })
  const early = new Baseline({ blockEvents: 100 })
  const said = list.flatMap(event => {
    const scored = early.observe(event, false)
    return scored === undefined ? [] : [structuredClone(scored)]
  })
  const late = new Baseline({ blockEvents: 100 })
  expect(told(score(late, list))).toEqual(said)
})

describe('a state', () => {
  const { events: list } = simulateCompany({ seed: 5, people: 12, blocks: 20, trainingBlocks: 5 })
  const baseline = new Baseline({ blockEvents: 100 })
  score(baseline, list)
  const kept = JSON.parse(JSON.stringify(baseline.state)) as BaselineState
  const session = [list.slice(0, 90), list.slice(500, 610)]

  test('gives the same scores again, also after it was taught and somebody forgotten', () => {
    const again = new Baseline({ blockEvents: 100 }, kept)
    expect(told(again.assess('person3', session))).toEqual(told(baseline.assess('person3', session)))
    const after = [again, baseline].map(each => {
      each.teach('person5', list.slice(100, 130))
      each.forget('person7')
      return told(each.assess('person3', session))
    })
    expect(after[0]).toEqual(after[1])
  })

  test('is not changed by scoring a session', () => {
    const before = JSON.stringify(new Baseline({ blockEvents: 100 }, kept).state)
    const again = new Baseline({ blockEvents: 100 }, kept)
    again.assess('person3', [list.slice(0, 90)])
    again.assess('nobody', [list.slice(0, 90)])
    expect(JSON.stringify(again.state)).toBe(before)
  })

  test('that the first version of the product kept gives the scores that it gave', () => {
    const baselineOfThen = new Baseline({ blockEvents: 20 }, older.state)
    const scored = baselineOfThen.assess('person1', older.blocks)
    expect(scored.map(each => each.score)).toEqual(older.scored.map(each => expect.closeTo(each.score, 9)))
    expect(scored.map(({ terms }) => terms.map(({ text }) => text))).toEqual(
      older.scored.map(({ terms }) => terms.map(({ text }) => text)),
    )
  })
})

test('what is kept of one person has a limit, however much they type', () => {
  const baseline = new Baseline({ blockEvents: 5000 })
  for (let at = 0; at < 30_000; at++) {
    const text = `program${at} --option${at} word${at}`
    baseline.observe({ principal: 'ada', target: 'web1', protocol: 'ssh', atMs: at, text }, true)
  }
  const profile = baseline.state.people[0]?.profile
  expect(profile?.events).toBe(30_000)
  for (const list of [profile?.fast, profile?.pairs, ...Object.values(profile?.slow ?? {})])
    expect((list?.length ?? 0) / 2).toBeLessThanOrEqual(20_000)
  // What came after commands goes with them, at the next block.
  for (const list of [profile?.heads, profile?.kinds])
    expect((list?.length ?? 0) / 2).toBeLessThanOrEqual(20_000 + 5000)
})
