import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseUserName } from '../../src/policy/address.ts'
import {
  type AccessWish,
  allowsChannel,
  decide,
  type Grant,
  isGrant,
  reachable,
} from '../../src/policy/decide.ts'
import { HOUR, NOON, personWith, policyWith } from './people.ts'

const OPS = `
ops:
  members: { groups: [ops] }
  allow:
    - { targets: { name: web1 }, logins: [root] }
    - { targets: { labels: { env: test } }, logins: [deploy, root], sessions: { max: 1h, idle: 5m } }
`
const from = '10.1.1.1'
const wish = (typed: string, sourceAddress = from): AccessWish => ({ ...parseUserName(typed), sourceAddress })

function refusal(...args: Parameters<typeof decide>) {
  const decision = decide(...args)
  return decision.kind === 'deny' ? decision.denial : undefined
}

function grantOf(...args: Parameters<typeof decide>): Grant {
  const decision = decide(...args)
  if (decision.kind === 'deny') throw new Error(decision.denial.userText)
  return decision.grant
}

describe('refusals', () => {
  test('without a role nothing is allowed', () => {
    const stranger = personWith({ groups: [], email: 'eve@example.com' })
    expect(refusal(policyWith(OPS), stranger, wish('root@web1'), NOON)?.code).toBe('no-role')
    expect(reachable(policyWith(OPS), stranger, from, NOON)).toEqual([])
  })

  test('an unknown target and a forbidden one are answered with the same words, also as bare names', () => {
    const ann = personWith()
    const policy = policyWith(OPS)
    const unknown = refusal(policy, ann, wish('root@nowhere'), NOON)
    const forbidden = refusal(policy, ann, wish('root@web2'), NOON)
    expect(unknown?.code).toBe('unknown-target')
    expect(forbidden?.code).toBe('no-role')
    expect(unknown?.userText).toBe(forbidden?.userText)
    expect(refusal(policy, ann, wish('web2'), NOON)).toEqual(refusal(policy, ann, wish('nowhere'), NOON))
  })

  test('a login that no rule names is refused, with those that are allowed', () => {
    const denial = refusal(policyWith(OPS), personWith(), wish('postgres@web1'), NOON)
    expect(denial).toMatchObject({
      code: 'login',
      userText: 'You may not be postgres on web1. You may be root.',
    })
  })

  test('a hostile login is shown harmlessly', () => {
    const denial = refusal(policyWith(OPS), personWith(), wish('\u001b]0;x\u0007\u202e\n@web1'), NOON)
    expect(denial?.userText).toContain('\\u{1b}]0;x\\u{7}\\u{202e}\\u{a}')
  })

  test('a sign-in that has expired opens nothing, from that very millisecond on', () => {
    const ann = personWith({ expiresAtMs: NOON })
    expect(refusal(policyWith(OPS), ann, wish('root@web1'), NOON)?.code).toBe('principal-expired')
    expect(refusal(policyWith(OPS), ann, wish('root@web1'), NOON - 1)).toBeUndefined()
    expect(
      refusal(policyWith(OPS), personWith({ expiresAtMs: Number.NaN }), wish('root@web1'), NOON)?.code,
    ).toBe('principal-expired')
    expect(reachable(policyWith(OPS), ann, from, NOON)).toEqual([])
  })

  test('an e-mail address that the issuer has not verified gives no role', () => {
    const policy = policyWith(
      'ann: { members: { emails: [Ann@example.com] }, allow: { targets: { name: web1 }, logins: [root] } }',
    )
    const groups: string[] = []
    expect(
      refusal(policy, personWith({ groups, emailVerified: false }), wish('root@web1'), NOON),
    ).toMatchObject({
      code: 'no-role',
      reasons: [{ text: 'is for this e-mail address, but the issuer has not verified it' }],
    })
    expect(refusal(policy, personWith({ groups, email: undefined }), wish('root@web1'), NOON)?.code).toBe(
      'no-role',
    )
    expect(refusal(policy, personWith({ groups }), wish('root@web1'), NOON)).toBeUndefined()
  })

  test('an e-mail address with letters that only fold into the right ones is another address', () => {
    const policy = policyWith(
      'kim: { members: { emails: [kim@example.com] }, allow: { targets: { name: web1 }, logins: [root] } }',
    )
    const folded = personWith({ groups: [], email: '\u212aim@example.com' })
    expect(refusal(policy, folded, wish('root@web1'), NOON)?.code).toBe('no-role')
  })

  test('a group that differs in case is another group', () => {
    expect(refusal(policyWith(OPS), personWith({ groups: ['OPS'] }), wish('root@web1'), NOON)?.code).toBe(
      'no-role',
    )
  })

  test('outside of its networks a rule does not count, and an address that cannot be read is outside', () => {
    const policy = policyWith(
      'ops: { members: { groups: [ops] }, allow: { targets: { name: web1 }, logins: [root], when: { from: [10.0.0.0/8] } } }',
    )
    for (const address of ['11.0.0.1', '::1', '', 'unix', '10.0.0.1.example.com'])
      expect(refusal(policy, personWith(), wish('root@web1', address), NOON)?.code).toBe('source')
    expect(refusal(policy, personWith(), wish('root@web1', '::ffff:10.0.0.1'), NOON)).toBeUndefined()
  })

  test('outside of its hours a rule does not count', () => {
    const policy = policyWith(
      'ops: { members: { groups: [ops] }, allow: { targets: { name: web1 }, logins: [root], when: { hours: "Mon-Fri 08:00-19:00 UTC" } } }',
    )
    expect(refusal(policy, personWith(), wish('root@web1'), NOON + 7 * HOUR)).toMatchObject({
      code: 'hours',
      userText: 'You may open web1 only in its hours: Mon-Fri 08:00-19:00 UTC.',
    })
    expect(refusal(policy, personWith(), wish('root@web1'), NOON + 7 * HOUR - 1)).toBeUndefined()
  })

  test('without a login, several allowed ones are listed instead of guessed', () => {
    const denial = refusal(policyWith(OPS), personWith(), wish('@lab'), NOON)
    expect(denial).toMatchObject({
      code: 'login-needed',
      userText: 'Say as whom: LOGIN@lab. You may be deploy, root.',
    })
  })

  test('without a target, what one may reach is listed', () => {
    for (const typed of ['', 'root', 'root@', '@'])
      expect(refusal(policyWith(OPS), personWith(), wish(typed), NOON)).toMatchObject({
        code: 'target-needed',
        userText: 'Say where to: LOGIN@TARGET. You may reach root@web1, deploy@lab, root@lab.',
      })
  })

  test('names that objects have from birth are no targets, roles or labels', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty'])
      expect(refusal(policyWith(OPS), personWith(), wish(`root@${name}`), NOON)?.code).toBe('unknown-target')
  })

  test('every rule says why it did not allow', () => {
    const denial = refusal(policyWith(OPS), personWith({ groups: [] }), wish('deploy@web1'), NOON)
    expect(denial?.reasons).toMatchObject([
      { role: 'ops', text: 'is not a role of this principal; allows only the logins root' },
      { role: 'ops', text: 'is not a role of this principal; is for other targets' },
    ])
  })
})

