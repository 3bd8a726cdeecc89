import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Hours, parseHours } from '../../src/config/hours.ts'
import { openUntil } from '../../src/policy/hours.ts'

function hoursOf(text: string): Hours {
  const parsed = parseHours(text)
  if (!parsed.ok) throw new Error(parsed.message)
  return parsed.value
}

/** When the hours that are open at the instant end, both as ISO text; undefined if they are closed. */
function until(text: string, now: string): string | undefined {
  const end = openUntil(hoursOf(text), Date.parse(now))
  return end === undefined ? undefined : new Date(end).toISOString().replace(/:00\.000Z$/, 'Z')
}

const OFFICE = 'Mon-Fri 08:00-19:00 Europe/Berlin'

test('outside of the window it is closed, to the millisecond', () => {
  expect(until(OFFICE, '2025-01-15T06:59:59.999Z')).toBeUndefined()
  expect(until(OFFICE, '2025-01-15T07:00:00.000Z')).toBe('2025-01-15T18:00Z')
  expect(until(OFFICE, '2025-01-15T17:59:59.999Z')).toBe('2025-01-15T18:00Z')
  expect(until(OFFICE, '2025-01-15T18:00:00.000Z')).toBeUndefined()
  expect(until(OFFICE, '2025-01-18T12:00:00.000Z')).toBeUndefined()
})

test('the day is that of the zone, not of UTC', () => {
  expect(until('Mon 00:00-08:00 Pacific/Auckland', '2025-01-12T12:00:00Z')).toBe('2025-01-12T19:00Z')
  expect(until('Sun 12:00-24:00 America/Los_Angeles', '2025-01-13T07:59:00Z')).toBe('2025-01-13T08:00Z')
})

test('a window over midnight belongs to the day on which it starts', () => {
  const night = 'Fri 22:00-06:00 Europe/Berlin'
  expect(until(night, '2025-01-17T20:59:00Z')).toBeUndefined()
  expect(until(night, '2025-01-17T21:00:00Z')).toBe('2025-01-18T05:00Z')
  expect(until(night, '2025-01-18T04:59:00Z')).toBe('2025-01-18T05:00Z')
  expect(until(night, '2025-01-18T21:30:00Z')).toBeUndefined()
  expect(until(night, '2025-01-17T01:00:00Z')).toBeUndefined()
})

test('windows that meet are one, windows apart are two', () => {
  expect(until('08:00-12:00, 12:00-16:00 UTC', '2025-01-15T09:00:00Z')).toBe('2025-01-15T16:00Z')
  expect(until('08:00-12:00, 12:01-16:00 UTC', '2025-01-15T09:00:00Z')).toBe('2025-01-15T12:00Z')
  expect(until('08:00-12:00, 10:00-11:00 UTC', '2025-01-15T10:30:00Z')).toBe('2025-01-15T12:00Z')
  expect(until('Fri-Sun 00:00-24:00 UTC', '2025-01-17T09:00:00Z')).toBe('2025-01-20T00:00Z')
})

test('hours that never close are open for longer than any session', () => {
  const now = Date.parse('2025-01-15T09:00:00Z')
  expect((openUntil(hoursOf('00:00-24:00 UTC'), now) ?? 0) - now).toBeGreaterThan(7 * 86_400_000)
})

// Berlin: 2025-03-30 02:00 CET becomes 03:00 CEST (01:00Z); 2025-10-26 03:00 CEST becomes 02:00 CET (01:00Z).

test('in spring the window ends at its local time, an hour sooner than yesterday', () => {
  expect(until('20:00-06:00 Europe/Berlin', '2025-03-29T22:00:00Z')).toBe('2025-03-30T04:00Z')
  expect(until('20:00-06:00 Europe/Berlin', '2025-03-28T22:00:00Z')).toBe('2025-03-29T05:00Z')
})

test('a time that spring skips counts as the instant of the jump', () => {
  expect(until('01:00-02:30 Europe/Berlin', '2025-03-30T00:30:00Z')).toBe('2025-03-30T01:00Z')
  expect(until('02:30-04:00 Europe/Berlin', '2025-03-30T00:59:59Z')).toBeUndefined()
  expect(until('02:30-04:00 Europe/Berlin', '2025-03-30T01:00:00Z')).toBe('2025-03-30T02:00Z')
  for (const now of ['2025-03-30T00:59:00Z', '2025-03-30T01:00:00Z', '2025-03-30T01:30:00Z'])
    expect(until('02:10-02:50 Europe/Berlin', now)).toBeUndefined()
})

test('in autumn the window ends at its local time, an hour later than yesterday', () => {
  expect(until('20:00-06:00 Europe/Berlin', '2025-10-25T20:00:00Z')).toBe('2025-10-26T05:00Z')
})

test('a time that autumn has twice counts at its first occurrence', () => {
  expect(until('01:00-02:30 Europe/Berlin', '2025-10-26T00:29:00Z')).toBe('2025-10-26T00:30Z')
  expect(until('01:00-02:30 Europe/Berlin', '2025-10-26T01:15:00Z')).toBeUndefined()
  expect(until('02:30-04:00 Europe/Berlin', '2025-10-26T00:29:00Z')).toBeUndefined()
  expect(until('02:30-04:00 Europe/Berlin', '2025-10-26T00:30:00Z')).toBe('2025-10-26T03:00Z')
  expect(until('02:30-04:00 Europe/Berlin', '2025-10-26T01:15:00Z')).toBe('2025-10-26T03:00Z')
})

test('zones west of Greenwich, with half hours and with jumps at midnight are right too', () => {
  expect(until('09:00-17:00 America/New_York', '2025-03-09T13:00:00Z')).toBe('2025-03-09T21:00Z')
  expect(until('09:00-17:00 Asia/Kolkata', '2025-01-15T03:30:00Z')).toBe('2025-01-15T11:30Z')
  expect(until('00:00-08:00 America/Santiago', '2025-09-07T04:00:00Z')).toBe('2025-09-07T11:00Z')
  expect(until('02:00-08:00 Australia/Lord_Howe', '2025-10-04T15:30:00Z')).toBe('2025-10-04T21:00Z')
})

test('day and night together are always open, in every zone and over every jump', () => {
  const zone = fc.constantFrom(
    'Europe/Berlin',
    'America/New_York',
    'Australia/Lord_Howe',
    'America/Santiago',
    'Asia/Kolkata',
    'UTC',
    'Africa/Cairo',
  )
  const minute = fc.integer({ min: 1, max: 24 * 60 - 1 })
  const instant = fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2027, 0) })
  fc.assert(
    fc.property(zone, minute, instant, (name, at, nowMs) => {
      const time = `${String(Math.floor(at / 60)).padStart(2, '0')}:${String(at % 60).padStart(2, '0')}`
      const end = openUntil(hoursOf(`00:00-${time}, ${time}-24:00 ${name}`), nowMs)
      expect(end ?? 0).toBeGreaterThan(nowMs + 7 * 86_400_000)
      const day = openUntil(hoursOf(`00:00-${time} ${name}`), nowMs)
      const night = openUntil(hoursOf(`${time}-24:00 ${name}`), nowMs)
      expect([day, night].filter(part => part !== undefined)).toHaveLength(1)
    }),
    { numRuns: 200 },
  )
})
