/** Targets that attack the gateway, before and after they let it in (threats T42, T43, T44). The client always hears why. */
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import {
  authenticationCode,
  authenticationOk,
  decodeReport,
  encodeAuthentication,
  encodeCommandComplete,
  encodeDataRow,
  encodeErrorResponse,
  encodeNegotiateProtocolVersion,
  encodeNoticeResponse,
  encodeParameterStatus,
  encodeReadyForQuery,
  encodeSasl,
} from '../../src/postgres/wire/backend.ts'
import { encodePassword, encodeQuery } from '../../src/postgres/wire/frontend.ts'
import { frame, int32 } from '../../src/postgres/wire/frame-writer.ts'
import { encodeStartup, protocol } from '../../src/postgres/wire/startup.ts'
import { Door, RawClient } from './door.ts'
import { HostileTarget, knownCredential, opening, type Script, saslFinal, secret } from './hostile-target.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function against(script: Script) {
  const hostile = await HostileTarget.start(script)
  closers.push(() => hostile.close())
  const door = await Door.open(hostile.target, {
    plain: true,
    mint: knownCredential,
    realRelay: true,
    limits: { upstreamTimeoutMs: 1500 },
  })
  closers.push(() => door.close())
  const client = await RawClient.connect(door.port)
  client.send(
    encodeStartup(protocol.v3_0, [
      { name: 'user', value: 'app_readonly@orders' },
      { name: 'database', value: 'app' },
    ]),
  )
  await client.until('R')
  client.send(encodePassword(door.password()))
  return { hostile, door, client }
}

function codeIn(frames: readonly { type: string; body: Buffer }[]) {
  const error = frames.findLast(({ type }) => type === 'E')
  return error === undefined ? undefined : decodeReport(error.body).get('C')
}

/** Writes for ever, as fast as it is read. */
function endless(socket: Socket, bytes: Buffer): void {
  const pump = (): void => {
    while (!socket.destroyed && socket.write(bytes));
    socket.once('drain', pump)
  }
  pump()
}

