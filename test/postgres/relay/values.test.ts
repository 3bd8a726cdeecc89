import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { argumentsOf } from '../../../src/postgres/relay/statement-text.ts'
import { binaryText } from '../../../src/postgres/relay/value-text.ts'
import { keptValueBytes, keptValuesBytes, recordedValue } from '../../../src/postgres/relay/values.ts'
import { encodeBind } from '../../../src/postgres/wire/frontend.ts'
import type { SqlValue } from '../../../src/recorder/sql-event.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { DirectRelay } from './direct-relay.ts'
import { describe as describeFrame, execute, parse, RawClient, sync } from './raw-client.ts'

const budget = () => ({ left: keptValuesBytes })

describe('values that nobody can trust', () => {
  test.each([
    [23, '00000001ff'],
    [23, '000001'],
    [1700, '0001'],
    [1700, '7fff000000000000'],
    [1700, '000100002000000000010000'],
    [2950, '00'],
    [1007, '000000010000000000000019'],
    [1007, '000000010000000000000017000000ff00000001'],
    [1007, '7fffffff0000000000000017'],
    [3802, '0278'],
    [25, 'ff'],
    [114, 'c0'],
  ])('a malformed value of type %i (%s) stays bytes', (oid, hex) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(recordedValue(bytes, oid, 1, budget())).toMatchObject({ base64: bytes.toString('base64') })
  })

  test('any bytes of any type are told without a throw', () => {
    const types = [
      16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1007, 1009, 1082, 1083, 1114, 1184, 1186, 1231, 1700,
      2950, 3802, 99_999,
    ]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...types), (bytes, oid) => {
        const text = binaryText(Buffer.from(bytes), oid)
        expect(text === undefined || typeof text === 'string').toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  test('NULL is not the empty text', () => {
    expect(recordedValue(null, 25, 0, budget())).toEqual({ type: 'text', null: true })
    expect(recordedValue(Buffer.alloc(0), 25, 0, budget())).toEqual({ type: 'text', text: '' })
  })

  test('a long value keeps its beginning, whole characters, its length and its digest', () => {
    const bytes = Buffer.from(`x${'ü'.repeat(keptValueBytes)}`)
    const told = recordedValue(bytes, 25, 0, budget())
    expect(told).toMatchObject({
      type: 'text',
      bytes: bytes.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(bytes.toString().startsWith(told.text ?? '?')).toBe(true)
    expect(Buffer.byteLength(told.text ?? '')).toBeGreaterThan(keptValueBytes - 2)
  })

  test('65,535 parameters are told in events of bounded size, none left out', () => {
    const values = Array.from({ length: 65_535 }, (_, n) => Buffer.from(String(n).repeat(n % 7)))
    const { first, rest } = argumentsOf(values, [], [])
    const all = [first, ...rest]
    expect(all.flat()).toHaveLength(65_535)
    for (const part of all) expect(JSON.stringify(part).length).toBeLessThan(512 * 1024)
    expect(all.flat().every(value => value.text !== undefined || value.sha256 !== undefined)).toBe(true)
  })
})

describe('as the server prints them', () => {
  let server: TestPostgres
  let relay: DirectRelay
  let client: RawClient
  beforeAll(async () => {
    server = await startPostgres(hasPostgres(15) ? 15 : 18, { hba: ['host all all 127.0.0.1/32 trust'] })
    relay = await DirectRelay.start(server.port, { headRows: 1 })
    client = await RawClient.connect(relay.port)
  }, 60_000)
  afterAll(async () => {
    await relay.close()
    await server.close()
  })

  const expressions = [
    'true',
    'null::int',
    '\'a\'::"char"',
    "'name'::name",
    '(-32768)::int2',
    '(-2147483648)::int4',
    '(-9223372036854775808)::int8',
    '4294967295::oid',
    "0.1::float4, '-0'::float8, 1e20::float8, 1e-7::float8, 1.5e300::float8, 'NaN'::float8, '-Infinity'::float4, 16777216::float4, 100000::float4, 0.0001::float8, 0.00001::float8, 123456789012345::float8, 1e15::float8, 3.4028235e38::float4",
    "0::numeric, 0.00::numeric, -1234567890.00012300::numeric, 0.00001234::numeric, 'NaN'::numeric, 1e30::numeric, 10000::numeric, 0.0001::numeric",
    "''::text, 'ünïcode'::varchar, 'x '::char(3)",
    "'\\x00ff10'::bytea, ''::bytea",
    "'7d444840-9dc0-11d1-b245-5ffdce74fad2'::uuid",
    `'{"a": [1, null]}'::json, '{"a": [1, null]}'::jsonb`,
    "'2026-11-22'::date, '0044-03-15 BC'::date, '1999-12-31'::date, 'infinity'::date, '5874897-12-31'::date, '2000-02-29'::date",
    "'00:00:00'::time, '23:59:59.123456'::time, '24:00:00'::time, '01:02:03.5'::time",
    "'2026-11-22 01:02:03.4'::timestamp, '1969-12-31 23:59:59.999999'::timestamp, '4713-01-01 BC'::timestamp, '-infinity'::timestamp",
    "'2026-11-22 01:02:03+00'::timestamptz",
    "'1 year 2 mons 3 days 04:05:06.7'::interval, '-1 day -00:00:01'::interval, '0'::interval, '1 mon'::interval, '-3 years'::interval",
    "array[1,null,3], array[]::int[], array[[1,2],[3,4]], array['a','b c','NULL','','\"q\"','back\\slash', null], array[true,false], array['2026-01-01'::date], array[1.50::numeric]",
  ]

  test.each(expressions)('%s', async expression => {
    await client.ask(
      Buffer.concat([
        parse("set timezone to 'UTC'"),
        encodeBind({ portal: '', statement: '', formats: [], values: [], resultFormats: [] }),
        execute(),
        sync,
      ]),
    )
    await bothFormats(`select ${expression}`)
  })

  /** One after the other; what was recorded is compared when all is over. */
  async function bothFormats(text: string): Promise<void> {
    for (const format of [0, 1]) {
      const bind = encodeBind({ portal: '', statement: '', formats: [], values: [], resultFormats: [format] })
      const replies = await client.ask(parse(text), bind, describeFrame('portal'), execute(), sync)
      expect(replies.map(({ type }) => type).join('')).toBe('12TDCZ')
    }
  }

  test('what was recorded of the binary format is what was recorded of the text', async () => {
    await client.end()
    const results = (await relay.said(['result'])).filter(({ head }) => head !== undefined)
    expect(results).toHaveLength(2 * expressions.length)
    for (let at = 0; at < results.length; at += 2) {
      const [text, binary] = [results[at], results[at + 1]].map(result =>
        result === undefined ? undefined : (result['head'] as SqlValue[][])[0],
      )
      expect(binary).toEqual(text)
    }
  })
})
