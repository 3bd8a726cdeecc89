import { describe, expect, test } from 'vitest'
import type { AllowRule, PostgresTarget, Target } from '../../src/config/config.ts'
import type { StatementFacts } from '../../src/model.ts'
import { decide, type Grant } from '../../src/policy/decide.ts'
import { explain } from '../../src/policy/explain.ts'
import { hasDenyRules, judgeStatement } from '../../src/policy/sql.ts'
import { NOON as now, personWith as person } from './people.ts'

const orders: PostgresTarget = {
  name: 'orders',
  protocol: 'postgres',
  host: '10.0.0.9',
  port: 5432,
  labels: { env: 'prod' },
  tls: { mode: 'verify-full' },
  connector: 'certificate',
  sensitive: [],
}
const web1: Target = {
  name: 'web1',
  protocol: 'ssh',
  host: '10.0.0.5',
  port: 22,
  labels: { env: 'prod' },
  hostKeys: 'first-use',
  hostAuthorities: [],
}
const limits = {
  deny: { statements: ['drop', 'copy-program'], tables: ['audit.l*', 'salaries'] },
  mask: [{ columns: ['payments.card_number'], with: 'last4' }],
  passwords: { forMs: 900_000, connections: 10 },
} as const

function policyWith(rule: Partial<AllowRule>) {
  const allow: AllowRule = {
    targets: { labels: { env: 'prod' } },
    logins: ['app_owner'],
    sessions: { maxMs: 3_600_000, idleMs: 600_000 },
    when: {},
    channels: ['shell'],
    line: 7,
    ...rule,
  }
  const role = { name: 'dba', members: { groups: ['admins'], emails: [] }, allow: [allow], review: [] }
  return { targets: [orders, web1], roles: [role] }
}

const wish = { target: 'orders', login: 'app_owner', sourceAddress: '192.0.2.7' }

function grantOf(rule: Partial<AllowRule>, target = 'orders'): Grant {
  const decision = decide(policyWith(rule), person({ groups: ['admins'] }), { ...wish, target }, now)
  if (decision.kind === 'deny') throw new Error(decision.denial.userText)
  return decision.grant
}

const facts = (more: Partial<StatementFacts>): StatementFacts => ({
  class: 'read',
  kinds: ['select'],
  tables: [],
  functions: [],
  hasWhere: undefined,
  fingerprint: undefined,
  statements: 1,
  ...more,
})

describe('refuses, where deny rules apply', () => {
  const grant = grantOf(limits)

  test('what no grammar can read', () => {
    expect(judgeStatement(grant, facts({ class: 'unparsable', kinds: [], reason: 'at "\u001b"' }))).toEqual({
      allowed: false,
      rule: 'role dba, line 7: unparsable',
      reason: expect.stringContaining('at "\\u{1b}"'),
    })
  })

  test('a statement of a kind, however many others are around it', () => {
    const decision = judgeStatement(grant, facts({ kinds: ['select', 'drop', 'drop-table'], statements: 2 }))
    expect(decision).toMatchObject({ allowed: false, rule: 'role dba, line 7: deny.statements drop' })
  })

  test('what hides what it does', () => {
    expect(judgeStatement(grant, facts({ kinds: ['do', 'dynamic-sql'] })).allowed).toBe(false)
    expect(judgeStatement(grant, facts({ kinds: ['unknown'] })).allowed).toBe(false)
  })

  test.each([
    [{ schema: 'audit', name: 'log', write: false }, 'audit.l*'],
    [{ name: 'salaries', write: false }, 'salaries'],
    [{ name: 'log', write: true }, 'audit.l*'], // the search path may lead there
    [{ schema: 'hr', name: 'salaries', write: true }, 'salaries'],
  ])('a table %o, by %s', (table, pattern) => {
    const decision = judgeStatement(
      grant,
      facts({ tables: [{ name: 'x', schema: 'public', write: false }, table] }),
    )
    expect(decision).toMatchObject({ allowed: false, rule: `role dba, line 7: deny.tables ${pattern}` })
  })
})

test('a whole schema is refused, and with it every name without one: the search path may lead there', () => {
  const grant = grantOf({ deny: { statements: [], tables: ['audit.*'] } })
  const allowed = (schema?: string): boolean => {
    const table = { name: 'orders', write: false, ...(schema === undefined ? {} : { schema }) }
    return judgeStatement(grant, facts({ tables: [table] })).allowed
  }
  expect([allowed('audit'), allowed(), allowed('public')]).toEqual([false, false, true])
})

test('a rule for tables of a schema covers what renames or takes the schema, a rule for a table in any schema what reaches into it', () => {
  const covers = (pattern: string, write: boolean, schema = 'vault'): boolean => {
    const grant = grantOf({ deny: { statements: [], tables: [pattern] } })
    return !judgeStatement(grant, facts({ tables: [{ schema, name: '*', write }] })).allowed
  }
  expect([covers('vault.*', false), covers('vault.payments', false), covers('v*.payments', true)]).toEqual([
    true,
    true,
    true,
  ])
  expect([covers('payments', false), covers('payments', true), covers('audit.log', true)]).toEqual([
    false,
    true,
    false,
  ])
  const grant = grantOf({ deny: { statements: [], tables: ['vault.payments'] } })
  expect(
    judgeStatement(grant, facts({ tables: [{ schema: 'vault', name: '*', write: false }] })),
  ).toMatchObject({
    rule: 'role dba, line 7: deny.tables vault.payments',
    reason: 'Policy refuses statements that concern the whole schema vault here.',
  })
})

test('allows all else, and everything where there are no deny rules', () => {
  const table = { schema: 'public', name: 'log', write: true }
  expect(judgeStatement(grantOf(limits), facts({ tables: [table] }))).toEqual({ allowed: true })
  const free = grantOf({})
  expect(hasDenyRules(free)).toBe(false)
  expect(judgeStatement(free, facts({ class: 'unparsable', kinds: ['drop'] }))).toEqual({ allowed: true })
})

test('a rule for both protocols says of databases nothing to SSH, and is explained as each is used', () => {
  const rule = { ...limits, replication: true }
  expect(grantOf(rule).fields).toMatchObject({ ...limits, replication: true })
  expect(grantOf(rule, 'web1').fields).toMatchObject({
    deny: undefined,
    mask: undefined,
    replication: undefined,
    passwords: undefined,
  })
  expect(grantOf({}).fields.replication).toBe(false)
  const { fields } = person({ groups: ['admins'] })
  const text = (target: string) => explain(policyWith(rule), fields, { ...wish, target }, now)
  expect(text('orders')).toContain('all statements but: drop, copy-program, audit.l*, salaries')
  expect(text('orders')).toContain('masked (last4): payments.card_number')
  expect(text('orders')).toContain('work for 15 minutes and 10 connections')
  expect(text('orders')).not.toContain('channels')
  expect(text('web1')).toContain('channels: shell')
  expect(text('web1')).not.toContain('statements')
})
