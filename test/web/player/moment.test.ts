import fc from 'fast-check'
import { expect, test } from 'vitest'
import { momentProblem, momentText, readMoment } from '../../../web/app/player/moment.ts'

const openedAtMs = Date.parse('2026-11-21T14:00:00Z')

test.each([
  '',
  'x',
  '-5',
  '1:2',
  '1:2:3',
  '99',
  '1e3',
  'NaN',
  '2026-13-40T00:00:00Z',
  '<b>',
  '1:60:00x',
  '1:99:00',
  '0:00:61',
])('what is no moment is not taken for one, a number is seconds (%j)', text => {
  expect(readMoment(text, openedAtMs)).toBe(text === '99' ? 99_000 : undefined)
})

test('seconds, clock times and instants name the same moment', () => {
  for (const text of [
    '2472',
    '2472.0',
    '41:12',
    '0:41:12',
    '00:41:12',
    '2026-11-21T14:41:12',
    '2026-11-21T14:41:12Z',
    '2026-11-21T16:41:12+02:00',
  ])
    expect(readMoment(text, openedAtMs), text).toBe(2_472_000)
})

test('an instant before the opening is its beginning', () => {
  expect(readMoment('2026-11-21T13:00:00Z', openedAtMs)).toBe(0)
})

test('what is written is read back, to a tenth of a second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 40 * 3_600_000 }), ms => {
      expect(readMoment(momentText(ms), openedAtMs)).toBeCloseTo(Math.floor(ms / 100) * 100, 3)
    }),
  )
})

test('a link whose time cannot be played says so, and where one is instead', () => {
  const stored = { openedAtMs, durationMs: 60_000, isLive: false }
  expect(momentProblem('abc', stored)).toBe('The link’s time “abc” cannot be read: here is the beginning.')
  expect(momentProblem('1m5s', stored)).toContain('cannot be read')
  expect(momentProblem('', stored)).toContain('cannot be read')
  expect(momentProblem('abc', { ...stored, isLive: true })).toContain('what happens now')
  expect(momentProblem('2026-11-21T13:00:00Z', stored)).toContain('before the session began')
  expect(momentProblem('0:02:00', stored)).toContain('after the end')
})

test('a link whose time is in the recording says nothing', () => {
  const stored = { openedAtMs, durationMs: 60_040, isLive: false }
  for (const text of [null, '0', '60', '0:01:00', momentText(60_040), '2026-11-21T14:00:30Z'])
    expect(momentProblem(text, stored)).toBeUndefined()
})