describe('grants', () => {
  test('a grant carries who, where, as whom, by which rule and with which limits', () => {
    const ann = personWith()
    const { fields } = grantOf(policyWith(OPS), ann, wish('deploy@lab'), NOON)
    expect(fields).toMatchObject({
      principal: ann,
      login: 'deploy',
      role: 'ops',
      sourceAddress: from,
      grantedAtMs: NOON,
      validUntilMs: NOON + HOUR,
      endsBy: 'max',
      idleTimeoutMs: 300_000,
      channels: ['shell', 'exec', 'sftp'],
      exec: undefined,
    })
    expect(fields.target.name).toBe('lab')
    expect(Object.isFrozen(fields)).toBe(true)
  })

  test('a grant ends by what ends first: the hours, the longest session or the sign-in', () => {
    const policy = policyWith(
      'ops: { members: { groups: [ops] }, allow: { targets: { name: web1 }, logins: [root], sessions: { max: 4h }, when: { hours: "08:00-19:00 UTC" } } }',
    )
    const end = (nowMs: number, expiresAtMs = NOON + 100 * HOUR) => {
      const { validUntilMs, endsBy } = grantOf(
        policy,
        personWith({ expiresAtMs }),
        wish('root@web1'),
        nowMs,
      ).fields
      return [(validUntilMs - NOON) / HOUR, endsBy]
    }
    expect(end(NOON)).toEqual([4, 'max'])
    expect(end(NOON + 5 * HOUR)).toEqual([7, 'hours'])
    expect(end(NOON, NOON + HOUR)).toEqual([1, 'sign-in'])
  })

  test('a bare name that is one of their targets is that target, with the only login', () => {
    expect(grantOf(policyWith(OPS), personWith(), wish('web1'), NOON).fields.login).toBe('root')
  })

  test('the only login is the only one across all rules that allow', () => {
    const two = `${OPS}\n    - { targets: { name: web1 }, logins: [deploy] }`
    expect(refusal(policyWith(two), personWith(), wish('@web1'), NOON)?.code).toBe('login-needed')
    const others = `${OPS}\nother: { members: { groups: [x] }, allow: { targets: { name: web1 }, logins: [deploy] } }`
    expect(grantOf(policyWith(others), personWith(), wish('@web1'), NOON).fields.login).toBe('root')
  })

  test('where several rules allow, the first in the file gives the limits, and it alone', () => {
    const strict = '- { targets: { name: web1 }, logins: [root], exec: [uptime] }'
    const free = '- { targets: { name: web1 }, logins: [root] }'
    const both = (first: string, second: string) =>
      policyWith(`ops:\n  members: { groups: [ops] }\n  allow:\n    ${first}\n    ${second}`)
    expect(grantOf(both(strict, free), personWith(), wish('root@web1'), NOON).fields.exec).toEqual(['uptime'])
    expect(grantOf(both(free, strict), personWith(), wish('root@web1'), NOON).fields.exec).toBeUndefined()
  })

  test('a rule that is not in force now does not stand before one that is', () => {
    const policy = policyWith(
      `ops:\n  members: { groups: [ops] }\n  allow:\n` +
        `    - { targets: { name: web1 }, logins: [root], exec: [uptime], when: { hours: "Sat 08:00-19:00 UTC" } }\n` +
        `    - { targets: { name: web1 }, logins: [root] }`,
    )
    expect(grantOf(policy, personWith(), wish('root@web1'), NOON).fields.exec).toBeUndefined()
  })

  test('deciding again never moves the end of a session further away', () => {
    const policy = policyWith(OPS)
    const first = grantOf(policy, personWith(), wish('deploy@lab'), NOON)
    const later = grantOf(policy, personWith(), wish('deploy@lab'), NOON + HOUR / 2)
    const kept = later.endingNoLaterThan(first.fields.validUntilMs)
    expect(kept.fields.validUntilMs).toBe(first.fields.validUntilMs)
    expect(first.endingNoLaterThan(later.fields.validUntilMs)).toBe(first)
    expect(isGrant(kept)).toBe(true)
  })

  test('what only looks like a grant is none', () => {
    const { fields } = grantOf(policyWith(OPS), personWith(), wish('root@web1'), NOON)
    expect(isGrant({ fields })).toBe(false)
    expect(isGrant(Object.create(grantOf(policyWith(OPS), personWith(), wish('root@web1'), NOON)))).toBe(
      false,
    )
  })
})

