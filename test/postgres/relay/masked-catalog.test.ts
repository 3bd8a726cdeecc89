import { afterAll, beforeAll, expect, test } from 'vitest'
import { lookUpMasked } from '../../../src/postgres/relay/masked-catalog.ts'
import { startPostgres, type TestPostgres } from '../../support/postgres.ts'

let server: TestPostgres
beforeAll(async () => {
  server = await startPostgres(18)
  await server.query(
    `CREATE SCHEMA audit;
     CREATE TABLE audit.payments (id int, card_number text);
     CREATE TABLE "Payments" (card_number text);
     CREATE TABLE log (day int, card_number text, note text) PARTITION BY RANGE (day);
     CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (1) TO (2);
     CREATE TABLE log_2 (note text, card_number text, day int);
     ALTER TABLE log ATTACH PARTITION log_2 FOR VALUES FROM (2) TO (3);
     CREATE VIEW cards AS SELECT card_number FROM payments;
     CREATE MATERIALIZED VIEW card_copies AS SELECT * FROM cards;
     CREATE VIEW unrelated AS SELECT * FROM orders;
     CREATE FUNCTION read_cards() RETURNS text LANGUAGE sql AS 'SELECT card_number FROM payments';`,
    'app',
  )
}, 60_000)
afterAll(() => server.close())

async function lookUp(...patterns: string[]) {
  const admin = await server.admin('app')
  const connection = {
    serverVersion: 180_004,
    query: async (sql: string, values: readonly unknown[] = []) =>
      (await admin.query<Record<string, unknown>>(sql, [...values])).rows,
  }
  return lookUpMasked(connection, [{ columns: patterns, with: 'last4' }])
}

test('a pattern without a schema means the table of that name in each, in that case', async () => {
  const { tables } = await lookUp('payments.card_*')
  expect(
    tables.tables.map(({ schema, name, masked }) => `${schema}.${name}: ${masked.join()}`).toSorted(),
  ).toEqual(['audit.payments: card_number', 'public.payments: card_number'])
})

test('columns are known by the numbers that the server says in results', async () => {
  const { columns } = await lookUp('public.payments.card_number')
  const client = await server.admin('app')
  const { fields } = await client.query('select card_number from payments limit 0')
  const [{ tableID, columnID } = { tableID: 0, columnID: 0 }] = fields
  expect(columns).toEqual(new Map([[tableID, new Map([[columnID, 'last4']])]]))
})

test('partitions are masked with their table, by the name of the column, and the table with a partition', async () => {
  const families = await Promise.all([lookUp('log.card_number'), lookUp('log_2.card_number')])
  for (const { tables } of families)
    expect(tables.tables.map(({ name, masked }) => `${name}: ${masked.join()}`).toSorted()).toEqual([
      'log: card_number',
      'log_1: card_number',
      'log_2: card_number',
    ])
})

test('views are found however far they are, and functions in SQL', async () => {
  const { tables } = await lookUp('public.payments.card_number')
  expect(tables.views.map(({ name }) => name).toSorted()).toEqual(['card_copies', 'cards'])
  expect(tables.functions).toContain('read_cards')
  expect(tables.functions).not.toContain('upper')
})

test('a view may be masked itself', async () => {
  const { tables } = await lookUp('cards.card_number')
  expect(tables.tables.map(({ name }) => name)).toEqual(['cards'])
})

test('a pattern that fits nothing masks nothing', async () => {
  expect((await lookUp('nothing.at_all')).columns.size).toBe(0)
  expect((await lookUp('pg_class.relname')).columns.size).toBe(0)
})
