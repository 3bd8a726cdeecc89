import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TurnQueue, turnCharacters } from '../../../src/analysis/sql/turn-queue.ts'

type Text = { readonly asker: string; readonly text: string; readonly number: number }

function queueOf(texts: readonly Text[]): TurnQueue<Text> {
  const queue = new TurnQueue<Text>()
  for (const text of texts) queue.push(text.asker, text)
  return queue
}

function drained(queue: TurnQueue<Text>): readonly Text[] {
  const all: Text[] = []
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) all.push(next)
  return all
}

const text = (asker: string, length = 10, number = 0): Text => ({ asker, text: 'x'.repeat(length), number })

describe('whoever asks for much', () => {
  test('a thousand texts of one are not read before the text of another', () => {
    const queue = queueOf([...Array.from({ length: 1000 }, () => text('flood')), text('other')])
    expect([queue.shift(), queue.shift()].map(next => next?.asker)).toEqual(['flood', 'other'])
  })

  test('a long text waits for as many turns of the others as it is long', () => {
    const short = Array.from({ length: 10 }, () => text('other'))
    const order = drained(queueOf([text('long', 3 * turnCharacters), ...short])).map(next => next.asker)
    expect(order.indexOf('long')).toBe(2)
  })

  test('who comes back for more goes behind those who wait', () => {
    const queue = queueOf([text('a'), text('b')])
    queue.shift()
    queue.push('a', text('a'))
    expect(drained(queue).map(next => next.asker)).toEqual(['b', 'a'])
  })
})

const asked = fc.array(
  fc.record({
    asker: fc.constantFrom('a', 'b', 'c'),
    text: fc.integer({ min: 0, max: 4 * turnCharacters }).map(length => 'x'.repeat(length)),
  }),
  { maxLength: 40 },
)

test('all are read, each in the order of its asking, and what is counted is what waits', () => {
  fc.assert(
    fc.property(asked, texts => {
      const numbered = texts.map((each, number) => ({ ...each, number }))
      const queue = queueOf(numbered)
      expect(queue.size).toBe(numbered.length)
      expect(queue.characters).toBe(numbered.reduce((sum, each) => sum + each.text.length, 0))
      const order = drained(queue)
      for (const asker of ['a', 'b', 'c']) {
        const own = (all: readonly Text[]) => all.filter(each => each.asker === asker)
        expect(own(order)).toEqual(own(numbered))
      }
      expect([queue.size, queue.characters]).toEqual([0, 0])
    }),
  )
})

test('what is taken out waits no more', () => {
  const [first, second] = [text('a', 10, 1), text('a', 10, 2)]
  const queue = queueOf([first, second])
  expect(queue.remove('a', first)).toBe(true)
  expect(queue.remove('a', first)).toBe(false)
  expect(queue.sizeOf('a')).toBe(1)
  expect(drained(queue)).toEqual([second])
})

test('what is cleared is handed over and waits no more', () => {
  const queue = queueOf([text('a'), text('b')])
  expect(queue.clear()).toHaveLength(2)
  expect([queue.size, queue.characters, queue.shift()]).toEqual([0, 0, undefined])
})
