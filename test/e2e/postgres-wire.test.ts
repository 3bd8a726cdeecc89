/** Real clients and raw frames against the real gateway as a process, with real servers behind it. Refusals first. */
import { once } from 'node:events'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import postgresJs from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  encodeParse,
  encodePassword,
  encodeQuery,
  sync,
  terminate,
} from '../../src/postgres/wire/frontend.ts'
import { frame, int32 } from '../../src/postgres/wire/frame-writer.ts'
import { decodeBackendKeyData, decodeReport } from '../../src/postgres/wire/backend.ts'
import { encodeCancelRequest, encodeStartup, protocol, sslRequest } from '../../src/postgres/wire/startup.ts'
import { RawClient } from '../postgres/door.ts'
import { type PostgresVersion, hasPostgres, postgresVersions } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'

describe.each(postgresVersions)('PostgreSQL %d', (version: PostgresVersion) => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let company: PostgresWorld
  beforeAll(async () => void (company = await PostgresWorld.start({ version })))
  afterAll(async () => company.stop())

  /** Signed in over TLS with raw bytes, ready for a query. */
  async function raw(
    asked: number = protocol.v3_0,
  ): Promise<{ client: RawClient; types: string; key: Buffer; pid: number }> {
    const plain = await RawClient.connect(company.port)
    plain.send(sslRequest)
    expect((await plain.take(1)).toString()).toBe('S')
    const client = await plain.tls({})
    const pairs = { user: 'app_readonly@orders', database: 'app' }
    client.send(
      encodeStartup(
        asked,
        Object.entries(pairs).map(([name, value]) => ({ name, value })),
      ),
    )
    await client.until('R')
    client.send(encodePassword(await company.password()))
    const frames = await client.until('Z')
    const { pid, key } = decodeBackendKeyData(
      frames.find(({ type }) => type === 'K')?.body ?? Buffer.alloc(0),
    )
    return { client, types: frames.map(({ type }) => type).join(''), pid, key }
  }

  async function fatalOf(
    client: RawClient,
  ): Promise<{ code: string | undefined; severity: string | undefined }> {
    const error = (await client.until('E')).find(({ type }) => type === 'E')
    const fields = decodeReport(error?.body ?? Buffer.of(0))
    return { code: fields.get('C'), severity: fields.get('S') }
  }

  describe('refuses, with FATAL 08P01', () => {
    const header = (type: string, length: number): Buffer => Buffer.concat([Buffer.from(type), int32(length)])
    test.each([
      ['a length that cannot hold itself', header('Q', 3)],
      ['a negative length', header('Q', -1)],
      ['2^31 - 1 bytes of a query', header('Q', 0x7fff_ffff)],
      ['a length that would wrap at 2^32', header('B', 0)],
      ['a Sync of 10 KB', header('S', 10_001)],
      ['an unknown message', header('z', 4)],
      ['a password after sign-in', header('p', 5)],
      ['a query with a NUL inside', frame(0x51, Buffer.from('select 1\0; drop table customers\0'))],
      ['a query without an end', frame(0x51, Buffer.from('select 1'))],
      ['a Bind with a negative length', frame(0x42, Buffer.from('00000000000100000001800000000000', 'hex'))],
      ['a Parse with a tail', frame(0x50, Buffer.from('\0select 1\0\0\0x'))],
    ])('%s', async (_, bytes) => {
      const { client } = await raw()
      client.send(bytes)
      expect(await fatalOf(client)).toEqual({ code: '08P01', severity: 'FATAL' })
      expect((await client.rest()).length).toBe(0)
    })
  })

  test('psql -c "select 1" answers, and its role is gone afterwards', async () => {
    const run = await company.psql('select 1')
    expect(run).toMatchObject({ code: 0, stdout: '1\n', stderr: '' })
    await expect.poll(() => company.roles()).toEqual([])
  })

  test('one byte at a time and all frames in one write give the same', async () => {
    const bytes = Buffer.concat([
      encodeQuery('select 1; select 2'),
      encodeParse({ name: '', text: Buffer.from('select 3'), types: [] }),
      frame(0x42, Buffer.alloc(8)),
      frame(0x45, Buffer.alloc(5)),
      sync,
    ])
    const [slow, fast] = [(await raw()).client, (await raw()).client]
    fast.send(bytes)
    for (const byte of bytes) slow.send(Buffer.of(byte))
    const all = async (client: RawClient) => [...(await client.until('Z')), ...(await client.until('Z'))]
    const seen = await all(fast)
    expect(seen.map(({ type }) => type).join('')).toBe('TDCTDCZ12DCZ')
    expect(await all(slow)).toEqual(seen)
    for (const client of [slow, fast]) {
      client.send(terminate)
      await client.rest()
    }
  })

  test('a client that says no more is still answered', async () => {
    const { client } = await raw()
    client.send(encodeQuery("select pg_sleep(0.3), 'late'"))
    client.socket.end()
    const frames = await client.until('Z')
    expect(frames.map(({ type }) => type).join('')).toBe('TDCZ')
  })

  test('Ctrl-C in psql interrupts the statement, not the session, and is on record', async () => {
    const child = company.start('psql', ['-X', '-A', '-t'], await company.environment())
    let out = ''
    child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stdin?.write('select pg_sleep(30);\n')
    const sleeping =
      "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'select pg_sleep(30)%'"
    await expect.poll(() => company.server.query(sleeping), { timeout: 10_000 }).toHaveLength(1)
    child.kill('SIGINT')
    await expect.poll(() => out, { timeout: 10_000 }).toContain('canceling statement due to user request')
    child.stdin?.end() // a script that was interrupted is over
    if (child.exitCode === null) await once(child, 'close')
    await expect.poll(() => company.roles()).toEqual([])
    const row = await company.world.lastEnded()
    const events = company.world.eventsOf(row).filter(({ event }) => event.type === 'cancel-request')
    expect(events).toHaveLength(1)
    expect(company.world.audit().filter(({ kind }) => kind === 'cancel-request')).toHaveLength(1)
  })

  test('a cancel request with the long key of 3.2 inside TLS; one bit off does nothing', async () => {
    const { client, pid, key } = await raw(protocol.v3_2)
    expect(key).toHaveLength(32)
    client.send(encodeQuery('select pg_sleep(30)'))
    const wrong = Buffer.from(key)
    wrong[31] = (wrong[31] ?? 0) ^ 1
    for (const bytes of [wrong, key]) {
      const plain = await RawClient.connect(company.port)
      plain.send(sslRequest)
      await plain.take(1)
      const canceller = await plain.tls({})
      canceller.send(encodeCancelRequest(pid, bytes))
      expect(await canceller.rest()).toEqual(Buffer.alloc(0))
    }
    const error = (await client.until('Z')).find(({ type }) => type === 'E')
    expect(decodeReport(error?.body ?? Buffer.of(0)).get('C')).toBe('57014')
    client.close()
  })

  test('an operator ends the session, and psql says why', async () => {
    await expect.poll(() => company.roles()).toEqual([])
    const { client } = await raw()
    const [row] = (await company.world.sessions()).filter(({ state }) => state === 'open')
    const end = await company.world.sallyport('sessions', 'end', row?.id ?? '', '--reason', 'maintenance')
    expect(end.stderr).toBe('')
    expect(await fatalOf(client)).toEqual({ code: '57P01', severity: 'FATAL' })
    await expect.poll(() => company.roles()).toEqual([])
  })

  test('node-postgres and postgres.js work as they do without a gateway', async () => {
    const { PGPASSWORD = '' } = await company.environment()
    const common = { host: 'localhost', port: company.port, database: 'app', user: 'app_readonly@orders' }
    const node = new pg.Client({ ...common, password: PGPASSWORD, ssl: { rejectUnauthorized: false } })
    await node.connect()
    const { rows } = await node.query('select id, name from customers where id = $1', [7])
    expect(rows).toEqual([{ id: 7, name: 'Customer 7' }])
    await node.end()
    const sql = postgresJs({
      ...common,
      password: await company.password(),
      ssl: { rejectUnauthorized: false },
      max: 1,
    })
    const ids = await Promise.all([1, 2, 3].map(id => sql`select id from customers where id = ${id}`))
    expect(ids.map(([row]) => row?.['id'] as unknown)).toEqual([1, 2, 3])
    await sql.end()
  })

  test('many connections at once each have a role of their own, and none is left', async () => {
    await expect.poll(() => company.roles()).toEqual([])
    const clients = await Promise.all(Array.from({ length: 10 }, () => raw()))
    expect(await company.roles()).toHaveLength(10)
    for (const { client } of clients) client.close()
    await expect.poll(() => company.roles(), { timeout: 10_000 }).toEqual([])
  })

  test('psycopg, in pipeline mode and with COPY', async () => {
    const script = `
import psycopg, io, os
with psycopg.connect("") as c:
    with c.pipeline():
        a, b = c.execute("select 1"), c.execute("select 2 where %s", [True])
        print(a.fetchone(), b.fetchone())
    with c.cursor().copy("copy customers to stdout") as copy:
        print(sum(len(x) for x in copy))
    try: c.execute("copy customers from stdin")
    except psycopg.Error as e: print(e.sqlstate)
`
    const env = { ...process.env, ...(await company.environment()) }
    const run = promisify(execFile)('/usr/bin/python3', ['-c', script], { env })
    const { stdout } = await run
    const [rows, bytes, code] = stdout.split('\n')
    expect(rows).toBe('(1,) (2,)')
    expect(Number(bytes)).toBeGreaterThan(1000)
    expect(code).toBe('42501')
  })
})
