import { expect, test } from 'vitest'
import { parseInstantUs } from '../../src/cli/play.ts'

test('an instant that is no time is refused with a sentence', () => {
  for (const text of ['x', '1:x', '-1', '1:2:3:4'])
    expect(() => parseInstantUs(text)).toThrow('--at must be seconds or h:mm:ss')
})

test('seconds, minutes and hours', () => {
  expect(parseInstantUs('90')).toBe(90e6)
  expect(parseInstantUs('1:30')).toBe(90e6)
  expect(parseInstantUs('1:00:05')).toBe(3605e6)
})
