import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SearchHit } from '../../../src/api/schema.ts'
import { bySession, excerpt, momentOf } from '../../../web/app/pages/search/groups.ts'

test('hits of one session stand together where its first one stood', () => {
  const groups = bySession([hit('b', 3), hit('a', 2), hit('b', 1)])
  expect(groups.map(({ session, hits }) => [session, hits.map(({ entry }) => entry)])).toEqual([
    ['b', [3, 1]],
    ['a', [2]],
  ])
})

test('a jump leads two seconds before, and never before the beginning', () => {
  expect(momentOf({ session: 'abc', offsetMs: 61_250, entry: 7 })).toBe('/sessions/abc?t=59.2&entry=7')
  expect(momentOf({ session: 'a/b?c', offsetMs: 500 })).toBe('/sessions/a%2Fb%3Fc?t=0')
})

test('an excerpt holds the first mark, marks the same characters, and cuts no character in half', () => {
  const texts = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat({ max: 5 }), (text, anyStart, length) => {
      const start = anyStart % text.length
      const marks = [[start, Math.min(text.length, start + length + 1)]] as const
      const cut = excerpt({ text, marks }, 40)
      const marked = cut.marks.map(([from, to]) => cut.text.slice(from, to))
      expect(marked).toEqual(marks.map(([from, to]) => inOneLine(text).slice(from, to)))
      if (text.isWellFormed()) expect(cut.text.isWellFormed()).toBe(true)
    }),
  )
})

test('lines of a hit stand in one line, and its marks where they were', () => {
  const { text, marks } = excerpt({ text: 'drop\ttable\nt', marks: [[11, 12]] }, 40)
  expect(text).toBe('drop table↵t')
  expect(marks).toEqual([[11, 12]])
})

function inOneLine(text: string): string {
  return text.replaceAll('\n', '↵').replaceAll('\t', ' ')
}

function hit(session: string, entry: number): SearchHit {
  return {
    session,
    entry,
    kind: 'command',
    atMs: entry,
    offsetMs: entry,
    principal: 'ada',
    target: 'web1',
    text: 'id',
    marks: [],
  }
}
