import { afterEach, expect, test } from 'vitest'
import { dpiaPack } from '../../../src/analysis/findings/dpia.ts'
import { fairnessReport, gini } from '../../../src/analysis/findings/fairness.ts'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'
import type { Config } from '../../../src/config/config.ts'
import { HOUR, NOON, policyWith } from '../../policy/people.ts'
import { ann, closeDesks, deskWith } from './desk-world.ts'

afterEach(closeDesks)

test('how uneven counts are', () => {
  expect(gini([])).toBe(0)
  expect(gini([0, 0])).toBe(0)
  expect(gini([3, 3, 3, 3])).toBeCloseTo(0)
  expect(gini([0, 0, 0, 8])).toBeCloseTo(0.75)
})

test('with fewer than five people nothing is told of groups, shares or names', async () => {
  const { store, find, clock } = await deskWith()
  await find()
  const report = await fairnessReport(store, 30, clock.nowMs())
  expect(report).toMatchObject({ people: 1, findings: 1, byRole: [], byHour: [] })
  expect([report.maxShare, report.gini]).toEqual([undefined, undefined])
})

test('roles of fewer than five people are told together, larger ones by name; the sample does not count', async () => {
  const { store, desk, find, session, clock } = await deskWith()
  for (let at = 0; at < 6; at++) {
    await session({ id: `d${at}`, subject: `dba-${at}`, role: 'dba', openedAtMs: NOON - 3 * HOUR })
    await session({ id: `o${at}`, subject: `other-${at}`, role: `role-${at % 2}` })
  }
  const first = await find({ session: 'd0' })
  for (const id of ['d1', 'o1']) await find({ session: id })
  await find({ session: 'd0', group: 'SSH-25' })
  await find({ session: 'd2', group: 'sample', kind: 'sample' })
  clock.advance(2 * HOUR)
  await desk.close(first, { reason: 'benign-expected', rationale: 'a drill' }, ann)
  const report = await fairnessReport(store, 30, clock.nowMs())
  expect(report).toMatchObject({ people: 13, sessions: 13, findings: 4, closed: 1, benignShare: 1 })
  expect(report.byRole).toMatchObject([
    { name: '(fewer than 5 people each)', people: 7, findings: 1 },
    { name: 'dba', people: 6, sessions: 6, findings: 3, perHundred: 50 },
  ])
  expect(report.byHour.map(({ name }) => name)).toEqual(['06–12 h', '12–18 h'])
  expect(report.maxShare).toBe(0.5)
  expect(report.medianMsToClose).toBe(2 * HOUR)
  expect(report.noisiest[0]).toMatchObject({ group: 'SSH-10', findings: 3, advice: undefined })
  expect(JSON.stringify(report)).not.toMatch(/dba-\d|other-\d|bob/)
})

test('a rule that is nearly always harmless is said to be', async () => {
  const { store, desk, find, session, clock } = await deskWith({ budget: 100 })
  for (let at = 0; at < 12; at++) {
    await session({ id: `n${at}` })
    const id = await find({ session: `n${at}` })
    await desk.close(id, { reason: 'rule-too-broad', rationale: 'deployments do this' }, ann)
  }
  const [noisy] = (await fairnessReport(store, 30, clock.nowMs())).noisiest
  expect(noisy?.advice).toContain('switch it off')
})

const abouts = readCatalogue().all
const roles = `
ops:
  members: { groups: [ops] }
  allow: [{ targets: { protocol: ssh }, logins: [root] }]
  on: [{ finding: { rule: SSH-10 }, do: pause, wait: 10m }]
auditor: { members: { groups: [audit] }, review: { targets: { labels: { env: prod } } } }
`
const config = policyWith(roles)

test('the pack says what is in force, from the configuration', () => {
  const analysis = {
    ...config.analysis,
    off: ['SSH-20'],
    contact: 'security@example.com',
    pseudonyms: { approvers: ['dpo'], forMs: 4 * HOUR, rotateMs: 720 * HOUR },
    fourEyes: 'high' as const,
  }
  const pack = dpiaPack({ config: { ...config, analysis } satisfies Config, rules: abouts })
  expect(pack).toContain('| SSH-10 | high | A shell over the network |')
  expect(pack).not.toContain('| SSH-20 |')
  expect(pack).toContain('- role ops: rule SSH-10: pause, for 10 minutes at most')
  expect(pack).toContain('- auditor: group audit')
  expect(pack).toContain('A name shows to one person for 4 hours once a member of dpo has approved')
  expect(pack).toContain('Closing a finding of severity high and above takes two reviewers.')
  expect(pack).toContain('Who answers for it: security@example.com.')
  expect(pack).toContain('| findings | 400 days after closing |')
  expect(pack).not.toMatch(forbiddenWords)
})

test('a detector that is new has to be told anew', () => {
  const before = dpiaPack({ config, rules: abouts.filter(({ id }) => id !== 'SSH-10') })
  const news = dpiaPack({ config, rules: abouts, before })
  expect(news).toContain('Tell the people concerned and their representatives again.')
  expect(news).toContain('- new: SSH-10')
  expect(dpiaPack({ config, rules: abouts, before: news })).toContain('Nothing was added or taken away')
})

test('without baselines and without `on`, the pack says so', () => {
  const analysis = {
    ...config.analysis,
    shadow: true,
    baselines: { ...config.analysis.baselines, enabled: false },
  }
  const calm = { ...config, analysis, roles: config.roles.map(role => ({ ...role, on: [] })) }
  const pack = dpiaPack({ config: calm, rules: abouts })
  expect(pack).toContain('Switched off: nobody has a profile.')
  expect(pack).toContain('Nothing: no role has `on`.')
  expect(pack).toContain('Shadow mode is on')
})
