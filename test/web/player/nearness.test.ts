import { expect, test } from 'vitest'
import { byNearness } from '../../../web/app/player/nearness.ts'

test('hits come nearest first, and each moment once', () => {
  const hits = [100, 9000, 5000, 5000, 7000].map(offsetMs => ({ offsetMs }))
  expect(byNearness(hits, 6500)).toEqual([7000, 5000, 9000, 100])
  expect(byNearness([], 5)).toEqual([])
})
