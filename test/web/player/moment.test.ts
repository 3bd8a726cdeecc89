import fc from 'fast-check'
import { expect, test } from 'vitest'
import { momentText, readMoment } from '../../../web/app/player/moment.ts'

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
