/** The door for PostgreSQL clients, with raw bytes, before a real server. Refusals first. */
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { decodeBackendKeyData, decodeReport } from '../../src/postgres/wire/backend.ts'
import { encodePassword, encodeQuery, terminate } from '../../src/postgres/wire/frontend.ts'
import { frame, int32, untypedFrame } from '../../src/postgres/wire/frame-writer.ts'
import { encodeCancelRequest, encodeStartup, protocol, sslRequest } from '../../src/postgres/wire/startup.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { Door, type DoorOptions, RawClient } from './door.ts'

let server: TestPostgres
const doors: Door[] = []

beforeAll(async () => void (server = await startPostgres(18)), 60_000)
afterAll(() => server.close())
afterEach(async () => {
  for (const door of doors.splice(0)) await door.close()
})

async function open(options: DoorOptions = {}): Promise<Door> {
  const door = await Door.open(server.target(), options)
  doors.push(door)
  return door
}

const startup = (version: number = protocol.v3_0, more: Record<string, string> = {}): Buffer =>
  encodeStartup(
    version,
    Object.entries({ user: 'app_readonly@orders', database: 'app', ...more }).map(([name, value]) => ({
      name,
      value,
    })),
  )

/** Signs in on a connection that is ready for it, and gives all frames up to ReadyForQuery or the error. */
async function signIn(client: RawClient, door: Door, packet = startup()) {
  client.send(packet)
  const asked = await client.until('R')
  client.send(encodePassword(door.password()))
  const frames = await client.until('Z')
  return { asked, frames, types: frames.map(({ type }) => type).join('') }
}

function reportOf(frames: readonly { type: string; body: Buffer }[]) {
  const error = frames.find(({ type }) => type === 'E')
  if (error === undefined) throw new Error(`no error in ${frames.map(({ type }) => type).join('')}`)
  const fields = decodeReport(error.body)
  return { severity: fields.get('S'), code: fields.get('C'), message: fields.get('M'), hint: fields.get('H') }
}

async function encrypted(door: Door, options: Parameters<RawClient['tls']>[0] = {}): Promise<RawClient> {
  const client = await RawClient.connect(door.port)
  client.send(sslRequest)
  expect((await client.take(1)).toString()).toBe('S')
  return client.tls(options)
}

describe('closed without a word', () => {
  test.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.9\r\n')],
    ['zeros', Buffer.alloc(64)],
    ['a length below itself', int32(4)],
    ['a length of 2 GiB', Buffer.concat([int32(0x7fff_ffff), Buffer.alloc(20)])],
    ['bytes behind an SSLRequest (CVE-2021-23214)', Buffer.concat([sslRequest, startup()])],
    ['one byte behind an SSLRequest', Buffer.concat([sslRequest, Buffer.of(0)])],
  ])('%s', async (_, bytes) => {
    const client = await RawClient.connect((await open()).port)
    client.send(bytes)
    expect(await client.rest()).toEqual(Buffer.alloc(0))
  })

  test('a second SSLRequest inside TLS', async () => {
    const client = await encrypted(await open())
    client.send(sslRequest)
    expect(await client.rest()).toEqual(Buffer.alloc(0))
  })

  test('direct TLS that is not for PostgreSQL', async () => {
    const door = await open()
    const without = await (await RawClient.connect(door.port)).tls({})
    expect(await without.rest()).toEqual(Buffer.alloc(0))
    await expect((await RawClient.connect(door.port)).tls({ ALPNProtocols: ['h2'] })).rejects.toThrow()
  })
})

