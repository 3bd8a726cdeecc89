import { describe, expect, test } from 'vitest'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import { readCatalogue, readGatewayRules } from '../../../src/analysis/rules/catalogue.ts'
import {
  type GatewayExample,
  type GatewayRule,
  gatewayRuleSchema,
} from '../../../src/analysis/rules/gateway-rule.ts'
import { GatewayRules } from '../../../src/analysis/rules/gateway-rules.ts'
import { parseDuration } from '../../../src/config/units.ts'

const rules = readGatewayRules()
const usualFrom = '192.0.2.1'

/** Rules that the openings of an example meet. */
function idsOf(example: readonly GatewayExample[]): string[] {
  const watched = new GatewayRules(rules)
  const ids: string[] = []
  let atMs = Date.UTC(2026, 0, 5, 9)
  for (const one of example) {
    const sourceAddress = one.from ?? usualFrom
    if ('opened' in one) {
      const gap = one.after === undefined ? undefined : parseDuration(one.after)
      atMs += gap?.ok === true ? gap.value : 1000
      const { opened: target, login, emergency: breakGlass = false } = one
      const hits = watched.opened({ atMs, person: 'ada', target, login, sourceAddress, breakGlass })
      ids.push(...hits.map(({ rule }) => rule.id))
      continue
    }
    const { refused: code, target, login, times = 1 } = one
    for (let time = 0; time < times; time++) {
      atMs += 1000
      const wish = { ...(target === undefined ? {} : { target }), ...(login === undefined ? {} : { login }) }
      watched.refused({
        atMs,
        code,
        sourceAddress,
        ...wish,
        ...(target === undefined ? {} : { person: 'ada' }),
      })
    }
  }
  return ids
}

describe.each(rules.map(rule => [rule.id, rule] as const))('%s', (id, { examples, title, says, check }) => {
  test.each(examples.matches.map((example, at) => [at, example] as const))(
    'matches example %i',
    (_, example) => {
      expect(idsOf(example)).toContain(id)
    },
  )

  test.each(examples.passes.map((example, at) => [at, example] as const))(
    'passes example %i',
    (_, example) => {
      expect(idsOf(example)).not.toContain(id)
    },
  )

  test('describes what happened and names no culprit', () => {
    for (const text of [title, says, ...check]) expect(text).not.toMatch(forbiddenWords)
  })
})

test('the catalogue lists them beside the others', () => {
  const { all, about } = ((catalogue = readCatalogue()) => ({
    all: catalogue.all.map(({ id }) => id),
    about: catalogue.about('B-05')?.title,
  }))()
  expect(all).toEqual(expect.arrayContaining(['B-05', 'B-06', 'B-07', 'B-08', 'SSH-01']))
  expect(about).toBe('Emergency access was used')
})

describe('a rule over the gateway is refused', () => {
  const [good] = rules.filter((rule): rule is GatewayRule => rule.event === 'refused-then-opened')
  test.each([
    ['with an event that there is not', { event: 'looked-at' }],
    ['with a time that has no unit', { within: 5 }],
    ['with a time of more than a day', { within: '2d' }],
    ['without codes', { codes: [] }],
    ['with an unknown key', { codez: ['login'] }],
  ])('%s', (_, change) => {
    const { within, ...rest } = { ...good, within: '1h' }
    expect(gatewayRuleSchema.safeParse({ ...rest, within }).success).toBe(true)
    expect(gatewayRuleSchema.safeParse({ ...rest, within, ...change }).success).toBe(false)
  })
})

test('refusals of one person say nothing of another, and of strangers it keeps the newest', () => {
  const watched = new GatewayRules(rules)
  const opening = { atMs: 20_000, target: 'web1', login: 'root', sourceAddress: usualFrom, breakGlass: false }
  const refuse = (person: string) =>
    watched.refused({ atMs: 10_000, code: 'no-role', person, target: 'web1', sourceAddress: usualFrom })
  refuse('ada')
  expect(watched.opened({ ...opening, person: 'bob' })).toEqual([])
  expect(watched.opened({ ...opening, person: 'ada' }).map(({ rule }) => rule.id)).toEqual(['B-06'])
  for (let at = 0; at < 5000; at++) refuse(`person ${at}`)
  expect(watched.opened({ ...opening, person: 'ada' })).toEqual([])
  expect(watched.opened({ ...opening, person: 'person 4999' })).toHaveLength(1)
})