/** What JavaScript holds; the process's own size says more of how buffers are given back. */
function held(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const header = (type: string, length: number): Buffer => Buffer.concat([Buffer.from(type), int32(length)])
const notice = encodeNoticeResponse({ severity: 'NOTICE', code: '00000', message: 'x'.repeat(1000) })
const status = encodeParameterStatus({ name: 'application_name', value: 'x'.repeat(1000) })

describe('before it lets us in', () => {
  const first: [string, Script][] = [
    ['closes', { first: socket => socket.destroy() }],
    ['says nothing', { first: () => {} }],
    ['lets in anybody', { first: socket => socket.write(opening()) }],
    ['asks for the secret in clear', { first: socket => socket.write(encodeAuthentication(3)) }],
    ['asks for MD5', { first: socket => socket.write(encodeAuthentication(5, Buffer.alloc(4))) }],
    [
      'offers nothing that proves anything',
      { first: socket => socket.write(encodeSasl(['PLAIN', 'OAUTHBEARER'])) },
    ],
    [
      'offers mechanisms without an end',
      { first: socket => socket.write(frame(0x52, int32(10), Buffer.from('SCRAM-SHA-256'))) },
    ],
    ['sends a length of zero', { first: socket => socket.write(header('R', 0)) }],
    ['sends a negative length', { first: socket => socket.write(header('R', -5)) }],
    ['sends a giant length', { first: socket => socket.write(header('R', 0x7fff_ffff)) }],
    ['sends half a message and closes', { first: socket => void socket.end(header('R', 100)) }],
    ['sends a row', { first: socket => socket.write(encodeDataRow([Buffer.from('a')])) }],
    ['says ReadyForQuery', { first: socket => socket.write(encodeReadyForQuery('I')) }],
    [
      'wants a protocol above ours',
      { first: socket => socket.write(encodeNegotiateProtocolVersion(protocol.v3_2, [])) },
    ],
    [
      'names options that nobody asked for',
      { first: socket => socket.write(encodeNegotiateProtocolVersion(protocol.v3_0, ['_pq_.x'])) },
    ],
    [
      'negotiates for ever',
      { first: socket => endless(socket, encodeNegotiateProtocolVersion(protocol.v3_0, [])) },
    ],
    ['sends HTTP', { first: socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n') }],
    ['does not know our nonce', { saslFirst: () => Buffer.from('r=another,s=c2FsdA==,i=1') }],
    [
      'wants a billion iterations',
      { saslFirst: nonce => Buffer.from(`r=${nonce}x,s=c2FsdA==,i=1000000000`) },
    ],
    ['signs with another secret', { saslFinal: () => saslFinal(Buffer.alloc(32)) }],
    ['signs nothing', { saslFinal: () => Buffer.alloc(0) }],
    [
      'sends parameters for ever',
      {
        opening: () => authenticationOk,
        saslFinal: signature =>
          Buffer.concat([saslFinal(signature), authenticationOk, ...Array<Buffer>(2000).fill(status)]),
      },
    ],
    [
      'sends a key of 3 bytes',
      {
        opening: () =>
          Buffer.concat([authenticationOk, frame(0x4b, int32(1), Buffer.alloc(3)), encodeReadyForQuery('I')]),
      },
    ],
    [
      'sends a row before it is ready',
      { opening: () => Buffer.concat([authenticationOk, encodeDataRow([]), encodeReadyForQuery('I')]) },
    ],
    [
      'is ready in no known state',
      { opening: () => Buffer.concat([authenticationOk, frame(0x5a, Buffer.from('X'))]) },
    ],
    [
      'asks us again',
      { opening: () => Buffer.concat([authenticationOk, encodeAuthentication(authenticationCode.sasl)]) },
    ],
  ]
  test.each(first)('it %s', async (_, script) => {
    const { hostile, door, client } = await against(script)
    const frames = await client.until('E')
    expect(codeIn(frames)).toBe('08006')
    expect(frames.map(({ type }) => type).join('')).toBe('E')
    await client.rest()
    expect(hostile.said.includes(secret)).toBe(false)
    await expect.poll(() => door.live.size).toBe(0)
    await expect.poll(() => hostile.openConnections).toBe(0)
    expect(door.kinds()).toContain('session-close')
  })

  test('it refuses, and its words are for the user, without control of the connection', async () => {
    const error = encodeErrorResponse({
      severity: 'FATAL',
      code: '3D000',
      message: 'database "app" does not exist',
    })
    const { client } = await against({ first: socket => void socket.write(error) })
    const frames = await client.until('E')
    expect(codeIn(frames)).toBe('3D000')
  })

  test('it stuffs an error in front of everything: severity and code are ours', async () => {
    const error = frame(0x45, Buffer.from('SWARNING\0C\u001b[2J\0Mhello\0\0'))
    const { client } = await against({ first: socket => void socket.write(error) })
    const [said] = await client.until('E')
    const fields = decodeReport(said?.body ?? Buffer.of(0))
    expect([fields.get('S'), fields.get('C')]).toEqual(['FATAL', '08006'])
  })
})

describe('after it let us in', () => {
  const later: [string, (socket: Socket) => void][] = [
    ['a length that cannot hold itself', socket => socket.write(header('D', 3))],
    ['a negative length', socket => socket.write(header('T', -1))],
    ['a ReadyForQuery of 1 GB', socket => socket.write(header('Z', 0x4000_0000))],
    ['an unknown message', socket => socket.write(frame(0x3f))],
    ['what only clients say', socket => socket.write(encodeQuery('select 1'))],
    [
      'a question for a password, as if the client had to sign in again',
      socket => socket.write(encodeAuthentication(3)),
    ],
    ['a key of its own for cancel requests', socket => socket.write(frame(0x4b, int32(1), Buffer.alloc(4)))],
    ['another protocol version', socket => socket.write(encodeNegotiateProtocolVersion(protocol.v3_0, []))],
    ['a row before any description', socket => socket.write(frame(0x44, Buffer.from('0001ffffffff', 'hex')))],
    [
      'a row that lies about its columns',
      socket => socket.write(Buffer.concat([described, frame(0x44, Buffer.from('0001800000', 'hex'))])),
    ],
    [
      'a description of 65535 columns in no bytes',
      socket => socket.write(frame(0x54, Buffer.from('ffff', 'hex'))),
    ],
    ['an end of what was not asked', socket => socket.write(Buffer.concat([...done, ...done]))],
    ['replies of the extended protocol to a simple query', socket => socket.write(frame(0x31))],
  ]
  const described = frame(0x54, Buffer.from('0001610000000000000000000019ffffffffffff0000', 'hex'))
  const done = [encodeCommandComplete('SELECT 0'), encodeReadyForQuery('I')]

  test.each(later)('it sends %s', async (_, attack) => {
    const { hostile, door, client } = await against({ relayed: attack })
    await client.until('Z')
    client.send(encodeQuery('select 1'))
    const frames = await client.until('never')
    expect(codeIn(frames)).toBe('08P01')
    await expect.poll(() => door.live.size).toBe(0)
    await expect.poll(() => hostile.openConnections).toBe(0)
  })

  test('it closes in the middle of a message: what came goes on, and nothing is put behind it', async () => {
    const half = Buffer.concat([described, header('D', 1000), Buffer.alloc(10)])
    const { client } = await against({ relayed: socket => void socket.end(half) })
    await client.until('Z')
    client.send(encodeQuery('select 1'))
    const rest = await client.rest()
    expect(rest.length).toBeGreaterThanOrEqual(described.length)
    expect(half.subarray(0, rest.length).equals(rest)).toBe(true)
  })

  test.each([
    ['a row without an end', Buffer.concat([described, header('D', 0x7fff_ffff)]), Buffer.alloc(1 << 16)],
    [
      'rows without an end',
      described,
      Buffer.concat(Array<Buffer>(100).fill(encodeDataRow([Buffer.alloc(600)]))),
    ],
    [
      'COPY data without an end',
      Buffer.concat([frame(0x48, Buffer.alloc(3))]),
      frame(0x64, Buffer.alloc(60_000)),
    ],
    ['notices without an end', Buffer.alloc(0), Buffer.concat(Array<Buffer>(60).fill(notice))],
  ])('%s: memory stays flat, with a client that reads and with one that does not', async (_, begin, more) => {
    for (const reads of [true, false]) {
      const { hostile, door, client } = await against({
        relayed: socket => {
          socket.write(begin)
          endless(socket, more)
        },
      })
      await client.until('Z')
      let bytes = 0
      client.socket.removeAllListeners('data')
      if (reads) client.socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
      else client.socket.pause()
      client.send(encodeQuery('select 1'))
      await sleep(500)
      const before = held()
      await sleep(1500)
      // It goes on all the while: what has no limit never comes down again, a burst of what is being written does.
      await expect.poll(() => held() - before, { timeout: 10_000 }).toBeLessThan(64 * 1024 * 1024)
      if (reads) expect(bytes).toBeGreaterThan(1024 * 1024)
      door.live.list()[0]?.end({ reason: 'over', userText: 'over' })
      await expect.poll(() => hostile.openConnections).toBe(0)
      client.close()
    }
  })
})
