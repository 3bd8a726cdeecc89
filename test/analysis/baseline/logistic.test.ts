import { expect, test } from 'vitest'
import { fitLogistic, logOdds, slopeOf } from '../../../src/analysis/baseline/logistic.ts'
import { randomOf } from '../../support/activity.ts'

function cloud(seed: number, centre: number, count: number): number[][] {
  const random = randomOf(seed)
  const bell = (): number => Array.from({ length: 12 }, random).reduce((sum, value) => sum + value, -6)
  return Array.from({ length: count }, () => [bell() + centre, bell(), 3])
}

test('learns the log odds of two bells one unit apart: slope 1, half way 0', () => {
  const model = fitLogistic(cloud(1, 1, 20_000), cloud(2, 0, 20_000))
  expect(slopeOf(model, 0)).toBeCloseTo(1, 1)
  expect(slopeOf(model, 1)).toBeCloseTo(0, 1)
  expect(logOdds(model, [0.5, 0, 3])).toBeCloseTo(0, 1)
})

test('both classes weigh the same, however many samples each has', () => {
  const model = fitLogistic(cloud(1, 1, 500), cloud(2, 0, 20_000))
  expect(Math.abs(logOdds(model, [0.5, 0, 3]))).toBeLessThan(0.3)
})

test('classes that one line divides and features that never change leave finite weights', () => {
  const model = fitLogistic(
    [
      [1, 5],
      [2, 5],
    ],
    [
      [-1, 5],
      [-2, 5],
    ],
  )
  expect(Object.values(model).flat().every(Number.isFinite)).toBe(true)
  expect(logOdds(model, [3, 5])).toBeGreaterThan(0)
})
