import { expect, test } from 'vitest'
import { reactionTo } from '../../src/policy/reaction.ts'
import { complaintsOf, yamlWith } from '../config/yaml-file.ts'
import { policyWith } from './people.ts'

const roles = `
ops:
  members: { groups: [ops] }
  allow: [{ targets: { protocol: ssh }, logins: [root] }]
  on:
    - { finding: { severity: high }, do: step-up, wait: 5m }
    - { finding: { rule: SSH-19 }, do: pause }
    - { finding: { severity: critical }, do: end }
dba: { members: { groups: [dba] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }
`
const policy = policyWith(roles)
const met = { kind: 'rule', severity: 'high', rules: ['SSH-10'] } as const

test('baselines, samples and whatever else is no rule never move a session', () => {
  for (const kind of ['baseline', 'sample', 'integrity'] as const)
    expect(
      reactionTo(policy, 'ops', { ...met, kind, severity: 'critical', rules: ['SSH-19'] }),
    ).toBeUndefined()
})

test('a role that says nothing, and one that is gone, do nothing', () => {
  expect(reactionTo(policy, 'dba', met)).toBeUndefined()
  expect(reactionTo(policy, 'gone', met)).toBeUndefined()
})

test('emergency access is held by nobody who does not name its rule', () => {
  const opened = { ...met, rules: ['B-05'] }
  expect(reactionTo(policy, 'ops', opened)).toBeUndefined()
  expect(reactionTo(policy, 'ops', { ...opened, rules: ['B-05', 'SSH-10'] })).toMatchObject({ do: 'step-up' })
  const named = policyWith(roles.replace('rule: SSH-19', 'rule: B-05'))
  expect(reactionTo(named, 'ops', opened)).toMatchObject({ do: 'pause' })
})

test('below the severity, and for another rule, nothing happens', () => {
  expect(reactionTo(policy, 'ops', { ...met, severity: 'medium' })).toBeUndefined()
})

test('of all that policy says the strictest is done', () => {
  expect(reactionTo(policy, 'ops', met)).toMatchObject({ do: 'step-up', waitMs: 300_000 })
  expect(reactionTo(policy, 'ops', { ...met, rules: ['SSH-10', 'SSH-19'] })).toMatchObject({ do: 'pause' })
  expect(reactionTo(policy, 'ops', { ...met, severity: 'critical' })).toMatchObject({ do: 'end' })
  expect(reactionTo(policy, 'ops', { ...met, severity: 'low', rules: ['SSH-19'] })).toMatchObject({
    do: 'pause',
    waitMs: 600_000,
  })
})

test('what a configuration says of findings has to make sense', () => {
  const complaints = (on: string): string[] =>
    complaintsOf(
      yamlWith({
        roles: `roles: { ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }], on: ${on} } }`,
      }),
    )
  expect(complaints('[{ finding: { severity: high }, do: end }]')).toEqual([])
  for (const wrong of [
    '[{ finding: {}, do: end }]',
    '[{ finding: { severity: high, rule: SSH-10 }, do: end }]',
    '[{ finding: { severity: awful }, do: end }]',
    '[{ finding: { rule: "a b" }, do: end }]',
    '[{ finding: { severity: high }, do: dismiss }]',
    '[{ finding: { severity: high }, do: pause, wait: 9h }]',
  ])
    expect(complaints(wrong).length).toBeGreaterThan(0)
})

test('names are not hidden where nobody could ever approve that they show', () => {
  const text = `${yamlWith({})}\nanalysis: { pseudonyms: { approvers: [nobody-has-it] } }`
  expect(complaintsOf(text).join()).toContain('names the role `nobody-has-it`, which does not exist')
})
