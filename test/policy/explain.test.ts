import { expect, test } from 'vitest'
import { explain } from '../../src/policy/explain.ts'
import { fieldsOf, NOON, policyWith } from './people.ts'

const policy = policyWith(`ops:
  members: { groups: [ops] }
  allow:
    - { targets: { name: web1 }, logins: [root], when: { from: [10.0.0.0/8], hours: "08:00-13:00 UTC" } }
    - { targets: { protocol: ssh }, logins: [deploy, root], exec: [uptime] }
dba:
  members: { emails: [dba@example.com] }
  allow: { targets: { name: web1 }, logins: [root] }`)
const from = { sourceAddress: '10.1.1.1' }

test('a refusal names each rule and each reason', () => {
  expect(
    explain(
      policy,
      fieldsOf(),
      { target: 'web1', login: 'app', sourceAddress: '192.0.2.1' },
      NOON + 3_600_000,
    ),
  ).toBe(
    [
      'DENIED (login): You may not be app on web1. You may be root, deploy.',
      '  role ops, line 14: allows only the logins root; allows only connections from 10.0.0.0/8; is in force only 08:00-13:00 UTC',
      '  role ops, line 15: allows only the logins deploy, root',
      '  role dba, line 18: is not a role of this principal; allows only the logins root',
      '  this principal can reach now:',
      '    web1 as deploy, root',
      '    web2 as deploy, root',
      '    lab as deploy, root',
    ].join('\n'),
  )
})

test('whoever reads the configuration is told what the person is not: whether the target exists', () => {
  const nobody = fieldsOf({ groups: [] })
  expect(explain(policy, nobody, { target: 'wbe1', ...from }, NOON)).toBe(
    [
      'DENIED (unknown-target): There is no such target, or you have no access to it.',
      '  no target is named `wbe1`; did you mean `web1`?',
      '  this principal can reach nothing from there now',
    ].join('\n'),
  )
  expect(explain(policy, nobody, { bare: 'web1', ...from }, NOON)).toContain(
    "`web1` is a target, but none of this principal's roles is for it",
  )
})

test('an allowed wish names the rule, its limits and the rules that stand behind it', () => {
  expect(explain(policy, fieldsOf(), { target: 'web1', login: 'root', ...from }, NOON)).toBe(
    [
      'ALLOWED: ann@example.com as root on web1, by role ops, line 14',
      '  a member through the group ops',
      '  until 2025-01-15T13:00:00.000Z (the hours of the rule), or 1800 s without activity',
      '  channels: shell, exec, sftp',
      '  role ops, line 15 would allow it too, but stands later and is not used',
    ].join('\n'),
  )
})

test('names with control characters are shown harmlessly', () => {
  const text = explain(policy, fieldsOf({ name: 'a\u001b[2J\nALLOWED' }), { target: 'x\ny', ...from }, NOON)
  expect(text).not.toContain('\u001b')
  expect(text).toContain('x\\u{a}y')
})
