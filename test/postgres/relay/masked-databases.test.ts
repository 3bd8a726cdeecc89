import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import type { Broker, Row } from '../../../src/credentials/postgres/broker.ts'
import { MaskedDatabases } from '../../../src/postgres/relay/masked-databases.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { target } from './grants.ts'

const grammar = new Grammar()
afterAll(() => grammar.close())

const rules = [{ columns: ['payments.card'], with: 'null' as const }]

/** A catalog with one table, whose OID a test may change; or none that answers. */
class Catalog {
  lookUps = 0
  isAway = false
  table = 20_000

  get broker(): Broker {
    const useDatabase: Broker['useDatabase'] = async (_, work) => {
      this.lookUps++
      if (this.isAway) throw new Error('away')
      return work({ serverVersion: 180_000, query: async sql => this.#rows(sql) })
    }
    return { useDatabase, use: work => useDatabase('postgres', work) }
  }

  #rows(sql: string): readonly Row[] {
    const { table } = this
    if (sql.includes('pg_attribute'))
      return [{ table, schema: 'public', name: 'payments', column: 'card', attribute: 1 }]
    return sql.includes('pg_proc') || sql.includes('pg_rewrite') ? [] : [{ table }]
  }
}

function open(catalog: Catalog) {
  const clock = new FakeClock()
  const log = pino({ level: 'silent' })
  const databases = new MaskedDatabases({ brokerOf: () => catalog.broker, grammar, clock, log })
  return { clock, databases, open: () => databases.open(target, 'app', rules) }
}

const column = (table: number) => ({
  name: 'c',
  table,
  attribute: 1,
  type: 25,
  typeBytes: -1,
  modifier: -1,
  format: 0,
})

test('a look-up that fails is not known, and is tried again by the next statement', async () => {
  const catalog = new Catalog()
  catalog.isAway = true
  const masks = open(catalog).open()
  await expect(masks.number()).rejects.toThrow('away')
  catalog.isAway = false
  expect(await masks.number()).toBeTypeOf('number')
  masks.close()
})

test('sessions of one database share what was looked up', async () => {
  const catalog = new Catalog()
  const { open: another } = open(catalog)
  const [one, other] = [another(), another()]
  expect(await one.number()).toBe(await other.number())
  expect(catalog.lookUps).toBe(1)
  one.close()
  one.close()
  expect(await other.number()).toBeTypeOf('number')
  other.close()
})

test('after a statement that may change tables, the next one waits for a new look-up', async () => {
  const catalog = new Catalog()
  const masks = open(catalog).open()
  await masks.number()
  catalog.table = 30_000
  expect(masks.results.plan([column(20_000)], [])).toBeDefined()
  masks.changed()
  await masks.number()
  expect(masks.results.plan([column(20_000)], [])).toBeUndefined()
  expect(masks.results.plan([column(30_000)], [])).toBeDefined()
  masks.close()
})

test('after a while the next statement makes it be looked up again, and does not wait', async () => {
  const catalog = new Catalog()
  const { clock, open: another } = open(catalog)
  const masks = another()
  const number = await masks.number()
  expect(masks.number()).toBe(number)
  clock.advance(31_000)
  expect(masks.number()).toBe(number)
  await expect.poll(() => catalog.lookUps).toBe(2)
  masks.close()
})

test('what did not change keeps its number, and with it what the parser remembers', async () => {
  const catalog = new Catalog()
  const masks = open(catalog).open()
  const number = await masks.number()
  masks.changed()
  expect(await masks.number()).toBe(number)
  expect(catalog.lookUps).toBe(2)
  masks.close()
})
