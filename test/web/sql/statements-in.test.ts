/** What only an auditor's key reads is shown as the gateway shows what it reads itself. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { EventRecord } from '../../../src/recorder/event.ts'
import { readRecording } from '../../../src/recorder/reader.ts'
import { statementsIn } from '../../../web/app/pages/sql/statements-in.ts'

test('statements of a recording come with their outcomes, and their texts under the same numbers', () => {
  const reader = readRecording(join(import.meta.dirname, '../../fixtures/recordings/v1-sql.sallyport'))
  const openedAtMs = Date.parse(reader.header.openedAt)
  const { entries, texts } = statementsIn([...reader.events()], openedAtMs)
  reader.close()
  expect(entries.map(({ text }) => text)).toEqual(['select 1'])
  for (const { number, text, atMs, offsetMs } of entries) {
    expect(texts.get(number)?.text).toBe(text)
    expect(atMs).toBe(openedAtMs + offsetMs)
  }
})

test('rows that were changed are told as the gateway tells them', () => {
  const { entries } = statementsIn(
    [
      told(1, { type: 'statement', statement: 1, how: 'simple', text: 'update t set a = 1' }),
      told(2, { type: 'result', statement: 1, status: 'done', tag: 'UPDATE 500', us: 1 }),
    ],
    0,
  )
  expect(entries[0]?.detail).toMatchObject({ affected: 500 })
})

test('a PREPARE runs nothing, an EXECUTE what was prepared, and a text that was told before has its class', () => {
  const facts = (statement: number, kinds: readonly string[], known: string): EventRecord =>
    told(0, { type: 'statement-facts', statement, kinds, class: known, count: 1, tables: [] })
  const { entries } = statementsIn(
    [
      told(1, { type: 'statement', statement: 1, how: 'simple', text: 'prepare p as delete from t' }),
      facts(1, ['prepare', 'delete'], 'write'),
      told(2, { type: 'statement', statement: 2, how: 'simple', text: 'execute p', executes: 1 }),
      facts(2, ['execute'], 'call'),
      told(3, { type: 'statement', statement: 3, how: 'simple', text: 'execute unknown' }),
      facts(3, ['execute'], 'call'),
      told(4, { type: 'statement', statement: 4, how: 'execute', name: 'p', same: 1 }),
      told(5, { type: 'statement', statement: 5, how: 'simple', same: 2, executes: 1 }),
    ],
    0,
  )
  expect(entries.map(({ text, detail }) => [text, detail['class']])).toEqual([
    ['prepare p as delete from t', 'session'],
    ['execute p', 'write'],
    ['execute unknown', 'call'],
    ['prepare p as delete from t', 'write'], // its name was run
    ['execute p', 'write'],
  ])
})

test('grammar, errors, and several results of one text are added up; what was not told stays unknown', () => {
  const { entries, texts } = statementsIn(
    [
      told(1, { type: 'statement', statement: 1, how: 'simple', text: 'select 1; select 2' }),
      told(2, { type: 'result', statement: 1, part: 0, status: 'done', rows: 1, bytes: 5, us: 1500 }),
      told(3, { type: 'result', statement: 1, part: 1, status: 'done', rows: 2, bytes: 6, us: 500 }),
      told(4, { type: 'statement', statement: 2, how: 'simple', text: 'selec' }),
      told(5, { type: 'result', statement: 2, status: 'error', sqlstate: '42601', message: 'syntax error' }),
      told(6, {
        type: 'statement-facts',
        statement: 1,
        class: 'read',
        fingerprint: 'f',
        tables: [{ schema: 'shop', name: 'orders' }, { name: 'customers' }, { schema: 'x' }],
      }),
      told(7, { type: 'same-facts', statement: 1, also: [3] }),
      told(8, {
        type: 'statement',
        statement: 3,
        how: 'execute',
        parameters: [{ type: 'int4', text: '7' }, { null: true }],
      }),
    ],
    1000,
  )
  expect(entries.map(({ detail }) => detail)).toEqual([
    {
      class: 'read',
      fingerprint: 'f',
      tables: ['shop.orders', 'customers'],
      rows: 3,
      bytes: 11,
      durationMs: 2,
    },
    { sqlstate: '42601', message: 'syntax error' },
    { class: 'read', fingerprint: 'f', tables: ['shop.orders', 'customers'] },
  ])
  expect(entries[2]?.text).toBe('(its text was not told)')
  expect(texts.get(2)?.parameters).toEqual([
    { type: 'int4', value: '7', masked: false },
    { value: null, masked: false },
  ])
})

function told(
  sequence: number,
  { type, ...fields }: { type: string } & Record<string, unknown>,
): EventRecord {
  return { sequence, us: sequence * 1000, event: { type, fields } }
}
