/** `recording.sync`, `.appendTimeout`, `.reserve` and `.limits`. */
import { expect, test } from 'vitest'
import { z } from 'zod'
import { durability, durabilityOf } from '../../src/config/durability-schema.ts'

const schema = z.strictObject(durability)
const mebibyte = 1024 * 1024

test.each([
  [{ sync: 'always' }, 'sync'],
  [{ appendTimeout: '100ms' }, 'appendTimeout'],
  [{ appendTimeout: '61s' }, 'appendTimeout'],
  [{ appendTimeout: 1000 }, 'appendTimeout'],
  [{ reserve: 64 }, 'reserve'],
  [{ reserve: '0MiB' }, 'reserve'],
  [{ reserve: '65GiB' }, 'reserve'],
  [{ limits: { size: 'none' } }, 'limits.size'],
  [{ limits: { rate: '1MiB/s' } }, 'limits.rate'],
  [{ limits: { hours: 8 } }, 'limits'],
])('%j is refused', (recording, path) => {
  const { error } = schema.safeParse(recording)
  expect(error?.issues.map(issue => issue.path.join('.'))).toEqual([path])
})

test('a second for appends, a reserve of 64 MiB, recordings up to 10 GiB and no syncs, unless said otherwise', () => {
  expect(durabilityOf(schema.parse({}))).toEqual({
    sync: 'os',
    appendTimeoutMs: 1000,
    reserveBytes: 64 * mebibyte,
    limits: { recordedBytes: 10 * 1024 * mebibyte },
  })
})

test('all of it said', () => {
  const said = {
    sync: 'statement',
    appendTimeout: '2s',
    reserve: 'none',
    limits: { size: '1GiB', time: '8h', output: '2GiB', rate: '4MiB' },
  }
  expect(durabilityOf(schema.parse(said))).toEqual({
    sync: 'statement',
    appendTimeoutMs: 2000,
    reserveBytes: 0,
    limits: {
      recordedBytes: 1024 * mebibyte,
      timeMs: 8 * 3_600_000,
      outputBytes: 2048 * mebibyte,
      outputBytesPerSecond: 4 * mebibyte,
    },
  })
})
