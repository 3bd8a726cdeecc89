/** How the relay ends, and what it holds: kills, half-closed and stalled clients, long results, large messages, a slow recorder. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Grammar } from '../../../src/analysis/sql/grammar.ts'
import { secretScan } from '../../../src/analysis/sql/secret-scan.ts'
import { hasPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { DirectRelay, type DirectOptions } from './direct-relay.ts'
import {
  bind,
  copyDone,
  errorIn,
  execute,
  letters,
  parse,
  query,
  RawClient,
  type Reply,
  sync,
} from './raw-client.ts'

let server: TestPostgres
let relay: DirectRelay
let client: RawClient
beforeAll(async () => {
  server = await startPostgres(hasPostgres(15) ? 15 : 18, { hba: ['host all all 127.0.0.1/32 trust'] })
  await server.query('create table copied(a text)', 'app')
}, 60_000)
afterAll(() => server.close())
afterEach(() => relay.close())

async function start(options: DirectOptions = {}): Promise<void> {
  relay = await DirectRelay.start(server.port, options)
  client = await RawClient.connect(relay.port)
}

const session = () => {
  const [first] = relay.sessions
  if (first === undefined) throw new Error('no session')
  return first
}

/** The frames of these types as they came. */
function bytesOf(replies: readonly Reply[], type: string): Buffer {
  return Buffer.concat(
    replies
      .filter(reply => reply.type === type)
      .flatMap(({ body }) => {
        const head = Buffer.alloc(5)
        head.write(type)
        head.writeInt32BE(body.length + 4, 1)
        return [head, body]
      }),
  )
}

describe('ends', () => {
  test('a session that is ended from outside says why, with 57P01, between two messages', async () => {
    await start()
    client.send(query('select pg_sleep(60)'))
    await new Promise(resolve => setTimeout(resolve, 200))
    session().end({ reason: 'killed', userText: 'An operator ended this session.' })
    const replies = await client.until('none')
    expect(errorIn(replies)).toMatchObject({ code: '57P01', message: 'An operator ended this session.' })
    expect(await relay.said(['result', 'end'])).toMatchObject([
      { statement: 1, status: 'unfinished' },
      { reason: 'killed' },
    ])
  })

  test('in the middle of a message nothing is said', async () => {
    await start()
    const chunks: Buffer[] = []
    client.socket.removeAllListeners('data')
    client.socket.on('data', chunk => chunks.push(chunk))
    client.send(query("select repeat('x', 50000000)"))
    await expect.poll(() => chunks.length, { timeout: 20_000 }).toBeGreaterThan(0)
    session().end({ reason: 'killed', userText: 'An operator ended this session.' })
    await once(client.socket, 'end')
    const got = Buffer.concat(chunks)
    expect(got.length).toBeLessThan(50_000_000)
    expect(got.includes('operator')).toBe(false)
    client.socket.destroy()
  })

  test('a client that says no more gets all answers', async () => {
    await start()
    client.send(query("select pg_sleep(0.3); select 'late'"))
    client.socket.end()
    expect(letters(await client.until('Z'))).toBe('TDCTDCZ')
    expect(await relay.said(['result', 'end'])).toMatchObject([{}, { part: 2 }, { reason: 'client left' }])
  })

  test('a client that leaves without a word is who left, although the target closes first', async () => {
    await start()
    await client.ask(query('select 1'))
    client.socket.end()
    expect(await relay.said(['end'])).toEqual([{ type: 'end', reason: 'client left' }])
  })

  test('a target that closes while the client is there is who closed', async () => {
    await start()
    await client.ask(query('select 1'))
    await server.query("select pg_terminate_backend(pid) from pg_stat_activity where query = 'select 1'")
    await client.until('none')
    expect(await relay.said(['end'])).toEqual([{ type: 'end', reason: 'target closed the connection' }])
  })

  test('Terminate ends it, and what follows it is nobody’s', async () => {
    await start()
    client.send(Buffer.concat([query('select 1'), Buffer.from([0x58, 0, 0, 0, 4]), query('select 2')]))
    await client.until('none')
    expect(await relay.said(['statement', 'end'])).toMatchObject([
      { text: 'select 1' },
      { reason: 'closed by the client' },
    ])
  })

  test('a client that vanishes ends it while a statement runs', async () => {
    await start()
    client.send(query('select pg_sleep(60)'))
    await new Promise(resolve => setTimeout(resolve, 200))
    client.socket.resetAndDestroy()
    expect(await relay.said(['result', 'end'])).toMatchObject([
      { status: 'unfinished' },
      { reason: 'client left' },
    ])
  })

  test('a target that dies tells its client with its own words', async () => {
    await start()
    client.send(query('select pg_sleep(60)'))
    await new Promise(resolve => setTimeout(resolve, 200))
    await server.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where query = 'select pg_sleep(60)'",
    )
    expect(errorIn(await client.until('none'))).toMatchObject({ code: '57P01' })
    expect(await relay.said(['result'])).toMatchObject([{ status: 'error', sqlstate: '57P01' }])
  })

  test('a message of an unknown type, or longer than the limit, is answered with FATAL 08P01', async () => {
    await start({ limits: { maxMessageBytes: 1000 } })
    client.send(query(`select '${'x'.repeat(2000)}'`))
    expect(errorIn(await client.until('none'))?.code).toBe('08P01')
    expect(await relay.said(['statement'])).toEqual([])
  })

  test('notices, notifications and parameters are events', async () => {
    await start()
    await client.ask(query("listen news; select pg_notify('news', 'hello'); set datestyle to german"))
    await client.ask(query("do $$ begin raise notice 'from %', 'inside'; end $$"))
    await client.end()
    expect(await relay.said(['notice', 'notification', 'parameter'])).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ type: 'parameter', name: 'DateStyle' }),
        expect.objectContaining({ type: 'notification', topic: 'news', payload: 'hello' }),
        expect.objectContaining({ type: 'notice', severity: 'NOTICE', message: 'from inside' }),
      ]),
    )
  })
})

