/** What the page of a session shows while it goes on: what was heard first, what was read as soon as it is there. */
import { expect, test } from 'vitest'
import { replayEventOf } from '../../../src/api/v1/replay/replay-event.ts'
import type { EntryView } from '../../../src/api/schema.ts'
import { linesIn } from '../../../web/app/pages/sql/live-socket.ts'
import { type LiveEvent, LiveStatements } from '../../../web/app/pages/sql/live-statements.ts'
import { statementsOf } from '../../../web/app/pages/sql/statement.ts'

const openedAtMs = 1000

/** As the gateway tells it over the socket. */
function heard(us: number, { type, ...fields }: { type: string } & Record<string, unknown>): LiveEvent {
  const line = JSON.stringify(replayEventOf(us, { type, fields: { type, ...fields } }))
  return linesIn(line).events[0]!
}

function entry(number: number, statement: number, more: EntryView['detail'] = {}): EntryView {
  const offsetMs = statement * 10
  const detail = { statement, class: 'read', ...more }
  return {
    number,
    kind: 'statement',
    offsetMs,
    atMs: openedAtMs + offsetMs,
    text: `read ${statement}`,
    detail,
    hits: [],
  }
}

const shown = (live: LiveStatements, told: readonly EntryView[] = [], isOpen = true) =>
  statementsOf(live.joined(told, isOpen)).map(({ text, isRunning, rows, affected, sqlstate }) => [
    text,
    isRunning ? 'runs' : (sqlstate ?? affected ?? rows),
  ])

test('a result that is cut or of an unknown statement changes nothing, and no line is taken for what it is not', () => {
  const live = new LiveStatements(openedAtMs)
  live.take({ type: 'result', atMs: 1, text: '{"statement":1,"tag":"UPD' })
  live.take(heard(1, { type: 'result', statement: 7, status: 'done', tag: 'UPDATE 5' }))
  live.take(heard(1, { type: 'notice', message: 'hello' }))
  expect(shown(live)).toEqual([])
  expect(linesIn('{"session":{}}\n{"atMs":1,"channel":0,"type":"output","base64":""}\n').events).toEqual([])
})

test('a statement shows as running as soon as it is heard of, and its outcome when that comes', () => {
  const live = new LiveStatements(openedAtMs)
  live.take(heard(5000, { type: 'statement', statement: 1, how: 'simple', text: 'update t set a = 1' }))
  expect(shown(live)).toEqual([['update t set a = 1', 'runs']])
  expect(shown(live, [], false)).toEqual([['update t set a = 1', undefined]]) // the session is over
  const facts = { statement: 1, class: 'write', kinds: ['update'], count: 1, tables: [{ name: 't' }] }
  live.take(heard(6000, { type: 'statement-facts', ...facts }))
  const head = [[{ text: 'x'.repeat(10_000) }]]
  live.take(heard(9000, { type: 'result', statement: 1, status: 'done', tag: 'UPDATE 500', us: 4000, head }))
  expect(shown(live)).toEqual([['update t set a = 1', 500]])
  expect(statementsOf(live.joined([], true))).toMatchObject([
    { class: 'write', tables: ['t'], durationMs: 4, offsetMs: 5, atMs: 1005 },
  ])
})

test('what was read takes the place of what was heard, and runs while nothing says otherwise', () => {
  const live = new LiveStatements(openedAtMs)
  live.take(heard(10_000, { type: 'statement', statement: 1, how: 'simple', text: 'heard 1' }))
  live.take(heard(20_000, { type: 'statement', statement: 2, how: 'simple', text: 'heard 2' }))
  const early = entry(0, 1)
  expect(shown(live, [early])).toEqual([
    ['read 1', 'runs'],
    ['heard 2', 'runs'],
  ])
  live.take(heard(30_000, { type: 'result', statement: 1, status: 'error', sqlstate: '42P01' }))
  expect(shown(live, [early])).toEqual([
    ['read 1', '42P01'],
    ['heard 2', 'runs'],
  ])
  expect(live.isAhead([early])).toBe(true)
  const all = [entry(0, 1, { sqlstate: '42P01' }), entry(1, 2, { rows: 3, durationMs: 1 })]
  expect(shown(live, all)).toEqual([
    ['read 1', '42P01'],
    ['read 2', 3],
  ])
  expect(live.isAhead(all)).toBe(false)
})

test('what was skipped behind an error does not run for ever', () => {
  const live = new LiveStatements(openedAtMs)
  const told = [entry(0, 1), entry(1, 2, { durationMs: 1, rows: 1 }), entry(2, 3)]
  expect(shown(live, told)).toEqual([
    ['read 1', undefined],
    ['read 2', 1],
    ['read 3', 'runs'],
  ])
})

test('a text that was told before is known by its number, and an EXECUTE is of the class of what it runs', () => {
  const live = new LiveStatements(openedAtMs)
  live.take(heard(1, { type: 'prepared', statement: 1, name: 's', text: 'delete from t' }))
  live.take(
    heard(1, {
      type: 'statement-facts',
      statement: 1,
      class: 'write',
      kinds: ['delete'],
      count: 1,
      tables: [],
    }),
  )
  live.take(heard(2, { type: 'statement', statement: 2, how: 'execute', name: 's', same: 1 }))
  live.take(heard(3, { type: 'statement', statement: 3, how: 'simple', text: 'execute s', executes: 1 }))
  live.take(
    heard(3, {
      type: 'statement-facts',
      statement: 3,
      class: 'call',
      kinds: ['execute'],
      count: 1,
      tables: [],
    }),
  )
  const statements = statementsOf(live.joined([], true))
  expect(statements.map(one => [one.text, one.class])).toEqual([
    ['delete from t', 'write'],
    ['execute s', 'write'],
  ])
  expect(live.texts.get(statements[0]!.number)?.text).toBe('delete from t')
})

test('the end is told with its reason', () => {
  expect(linesIn('{"end":{"reason":"ended","text":"closed by the client"}}')).toEqual({
    events: [],
    end: { text: 'closed by the client', isOver: true },
  })
  expect(linesIn('{"end":{"reason":"too-slow","text":"x"}}').end?.isOver).toBe(false)
})
