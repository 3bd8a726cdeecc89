import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { makeServerCertificate } from '../../../src/demo/server-certificate.ts'
import { readFrom } from '../../../src/postgres/relay/reads.ts'

const open: { destroy(): void }[] = []
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy()
})

/** Both ends of a connection: the one that was accepted, and its peer. */
async function pair(encrypted: boolean): Promise<{ accepted: Socket; peer: Socket }> {
  const server = createServer({ pauseOnConnect: !encrypted })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  const plain = connect(port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  open.push(plain, accepted)
  if (!encrypted) return { accepted, peer: plain }
  const { certificate, key, authority } = await makeServerCertificate(['localhost'])
  const secure = new TLSSocket(accepted, { isServer: true, cert: certificate, key })
  const peer = connectTls({ socket: plain, ca: authority, servername: 'localhost' })
  open.push(secure, peer)
  await once(peer, 'secureConnect')
  return { accepted: secure, peer }
}

for (const encrypted of [false, true]) {
  const name = encrypted ? 'encrypted' : 'plain'

  test(`all bytes of a ${name} socket come in order, each piece its own, and then the end`, async () => {
    const { accepted, peer } = await pair(encrypted)
    const sent = randomBytes(3_000_000)
    const pieces: Buffer[] = []
    readFrom(accepted, piece => pieces.push(piece))
    accepted.resume()
    for (let at = 0; at < sent.length; at += 70_001) peer.write(sent.subarray(at, at + 70_001))
    peer.end()
    await once(accepted, 'end')
    expect(digest(Buffer.concat(pieces))).toBe(digest(sent))
    expect(accepted.readableLength).toBe(0)
  })

  test(`what a ${name} socket was read of too far comes first`, async () => {
    const { accepted, peer } = await pair(encrypted)
    accepted.pause()
    accepted.on('readable', () => {})
    peer.write('early ')
    await once(accepted, 'readable')
    accepted.removeAllListeners('readable')
    let heard = ''
    const whole = new Promise<void>(resolve => {
      readFrom(accepted, piece => {
        heard += piece.toString()
        if (heard.endsWith('late')) resolve()
      })
    })
    accepted.resume()
    peer.write('late')
    await whole
    expect(heard).toBe('early late')
  })

  test(`a ${name} socket that is paused holds its peer back, and goes on where it was`, async () => {
    const { accepted, peer } = await pair(encrypted)
    const sent = randomBytes(40_000_000)
    const hash = createHash('sha256')
    let heard = 0
    readFrom(accepted, piece => {
      hash.update(piece)
      heard += piece.length
      if (heard === piece.length) accepted.pause()
    })
    accepted.resume()
    peer.write(sent)
    await expect.poll(() => heard).toBeGreaterThan(0)
    const before = heard
    for (let turn = 0; turn < 100; turn++) await new Promise(resolve => setImmediate(resolve))
    expect(heard - before).toBeLessThan(256 * 1024)
    expect(peer.writableLength).toBeGreaterThan(0)
    accepted.resume()
    peer.end()
    await once(accepted, 'end')
    expect(hash.digest('hex')).toBe(digest(sent))
  })
}

test('two sockets that are read in turn do not see each other’s bytes', async () => {
  const [one, other] = [await pair(false), await pair(false)]
  const heard = new Map<Socket, Buffer[]>([
    [one.accepted, []],
    [other.accepted, []],
  ])
  for (const [socket, pieces] of heard) {
    readFrom(socket, piece => pieces.push(piece))
    socket.resume()
  }
  for (let round = 0; round < 200; round++) {
    one.peer.write('a'.repeat(round))
    other.peer.write('b'.repeat(round))
    await new Promise(resolve => setImmediate(resolve))
  }
  one.peer.end()
  other.peer.end()
  await Promise.all([once(one.accepted, 'end'), once(other.accepted, 'end')])
  expect(Buffer.concat(heard.get(one.accepted) ?? []).toString()).toMatch(/^a{19900}$/)
  expect(Buffer.concat(heard.get(other.accepted) ?? []).toString()).toMatch(/^b{19900}$/)
})

test('the reads of this Node are what they are taken for: no stream is between', async () => {
  const { accepted } = await pair(false)
  readFrom(accepted, () => {})
  expect(accepted.listenerCount('data')).toBe(0)
})

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
