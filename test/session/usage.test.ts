/** What a session may use up (`recording.limits`). */
import { expect, test } from 'vitest'
import { rateWindowMs, Usage } from '../../src/session/usage.ts'

const mebibyte = 1024 * 1024

test('without limits nothing ends', () => {
  const usage = new Usage(0)
  usage.sent(1e15)
  expect(usage.over({}, 1e15, 1e12)).toBe(undefined)
})

test.each([
  ['the recording', { recordedBytes: mebibyte }, { recorded: mebibyte + 1, sent: 0, atMs: 1 }, '1 MiB'],
  ['the time', { timeMs: 5000 }, { recorded: 0, sent: 0, atMs: 5001 }, '5 seconds'],
  ['the output', { outputBytes: 1000 }, { recorded: 0, sent: 1001, atMs: 1 }, '1000 bytes'],
] as const)('beyond the limit of %s the session ends, at the limit it does not', (_, limits, used, said) => {
  const usage = new Usage(0)
  usage.sent(Math.max(0, used.sent - 1))
  expect(usage.over(limits, Math.max(0, used.recorded - 1), used.atMs - 1)).toBe(undefined)
  if (used.sent > 0) usage.sent(1)
  const ending = usage.over(limits, used.recorded, used.atMs)
  expect(ending?.userText).toContain(said)
  expect(ending?.reason).toMatch(/^limit: /)
})

test('a rate that lasts for a minute ends the session', () => {
  const usage = new Usage(0)
  const limits = { outputBytesPerSecond: 1000 }
  let atMs = 0
  for (; usage.over(limits, 0, atMs) === undefined; atMs += 500) usage.sent(600)
  expect(atMs).toBe(rateWindowMs)
})

test('a burst does not, and what it was is forgotten after a minute', () => {
  const usage = new Usage(0)
  const limits = { outputBytesPerSecond: 1000 }
  usage.sent(59_000)
  for (let atMs = 0; atMs < 300_000; atMs += 500) expect(usage.over(limits, 0, atMs)).toBe(undefined)
  usage.sent(59_000)
  for (let atMs = 300_000; atMs < 400_000; atMs += 500) expect(usage.over(limits, 0, atMs)).toBe(undefined)
})

test('a rate that comes later ends the session too, and not before a minute', () => {
  const usage = new Usage(0)
  const limits = { outputBytesPerSecond: 1000 }
  for (let atMs = 0; atMs < 600_000; atMs += 500) usage.over(limits, 0, atMs)
  let atMs = 600_000
  for (; usage.over(limits, 0, atMs) === undefined; atMs += 500) usage.sent(1000)
  expect(atMs - 600_000).toBeGreaterThanOrEqual(rateWindowMs / 2 - 500)
})
