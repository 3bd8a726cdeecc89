import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonOf } from '../../src/recorder/event.ts'
import type { SqlEvent, SqlValue } from '../../src/recorder/sql-event.ts'
import { sqlJson } from '../../src/recorder/sql-json.ts'

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('"', '\\', '\n', '\x7f', '\u2028'),
)
const count = fc.nat()
const value: fc.Arbitrary<SqlValue> = fc.oneof(
  fc.record({ type: fc.oneof(fc.constant('int4'), text, count), text, bytes: count }, { requiredKeys: [] }),
  fc.record({ null: fc.constant(true as const) }),
  fc.record({ base64: text, sha256: text }),
)

const hex = fc.stringMatching(/^[0-9a-f]{0,64}$/)

const statement = fc.record(
  {
    type: fc.constant('statement' as const),
    statement: count,
    how: fc.constantFrom('simple' as const, 'execute' as const, 'function' as const),
    text,
    textBase64: text,
    same: count,
    textBytes: count,
    textSha256: text,
    name: text,
    portal: text,
    bound: count,
    parameters: fc.array(value, { maxLength: 3 }),
    moreParameters: count,
    maxRows: count,
    executes: count,
    orElse: count,
    function: fc.record({ oid: count }),
  },
  { requiredKeys: ['type', 'statement', 'how'] },
)

const result = fc.record(
  {
    type: fc.constant('result' as const),
    statement: count,
    during: fc.constantFrom('parse' as const, 'bind' as const),
    part: count,
    status: fc.constantFrom('done' as const, 'error' as const, 'skipped' as const),
    tag: text,
    rows: count,
    bytes: count,
    firstRowUs: count,
    us: count,
    sqlstate: text,
    message: text,
    blocked: text,
    columns: count,
    head: fc.array(fc.array(value)),
    masked: fc.constant(true as const),
    copy: fc.record({ direction: fc.constant('in' as const), bytes: count, sha256: text }),
    sha256: hex,
    ran: fc.option(count),
  },
  { requiredKeys: ['type', 'statement', 'status'] },
)

/** Nothing but what most of them have. */
const usual = fc.oneof(
  fc.record(
    {
      type: fc.constant('statement' as const),
      statement: count,
      how: fc.constantFrom('simple' as const, 'execute' as const),
      text,
      same: count,
      name: text,
      parameters: fc.array(value, { maxLength: 2 }),
    },
    { requiredKeys: ['type', 'statement', 'how'] },
  ),
  fc.record(
    {
      type: fc.constant('result' as const),
      statement: count,
      part: count,
      status: fc.constant('done' as const),
      tag: text,
      rows: count,
      bytes: count,
      firstRowUs: count,
      us: count,
      columns: count,
      sha256: hex,
    },
    { requiredKeys: ['type', 'statement', 'status', 'tag', 'us'] },
  ),
)

test('what is written by hand reads as what JSON.stringify writes, for any event', () => {
  fc.assert(
    fc.property(fc.oneof(statement, result, usual), event => {
      expect(JSON.parse(jsonOf(event as SqlEvent))).toEqual(JSON.parse(JSON.stringify(event)))
    }),
    { numRuns: 2000 },
  )
})

test('the events of a plain statement are written by hand', () => {
  const asked = { type: 'statement', statement: 1, how: 'simple', text: 'SELECT 1;' } as const
  const told = {
    type: 'result',
    statement: 1,
    status: 'done',
    tag: 'SELECT 1',
    rows: 1,
    bytes: 7,
    us: 90,
  } as const
  expect(sqlJson(asked)).toBe(JSON.stringify(asked))
  expect(sqlJson(told)).toBe(JSON.stringify(told))
  expect(sqlJson({ ...asked, text: "SELECT 'Ж'" } as SqlEvent)).toBeUndefined()
})
