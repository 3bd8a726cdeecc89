import { beforeAll, describe, expect, test } from 'vitest'
import { simulateQuarter } from './quarter.ts'
import { caseResults, reportOf } from './report.ts'
import { review, type Reviewed, usualAnalysis } from './review.ts'

const options = { seed: 1, weeks: 8 }

let reviewed: Reviewed
beforeAll(async () => {
  // Baselines take a minute of these; `npm run bench -- quarter` has them.
  const analysis = { ...usualAnalysis, baselines: { ...usualAnalysis.baselines, enabled: false } }
  reviewed = await review(simulateQuarter(options), analysis)
}, 120_000)

test('the same seed gives the same company', () => {
  expect(simulateQuarter(options).sessions).toEqual(simulateQuarter(options).sessions)
  expect(simulateQuarter({ ...options, seed: 2 }).sessions).not.toEqual(simulateQuarter(options).sessions)
})

test('no day shows more than its budget', () => {
  const days = Map.groupBy(
    reviewed.findings.filter(({ isShown }) => isShown),
    ({ day }) => day,
  )
  expect(days.size).toBeGreaterThan(30)
  for (const shown of days.values()) expect(shown.length).toBeLessThanOrEqual(usualAnalysis.budget)
})

describe('planted cases that rules are about, with a reviewer who suppresses what is usual,', () => {
  const names = [
    'sweep',
    'leaver',
    'delete',
    'secrets',
    'firewall',
    'open folder',
    'night shell',
    'catalogues',
    'uploaded tool',
  ]
  test.each(names)('%s is in the queue of its day', name => {
    const result = caseResults(reviewed.quarter, reviewed.suppressing).find(each => each.name === name)
    expect(result?.isShown).toBe(true)
    expect(result?.afterDays).toBe(0)
  })
})

test('what is taken a little at a time is shown once it has added up', () => {
  const result = caseResults(reviewed.quarter, reviewed.suppressing).find(({ name }) => name === 'drip')
  expect(result?.rules).toContain('B-04')
  expect(result?.afterDays).toBeGreaterThan(1)
})

test('a reviewer who says what is expected sees less of it, and no fewer of the planted cases', () => {
  const { quarter, findings, suppressing } = reviewed
  const usual = (found: typeof findings): number =>
    found.filter(
      ({ isShown, draft, session }) => isShown && draft.kind === 'rule' && session.planted === undefined,
    ).length
  expect(usual(suppressing)).toBeLessThan(usual(findings) * 0.8)
  const shown = (found: typeof findings): number =>
    caseResults(quarter, found).filter(({ isShown }) => isShown).length
  expect(shown(suppressing)).toBeGreaterThanOrEqual(shown(findings) - 1)
})

test('the report tells each case and each role', () => {
  const report = reportOf(reviewed)
  for (const { name } of reviewed.quarter.cases) expect(report).toContain(`| ${name} |`)
  for (const role of ['platform', 'web', 'data', 'dba']) expect(report).toContain(`| ${role} |`)
})
