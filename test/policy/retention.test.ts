import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RetentionRule } from '../../src/config/config.ts'
import type { HoldRow } from '../../src/model.ts'
import {
  ageText,
  holdsOn,
  judgeRequest,
  judgeRetention,
  type RetainedSession,
  ruleText,
  scheduleOf,
} from '../../src/policy/retention.ts'

const day = 86_400_000
const ended = Date.parse('2026-03-01T12:00:00Z')

function sessionOf(fields: Partial<RetainedSession> = {}): RetainedSession {
  return {
    id: 's1',
    protocol: 'ssh',
    target: 'web1',
    labels: { env: 'prod' },
    issuer: 'https://login.example.com',
    subject: 'alice',
    state: 'ended',
    endedAtMs: ended,
    ...fields,
  }
}

function holdOf(fields: Partial<HoldRow> = {}): HoldRow {
  return {
    id: 'h1',
    session: undefined,
    issuer: 'https://login.example.com',
    subject: 'alice',
    person: 'Alice',
    caseName: undefined,
    who: 'legal',
    why: 'a dispute',
    untilMs: undefined,
    placedAtMs: ended,
    releasedAtMs: undefined,
    ...fields,
  }
}

const all = (rule: Omit<RetentionRule, 'line'>): RetentionRule => ({ ...rule, line: 1 })

test('an open session is never due, however old', () => {
  const open = sessionOf({ state: 'open', endedAtMs: undefined })
  expect(judgeRetention([all({ maxMs: 1 })], [], open, ended + 1000 * day)).toEqual({ kind: 'open' })
  expect(judgeRequest([], [], open, ended + 1000 * day)).toEqual({ kind: 'open' })
  expect(judgeRetention([all({ maxMs: 1 })], [], sessionOf({ state: 'open' }), ended + day).kind).toBe('open')
})

test('without a rule that limits it, a session is kept for ever', () => {
  expect(judgeRetention([], [], sessionOf(), ended + 1e6 * day)).toMatchObject({
    kind: 'kept',
    untilMs: undefined,
  })
  const elsewhere = [all({ targets: { labels: { env: 'test' } }, maxMs: day })]
  expect(judgeRetention(elsewhere, [], sessionOf(), ended + 1e6 * day).kind).toBe('kept')
})

test('a hold on the session or on its person keeps it, a hold on others does not', () => {
  const rules = [all({ maxMs: day })]
  const judge = (hold: Partial<HoldRow>) =>
    judgeRetention(rules, [holdOf(hold)], sessionOf(), ended + 2 * day).kind
  expect(judge({})).toBe('held')
  expect(judge({ session: 's1', issuer: undefined, subject: undefined })).toBe('held')
  expect(judge({ session: 's2', issuer: undefined, subject: undefined })).toBe('due')
  expect(judge({ subject: 'bob' })).toBe('due')
  expect(judge({ issuer: 'https://other.example.com' })).toBe('due')
})

test('a hold ends at its instant, and when it is released', () => {
  const at = ended + 2 * day
  expect(holdsOn([holdOf({ untilMs: at })], sessionOf(), at - 1)).toHaveLength(1)
  expect(holdsOn([holdOf({ untilMs: at })], sessionOf(), at)).toEqual([])
  expect(holdsOn([holdOf({ releasedAtMs: at })], sessionOf(), at - 1)).toEqual([])
})

test('a session is due at the age that a rule says, and not a millisecond earlier', () => {
  const rules = [all({ maxMs: 400 * day })]
  expect(judgeRetention(rules, [], sessionOf(), ended + 400 * day - 1).kind).toBe('kept')
  expect(judgeRetention(rules, [], sessionOf(), ended + 400 * day)).toEqual({ kind: 'due', rule: rules[0] })
})

test('where a shorter limit and a longer promise meet, the promise wins and is named', () => {
  const limit = all({ targets: { protocol: 'ssh' }, maxMs: 30 * day })
  const promise = all({ targets: { labels: { env: 'prod' } }, minMs: 180 * day })
  const rules = [limit, promise]
  expect(scheduleOf(rules, sessionOf())).toEqual({
    earliestMs: ended + 180 * day,
    minRule: promise,
    purgeAtMs: ended + 180 * day,
    maxRule: limit,
  })
  expect(judgeRetention(rules, [], sessionOf(), ended + 31 * day)).toMatchObject({
    kind: 'kept',
    rule: promise,
  })
})

