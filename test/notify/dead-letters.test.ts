import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FeedLine } from '../../src/notify/audit-feed.ts'
import { DeadLetters, parseLetterId } from '../../src/notify/dead-letters.ts'
import { newFolder } from '../recorder/support.ts'

function line(sequence: number): FeedLine {
  return {
    event: { sequence, uid: `u${sequence}`, atMs: 1, kind: 'refusal', fields: { principal: 'Ada' } },
    after: { segment: 1, offset: sequence * 10, sequence, link: `u${sequence}` },
  }
}

const about = { attempts: 3, diedAtMs: 2, reason: 'it answered with status 422' }

test.each([
  '',
  'soc',
  'soc.',
  '.1',
  'soc.x',
  '../soc.1',
  'SOC.1',
  'soc.1.2',
  'soc.-1',
  `${'a'.repeat(64)}.1`,
])('"%s" is no letter', id => {
  expect(parseLetterId(id)).toBeUndefined()
})

test('there are never more than their limit, the oldest goes first, and how many went is known', async () => {
  const folder = newFolder()
  const letters = new DeadLetters(folder, 'soc', 5)
  await letters.open()
  for (let sequence = 1; sequence <= 8; sequence++) await letters.add(line(sequence), about)
  expect((await letters.list(100)).map(({ id }) => id)).toEqual(['soc.4', 'soc.5', 'soc.6', 'soc.7', 'soc.8'])
  expect([letters.size, letters.lost]).toEqual([5, 3])
  const again = new DeadLetters(folder, 'soc', 5)
  await again.open()
  expect(again.size).toBe(5)
  expect(await again.get(1)).toBeUndefined()
})

test('a letter says which line it was and why, and nothing of what the line said', async () => {
  const letters = new DeadLetters(newFolder(), 'soc')
  await letters.open()
  await letters.add(line(7), about)
  expect(await letters.get(7)).toEqual({
    id: 'soc.7',
    sink: 'soc',
    sequence: 7,
    uid: 'u7',
    kind: 'refusal',
    atMs: 1,
    ...about,
    position: line(7).after,
  })
})

test('a file that is no letter is passed over, and can be removed', async () => {
  const folder = newFolder()
  const letters = new DeadLetters(folder, 'soc')
  await letters.open()
  await letters.add(line(1), about)
  writeFileSync(join(folder, 'soc', '1.json'), 'torn')
  expect(await letters.list(10)).toEqual([])
  await letters.remove(1)
  expect(letters.size).toBe(0)
})
