import { expect, test } from 'vitest'
import type { EntryView } from '../../../src/api/schema.ts'
import { groupsOf, sparkline } from '../../../web/app/pages/sql/group.ts'
import { lookOf } from '../../../web/app/pages/sql/look.ts'
import { outcomeOf, statementsOf } from '../../../web/app/pages/sql/statement.ts'
import { bracketsOf, idleStretches, marksOf, scaleOf } from '../../../web/app/pages/sql/timeline.ts'

let count = 0

test('what the gateway did not tell, or told in another type, is unknown and not zero', () => {
  const [statement] = statementsOf([entry({ text: 'select 1', detail: { rows: '7', class: 'new-kind' } })])
  expect(statement).toMatchObject({ class: 'other', rows: undefined, tables: [], transaction: undefined })
})

test('what failed, was cancelled or refused does not look like what was done', () => {
  const [failed, cancelled, blocked, done] = statementsOf([
    entry({ detail: { class: 'read', sqlstate: '42P01' } }),
    entry({ detail: { class: 'read', sqlstate: '57014' } }),
    entry({ detail: { class: 'ddl', blocked: 'deny.statements drop' } }),
    entry({ detail: { class: 'privilege' } }),
  ])
  expect([failed, cancelled, blocked, done].map(one => one && outcomeOf(one))).toEqual([
    'error',
    'cancelled',
    'blocked',
    'done',
  ])
  expect([failed, cancelled, blocked, done].map(one => one && lookOf(one))).toEqual([
    'error',
    'error',
    'error',
    'privilege',
  ])
})

test('transactions go from BEGIN to COMMIT or ROLLBACK, and a savepoint ends none', () => {
  const texts = [
    'select 1',
    '/* x */ BEGIN',
    'update t set a = 1',
    'rollback to savepoint s',
    'commit',
    'select 2',
    '-- y\nstart transaction',
    'rollback',
    'begin',
    'commit and chain',
    'select 3',
  ]
  const isTransaction = (text: string): boolean => /begin|commit|rollback|start/i.test(text)
  const statements = statementsOf(
    texts.map(text => entry({ text, detail: { class: isTransaction(text) ? 'transaction' : 'read' } })),
  )
  expect(statements.map(({ transaction }) => transaction)).toEqual([
    undefined,
    1,
    1,
    1,
    1,
    undefined,
    2,
    2,
    3,
    3,
    3,
  ])
})

test('a BEGIN that failed opened nothing, and what the gateway says of transactions counts more', () => {
  const failed = statementsOf([
    entry({ text: 'begin', detail: { class: 'transaction', sqlstate: '25001' } }),
    entry({ text: 'select 1', detail: { class: 'read' } }),
    entry({ text: 'select 2', detail: { class: 'read', transaction: 9 } }),
  ])
  expect(failed.map(({ transaction }) => transaction)).toEqual([undefined, undefined, 9])
})

test('statements of one fingerprint stand together, with what they add up to', () => {
  const groups = groupsOf(
    statementsOf([
      entry({
        text: 'select 1',
        detail: { class: 'read', fingerprint: 'a', rows: 1, durationMs: 5 },
        usage: { isNewForPerson: true, isNewForTarget: true, ownTimes: 2 },
      }),
      entry({ text: 'drop table t', detail: { class: 'ddl', fingerprint: 'b' } }),
      entry({
        text: 'select 2',
        detail: { class: 'read', fingerprint: 'a', rows: 2, durationMs: 7 },
      }),
      entry({ text: 'selec', detail: { sqlstate: '42601' } }),
    ]),
  )
  expect(groups.map(({ key, statements }) => [key, statements.length])).toEqual([
    ['a', 2],
    ['b', 1],
    ['text selec', 1],
  ])
  expect(groups[0]).toMatchObject({
    rows: 3,
    totalMs: 12,
    longestMs: 7,
    errors: 0,
    usage: { isNewForPerson: true },
    text: 'select 1',
  })
  expect(groups[2]).toMatchObject({ errors: 1, look: 'other' })
})

test('a shape adds up the rows that its statements changed', () => {
  const [group] = groupsOf(
    statementsOf([
      entry({ detail: { class: 'write', fingerprint: 'a', affected: 500 } }),
      entry({ detail: { class: 'write', fingerprint: 'a', rows: 2, affected: 2 } }),
    ]),
  )
  expect(group?.rows).toBe(502)
})

test('a sparkline counts every statement once, also at the very end and beyond it', () => {
  const statements = statementsOf([0, 499, 500, 1000, 1200].map(offsetMs => entry({ offsetMs })))
  expect(sparkline(statements, 1000, 2)).toEqual([2, 3])
  expect(sparkline(statements, 0, 3).reduce((a, b) => a + b)).toBe(5)
})