describe('long results', () => {
  test('rows that go on have progress and the digest of what the client got', async () => {
    await start()
    const replies = await client.ask(query("select n, repeat('y', n % 3000) from generate_series(1, 3000) n"))
    const rows = bytesOf(replies, 'D')
    await client.end()
    const [result] = await relay.said(['result'])
    expect(result).toMatchObject({ rows: 3000, sha256: createHash('sha256').update(rows).digest('hex') })
    const progress = await relay.said(['result-progress'])
    expect(progress.length).toBeGreaterThan(5)
    for (const each of progress) {
      const so = each as { rows: number; sha256: string }
      expect(so.sha256).toMatch(/^[0-9a-f]{64}$/)
    }
  })

  test('... the first ones kept, too', async () => {
    await start({ headRows: 3 })
    const replies = await client.ask(
      query("select n, null, repeat('y', n % 3000) from generate_series(1, 3000) n"),
    )
    await client.end()
    const [result] = await relay.said(['result'])
    expect(result).toMatchObject({
      rows: 3000,
      sha256: createHash('sha256').update(bytesOf(replies, 'D')).digest('hex'),
      head: [
        [{ type: 'int4', text: '1' }, { null: true }, { text: 'y' }],
        [{ text: '2' }, {}, {}],
        [{ text: '3' }, {}, {}],
      ],
    })
  })

  test('one row of 100 MB goes through in little memory', async () => {
    await start()
    const before = process.memoryUsage().rss
    let most = 0
    const timer = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20)
    let got = 0
    client.socket.removeAllListeners('data')
    client.socket.on('data', chunk => (got += chunk.length))
    client.send(query("select repeat('x', 100000000)"))
    await expect.poll(() => got, { timeout: 20_000 }).toBeGreaterThan(100_000_000)
    clearInterval(timer)
    expect((most - before) / 1e6).toBeLessThan(80)
    client.socket.end(Buffer.from([0x58, 0, 0, 0, 4]))
    expect(await relay.said(['result'])).toMatchObject([{ rows: 1, bytes: 100_000_006 }])
  })

  test('a client that does not read holds the target back, not the gateway’s memory', async () => {
    await start()
    const before = process.memoryUsage().rss
    client.socket.pause()
    client.send(query("select repeat('z', 100000) from generate_series(1, 1500)"))
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(60)
    client.socket.resume()
    expect((await client.until('Z')).length).toBe(1503)
  })

  test('an error that quotes 3 MB comes back whole, and is told with its beginning', async () => {
    await start()
    const text = `select '${'q'.repeat(3_000_000)}'::int`
    const replies = await client.ask(query(text))
    expect(errorIn(replies)?.message.length).toBeGreaterThan(3_000_000)
    await client.end()
    expect(await relay.said(['result'])).toMatchObject([{ status: 'error', sqlstate: '22P02' }])
    expect((await relay.said(['message-progress'])).length).toBeGreaterThan(0)
  })
})