describe('refused in words', () => {
  test('a wrong password, with the page and what to do', async () => {
    const door = await open()
    const client = await encrypted(door)
    client.send(startup(), encodePassword('guess'))
    const report = reportOf(await client.until('E'))
    expect(report).toMatchObject({ severity: 'FATAL', code: '28P01' })
    expect(report.message).toContain('https://bastion.test/connect')
    expect(await client.rest()).toEqual(Buffer.alloc(0))
    expect(door.kinds()).toContain('refusal')
  })

  test('another message than a password, and one that is too long', async () => {
    const door = await open()
    for (const bytes of [encodeQuery('select 1'), frame(0x70, Buffer.alloc(65_536))]) {
      const client = await encrypted(door)
      client.send(startup(), bytes)
      expect(reportOf(await client.until('E'))).toMatchObject({ severity: 'FATAL', code: '08P01' })
    }
  })

  test('a protocol that nobody speaks, a role of its own choice', async () => {
    const door = await open()
    const old = await encrypted(door)
    old.send(untypedFrame(int32(2 << 16), Buffer.alloc(16)))
    expect(reportOf(await old.until('E'))).toMatchObject({ code: '0A000' })
    const role = await encrypted(door)
    role.send(startup(protocol.v3_0, { options: '-c role=app_owner' }))
    expect(reportOf(await role.until('E'))).toMatchObject({ code: '42501' })
  })

  test('replication, which policy does not allow; and a database that it does not name', async () => {
    const door = await open()
    const replication = await encrypted(door)
    const { frames } = await signIn(replication, door, startup(protocol.v3_0, { replication: 'true' }))
    expect(reportOf(frames)).toMatchObject({ code: '42501' })
    const narrow = await Door.open(server.target({ databases: ['app'] }))
    doors.push(narrow)
    const other = await encrypted(narrow)
    const refused = await signIn(other, narrow, startup(protocol.v3_0, { database: 'postgres' }))
    expect(reportOf(refused.frames).message).toContain('may use only these databases: app')
  })

  test('a database that is not there, in the words of the target, and no role is left', async () => {
    const door = await open()
    const client = await encrypted(door)
    const { frames } = await signIn(client, door, startup(protocol.v3_0, { database: 'nowhere' }))
    expect(reportOf(frames)).toMatchObject({ code: '3D000', message: 'database "nowhere" does not exist' })
    await door.live.close('x')
    await expect
      .poll(() => server.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'sp\\_%'"))
      .toEqual([])
  })

  test('too many from one address, and whoever does not sign in in time', async () => {
    const door = await open({ limits: { maxUnauthenticatedPerSource: 2, startupTimeoutMs: 300 } })
    const [first, second] = [await encrypted(door), await encrypted(door)]
    first.send(startup())
    const third = await RawClient.connect(door.port)
    expect(reportOf(await third.until('E'))).toMatchObject({ severity: 'FATAL', code: '53300' })
    expect(reportOf(await first.until('E'))).toMatchObject({ code: '57P05' })
    expect(await second.rest()).not.toBeUndefined()
  })
})

describe('the first bytes', () => {
  test('GSS is refused politely, then TLS, in either order', async () => {
    const door = await open()
    const gss = untypedFrame(int32(80_877_104))
    const client = await RawClient.connect(door.port)
    client.send(gss)
    expect((await client.take(1)).toString()).toBe('N')
    client.send(sslRequest)
    expect((await client.take(1)).toString()).toBe('S')
    const { types } = await signIn(await client.tls({}), door)
    expect(types).toMatch(/^RS+KZ$/)
  })

  test('direct TLS with the name of the protocol', async () => {
    const door = await open()
    const client = await (await RawClient.connect(door.port)).tls({ ALPNProtocols: ['postgresql'] })
    expect((await signIn(client, door)).types).toMatch(/^RS+KZ$/)
  })

  test('one byte at a time', async () => {
    const door = await open()
    const client = await encrypted(door)
    for (const byte of startup()) client.send(Buffer.of(byte))
    await client.until('R')
    for (const byte of encodePassword(door.password())) client.send(Buffer.of(byte))
    expect((await client.until('Z')).at(-1)?.type).toBe('Z')
  })

  test('without TLS on loopback, where an SSLRequest is told N', async () => {
    const door = await open({ plain: true })
    const client = await RawClient.connect(door.port)
    client.send(sslRequest)
    expect((await client.take(1)).toString()).toBe('N')
    expect((await signIn(client, door)).types).toMatch(/^RS+KZ$/)
  })

  test('the target by the TLS server name', async () => {
    const door = await open()
    const client = await encrypted(door, { servername: 'orders.bastion.test' })
    const { types } = await signIn(client, door, startup(protocol.v3_0, { user: 'app_readonly' }))
    expect(types).toMatch(/^RS+KZ$/)
  })

  test.each([
    ['3.2', protocol.v3_2, {}, undefined, 32],
    ['3.0', protocol.v3_0, {}, undefined, 4],
    [
      '3.9999 with an option that nobody has',
      196_608 + 9999,
      { '_pq_.test_protocol_negotiation': '' },
      protocol.v3_2,
      32,
    ],
    ['3.0 with an option', protocol.v3_0, { '_pq_.x': '1' }, protocol.v3_0, 4],
  ])('protocol %s', async (_, version, options, negotiated, keyBytes) => {
    const door = await open()
    const { asked, frames } = await signIn(await encrypted(door), door, startup(version, options))
    const told = asked.find(({ type }) => type === 'v')
    expect(told?.body.readInt32BE(0)).toBe(negotiated)
    if (told !== undefined)
      expect(told.body.subarray(8).toString()).toBe(`${Object.keys(options).join('')}\0`)
    const key = frames.find(({ type }) => type === 'K')
    expect(decodeBackendKeyData(key?.body ?? Buffer.alloc(0)).key).toHaveLength(keyBytes)
  })
})

describe('a session', () => {
  test('has a role of its own that is gone afterwards, and shows session and person upstream', async () => {
    const door = await open()
    const client = await encrypted(door)
    const { frames } = await signIn(client, door, startup(protocol.v3_0, { application_name: 'my app' }))
    const parameters = frames.filter(({ type }) => type === 'S').map(({ body }) => body.toString())
    expect(parameters.filter(text => text.startsWith('server_version\0'))).toHaveLength(1)
    client.send(encodeQuery("select current_user, session_user, current_setting('application_name')"))
    const row = (await client.until('Z')).find(({ type }) => type === 'D')?.body.toString() ?? ''
    expect(row).toContain('app_readonly')
    expect(row).toMatch(/sp_test_ada_\w+/)
    expect(row).toMatch(/sallyport \w{20} ada@example.com my app/)
    client.send(terminate)
    client.close()
    await expect
      .poll(() => server.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'sp\\_%'"))
      .toEqual([])
    expect(door.kinds()).toEqual(
      expect.arrayContaining(['sign-in', 'session-open', 'credential-minted', 'credential-removed']),
    )
  })

  test('whose end is told as an error with the reason', async () => {
    const door = await open()
    const client = await encrypted(door)
    await signIn(client, door)
    const [session] = door.live.list()
    session?.end({ reason: 'ended by an operator', userText: 'This session was ended.' })
    expect(reportOf(await client.until('E'))).toMatchObject({
      code: '57P01',
      message: 'This session was ended.',
    })
  })

  test('of a client that leaves while the target is asked leaves nothing', async () => {
    const door = await open()
    const client = await encrypted(door)
    client.send(startup())
    await client.until('R')
    client.send(encodePassword(door.password()))
    client.close()
    await expect
      .poll(() => door.kinds().at(-1), { timeout: 5000 })
      .toMatch(/session-close|credential-removed|sign-in/)
    await expect
      .poll(() => server.query("SELECT rolname FROM pg_roles WHERE rolname LIKE 'sp\\_%'"))
      .toEqual([])
    await expect.poll(() => door.live.size).toBe(0)
  })

  test('of node-postgres', async () => {
    const door = await open()
    const client = new pg.Client({
      host: '127.0.0.1',
      port: door.port,
      user: 'app_readonly@orders',
      password: door.password(),
      database: 'app',
      ssl: { ca: door.certificate.authority },
    })
    await client.connect()
    expect((await client.query('select count(*)::int as n from customers')).rows).toEqual([{ n: 100 }])
    await client.end()
  })
})

describe('cancel', () => {
  async function sleeping(door: Door, version: number = protocol.v3_0) {
    const client = await encrypted(door)
    const { frames } = await signIn(client, door, startup(version))
    const key = decodeBackendKeyData(frames.find(({ type }) => type === 'K')?.body ?? Buffer.alloc(0))
    client.send(encodeQuery('select pg_sleep(20)'))
    await expect
      .poll(() =>
        server.query(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'select pg_sleep%'",
        ),
      )
      .toEqual([{ n: 1 }])
    return { client, key }
  }

  test.each([
    ['in clear, as psql does', protocol.v3_0, false],
    ['inside TLS', protocol.v3_0, true],
    ['with a long key', protocol.v3_2, true],
  ])('%s, interrupts the statement and is on record', async (_, version, tls) => {
    const door = await open()
    const { client, key } = await sleeping(door, version)
    const canceller = tls ? await encrypted(door) : await RawClient.connect(door.port)
    canceller.send(encodeCancelRequest(key.pid, key.key))
    expect(await canceller.rest()).toEqual(Buffer.alloc(0))
    expect(reportOf(await client.until('Z'))).toMatchObject({ code: '57014' })
    expect(door.noted).toEqual([{ type: 'cancel-request', from: '127.0.0.1' }])
    expect(door.kinds()).toContain('cancel-request')
  })

  test("a stranger's key, a shorter or longer one, or the right key with another pid does nothing", async () => {
    const door = await open()
    const { client, key } = await sleeping(door)
    const wrong = Buffer.from(key.key.map(byte => byte ^ 1))
    const attempts: [number, Buffer][] = [
      [key.pid, wrong],
      [key.pid, key.key.subarray(0, 3)],
      [key.pid, Buffer.concat([key.key, Buffer.alloc(28)])],
      [key.pid + 1, key.key],
      [0, key.key],
    ]
    for (const [pid, bytes] of attempts) {
      const canceller = await RawClient.connect(door.port)
      canceller.send(encodeCancelRequest(pid, bytes))
      expect(await canceller.rest()).toEqual(Buffer.alloc(0))
    }
    expect(door.noted).toEqual([])
    client.close()
  })

  test('too often from one address is not passed on', async () => {
    const door = await open({ limits: { cancelsPerMinutePerSource: 2 } })
    const { client, key } = await sleeping(door)
    for (let i = 0; i < 2; i++) {
      const guess = await RawClient.connect(door.port)
      guess.send(encodeCancelRequest(1, Buffer.alloc(4)))
      await guess.rest()
    }
    const right = await RawClient.connect(door.port)
    right.send(encodeCancelRequest(key.pid, key.key))
    await right.rest()
    expect(door.noted).toEqual([])
    client.close()
  })

  test('after the session has ended is not passed on', async () => {
    const door = await open()
    const { client, key } = await sleeping(door)
    door.live.list()[0]?.end({ reason: 'over', userText: 'over' })
    const canceller = await RawClient.connect(door.port)
    canceller.send(encodeCancelRequest(key.pid, key.key))
    await canceller.rest()
    expect(door.noted).toEqual([])
    client.close()
  })
})
