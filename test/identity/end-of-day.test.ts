import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endOfDay, timeOfDay } from '../../src/identity/end-of-day.ts'

test.each([
  ['UTC', '2026-03-01T12:00:00Z', '2026-03-02T00:00:00Z'],
  ['Europe/Berlin', '2026-03-01T12:00:00Z', '2026-03-01T23:00:00Z'],
  ['Europe/Berlin', '2026-03-01T23:00:00Z', '2026-03-02T23:00:00Z'],
  ['Asia/Kathmandu', '2026-03-01T18:14:59Z', '2026-03-01T18:15:00Z'],
  // The night in which summer time begins, and the one in which it ends.
  ['Europe/Berlin', '2026-03-28T12:00:00Z', '2026-03-28T23:00:00Z'],
  ['Europe/Berlin', '2026-03-29T00:30:00Z', '2026-03-29T22:00:00Z'],
  ['Europe/Berlin', '2026-10-24T23:30:00Z', '2026-10-25T23:00:00Z'],
])('in %s, %s is before midnight at %s', (zone, now, midnight) => {
  expect(new Date(endOfDay(Date.parse(now), zone)).toISOString()).toBe(midnight.replace('Z', '.000Z'))
})

test('midnight is always ahead, by at most a day and the hour that clocks go back', () => {
  const zones = fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Apia')
  const instants = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2035, 0) })
  fc.assert(
    fc.property(zones, instants, (zone, nowMs) => {
      const ahead = endOfDay(nowMs, zone) - nowMs
      expect(ahead > 0 && ahead <= 25 * 3_600_000).toBe(true)
      expect(timeOfDay(endOfDay(nowMs, zone), zone)).toBe('00:00')
    }),
  )
})
