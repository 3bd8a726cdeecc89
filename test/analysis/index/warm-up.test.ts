import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { warmUp } from '../../../src/analysis/index/warm-up.ts'
import { newFolder } from '../../support/scratch.ts'

test('a file is read once, or its newest part; one that is not there or is cut off meanwhile is no error', async () => {
  const file = join(newFolder('warm-up'), 'index.db')
  expect(await warmUp(file)).toBe(0)
  writeFileSync(file, Buffer.alloc(3_500_000))
  expect(await warmUp(file)).toBe(3_500_000)
  expect(await warmUp(file, 1_200_000.5)).toBe(1_200_000)
  expect(await warmUp(file, 0)).toBe(0)
  const reading = warmUp(file)
  truncateSync(file, 100)
  expect(await reading).toBeLessThanOrEqual(3_500_000)
})