describe('channels', () => {
  const grantFor = (rule: string) =>
    grantOf(
      policyWith(
        `ops: { members: { groups: [ops] }, allow: { targets: { name: web1 }, logins: [root]${rule} } }`,
      ),
      personWith(),
      wish('root@web1'),
      NOON,
    )

  test('forwarding and the agent are off unless said', () => {
    const grant = grantFor('')
    expect(allowsChannel(grant, { kind: 'forward' })).toEqual({
      allowed: false,
      reason: 'Policy does not allow forward here, only shell, exec, sftp.',
    })
    expect(allowsChannel(grant, { kind: 'agent' }).allowed).toBe(false)
    expect(allowsChannel(grantFor(', channels: [shell, forward]'), { kind: 'forward' }).allowed).toBe(true)
  })

  test('a rule that names channels allows no other', () => {
    const grant = grantFor(', channels: [sftp]')
    expect(allowsChannel(grant, { kind: 'shell' }).allowed).toBe(false)
    expect(allowsChannel(grant, { kind: 'exec', command: Buffer.from('ls') }).allowed).toBe(false)
    expect(allowsChannel(grant, { kind: 'sftp' }).allowed).toBe(true)
  })

  test('with exec patterns there is no shell, no sftp and no other command', () => {
    const grant = grantFor(', exec: ["systemctl restart app-*"]')
    for (const kind of ['shell', 'sftp', 'forward', 'agent'] as const)
      expect(allowsChannel(grant, { kind }).allowed).toBe(false)
    expect(allowsChannel(grant, { kind: 'exec' }).allowed).toBe(false)
    expect(allowsChannel(grant, { kind: 'exec', command: Buffer.from('bash') }).allowed).toBe(false)
    expect(
      allowsChannel(grant, { kind: 'exec', command: Buffer.from('systemctl restart app-web') }).allowed,
    ).toBe(true)
  })
})

