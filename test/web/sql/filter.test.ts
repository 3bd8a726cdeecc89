import { expect, test } from 'vitest'
import type { EntryView } from '../../../src/api/schema.ts'
import { readText } from '../../../web/app/pages/sql/read-text.ts'
import { filterOf, matches, statementAt } from '../../../web/app/pages/sql/filter.ts'
import { advanced } from '../../../web/app/pages/sql/play.ts'
import { statementsOf } from '../../../web/app/pages/sql/statement.ts'

test('what the address says wrongly filters nothing', () => {
  expect(filterOf(new URLSearchParams('class=constructor&class=toString&only=x'))).toEqual({
    words: [],
    looks: [],
    onlyFirst: false,
    onlyHits: false,
    fingerprint: undefined,
  })
})

const statements = statementsOf([
  entry({
    offsetMs: 0,
    text: 'select * from customers',
    detail: { class: 'read', tables: ['customers'], fingerprint: 'a' },
  }),
  entry({ offsetMs: 1000, text: 'drop table t', detail: { class: 'ddl', sqlstate: '42501' } }),
  entry({
    offsetMs: 61_000,
    text: 'select 2',
    detail: { class: 'read' },
    usage: { isNewForPerson: true, isNewForTarget: false, ownTimes: 1 },
    hits: [{ rule: 'r', severity: 'low' }],
  }),
])
const found = (search: string): readonly string[] =>
  statements.filter(one => matches(filterOf(new URLSearchParams(search)), one)).map(({ text }) => text)

test('all that is asked for has to hold', () => {
  expect(found('text=CUSTOM+select')).toEqual(['select * from customers'])
  expect(found('text=42501')).toEqual(['drop table t'])
  expect(found('class=error')).toEqual(['drop table t'])
  expect(found('class=read&only=first&only=hits')).toEqual(['select 2'])
  expect(found('fingerprint=a&class=ddl')).toEqual([])
})

test('the statement of a moment is the last that began by then', () => {
  expect([-1, 0, 999, 1000, 60_000, 61_000, 1e9].map(ms => statementAt(statements, ms)?.offsetMs)).toEqual([
    0, 0, 0, 1000, 1000, 61_000, 61_000,
  ])
  expect(statementAt([], 5)).toBeUndefined()
})

test('the clock leaves out what is idle, says how much, and never goes back', () => {
  const about = { statements, durationMs: 120_000, skipsIdle: true }
  expect(advanced(500, 100, about)).toEqual({ offsetMs: 600, skippedMs: 0 })
  const skipped = advanced(2500, 100, about)
  expect(skipped).toEqual({ offsetMs: 59_000, skippedMs: 56_400 })
  expect(advanced(59_000, 100, about)).toEqual({ offsetMs: 59_100, skippedMs: 0 })
  expect(advanced(119_950, 100, about).offsetMs).toBe(120_000)
  expect(advanced(2500, 100, { ...about, skipsIdle: false })).toEqual({ offsetMs: 2600, skippedMs: 0 })
})

function entry(fields: Partial<EntryView>): EntryView {
  return { number: 0, kind: 'statement', offsetMs: 0, atMs: 0, text: '', detail: {}, hits: [], ...fields }
}

test('a statement counts as looked at where somebody has had its moment before them', () => {
  const at = [0, 1000, 5000].map(offsetMs => ({ offsetMs }))
  expect(readText(at, [])).toBe('looked at the moments of 0 of 3 statements')
  expect(readText(at, [{ fromMs: 1000, toMs: 1003 }])).toBe('looked at the moments of 1 of 3 statements')
  expect(readText(at, [{ fromMs: 0, toMs: 9000 }])).toBe('looked at the moments of 3 of 3 statements')
})
