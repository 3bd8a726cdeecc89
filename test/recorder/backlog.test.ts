import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  Backlog,
  drainedBytes,
  drainedTotalBytes,
  maxBacklogBytes,
  maxTotalBacklogBytes,
  shareBytes,
  TotalBacklog,
} from '../../src/recorder/backlog.ts'

/** Whether the promise has resolved by now. */
async function isOver(promise: Promise<void>): Promise<boolean> {
  let over = false
  void promise.then(() => (over = true))
  await new Promise(resolve => setImmediate(resolve))
  return over
}

/** So many recordings as fill all memory that they may have together, each below its own limit. */
function fill(total: TotalBacklog): Backlog[] {
  const many = Array.from({ length: maxTotalBacklogBytes / maxBacklogBytes }, () => new Backlog(total))
  for (const one of many) one.add(maxBacklogBytes)
  return many
}

test('a recording that is behind waits, and goes on once it has come down', async () => {
  const one = new Backlog(new TotalBacklog())
  one.add(maxBacklogBytes)
  expect(one.isTooLong).toBe(false)
  one.add(1)
  expect(one.isTooLong).toBe(true)
  const drained = one.whenDrained()
  one.wrote(maxBacklogBytes - drainedBytes)
  expect(await isOver(drained)).toBe(false)
  one.wrote(1)
  expect(await isOver(drained)).toBe(true)
})

test('all recordings together have a limit: past it who has more than a share waits, and who types does not', async () => {
  const total = new TotalBacklog()
  const many = fill(total)
  const [busy, typing] = [new Backlog(total), new Backlog(total)]
  busy.add(shareBytes + 1)
  typing.add(shareBytes)
  expect([busy.isTooLong, typing.isTooLong]).toEqual([true, false])
  expect(await isOver(typing.whenDrained())).toBe(true)
  const drained = busy.whenDrained()
  for (const one of many) {
    expect(await isOver(drained)).toBe(total.bytes <= drainedTotalBytes)
    one.wrote(maxBacklogBytes)
  }
  expect(await isOver(drained)).toBe(true)
})

test('one that has come down to its share does not wait for the others', async () => {
  const total = new TotalBacklog()
  fill(total)
  const busy = new Backlog(total)
  busy.add(shareBytes + 1)
  const drained = busy.whenDrained()
  busy.wrote(1)
  expect(await isOver(drained)).toBe(true)
})

test('after a failure nobody waits', async () => {
  const total = new TotalBacklog()
  fill(total)
  const busy = new Backlog(total)
  busy.add(maxBacklogBytes)
  const drained = busy.whenDrained()
  busy.giveUp()
  expect(await isOver(drained)).toBe(true)
  expect(await isOver(busy.whenDrained())).toBe(true)
})

test('property: whoever obeys keeps all together below the limit and a share each, and once all is written nobody waits', async () => {
  const step = fc.record({ who: fc.nat(39), bytes: fc.integer({ min: 1, max: maxBacklogBytes }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async steps => {
      const total = new TotalBacklog()
      const all = Array.from({ length: 40 }, () => new Backlog(total))
      const waits: Promise<void>[] = []
      for (const { who, bytes } of steps) {
        const one = all[who] as Backlog
        if (one.isTooLong) waits.push(one.whenDrained())
        else one.add(bytes)
        // One append may go past the limit by its own size, and everybody has a share.
        expect(total.bytes).toBeLessThanOrEqual(maxTotalBacklogBytes + 40 * (shareBytes + maxBacklogBytes))
        if (bytes % 3 === 0) one.wrote(one.bytes)
      }
      for (const one of all) one.wrote(one.bytes)
      await Promise.all(waits)
      expect(total.bytes).toBe(0)
    }),
    { numRuns: 50 },
  )
})