const spread = statementsOf([
  entry({ offsetMs: 1000, detail: { class: 'read', durationMs: 500 } }),
  entry({ offsetMs: 101_000, detail: { class: 'ddl', durationMs: 2000 } }),
  entry({ offsetMs: 102_000, detail: { class: 'read', durationMs: 500 } }),
])

test('stretches in which nothing runs are told, and are folded only if asked for', () => {
  expect(idleStretches(spread, 120_000)).toEqual([
    { fromMs: 1500, toMs: 101_000 },
    { fromMs: 103_000, toMs: 120_000 },
  ])
  const [plain, folded] = [scaleOf(spread, 120_000, false), scaleOf(spread, 120_000, true)]
  expect(plain.at(60_000)).toBeCloseTo(0.5)
  expect(folded.at(1500)).toBeGreaterThan(0.3)
  expect(folded.at(101_000) - folded.at(1500)).toBeCloseTo(0.02)
  expect([folded.at(0), folded.at(120_000), folded.at(999_999)]).toEqual([0, expect.closeTo(1), 1])
})

test('a folded bar keeps the order of time', () => {
  const { at } = scaleOf(spread, 120_000, true)
  const places = Array.from({ length: 121 }, (_, second) => at(second * 1000))
  expect(places).toEqual(places.toSorted((a, b) => a - b))
})

test('what runs at once stands in lanes, and what shares a place is one mark that says how many', () => {
  const marks = marksOf(spread, scaleOf(spread, 120_000, true))
  expect(marks.map(({ lane, look, count }) => [lane, look, count])).toEqual([
    [0, 'read', 1],
    [0, 'ddl', 1],
    [1, 'read', 1],
  ])
  const crowd = statementsOf(
    Array.from({ length: 5000 }, (_, index) =>
      entry({ offsetMs: index * 10, detail: { class: index === 77 ? 'privilege' : 'read' } }),
    ),
  )
  const crowded = marksOf(crowd, scaleOf(crowd, 50_000, true))
  expect(crowded.length).toBeLessThanOrEqual(601)
  expect(crowded.reduce((total, { count }) => total + count, 0)).toBe(5000)
  expect(crowded.find(({ look }) => look === 'privilege')?.number).toBe(crowd[77]?.number)
})

test('what took no time does not grow by what ran after it', () => {
  const [truncate, sleep] = statementsOf([
    entry({ offsetMs: 1000, detail: { class: 'ddl', durationMs: 2 } }),
    entry({ offsetMs: 1003, detail: { class: 'read', durationMs: 12_000 } }),
  ])
  const marks = marksOf([truncate!, sleep!], scaleOf([truncate!, sleep!], 20_000, false))
  expect(marks.map(({ look, from, to, count }) => [look, from, to, count])).toEqual([
    ['ddl', 0.05, 0.0501, 1],
    ['read', 0.05015, 0.65015, 1],
  ])
})

test('what runs one after another stands in one lane, although offsets are whole milliseconds', () => {
  const sequential = statementsOf([
    entry({ offsetMs: 10, detail: { class: 'read', durationMs: 2.5 } }),
    entry({ offsetMs: 12, detail: { class: 'read', durationMs: 0.9 } }),
    entry({ offsetMs: 13, detail: { class: 'read', durationMs: 9 } }),
  ])
  const atOnce = entry({ offsetMs: 15, detail: { class: 'read', durationMs: 1 } })
  const lanesOf = (statements: typeof sequential) =>
    marksOf(statements, scaleOf(statements, 30, false)).map(({ lane }) => lane)
  expect(lanesOf(sequential)).toEqual([0, 0, 0])
  expect(lanesOf([...sequential, ...statementsOf([atOnce])])).toEqual([0, 0, 0, 1])
})

test('a bracket spans its transaction', () => {
  const statements = statementsOf([
    entry({ offsetMs: 0, detail: { transaction: 1, durationMs: 10 } }),
    entry({ offsetMs: 20, detail: { transaction: 1, durationMs: 30 } }),
    entry({ offsetMs: 90, detail: {} }),
  ])
  const scale = scaleOf(statements, 100, false)
  expect(bracketsOf(statements, scale)).toEqual([
    { transaction: 1, from: 0, to: 0.5, first: statements[0]?.number, statements: 2 },
  ])
})

function entry(fields: Partial<EntryView> = {}): EntryView {
  count++
  return {
    number: count,
    kind: 'statement',
    offsetMs: count * 100,
    atMs: count * 100,
    text: 'select 1',
    detail: {},
    hits: [],
    ...fields,
  }
}