test('a request may come before the limit, never before the promise', () => {
  const rules = [all({ minMs: 30 * day, maxMs: 400 * day })]
  expect(judgeRequest(rules, [], sessionOf(), ended + 30 * day - 1)).toMatchObject({
    kind: 'kept',
    untilMs: ended + 30 * day,
  })
  expect(judgeRequest(rules, [], sessionOf(), ended + 30 * day).kind).toBe('due')
  expect(judgeRequest(rules, [holdOf()], sessionOf(), ended + 500 * day).kind).toBe('held')
})

test('of a session whose labels nobody knows, promises hold and limits by label do not', () => {
  const unknown = sessionOf({ labels: undefined })
  const byLabel = { labels: { env: 'prod' } }
  expect(scheduleOf([all({ targets: byLabel, minMs: day, maxMs: day })], unknown)).toMatchObject({
    earliestMs: ended + day,
    purgeAtMs: undefined,
  })
  expect(
    scheduleOf([all({ targets: { ...byLabel, protocol: 'postgres' }, minMs: day })], unknown)?.earliestMs,
  ).toBe(ended)
})

test('rules and ages are written as in the configuration', () => {
  const targets = { name: 'orders', protocol: 'postgres', labels: { env: 'prod' } } as const
  expect(ruleText({ targets, minMs: 36 * 3_600_000, maxMs: 400 * day, line: 12 })).toBe(
    'line 12: orders, postgres, env=prod, min 36h, max 400d',
  )
  expect(ruleText(all({ maxMs: 1500 }))).toBe('line 1: all, max 1500ms')
  expect(ageText(90_000)).toBe('90s')
})

const age = fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined })
const label = fc.constantFrom('prod', 'test')
const anyRule: fc.Arbitrary<RetentionRule> = fc.record(
  {
    targets: fc.record(
      {
        name: fc.constantFrom('web1', 'web2'),
        protocol: fc.constantFrom('ssh' as const, 'postgres' as const),
        labels: fc.record({ env: label }),
      },
      { requiredKeys: [] },
    ),
    minMs: fc.integer({ min: 1, max: 1000 }),
    maxMs: fc.integer({ min: 1, max: 1000 }),
    line: fc.nat(99),
  },
  { requiredKeys: ['line'] },
)
const anySession = fc.record({
  protocol: fc.constantFrom('ssh' as const, 'postgres' as const),
  target: fc.constantFrom('web1', 'web2'),
  labels: fc.option(fc.record({ env: label }), { nil: undefined }),
})
const covers = (rule: RetentionRule, session: RetainedSession): boolean => {
  const { name = session.target, protocol = session.protocol, labels = {} } = rule.targets ?? {}
  const env = labels['env']
  return (
    name === session.target &&
    protocol === session.protocol &&
    (env === undefined || session.labels === undefined || session.labels['env'] === env)
  )
}

test('no promise is ever undercut, by policy or on request, whatever other rules say', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), anySession, fc.nat(2000), (rules, fields, after) => {
      const session = sessionOf(fields)
      const promised = Math.max(
        0,
        ...rules.filter(rule => covers(rule, session)).map(rule => rule.minMs ?? 0),
      )
      for (const judge of [judgeRetention, judgeRequest])
        if (judge(rules, [], session, ended + after).kind === 'due')
          expect(after).toBeGreaterThanOrEqual(promised)
    }),
  )
})

test('whatever is held is not due', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), anySession, age, (rules, fields, until) => {
      const hold = holdOf({ untilMs: until === undefined ? undefined : ended + until })
      const nowMs = ended + (until ?? 1) - 1
      expect(judgeRetention(rules, [hold], sessionOf(fields), nowMs).kind).toBe('held')
      expect(judgeRequest(rules, [hold], sessionOf(fields), nowMs).kind).toBe('held')
    }),
  )
})

test('the order of rules changes no date, and one more promise never brings a date closer', () => {
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), anyRule, anySession, (rules, more, fields) => {
      const dates = (all: readonly RetentionRule[]) => {
        const { earliestMs = 0, purgeAtMs } = scheduleOf(all, sessionOf(fields)) ?? {}
        return { earliestMs, purgeAtMs: purgeAtMs ?? Infinity }
      }
      expect(dates(rules.toReversed())).toEqual(dates(rules))
      const { maxMs: _, ...promise } = more
      const later = dates([...rules, promise])
      expect(later.earliestMs).toBeGreaterThanOrEqual(dates(rules).earliestMs)
      expect(later.purgeAtMs).toBeGreaterThanOrEqual(dates(rules).purgeAtMs)
    }),
  )
})
