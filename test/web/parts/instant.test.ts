import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dayAt, inputText, readInstant } from '../../../web/app/parts/instant.ts'

const before = process.env['TZ']
beforeAll(() => {
  process.env['TZ'] = 'Europe/Berlin'
})
afterAll(() => {
  if (before === undefined) delete process.env['TZ']
  else process.env['TZ'] = before
})

describe('what people write', () => {
  test.each(['yesterday', '2026-02-31', '2026-11-21 25:00', '2026-11-21 14', '<b>', '14:00', '2026-13-01'])(
    '%s is no time in either zone',
    text => {
      expect(readInstant(text, 'utc')).toBeNaN()
      expect(readInstant(text, 'local')).toBeNaN()
    },
  )

  test('is in the zone that the pages show, summer and winter', () => {
    expect(readInstant('2026-11-21 14:00', 'utc')).toBe(Date.parse('2026-11-21T14:00Z'))
    expect(readInstant('2026-11-21 14:00', 'local')).toBe(Date.parse('2026-11-21T13:00Z'))
    expect(readInstant('2026-07-21', 'local')).toBe(Date.parse('2026-07-20T22:00Z'))
    expect(readInstant(' ', 'local')).toBeUndefined()
  })

  test('is in another zone only if it says so, as times of the pages do', () => {
    expect(readInstant('2026-11-21T14:00:00Z', 'local')).toBe(Date.parse('2026-11-21T14:00Z'))
    expect(readInstant('2026-11-21 14:00:05 UTC', 'local')).toBe(Date.parse('2026-11-21T14:00:05Z'))
    expect(readInstant('2026-11-21 14:00:05 −03:30', 'utc')).toBe(Date.parse('2026-11-21T17:30:05Z'))
  })
})

test('what an input shows is read as the same second, in both zones', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: Date.parse('2001-01-01'), max: Date.parse('2090-01-01') }),
      fc.constantFrom('utc', 'local'),
      (ms, zone) => {
        const seconds = Math.floor(ms / 1000) * 1000
        // An hour of autumn comes twice: what is written of it is one of the two.
        const apart = Math.abs((readInstant(inputText(seconds, zone), zone) ?? 0) - seconds)
        expect([0, 3_600_000]).toContain(apart)
      },
    ),
  )
})

test('a day begins where the zone says, and other times are of no day', () => {
  expect(dayAt(Date.parse('2026-11-20T23:00Z'), 'local')).toBe('2026-11-21')
  expect(dayAt(Date.parse('2026-11-20T23:00Z'), 'utc')).toBeUndefined()
  expect(dayAt(Date.parse('2026-11-20T00:00Z'), 'utc')).toBe('2026-11-20')
})
