/** What a hostile client with a valid password tried against masks and rules: each trick is played on a real server. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeDataRow, decodeReport } from '../../src/postgres/wire/backend.ts'
import { encodeClose, encodePassword } from '../../src/postgres/wire/frontend.ts'
import { encodeStartup, protocol, sslRequest } from '../../src/postgres/wire/startup.ts'
import { RawClient } from '../postgres/door.ts'
import { bind, describe as describeFrame, execute, parse, query, sync } from '../postgres/relay/raw-client.ts'
import { hasPostgres, type PostgresVersion, postgresVersions } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'
const card = '4111 1111 1111 0001'
const masked = '************0001'

describe.each(postgresVersions)('PostgreSQL %d', (version: PostgresVersion) => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let company: PostgresWorld
  beforeAll(async () => {
    company = await PostgresWorld.start({
      version,
      rule: { mask: [{ columns: ['payments.card_number'], with: 'last4' }] },
    })
    const body = 'SELECT card_number FROM payments WHERE id = $1'
    await company.server.query(
      `CREATE FUNCTION card_of(int) RETURNS text SECURITY DEFINER LANGUAGE sql AS '${body}'`,
      'app',
    )
  })
  afterAll(async () => company.stop())
  const passwords: string[] = []

  /** Signed in over TLS with raw bytes, ready for a query. */
  async function raw(login = 'app_owner'): Promise<RawClient> {
    const plain = await RawClient.connect(company.port)
    plain.send(sslRequest)
    await plain.take(1)
    const client = await plain.tls({})
    const user = { name: 'user', value: `${login}@orders` }
    client.send(encodeStartup(protocol.v3_0, [user, { name: 'database', value: 'app' }]))
    await client.until('R')
    const password = await company.password(login)
    passwords.push(password)
    client.send(encodePassword(password))
    await client.until('Z')
    return client
  }

  /** What comes back up to the next ReadyForQuery, one text for each message. */
  async function ask(client: RawClient, ...frames: readonly Buffer[]): Promise<string[]> {
    client.send(...frames)
    const replies = await client.until('Z')
    return replies.map(({ type, body }) => {
      if (type === 'D') return decodeDataRow(body).join('|')
      if (type === 'E') return `E ${decodeReport(body).get('C')}`
      return type === 'C' ? body.toString('utf8', 0, body.length - 1) : type
    })
  }

  /** A temporary table that stands before the one that is masked, under its name. */
  async function makeTwin(client: RawClient): Promise<void> {
    await ask(client, query('create temp table twin (id int, card_number text)'))
    expect(await ask(client, query('alter table twin rename to payments'))).toEqual(['ALTER TABLE', 'Z'])
  }

  const plain = 'select id, card_number from payments where id = 1'

  describe('a masked column', () => {
    test.each(['app_owner', 'app_readonly'])(
      'stays masked for %s where a statement was described for a table that stood before',
      async login => {
        const client = await raw(login)
        await makeTwin(client)
        const described = await ask(client, parse(plain, 's'), describeFrame('statement', 's'), sync)
        expect(described).toEqual(['1', 't', 'T', 'Z'])
        await ask(client, query('drop table pg_temp.payments'))
        expect(await ask(client, bind('s'), execute(), sync)).toEqual(['2', `1|${masked}`, 'SELECT 1', 'Z'])
      },
    )

    test('... or where EXECUTE of it was', async () => {
      const client = await raw()
      await makeTwin(client)
      await ask(client, query(`prepare p as ${plain}`))
      await ask(client, query('begin'))
      const bound = bind('e', 'po')
      await ask(client, parse('execute p', 'e'), bound, describeFrame('portal', 'po'), sync)
      await ask(client, query('drop table pg_temp.payments'))
      expect(await ask(client, execute('po'), sync)).not.toContain(`1|${card}`)
    })

    test('... or where FETCH of another portal was', async () => {
      const client = await raw()
      await ask(client, query('begin'))
      await ask(client, parse('select 1, amount::text from payments'), bind('', 'c'), sync)
      await ask(client, parse('fetch all from c', 'f'), bind('f', 'po'), sync)
      await ask(client, encodeClose({ kind: 'portal', name: 'c' }), parse(plain), bind('', 'c'), sync)
      expect(await ask(client, execute('po'), sync)).not.toContain(`1|${card}`)
      const other = await raw()
      await ask(other, query('begin'), query('declare c cursor for select 1, 2'))
      await other.until('Z')
      const fetched = await ask(other, parse('fetch all from c'), bind(), execute(), sync)
      expect(fetched).toEqual(['1', '2', '1|2', 'FETCH 1', 'Z'])
      expect(await ask(other, parse(plain), bind('', 'p'), execute('p'), sync)).toContain('E 42501')
    })

    test('is not copied by EXPLAIN ANALYZE CREATE TABLE … AS EXECUTE', async () => {
      const client = await raw()
      await ask(client, query(`prepare p as select id, card_number as c from payments where id = 1`))
      expect(await ask(client, query('explain analyze create temp table leak as execute p'))).toEqual([
        'E 42501',
        'Z',
      ])
      expect(await ask(client, query('execute p'))).toContain(`1|${masked}`)
    })

    test('is not read by a function under the name of an operator', async () => {
      const client = await raw()
      expect(await ask(client, query('select card_of(1)'))).toEqual(['E 42501', 'Z'])
      const create = query('create operator @@@ (function = card_of, rightarg = int)')
      expect(await ask(client, create)).toEqual(['E 42501', 'Z'])
    })

    test('is masked for clients that describe statements only, portals only, or nothing', async () => {
      const client = await raw('app_readonly')
      const rows = ['2', `1|${masked}`, 'SELECT 1', 'Z']
      await ask(client, parse(plain, 's'), describeFrame('statement', 's'), sync)
      expect(await ask(client, bind('s'), execute(), sync)).toEqual(rows)
      await ask(client, parse(plain, 't'), sync)
      expect(await ask(client, bind('t'), execute(), sync)).toEqual(rows)
      const [first, ...rest] = await ask(client, bind('t'), describeFrame('portal'), execute(), sync)
      expect([first, ...rest]).toEqual(['2', 'T', ...rows.slice(1)])
    })

    test('... in pipelines, of any statement, and behind errors', async () => {
      const client = await raw('app_readonly')
      const whole = [parse('set work_mem = 1024'), bind(), execute(), parse(plain), bind(), execute(), sync]
      const expected = ['1', '2', 'SET', '1', '2', `1|${masked}`, 'SELECT 1', 'Z']
      expect(await ask(client, ...whole)).toEqual(expected)
      const failing = [parse('select 1/0'), bind(), execute(), parse(plain), bind(), execute(), sync]
      expect(await ask(client, ...failing)).toEqual(['1', 'E 22012', 'Z'])
      expect(await ask(client, ...whole)).toEqual(expected)
    })
  })

  test('no secret of these sessions is in the log, nor in any file that the gateway writes', async () => {
    await raw()
    const { world, server } = company
    const secrets = [...passwords, server.brokerPassword]
    const files = readdirSync(world.data, { recursive: true, withFileTypes: true }).filter(file =>
      file.isFile(),
    )
    expect(files.length).toBeGreaterThan(3)
    const written = files.flatMap(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return existsSync(path) ? [[name, readFileSync(path, 'latin1')]] : [] // some are replaced meanwhile
    })
    const all = [['the log', world.log], ...written]
    const told = all.filter(([, text = '']) => secrets.some(secret => text.includes(secret)))
    expect(told.map(([name]) => name)).toEqual([])
    for (const password of passwords) expect(server.log().includes(password)).toBe(false)
  })
})
