import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Interned, pairOf } from '../../../src/analysis/baseline/block.ts'
import { BlockCounter } from '../../../src/analysis/baseline/block-counter.ts'
import type { CountList } from '../../../src/analysis/baseline/count-list.ts'

const token = fc.oneof(fc.nat(5), fc.nat(2 ** 20 - 1))
const tokens = fc.array(token, { maxLength: 4 })
const texts = fc.array(
  fc.tuple(tokens, tokens, tokens).map(([command, shape, word]) => ({
    tokens: [...command, ...shape, ...word],
    commands: command.length,
    shapes: shape.length,
  })),
  { maxLength: 30 },
)

/** In order of first appearance, as a `Map` keeps it. */
function counted(keys: readonly number[]): [number, number][] {
  const counts = new Map<number, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return [...counts]
}

function entries({ keys, counts, length }: CountList): [number, number][] {
  return Array.from({ length }, (_, at) => [keys[at] ?? -1, counts[at] ?? -1])
}

function commandsOf(list: readonly Interned[]): number[] {
  return list.flatMap(text => text.tokens.slice(0, text.commands))
}

test('counts what maps would count, one block after the other', () => {
  const counter = new BlockCounter()
  fc.assert(
    fc.property(texts, list => {
      const { events, counts, pairs } = counter.count(list, list.length)
      const commands = commandsOf(list)
      expect(events).toBe(list.length)
      expect(entries(counts.command)).toEqual(counted(commands))
      expect(entries(counts.shape)).toEqual(
        counted(list.flatMap(text => text.tokens.slice(text.commands, text.commands + text.shapes))),
      )
      expect(entries(counts.word)).toEqual(
        counted(list.flatMap(text => text.tokens.slice(text.commands + text.shapes))),
      )
      expect(entries(pairs)).toEqual(
        counted(commands.slice(1).map((next, at) => pairOf(commands[at] ?? 0, next))),
      )
      for (let at = 0; at < pairs.length; at++) {
        const [head, next] = [pairs.heads[at] ?? -1, pairs.nexts[at] ?? -1]
        expect(pairOf(counts.command.keys[head] ?? -1, counts.command.keys[next] ?? -1)).toBe(pairs.keys[at])
      }
    }),
  )
})

test('after a block of very many pairs the next one is counted as ever', () => {
  const counter = new BlockCounter()
  const many = Array.from({ length: 10_000 }, (_, at) => ({
    tokens: Array.from({ length: 4 }, (__, next) => (at * 4 + next) % 1_000_000),
    commands: 4,
    shapes: 0,
  }))
  expect(counter.count(many, many.length).pairs.length).toBe(39_999)
  const { counts, pairs } = counter.count([{ tokens: [7, 8, 7, 8], commands: 4, shapes: 0 }], 1)
  expect(entries(counts.command)).toEqual([
    [7, 2],
    [8, 2],
  ])
  expect(entries(pairs)).toEqual([
    [pairOf(7, 8), 2],
    [pairOf(8, 7), 1],
  ])
})
