import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileGlobs } from '../../../src/analysis/rules/glob.ts'

/** The same by a regular expression: slow for hostile patterns, and right. */
function slow(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^$()|[\]\\{}]/g, String.raw`\$&`)
    .replaceAll('*', '[^]*')
    .replaceAll('?', '[^]')
  return new RegExp(`^${source}$`)
}

test('matches what a regular expression would', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 10 })
  fc.assert(
    fc.property(letters, text, (pattern, word) => {
      expect(compileGlobs([pattern])(word)).toBe(slow(pattern).test(word))
    }),
    { numRuns: 2000 },
  )
})

describe('braces are alternatives', () => {
  test.each([
    ['{a,b}c', 'bc', true],
    ['{a,b}c', 'cc', false],
    ['x{1,2}{3,4}', 'x23', true],
    ['{sd,nvme}*', 'nvme0n1', true],
    ['a{b', 'a{b', true],
  ])('%s and %s: %s', (pattern, word, expected) => expect(compileGlobs([pattern])(word)).toBe(expected))

  test('and not without limit', () => {
    expect(() => compileGlobs(['{a,b}'.repeat(10)])).toThrow('alternatives')
  })
})

test('a word of many letters and a pattern of many stars take no time', () => {
  expect(compileGlobs([`${'*a'.repeat(30)}*b`])('a'.repeat(200_000))).toBe(false)
})
