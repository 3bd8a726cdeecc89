import { expect, test } from 'vitest'
import { placeOf } from '../../../web/app/pages/sql/place.ts'

test('moments of a session of less than a minute can be told apart', () => {
  expect(placeOf(180, 828)).toBe('0.18 s')
  expect(placeOf(180, 60_000)).toBe('00:00:00')
})
