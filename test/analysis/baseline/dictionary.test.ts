import { expect, test } from 'vitest'
import { Dictionary } from '../../../src/analysis/baseline/dictionary.ts'

test('a token has one number in each family, and that is kept', () => {
  const dictionary = new Dictionary()
  const ids = [
    dictionary.idOf('command', 'ls'),
    dictionary.idOf('shape', 'ls'),
    dictionary.idOf('word', 'ls /'),
  ]
  expect(new Set(ids).size).toBe(3)
  expect(dictionary.texts).toEqual(['', 'c ls', 's ls', 'w ls /'])
  const again = new Dictionary(dictionary.texts)
  expect([again.idOf('command', 'ls'), again.idOf('shape', 'ls'), again.idOf('word', 'ls /')]).toEqual(ids)
  expect(again.textOf(ids[2] ?? 0)).toBe('ls /')
})

test('what comes when it is full shares one number, and what was there keeps its own', () => {
  const dictionary = new Dictionary([], { maxTokens: 3 })
  const [first, second] = [dictionary.idOf('command', 'a'), dictionary.idOf('word', 'b')]
  expect([dictionary.idOf('command', 'c'), dictionary.idOf('shape', 'd')]).toEqual([0, 0])
  expect([dictionary.idOf('command', 'a'), dictionary.idOf('word', 'b')]).toEqual([first, second])
  expect(dictionary.size).toBe(3)
})

test('long tokens are one if they begin alike', () => {
  const dictionary = new Dictionary()
  const long = 'x'.repeat(198)
  expect(dictionary.idOf('word', `${long}a`)).toBe(dictionary.idOf('word', `${long}b`))
  expect(dictionary.textOf(dictionary.idOf('word', `${long}a`))).toBe(long)
})
