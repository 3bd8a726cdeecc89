import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseQuery } from '../../../src/analysis/index/query.ts'
import { filterIn, queryInstant, withFilter } from '../../../web/app/pages/search/syntax.ts'

test('what stands in quotes, or is not wanted, is no filter', () => {
  expect(filterIn('"user:ada" -user:bob', 'user')).toBe('')
})

test('a filter is put in, changed and taken out, and nothing else of the query is', () => {
  const asked = withFilter('"drop table" user:bob x', 'user', 'ada lovelace')
  expect(asked).toBe('"drop table" x user:"ada lovelace"')
  expect(filterIn(asked, 'user')).toBe('ada lovelace')
  expect(withFilter(asked, 'user', '')).toBe('"drop table" x')
  expect(withFilter('', 'after', '2026-11-01')).toBe('after:2026-11-01')
})

test('an instant goes into it in UTC, as a day where one begins there, and other texts as they are', () => {
  expect(queryInstant('2h', Number.NaN)).toBe('2h')
  expect(queryInstant('', undefined)).toBe('')
  expect(queryInstant('21.11.', Date.parse('2026-11-21T00:00Z'))).toBe('2026-11-21')
  const ms = Date.parse('2026-11-20T23:00Z')
  expect(queryInstant('2026-11-21', ms)).toBe('2026-11-20T23:00:00Z')
  expect(parseQuery(`x after:${queryInstant('', ms)}`, ms)).toMatchObject({ query: { afterMs: ms } })
})

test('the gateway reads from it what the page has written into it', () => {
  const values = fc.string({ minLength: 1, maxLength: 20 }).map(text => text.replaceAll('"', '').trim())
  fc.assert(
    fc.property(
      values.filter(value => /[a-z]/i.test(value)),
      value => {
        const asked = withFilter('passwd', 'target', value)
        expect(filterIn(asked, 'target')).toBe(value)
        const parsed = parseQuery(asked, 0)
        expect(parsed).toMatchObject({
          ok: true,
          query: { targets: { any: [value] }, all: [[{ words: ['passwd'] }]] },
        })
      },
    ),
  )
})
