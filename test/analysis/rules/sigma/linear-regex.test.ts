import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileRegex } from '../../../../src/analysis/rules/sigma/linear-regex.ts'

const plain = { ignoreCase: false, multiline: false, dotAll: false }

describe('what needs going back is refused', () => {
  test.each([
    ['(?=a)b', 'going back'],
    ['(?<!a)b', 'going back'],
    ['(?>a)b', 'going back'],
    [String.raw`(a)\1`, String.raw`\1`],
    ['a++b', 'possessive'],
    ['a**', 'repetition of a repetition'],
    ['(a', 'not closed'],
    ['a)', 'too many'],
    ['[a', 'not closed'],
    ['[z-a]', 'backwards'],
    ['a{5,2}', 'backwards'],
    ['*a', 'nothing to repeat'],
    [String.raw`\p{L}`, String.raw`\p`],
    ['(a{100}){100}', 'states'],
    ['('.repeat(200), 'nested deeper'],
  ])('%s', (source, message) => {
    expect(() => compileRegex(source, plain)).toThrow(message)
  })
})

describe('matches', () => {
  test.each([
    ['a.c', 'xabcx', true],
    ['^a', 'ba', false],
    ['a$', 'ab', false],
    [String.raw`\bnc\b`, 'use nc now', true],
    [String.raw`\bnc\b`, 'sync', false],
    ['(?i)HiSt', 'hIsT', true],
    ['(?:x|yz){2}', 'xyz', true],
    ['(?<name>a)b', 'ab', true],
    ['[^a-c]', 'abc', false],
    ['[]a]', ']', true],
    ['[[:digit:]]{3}', 'a123', true],
    [String.raw`\x41B`, 'AB', true],
    ['a{2,}', 'caab', true],
    ['a{0}b', 'b', true],
    ['a{', 'a{', true],
    ['', 'x', true],
  ])('%s and %s: %s', (source, text, expected) => {
    expect(compileRegex(source, plain)(text)).toBe(expected)
  })
})

const atom = fc.constantFrom(
  'a',
  'b',
  '.',
  '[ab]',
  '[^a]',
  String.raw`\d`,
  String.raw`\w`,
  '^',
  '$',
  String.raw`\b`,
)
const { source: anySource } = fc.letrec<{ source: string }>(tie => ({
  source: fc.oneof(
    { depthSize: 'small' },
    atom,
    fc.tuple(tie('source'), tie('source')).map(([one, other]) => one + other),
    fc.tuple(tie('source'), tie('source')).map(([one, other]) => `(?:${one}|${other})`),
    fc
      .tuple(tie('source'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,2}', '{2,}', '*?'))
      .map(([one, count]) => `(?:${one})${count}`),
  ),
}))

test('matches what the engine of the language matches', () => {
  fc.assert(
    fc.property(
      anySource,
      fc.string({ unit: fc.constantFrom('a', 'b', '1', ' '), maxLength: 12 }),
      (source, text) => {
        expect(compileRegex(source, plain)(text)).toBe(new RegExp(source).test(text))
      },
    ),
    { numRuns: 3000 },
  )
})

test('what takes others for ever takes no time', () => {
  expect(compileRegex('(?:a+)+$', plain)(`${'a'.repeat(100_000)}b`)).toBe(false)
  expect(compileRegex('(?:.*a){20}', plain)('b'.repeat(20_000))).toBe(false)
})