describe('pipelines', () => {
  test('more requests than may wait hold the client back, and all are answered, though no Sync asks for it', async () => {
    await start({ limits: { maxOutstandingRequests: 50 } })
    const request = Buffer.concat([parse('select 1'), bind(), execute()])
    client.send(Buffer.concat(Array.from({ length: 10_000 }, () => request)), sync)
    const replies = await client.until('Z')
    expect(replies.filter(({ type }) => type === 'C')).toHaveLength(10_000)
    await client.end()
    expect(await relay.said(['statement'])).toHaveLength(10_000)
  })
})

describe('COPY of much', () => {
  test('one CopyData of 50 MB, and many small ones: bytes and digest, in little memory', async () => {
    await start()
    client.send(query('copy copied from stdin'))
    await client.until('G')
    const before = process.memoryUsage().rss
    const hash = createHash('sha256')
    const large = Buffer.concat([Buffer.alloc(999_999, 'a'), Buffer.from('\n')])
    const head = Buffer.alloc(5)
    head.write('d')
    head.writeInt32BE(4 + 50 * large.length, 1)
    client.socket.write(head)
    for (let i = 0; i < 50; i++) {
      hash.update(large)
      if (!client.socket.write(large)) await once(client.socket, 'drain')
    }
    const small = Buffer.concat(
      Array.from({ length: 20_000 }, (_, n) => {
        const data = Buffer.from(`${n}\n`)
        hash.update(data)
        const frame = Buffer.alloc(5)
        frame.write('d')
        frame.writeInt32BE(data.length + 4, 1)
        return Buffer.concat([frame, data])
      }),
    )
    client.send(small, copyDone)
    expect(letters(await client.until('Z'))).toBe('CZ')
    expect((process.memoryUsage().rss - before) / 1e6).toBeLessThan(100)
    await client.end()
    const [result] = await relay.said(['result'])
    expect(result).toMatchObject({ tag: 'COPY 20050', copy: { direction: 'in', sha256: hash.digest('hex') } })
    expect((await relay.said(['copy-progress'])).length).toBeGreaterThan(10)
  })
})

describe('what is recorded besides', () => {
  test('passwords are masked, and what the parser says follows', async () => {
    const grammar = new Grammar()
    await start({
      maskSecrets: secretScan([]),
      facts: { known: text => grammar.known(text)?.facts, facts: text => grammar.facts(text) },
    })
    await client.ask(query("create role nobody_here password 'secret-word'"))
    for (const id of [1, 2, 3]) await client.ask(query(`select * from customers where id = ${id}`))
    await client.ask(query('drop role nobody_here'))
    await client.end()
    expect(JSON.stringify(await relay.said(['statement']))).not.toContain('secret-word')
    const facts = await relay.said(['statement-facts', 'same-facts'])
    expect(facts.find(({ statement }) => statement === 2)).toMatchObject({ class: 'read', hasWhere: true })
    expect(facts.length).toBeLessThanOrEqual(5)
    await grammar.close()
  })

  test('a thousand statements at once, while the recorder is slow, are all there', async () => {
    await start()
    for (let n = 0; n < 1000; n++) client.send(query(`select ${n}, '${'p'.repeat(5000)}'`))
    for (let n = 0; n < 1000; n++) await client.until('Z')
    await client.end()
    expect((await relay.said(['statement'])).length).toBe(1000)
    expect((await relay.said(['result'])).every(({ status }) => status === 'done')).toBe(true)
  })
})
