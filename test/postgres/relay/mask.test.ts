import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { MaskKind } from '../../../src/config/config.ts'
import { resultMask } from '../../../src/postgres/relay/mask.ts'
import type { MaskedCatalog } from '../../../src/postgres/relay/masked-catalog.ts'
import { type Column, decodeDataRow, decodeReport } from '../../../src/postgres/wire/backend.ts'
import { int16, value } from '../../../src/postgres/wire/frame-writer.ts'
import { MalformedMessage } from '../../../src/postgres/wire/protocol-violation.ts'

const text = 25
const payments = 20_000

function catalog(kind: MaskKind): MaskedCatalog {
  return {
    columns: new Map([[payments, new Map([[3, kind]])]]),
    names: new Map([['card', kind]]),
    known: new Set([payments, 20_001]),
    tables: { tables: [], views: [], functions: [] },
  }
}

function column(table: number, attribute: number, type = text, name = 'x'): Column {
  return { name, table, attribute, type, typeBytes: -1, modifier: -1, format: 0 }
}

function row(...values: readonly (string | null)[]): Buffer {
  return Buffer.concat([
    int16(values.length),
    ...values.map(each => value(each === null ? null : Buffer.from(each))),
  ])
}

function shown(
  kind: MaskKind,
  columns: readonly Column[] | undefined,
  ...values: readonly (string | null)[]
) {
  const plan = resultMask(() => catalog(kind)).plan(columns, [])
  const body = row(...values)
  return decodeDataRow(plan === undefined ? body : plan.apply(body)).map(each => each?.toString() ?? null)
}

test('columns that are not masked are not touched, and have no plan', () => {
  expect(
    resultMask(() => catalog('null')).plan([column(payments, 1), column(20_001, 3), column(0, 0)], []),
  ).toBeUndefined()
})

test.each([
  ['last4', '4111 1111 1111 1234', '************1234'],
  ['last4', '4111111111111234   ', '************1234'],
  ['last4', '1234567', '************'],
  ['last4', 'Zürich-Straße', '************raße'],
  ['last4', '', '************'],
  ['redact', '4111', '[masked]'],
  ['null', '4111', null],
] as const)('%s shows %j as %j', (kind, before, after) => {
  expect(shown(kind, [column(payments, 1), column(payments, 3)], 'kept', before)).toEqual(['kept', after])
})

test('equal values have equal hashes, others have others, and the value is not in it', () => {
  const columns = [column(payments, 3), column(payments, 3), column(payments, 3)]
  const [one, same, other] = shown('hash', columns, '4111', '4111', '4112')
  expect(one).toMatch(/^[0-9a-f]{32}$/)
  expect(one).toBe(same)
  expect(one).not.toBe(other)
})

test('NULL stays NULL', () => {
  expect(shown('redact', [column(payments, 3)], null)).toEqual([null])
})

test('values of other types than text become NULL, in whichever format', () => {
  for (const type of [20, 1700, 114, 17, 1082, 1009, 70_000])
    expect(shown('last4', [column(payments, 3, type)], '4111222233334444')).toEqual([null])
})

test('a result whose columns nobody asked for is all NULL, and so is everything where nothing is known', () => {
  expect(shown('last4', undefined, '4111', 'x', null)).toEqual([null, null, null])
  const unknown = resultMask(() => undefined).plan([column(20_001, 1)], [])
  expect(decodeDataRow(unknown?.apply(row('x')) ?? Buffer.alloc(0))).toEqual([null])
})

test('a table that was made since the look-up is masked by the names of its columns', () => {
  let asked = 0
  const mask = resultMask(
    () => catalog('null'),
    () => asked++,
  )
  expect(mask.plan([column(30_000, 1, text, 'card')], [])).toBeDefined()
  expect(mask.plan([column(30_000, 1, text, 'other')], [])).toBeUndefined()
  expect(mask.plan([column(1259, 1, text, 'card')], [])).toBeUndefined()
  expect(asked).toBe(2)
})

test.each([
  '',
  '00',
  '0001',
  '0001ffffff',
  '00010000000541',
  '0001fffffffe',
  '00010000000241',
  '0001000000014142',
])('a row that is not what it says is refused: %s', hex => {
  const plan = resultMask(() => catalog('null')).plan([column(payments, 3)], [])
  expect(() => plan?.apply(Buffer.from(hex, 'hex'))).toThrow(MalformedMessage)
})

test('of any row, only what is masked changes', () => {
  const values = fc.array(fc.option(fc.string(), { nil: null }), { maxLength: 20 })
  fc.assert(
    fc.property(values, fc.nat(19), (before, at) => {
      const columns = before.map((_, i) => column(payments, i === at ? 3 : 1))
      const after = shown('redact', columns, ...before)
      expect(after).toEqual(before.map((each, i) => (i === at && each !== null ? '[masked]' : each)))
    }),
  )
})

test('the detail of a constraint that fails is not shown, and other errors are', () => {
  const report = (code: string, detail?: string) =>
    resultMask(() => undefined).report?.(
      new Map([
        ['S', 'ERROR'],
        ['C', code],
        ['M', 'm'],
        ...(detail === undefined ? [] : [['D', detail] as const]),
        ['n', 'payments_check'],
      ]),
    )
  for (const code of ['23514', '23502', '44000']) {
    const fields = decodeReport(report(code, 'Failing row contains (1, 4111).') ?? Buffer.of(0))
    expect(fields.get('D')).not.toContain('4111')
    expect(fields.get('n')).toBe('payments_check')
    expect(fields.get('C')).toBe(code)
  }
  expect(report('42601', 'kept')).toBeUndefined()
  expect(report('23514')).toBeUndefined()
})
