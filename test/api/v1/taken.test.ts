import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { maxUntakenMs, whileTaken } from '../../../src/api/v1/download/taken.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function threePieces(onCancel: () => void): ReadableStream<Uint8Array> {
  let made = 0
  return new ReadableStream<Uint8Array>(
    {
      pull: controller => (made++ < 3 ? controller.enqueue(Uint8Array.of(made)) : controller.close()),
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  )
}

test('what nobody takes for long is given up, once, and whoever makes it is told', async () => {
  const happened: string[] = []
  const reader = whileTaken(
    threePieces(() => void happened.push('told')),
    () => void happened.push('cut'),
  ).getReader()
  expect((await reader.read()).value).toEqual(Uint8Array.of(1))
  await vi.advanceTimersByTimeAsync(maxUntakenMs - 1)
  expect(happened).toEqual([])
  await vi.advanceTimersByTimeAsync(2 * maxUntakenMs)
  expect(happened).toEqual(['told', 'cut'])
})

test('what is not even begun to be taken is given up too', async () => {
  const happened: string[] = []
  whileTaken(
    threePieces(() => void happened.push('told')),
    () => void happened.push('cut'),
  )
  await vi.advanceTimersByTimeAsync(maxUntakenMs)
  expect(happened).toEqual(['told', 'cut'])
})

test('who takes piece after piece, however slowly, gets all, and waits for nothing afterwards', async () => {
  const happened: string[] = []
  const reader = whileTaken(
    threePieces(() => void happened.push('told')),
    () => void happened.push('cut'),
  ).getReader()
  const got: number[] = []
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    got.push(...value)
    await vi.advanceTimersByTimeAsync(maxUntakenMs - 1)
  }
  expect(got).toEqual([1, 2, 3])
  await vi.advanceTimersByTimeAsync(2 * maxUntakenMs)
  expect(happened).toEqual([])
})
