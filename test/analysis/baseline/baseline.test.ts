import { describe, expect, test } from 'vitest'
import { Baseline, type ScoredBlock } from '../../../src/analysis/baseline/baseline.ts'
import type { ActivityEvent } from '../../../src/analysis/baseline/event.ts'
import { blockEvents, rankOf, simulateCompany } from '../../support/activity.ts'

const company = simulateCompany({ seed: 7, people: 16, blocks: 60, trainingBlocks: 25 })
const key = ({ principal, block }: ScoredBlock): string => `${principal} ${block}`

function score(events: readonly ActivityEvent[], trainUntilMs?: number): ScoredBlock[] {
  const baseline = new Baseline({ blockEvents })
  const isTraining = (atMs: number): boolean => trainUntilMs !== undefined && atMs <= trainUntilMs
  const scored = events.map(event => baseline.observe(event, isTraining(event.atMs)))
  return [...scored.filter(block => block !== undefined), ...baseline.rest(false)]
}

function rank(scored: readonly ScoredBlock[], from: number): number {
  const later = scored.filter(({ block }) => block >= from)
  const planted = later.filter(block => company.strangers.has(key(block)))
  const usual = later.filter(block => !company.strangers.has(key(block)))
  return rankOf(
    planted.map(each => each.score),
    usual.map(each => each.score),
  )
}

describe('a stranger in somebody’s account', () => {
  test('ranks above what the person does, with a history to learn from', () => {
    expect(company.strangers.size).toBeGreaterThan(8)
    expect(rank(score(company.events, company.trainUntilMs), 25)).toBeGreaterThan(0.95)
  })

  test('and where nothing was said about the history', () => {
    expect(rank(score(company.events), 25)).toBeGreaterThan(0.9)
  })

  test('teaches the profile nothing', () => {
    const scored = score(company.events, company.trainUntilMs)
    const planted = scored.filter(block => company.strangers.has(key(block)))
    const usual = scored
      .filter(({ block }) => block >= 25)
      .filter(block => !company.strangers.has(key(block)))
    expect(planted.filter(({ learned }) => learned).length / planted.length).toBeLessThan(0.35)
    expect(usual.filter(({ learned }) => learned).length / usual.length).toBeGreaterThan(0.9)
  })
})

test('nothing later has a part in a score', () => {
  const half = company.events.slice(0, company.events.length / 2)
  const short = new Map(score(half, company.trainUntilMs).map(block => [key(block), block.score]))
  for (const block of score(company.events, company.trainUntilMs)) {
    if (block.block < 30) expect(block.score, key(block)).toBe(short.get(key(block)))
  }
})

test('the same history gives the same scores', () => {
  const part = company.events.slice(0, 30_000)
  expect(score(part)).toEqual(score(part))
})

test('every event is in one block, and the last block of a person may be short', () => {
  const scored = score(company.events.slice(0, 16 * 250))
  expect(scored.reduce((sum, { events }) => sum + events, 0)).toBe(16 * 250)
  expect(new Set(scored.map(key)).size).toBe(16 * 3)
  expect(scored.filter(({ block }) => block === 2).every(({ events }) => events === 50)).toBe(true)
})

describe('terms', () => {
  const scored = score(company.events, company.trainUntilMs)

  test('come largest first, with numbers of the person and of others', () => {
    for (const { terms } of scored) {
      expect(terms.map(({ nats }) => nats)).toEqual(terms.map(({ nats }) => nats).toSorted((a, b) => b - a))
      for (const term of terms.filter(({ signal }) => signal === 'command')) {
        expect(term.observed).toBeGreaterThan(0)
        expect(term.own?.of).toBeGreaterThanOrEqual(term.own?.seen ?? 0)
      }
    }
  })

  test('never tell fewer than five people apart', () => {
    for (const { terms } of scored)
      for (const { peers } of terms)
        if (peers !== undefined && peers.people !== '<5') expect(peers.people).toBeGreaterThanOrEqual(5)
  })

  test('describe a session and never name a culprit', () => {
    const forbidden =
      /suspicious|malicious|intent|thief|attack|culprit|disgruntled|stole|hacker|criminal|guilty/i
    for (const { terms } of scored) for (const { text } of terms) expect(text).not.toMatch(forbidden)
  })
})

describe('where and when', () => {
  const hourMs = 3_600_000
  const monday = Date.UTC(2026, 0, 5)
  const visit = (day: number, hour: number, target: string, principal: string): ActivityEvent[] =>
    Array.from({ length: blockEvents }, (_, at) => ({
      principal,
      target,
      protocol: 'ssh',
      atMs: monday + (day * 24 + hour) * hourMs + at * 1000,
      text: `command${at % 10}`,
    }))
  const weekdays = Array.from({ length: 56 }, (_, day) => day).filter(day => day % 7 < 5)
  const history = weekdays.flatMap(day => [...visit(day, 9, 'web1', 'ada'), ...visit(day, 10, 'db1', 'ben')])

  test('the first visit to a target is a term, the second is none', () => {
    const scored = score([...history, ...visit(56, 9, 'db1', 'ada'), ...visit(57, 9, 'db1', 'ada')])
    const [first, second] = scored.filter(({ principal }) => principal === 'ada').slice(-2)
    expect(first?.terms.map(({ signal }) => signal)).toContain('target')
    expect(second?.terms.map(({ signal }) => signal)).not.toContain('target')
  })

  test('an hour at which others work and this person never did is a term', () => {
    const nights = weekdays.flatMap(day => visit(day, 22, 'db1', 'cleo'))
    const all = [...history, ...nights].toSorted((a, b) => a.atMs - b.atMs)
    const scored = score([...all, ...visit(58, 22, 'web1', 'ada')])
    expect(scored.at(-1)?.terms.map(({ signal }) => signal)).toContain('hour')
    expect(scored.at(-2)?.terms.map(({ signal }) => signal)).not.toContain('hour')
  })
})

test('a statement is told by its shape, not by its numbers', () => {
  const events = (count: number, text: (at: number) => string): ActivityEvent[] =>
    Array.from({ length: count }, (_, at) => ({
      principal: 'ada',
      target: 'orders',
      protocol: 'postgres',
      atMs: at,
      text: text(at),
    }))
  const [first] = score([
    ...events(3000, at => `SELECT name FROM customers WHERE id = ${at}`),
    ...events(blockEvents, at => `SELECT name FROM customers WHERE id = ${at + 9000}`),
  ]).slice(-1)
  const [other] = score([
    ...events(3000, at => `SELECT name FROM customers WHERE id = ${at}`),
    ...events(blockEvents, at => `COPY payments_${at} TO STDOUT`),
  ]).slice(-1)
  expect(other?.score).toBeGreaterThan((first?.score ?? 0) + 1)
})

test('what somebody typed cannot make it slow, fail or grow without end', () => {
  const hostile = [
    '|'.repeat(100_000),
    '"'.repeat(99_999),
    'a '.repeat(50_000),
    '\u0000\u001B[2J',
    '',
    '((((',
    'x'.repeat(1e6),
  ]
  const events = hostile.flatMap((text, at) =>
    ['ssh', 'postgres'].map(protocol => ({
      principal: text.slice(0, 50),
      target: text,
      protocol,
      atMs: at,
      text,
    })),
  )
  for (const { terms } of score(events)) for (const { text } of terms) expect(text.length).toBeLessThan(2000)
})
