import { expect, test } from 'vitest'
import type { EntryView, FindingSummary } from '../../../src/api/schema.ts'
import { groupsOf, marksOf } from '../../../web/app/player/mark.ts'

const finding = (id: string, atMs: number, rules: readonly string[]): FindingSummary => ({
  id,
  atMs,
  rules,
  state: 'new',
  severity: 'high',
  sentence: `finding ${id}`,
  kind: 'rule',
  session: 's',
  principal: 'p',
  target: 't',
  createdAtMs: 0,
  similar: 0,
})
const command = (number: number, offsetMs: number, rule: string): EntryView => ({
  number,
  offsetMs,
  atMs: 1000 + offsetMs,
  kind: 'command',
  text: `command ${number}`,
  detail: {},
  hits: [{ rule, severity: 'low' }],
})

test('what met a rule is not told a second time beside its finding', () => {
  const marks = marksOf([finding('f', 6000, ['rule-a'])], [command(1, 5000, 'rule-a')], 1000)
  expect(marks).toEqual([
    {
      offsetMs: 5000,
      severity: 'high',
      text: 'finding f',
      rules: ['rule-a'],
      finding: { id: 'f', state: 'new' },
    },
  ])
})

test('the same rule at another moment, and another rule at the same, are told', () => {
  const marks = marksOf(
    [finding('f', 6000, ['rule-a'])],
    [command(1, 9000, 'rule-a'), command(2, 5000, 'rule-b')],
    1000,
  )
  expect(marks.map(({ offsetMs, rules }) => [offsetMs, ...rules])).toEqual([
    [5000, 'rule-a'],
    [5000, 'rule-b'],
    [9000, 'rule-a'],
  ])
})

test('marks that would lie on each other are one, however many', () => {
  const marks = marksOf(
    [],
    [1, 2, 30, 31].map(number => command(number, number * 1000, `r${number}`)),
    0,
  )
  expect(groupsOf(marks, 5000).map(group => group.length)).toEqual([2, 2])
  expect(groupsOf(marks, 500).length).toBe(4)
})
