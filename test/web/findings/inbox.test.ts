import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FindingSummary } from '../../../src/api/schema.ts'
import { DelayedDecisions, undoMs } from '../../../web/app/pages/findings/delayed.ts'
import { inGroups, inOrder, moved, nextAfter } from '../../../web/app/pages/findings/groups.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what was undone is never sent', () => {
  const sent: string[] = []
  const decisions = new DelayedDecisions(() => {})
  decisions.add('Acknowledged', ['f1'], () => sent.push('f1'))
  vi.advanceTimersByTime(undoMs - 1)
  expect(decisions.undo()).toBe(true)
  vi.advanceTimersByTime(undoMs)
  expect(sent).toEqual([])
  expect(decisions.undo()).toBe(false)
})

test('what was not undone is sent once, and the last one is the first to be undone', () => {
  const sent: string[] = []
  let changes = 0
  const decisions = new DelayedDecisions(() => changes++)
  decisions.add('Acknowledged', ['f1'], () => sent.push('f1'))
  decisions.add('Assigned', ['f2'], () => sent.push('f2'))
  decisions.undo()
  expect(decisions.waiting.map(({ findings }) => findings)).toEqual([['f1']])
  vi.advanceTimersByTime(undoMs)
  decisions.flush()
  expect(sent).toEqual(['f1'])
  expect(changes).toBe(4)
})

test('leaving the page sends what waits, in its order, and says that nobody waits for the answer', () => {
  const sent: [string, boolean][] = []
  const decisions = new DelayedDecisions(() => {})
  for (const id of ['f1', 'f2']) decisions.add('Acknowledged', [id], isLeaving => sent.push([id, isLeaving]))
  decisions.flush(true)
  expect(sent).toEqual([
    ['f1', true],
    ['f2', true],
  ])
  expect(decisions.waiting).toEqual([])
})

const findings = [
  finding({ id: 'a', severity: 'medium', session: 's1', rules: ['r1'] }),
  finding({ id: 'b', severity: 'low', session: 's2', rules: ['r1'] }),
  finding({ id: 'c', severity: 'critical', session: 's2', rules: ['r2'] }),
]

test('groups stand by their gravest member, and lose none', () => {
  const groups = inGroups(findings, 'session')
  expect(groups.map(({ key, worst }) => [key, worst])).toEqual([
    ['s2', 'critical'],
    ['s1', 'medium'],
  ])
  expect(inOrder(groups).map(({ id }) => id)).toEqual(['b', 'c', 'a'])
  expect(inGroups(findings, 'rule').map(({ key }) => key)).toEqual(['r2', 'r1'])
  expect(inOrder(inGroups(findings, 'none'))).toEqual(findings)
})

test('keys move along the list and stop at its ends', () => {
  expect(moved(findings, undefined, 1)).toBe('a')
  expect(moved(findings, 'a', 1)).toBe('b')
  expect(moved(findings, 'c', 1)).toBe('c')
  expect(moved(findings, 'a', -1)).toBe('a')
  expect(moved([], 'a', 1)).toBeUndefined()
})

test('whoever deals with the last one is led to the one before', () => {
  expect(nextAfter(findings, 'b')).toBe('c')
  expect(nextAfter(findings, 'c')).toBe('b')
  expect(nextAfter(findings.slice(0, 1), 'a')).toBeUndefined()
})

function finding(fields: Partial<FindingSummary>): FindingSummary {
  return {
    id: 'f',
    state: 'new',
    severity: 'low',
    sentence: 'Something was seen.',
    kind: 'rule',
    session: 's',
    principal: 'ada',
    target: 'web1',
    atMs: 0,
    createdAtMs: 0,
    rules: [],
    similar: 0,
    ...fields,
  }
}
