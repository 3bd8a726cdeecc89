import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseText, ready } from '../../../src/analysis/sql/parse.ts'
import { shapeOf } from '../../../src/analysis/sql/shape.ts'

await ready

test('texts that differ in literals have one shape', () => {
  const shape = shapeOf("select a1 from t where b = 1 and c = 'x'")
  expect(shape).toBeDefined()
  expect(shapeOf("select a1 from t where b = 2.5e-7 and c = 'it''s'")).toBe(shape)
  expect(shapeOf("select a1 from t where b = 0xff and c = ''")).toBe(shape)
  expect(shapeOf("select a1 from t where b = 1_000 and c = '--'")).toBe(shape)
})

test.each([
  ["select 'a'; drop table b --'", "select 'a; drop table b --'"],
  ["select E'\\'; drop table b --'", "select '\\'; drop table b --'"],
  ['select $$ ; $$ from b', 'select $a$ $$ ; drop table b; $$ $a$ from b; select 1'],
  ['select a1', 'select a2'],
  ['select "1"', 'select "2"'],
  ['select $1', 'select $2'],
  ['select /* 1 */ 2', 'select /* 1 */ 2, 3'],
  ["select 'a' 'b'", "select 'a'\n'b'"],
  ['select 1 -- a\n', 'select 1 - -1'],
])('%s and %s are not of one shape', (one, other) => {
  expect(shapeOf(one)).not.toBe(shapeOf(other))
})

test.each([
  ["an open string: 'a"],
  ['an open name: "a'],
  ['an open comment: /* /* */'],
  ['an open dollar quote: $a$ $b$'],
  ['a name by escapes: U&"d\\0061t"'],
  ["a string whose escapes may be told: u&'!' uescape '!'"],
  ['a number that runs into a name: 1a'],
  ['two dots: 1..2'],
  ['a NUL: \0'],
  ['a lone dollar: $ 1'],
  [`a long text: ${'a '.repeat(10_000)}`],
])('no shape is given to %j', text => {
  expect(shapeOf(text)).toBeUndefined()
})

test('comments are blanks', () => {
  expect(shapeOf('select /* trace 17 */ 1')).toBe(shapeOf('select /* trace /* 18 */ */ 1'))
})

test('a text is of the shape of its shape', () => {
  const shape = shapeOf("select b'1', x'ff', N'a', e'\\'', 'a' from t -- c")
  expect(shape).toBe("select b'?', x'?', N'?', e'?', '?' from t ")
  expect(shapeOf(shape ?? '')).toBe(shape)
})

/** Pieces that a lexer may trip over, in any order. */
const piece = fc.constantFrom(
  'select',
  'a',
  'from',
  't',
  'where',
  'and',
  '=',
  ',',
  '(',
  ')',
  ';',
  ' ',
  '\n',
  "'",
  "''",
  '"',
  '$$',
  '$a$',
  '$1',
  '--',
  '/*',
  '*/',
  'E',
  'e',
  'U&',
  'b',
  '\\',
  '1',
  '1.5',
  '.',
  '-',
  '/',
  '*',
  'é',
  "'x'",
  "e'\\''",
  '"q"',
  '1e5',
  '::int',
)

test('what the grammar says of a text, it says of every text of its shape', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 14 }), pieces => {
      const text = `select ${pieces.join('')}`
      const shape = shapeOf(text)
      if (shape === undefined) return
      const [own, of] = [parseText(text), parseText(shape)]
      // A number in place of another kind of number may be an error; then the server refuses it, too.
      if (own.facts.class === 'unparsable' || of.facts.class === 'unparsable') return
      expect({ ...of.facts, fingerprint: '' }).toEqual({ ...own.facts, fingerprint: '' })
      expect(of.parts.map(({ facts }) => facts)).toEqual(own.parts.map(({ facts }) => facts))
    }),
    { numRuns: 3000 },
  )
})
