import { expect, test } from 'vitest'
import { contentOf } from '../../../web/app/list/content.ts'

test('what is encrypted is not said to be indexed soon', () => {
  expect(contentOf({ protocol: 'postgres', encrypted: true })).toBe('encrypted')
  expect(contentOf({ protocol: 'ssh', encrypted: true })).toBe('encrypted')
  expect(contentOf({ protocol: 'ssh', encrypted: false })).toBe('not indexed yet')
})

test('what is known is counted in its own words', () => {
  const counts = { commands: 1, statements: 5, files: 2, rows: 1500, bytes: 0, activeMs: 0 }
  expect(contentOf({ protocol: 'postgres', encrypted: false, counts })).toBe('5 statements · 1,500 rows')
  expect(contentOf({ protocol: 'ssh', encrypted: false, counts })).toBe('1 command · 2 files')
})