describe('properties', () => {
  const names = fc.constantFrom('web1', 'web2', 'lab', 'nowhere')
  const logins = fc.constantFrom('root', 'deploy', 'app')
  const rule = fc.record({
    target: fc.constantFrom('name: web1', 'name: web2', 'labels: { env: prod }', 'protocol: ssh'),
    login: logins,
    hours: fc.constantFrom(
      '',
      ', when: { hours: "08:00-13:00 UTC" }',
      ', when: { hours: "Sat 08:00-13:00 UTC" }',
    ),
    group: fc.constantFrom('ops', 'dba'),
  })
  type Rule = { target: string; login: string; hours: string; group: string }
  const policyOf = (rules: readonly Rule[]) =>
    policyWith(
      rules
        .map(
          ({ target, login, hours, group }, i) =>
            `r${i}: { members: { groups: [${group}] }, allow: { targets: { ${target} }, logins: [${login}]${hours} } }`,
        )
        .join('\n'),
    )

  test('a role added at the end of the file takes nothing away and changes no grant', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 4 }),
        rule,
        names,
        logins,
        (rules, added, target, login) => {
          const asked = { target, login, sourceAddress: from }
          const before = decide(policyOf(rules), personWith(), asked, NOON)
          const after = decide(policyOf([...rules, added]), personWith(), asked, NOON)
          if (before.kind === 'deny') return
          expect(after.kind).toBe('allow')
          if (after.kind === 'allow') expect(after.grant.fields.role).toBe(before.grant.fields.role)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('whatever is granted, a rule of a role of theirs names it, and it ends in time', () => {
    fc.assert(
      fc.property(
        fc.array(rule, { minLength: 1, maxLength: 4 }),
        names,
        logins,
        fc.nat(48),
        (rules, target, login, hours) => {
          const nowMs = NOON + hours * HOUR
          const principal = personWith()
          const decision = decide(policyOf(rules), principal, { target, login, sourceAddress: from }, nowMs)
          if (decision.kind === 'deny') return
          const { role, validUntilMs, grantedAtMs } = decision.grant.fields
          const used = rules[Number(role.slice(1))]
          expect(used?.group).toBe('ops')
          expect(used?.login).toBe(login)
          expect(validUntilMs).toBeGreaterThan(grantedAtMs)
          expect(validUntilMs).toBeLessThanOrEqual(Math.min(nowMs + 8 * HOUR, principal.fields.expiresAtMs))
          if (used?.hours !== '') expect(new Date(validUntilMs - 1).getUTCHours()).toBeLessThan(13)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('no text that somebody types makes deciding throw, or grants without a rule', () => {
    const policy = policyWith(OPS)
    const typed = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.constantFrom('root@web1@', 'a@b+c', '@@', '++'),
    )
    fc.assert(
      fc.property(typed, fc.string(), fc.integer(), (text, sourceAddress, nowMs) => {
        const decision = decide(policy, personWith({ groups: ['none'] }), wish(text, sourceAddress), nowMs)
        expect(decision.kind).toBe('deny')
        decide(policy, personWith(), wish(text, sourceAddress), nowMs)
      }),
    )
  })
})
