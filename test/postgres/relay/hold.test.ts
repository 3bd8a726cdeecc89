/** A session that waits: its statements do not reach the server, its user reads why, and a client that goes is noticed. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { hasPostgres, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { maxWaitingInputBytes } from '../../../src/session/hold.ts'
import { DirectRelay } from './direct-relay.ts'
import { errorIn, letters, query, RawClient, type Reply } from './raw-client.ts'

let server: TestPostgres
let relay: DirectRelay
let client: RawClient
beforeAll(async () => {
  server = await startPostgres(hasPostgres(15) ? 15 : 18, { hba: ['host all all 127.0.0.1/32 trust'] })
  await server.query('create table noted(a text)', 'app')
}, 60_000)
afterAll(() => server.close())
afterEach(() => relay.close())

async function start(): Promise<void> {
  relay = await DirectRelay.start(server.port)
  client = await RawClient.connect(relay.port)
}

const session = () => {
  const [first] = relay.sessions
  if (first === undefined) throw new Error('no session')
  return first
}

const hold = () => session().hold({ kind: 'pause', waitMs: 600_000, userText: 'A reviewer has paused it.' })
const noticed = (replies: readonly Reply[]): readonly string[] =>
  replies.filter(({ type }) => type === 'N').map(({ body }) => body.toString())
/** Of a table that nothing but these tests writes to. */
const noted = async (): Promise<string> =>
  JSON.stringify(await server.query('select count(*) from noted', 'app'))

test('a statement that comes meanwhile waits, with a notice before it and one when it goes on', async () => {
  await start()
  const before = await noted()
  hold()
  client.send(query("insert into noted values ('waits')"))
  const [held, ...others] = noticed(await client.until('N'))
  expect(others).toEqual([])
  expect(held).toContain('NOTICE')
  expect(held).toContain(
    'sallyport: This session is held. A reviewer has paused it. What you send now waits, and is passed on when it goes on. If it does not within 10 minutes, it ends, and what waits is dropped.',
  )
  client.send(query('select 2'))
  expect(await noted()).toBe(before)
  session().release()
  const replies = [...(await client.until('Z')), ...(await client.until('Z'))]
  expect(letters(replies)).toBe('NCZTDCZ')
  expect(noticed(replies)[0]).toContain('This session goes on. What you sent meanwhile is passed on now.')
  expect(await noted()).not.toBe(before)
})

test('a result that is on its way is not cut by the notice, which comes between two of its messages', async () => {
  await start()
  client.send(query("select repeat('x', 100000) from generate_series(1, 200)"))
  const first = await client.until('D')
  hold()
  session().release()
  const replies = [...first]
  while (noticed(replies).length < 2 || !letters(replies).includes('Z'))
    replies.push(...(await client.until(letters(replies).includes('Z') ? 'N' : 'Z')))
  expect(letters(replies).replaceAll('N', '')).toBe(`T${'D'.repeat(200)}CZ`)
})

test('in the middle of a row notices do not pile up, and the last one says what holds', async () => {
  await start()
  client.send(query("select repeat('x', 30000000)"))
  const first = await client.until('T')
  for (let times = 0; times < 50; times++) {
    hold()
    session().release()
  }
  const rest = await client.until('Z')
  client.send(query('select 1')) // whatever waited is said before its answer
  const notices = noticed([...first, ...rest, ...(await client.until('Z'))])
  expect(notices.length).toBeLessThanOrEqual(4)
  expect(notices.at(-1)).toContain('This session goes on.')
})

test('a session that ends while it is held says that what waited was dropped', async () => {
  await start()
  const before = await noted()
  hold()
  client.send(query("insert into noted values ('dropped')"))
  await client.until('N')
  await new Promise(resolve => setTimeout(resolve, 50)) // the statement is with the relay by then
  session().end({ reason: 'enough', userText: 'This session was ended: enough.' })
  const { message } = errorIn(await client.until('none')) ?? {}
  expect(message).toBe('This session was ended: enough. What you sent while it was held was not passed on.')
  expect(await noted()).toBe(before)
})

test('a client that goes while it is held is noticed, and what it left is not run', async () => {
  await start()
  const before = await noted()
  hold()
  client.send(query("insert into noted values ('left')"))
  await client.until('N')
  client.socket.destroy()
  expect(await relay.said(['end'])).toMatchObject([{ reason: 'client left' }])
  expect(await noted()).toBe(before)
}, 20_000)

test('of what is sent meanwhile only so much is read; the rest waits with the client', async () => {
  await start()
  hold()
  const rest = Buffer.alloc(32 * 1024 * 1024, query('select 1'))
  client.socket.write(rest.subarray(0, rest.length - (rest.length % query('select 1').length)))
  await client.until('N')
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(client.socket.bytesWritten - client.socket.writableLength).toBeLessThan(
    16 * 1024 * 1024 + maxWaitingInputBytes,
  )
  client.socket.destroy()
})
