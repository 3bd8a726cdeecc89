import fc from 'fast-check'
import { expect, test } from 'vitest'
import { currentAt, decodedOf, factsOf } from '../../../web/app/player/command-facts.ts'
import { isAwaited, type Jump, jumpTo, leadMs, neighbour, stopsOf } from '../../../web/app/player/stops.ts'

const stopsAt = (...moments: readonly number[]) =>
  stopsOf([...moments.entries()], ([key, atMs]) => ({ key, atMs }))

test('a command whose time has not come is not the current one', () => {
  const commands = [{ offsetMs: 1500 }, { offsetMs: 1900 }, { offsetMs: 5000 }]
  expect([0, 1499, 1500, 1899, 1900, 4000, 5000, 9000].map(ms => currentAt(commands, ms))).toEqual([
    -1, -1, 0, 0, 1, 1, 2, 2,
  ])
})

test('commands that became known out of order have their own times', () => {
  expect(currentAt([{ offsetMs: 3000 }, { offsetMs: 1000 }], 3500)).toBe(0)
  expect(currentAt([{ offsetMs: 3000 }, { offsetMs: 1000 }], 2000)).toBe(1)
})

test('from the start each press goes to the next command, though all come within two seconds', () => {
  const stops = stopsAt(300, 800, 800, 1200, 1900)
  const visited: unknown[] = []
  let [at, last]: [number, Jump | undefined] = [0, undefined]
  for (let next = neighbour(stops, at, last, 1); next !== undefined; next = neighbour(stops, at, last, 1)) {
    visited.push(next.key)
    ;[at, last] = [next.fromMs, next]
  }
  expect(visited).toEqual([0, 1, 2, 3, 4])
  for (let next = neighbour(stops, at, last, -1); next !== undefined; next = neighbour(stops, at, last, -1)) {
    visited.push(next.key)
    ;[at, last] = [next.fromMs, next]
  }
  expect(visited.slice(5)).toEqual([3, 2, 1, 0])
})

test('what led to a command is seen, but not the time before another one', () => {
  const stops = stopsAt(1000, 60_000, 60_500)
  expect(jumpTo(stops, 0)?.fromMs).toBe(0)
  expect(jumpTo(stops, 1)?.fromMs).toBe(60_000 - leadMs)
  expect(jumpTo(stops, 2)?.fromMs).toBe(60_000)
})

test('once it has come, the next one is counted from what is shown', () => {
  const stops = stopsAt(10_000, 20_000, 30_000)
  const last = jumpTo(stops, 0)
  expect(isAwaited(last, 9000)).toBe(true)
  expect(isAwaited(last, 10_001)).toBe(false)
  expect(neighbour(stops, 25_000, last, 1)?.key).toBe(2)
  expect(neighbour(stops, 25_000, last, -1)?.key).toBe(1)
  expect(neighbour(stops, 20_500, undefined, -1)?.key).toBe(0)
})

test('there is nowhere to go beyond the first and the last', () => {
  expect(neighbour([], 0, undefined, 1)).toBeUndefined()
  expect(neighbour(stopsAt(1000), 5000, undefined, 1)).toBeUndefined()
  expect(neighbour(stopsAt(1000), 500, undefined, -1)).toBeUndefined()
})

test('wherever commands lie, going on visits each of them once', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { maxLength: 30 }), moments => {
      const stops = stopsAt(...moments)
      const visited: unknown[] = []
      let [at, last]: [number, Jump | undefined] = [0, undefined]
      for (
        let next = neighbour(stops, at, last, 1);
        next !== undefined;
        next = neighbour(stops, at, last, 1)
      ) {
        visited.push(next.key)
        ;[at, last] = [next.fromMs, next]
      }
      expect(visited).toEqual(stops.map(({ key }) => key))
    }),
  )
})

test('what is known of a command is told, and what was encoded in it beside that', () => {
  const entry = {
    number: 1,
    kind: 'command' as const,
    offsetMs: 0,
    atMs: 0,
    text: 'x',
    hits: [],
    detail: { exitStatus: 3, directory: '/tmp', found: 'prompt', sure: 0.8, decoded: ['ls \u202E'] },
  }
  expect(factsOf(entry)).toBe('exit 3 · in /tmp · read behind a prompt · 80 % sure')
  expect(decodedOf(entry)).toEqual(['ls \u202E'])
})
