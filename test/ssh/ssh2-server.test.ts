/**
 * ssh2's own server and channels, which the demo target runs on: the defects that could end its process, fill its memory or
 * lose output, each with the hunk of the patch that shuts it.
 */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect } from 'node:net'
import type { Duplex, Writable } from 'node:stream'
import { createRequire } from 'node:module'
import { afterEach, describe, expect, test } from 'vitest'
import { HostilePeer, hostKeyPem } from './peer.ts'

type AuthContext = { method: string; accept(): void; reject(methods?: string[]): void }
type ServerChannel = Duplex & { stderr: Writable; exit(code: number): void; outgoing: { window: number } }
type Connection = {
  on(event: 'authentication', listener: (context: AuthContext) => void): Connection
  on(event: 'ready' | 'close' | 'end', listener: () => void): Connection
  on(event: 'error', listener: (error: Error) => void): Connection
  on(event: 'session', listener: (accept: () => Session) => void): Connection
  end(): void
}
type Session = { on(event: 'exec', listener: (accept: () => ServerChannel) => void): Session }
type Ssh2 = {
  Server: new (
    config: { hostKeys: string[] },
    listener: (connection: Connection) => void,
  ) => {
    listen(port: number, host: string, then: () => void): void
    address(): AddressInfo
    close(): void
  }
}
const { Server } = createRequire(import.meta.url)('ssh2') as Ssh2

const turn = () => new Promise<void>(resolve => setImmediate(resolve))
const uint32 = (value: number) => {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}
const string = (text: string) => Buffer.concat([uint32(text.length), Buffer.from(text)])
const authRequest = (method: string) =>
  Buffer.concat([string('anybody'), string('ssh-connection'), string(method)])

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** A client past its first key exchange and its service request. */
async function clientOf(listener: (connection: Connection) => void): Promise<HostilePeer> {
  const server = new Server({ hostKeys: [hostKeyPem()] }, listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const socket: Socket = connect(server.address().port, '127.0.0.1')
  socket.on('error', () => undefined)
  cleanups.push(() => (socket.destroy(), server.close()))
  await once(socket, 'connect')
  const peer = new HostilePeer(socket, { server: false })
  await peer.exchanged()
  peer.send(5, string('ssh-userauth'))
  await until(peer, 6)
  return peer
}

/** The first message of this type, once it came. */
async function until(peer: HostilePeer, type: number): Promise<Buffer> {
  for (;;) {
    const found = peer.messages.find(message => message[0] === type)
    if (found !== undefined) return found
    await turn()
  }
}

describe('while a sign-in is being decided', () => {
  test.each([51, 52, 53, 60])(
    'message %i, which only servers send, does not make the answer throw (A1)',
    async type => {
      const contexts: AuthContext[] = []
      const peer = await clientOf(connection =>
        connection.on('authentication', c => void contexts.push(c)).on('error', () => undefined),
      )
      peer.send(50, authRequest('none'))
      while (contexts.length === 0) await turn()
      peer.send(type, string(''), 0, string(''))
      peer.send(80, string('marker'), 1)
      await until(peer, 82) // REQUEST_FAILURE: the server has seen both
      expect(() => contexts[0]?.reject(['publickey'])).not.toThrow()
      await until(peer, 51)
    },
  )

  test('a client that left is not signed in any more (A8)', async () => {
    const contexts: AuthContext[] = []
    const events: string[] = []
    const peer = await clientOf(connection =>
      connection
        .on('authentication', c => void contexts.push(c))
        .on('ready', () => void events.push('ready'))
        .on('close', () => void events.push('close'))
        .on('error', () => undefined),
    )
    peer.send(50, authRequest('none'))
    while (contexts.length === 0) await turn()
    peer.socket.destroy()
    while (!events.includes('close')) await turn()
    contexts[0]?.accept()
    expect(events).toEqual(['close'])
  })
})

/** A client with an open exec channel that may send so much. */
async function channelOf(
  window: number,
): Promise<{ peer: HostilePeer; channel: ServerChannel; errors: Error[] }> {
  const opened = Promise.withResolvers<ServerChannel>()
  const errors: Error[] = []
  const peer = await clientOf(connection =>
    connection
      .on('authentication', c => c.accept())
      .on('error', error => void errors.push(error))
      .on('session', accept => void accept().on('exec', start => opened.resolve(start()))),
  )
  peer.send(50, authRequest('none'))
  await until(peer, 52)
  peer.send(90, string('session'), uint32(0), uint32(window), uint32(32_768))
  await until(peer, 91)
  peer.send(98, uint32(0), string('exec'), 1, string('anything'))
  return { peer, channel: await opened.promise, errors }
}

describe('a channel', () => {
  test('that is sent more than its window ends the connection, and does not keep the rest (A4)', async () => {
    const { peer, channel } = await channelOf(1 << 20)
    channel.pause()
    const block = Buffer.alloc(32_000, 1)
    for (let sent = 0; sent < 16 << 20; sent += block.length)
      peer.send(94, uint32(0), uint32(block.length), block)
    await peer.gone()
    // Its stream takes 2 MiB before it says stop, and one window more may be on its way.
    expect(channel.readableLength).toBeLessThanOrEqual(4 << 20)
  })

  test('gives its whole output, however its two streams wait for the window (B1, B2)', async () => {
    const { peer, channel } = await channelOf(100_000)
    const stdout = Buffer.alloc(1_000_000, 'stdout line\n')
    const stderr = Buffer.alloc(900_000, 'stderr line\n')
    channel.write(stdout)
    channel.stderr.write(stderr)
    const received: Buffer[][] = [[], []]
    const bytes = () => received.map(parts => parts.reduce((sum, part) => sum + part.length, 0))
    let seen = 0
    let unacknowledged = 0
    while ((bytes()[0] ?? 0) < stdout.length || (bytes()[1] ?? 0) < stderr.length) {
      for (const message of peer.messages.slice(seen)) {
        seen += 1
        if (message[0] === 94) received[0]?.push(message.subarray(9))
        if (message[0] === 95) received[1]?.push(message.subarray(13))
        if (message[0] === 94 || message[0] === 95)
          unacknowledged += message.length - (message[0] === 94 ? 9 : 13)
      }
      if (unacknowledged > 0) peer.send(93, uint32(0), uint32(unacknowledged))
      unacknowledged = 0
      await turn()
    }
    await turn()
    await turn()
    expect(Buffer.concat(received[0] ?? []).equals(stdout)).toBe(true)
    expect(Buffer.concat(received[1] ?? []).equals(stderr)).toBe(true)
    expect(peer.messages.slice(seen).filter(message => message[0] === 94 || message[0] === 95)).toEqual([])
  })
})
