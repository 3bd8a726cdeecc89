import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { proveEngine } from '../../src/ssh/engine.ts'
import { transportPair } from './peer.ts'

/** Many times what the operating system's buffers take, and below the transport's own limit. */
const messages = 230
const message = Buffer.concat([Buffer.from([94]), Buffer.alloc(32_000)])

test('a peer that reads slowly gets everything that was sent before the disconnect', async () => {
  const { server, client, sockets } = await transportPair(proveEngine())
  const [sending] = await Promise.all([server.ready, client.ready])
  sockets.near.on('data', () => {
    sockets.near.pause()
    void sleep(60).then(() => sockets.near.resume())
  })
  for (let count = 0; count < messages; count++) sending.send(message)
  sending.disconnect(11, 'the last words')
  expect(await client.closed).toMatchObject({ kind: 'disconnect', text: 'the last words' })
  expect(client.messages.length).toBe(messages)
})

test('a peer that asks and does not read the answers is not read either, until it has', async () => {
  const { server, client, sockets } = await transportPair(proveEngine())
  const [, asking] = await Promise.all([server.ready, client.ready])
  server.onMessage = (_, transport) => transport.send(message)
  sockets.near.pause()
  let asked = 0
  for (let heard = -1; heard < server.messages.length || asked < 200; asked++) {
    heard = server.messages.length
    asking.send(Buffer.from([94]))
    await sleep(5)
    if (asked > 2000) break
  }
  expect(server.messages.length).toBeLessThan(asked)
  expect(sockets.far.writableLength).toBeLessThan(2 * 1024 * 1024)
  sockets.near.resume()
  await client.received(asked)
  expect(server.closings).toEqual([])
})
