import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pretty } from '../../../web/app/pages/sql/pretty.ts'
import { tokensOf } from '../../../web/app/pages/sql/tokens.ts'

const words = (sql: string): string[] =>
  tokensOf(sql)
    .filter(({ kind }) => kind !== 'space')
    .map(({ kind, text }) => (kind === 'comment' ? text.trimEnd() : text))

test('what stands in strings, names and comments is never cut or joined', () => {
  const sql =
    "select 'a where b' as \"from\", $$ or ' $$, E'\\' and', $t$ $$ $t$ /* on /* and */ x */ from t -- where"
  expect(words(pretty(sql))).toEqual(words(sql))
  expect(pretty(sql).split('\n')).toHaveLength(2)
})

test('a line comment does not swallow what followed it', () => {
  expect(pretty('select 1 -- one\nfrom t')).toBe('select 1 -- one\nfrom t')
})

test('a text that ends within a string or a comment is shown whole', () => {
  for (const sql of ["select 'never closed", 'select /* never closed', 'select $a$ never', 'select "never'])
    expect(pretty(sql)).toBe(sql)
})

test('whatever is given, only space changes', () => {
  const piece = fc.constantFrom(
    ...'select from where ( ) ; , and or between join left on \' " $$ -- /* */ $1 $a$ :: 1.5 é x update set \n'.split(
      ' ',
    ),
    ' ',
  )
  const texts = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 30 }).map(all => all.join(' ')),
  )
  fc.assert(
    fc.property(texts, sql => {
      expect(words(pretty(sql))).toEqual(words(sql.trim()))
      expect(
        tokensOf(sql)
          .map(({ text }) => text)
          .join(''),
      ).toBe(sql)
    }),
    { numRuns: 200 },
  )
})

test('clauses begin lines, conditions and queries in parentheses are set in', () => {
  expect(
    pretty(
      'select a, b from t left join u on t.id = u.id where a in (select id from v where z between 1 and 2) and c = $1',
    ),
  ).toBe(
    [
      'select a, b',
      'from t',
      'left join u',
      '  on t.id = u.id',
      'where a in (',
      '  select id',
      '  from v',
      '  where z between 1 and 2',
      ')',
      '  and c = $1',
    ].join('\n'),
  )
})

test('a text that nobody would read for its shape stays as it came', () => {
  const long = `select ${'1, '.repeat(40_000)}1 from t`
  expect(pretty(long)).toBe(long)
})
