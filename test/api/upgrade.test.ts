/** Requests for WebSockets that are answered with something else. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { NodeEnv } from '../../src/api/browser.ts'
import { acceptUpgrades } from '../../src/api/upgrade.ts'

/** More than is read of any refusal, and few enough to make in a moment. */
const pieces = 2000

test('of what answers a request for a WebSocket no more is read than is sent', async () => {
  let made = 0
  let isCancelled = false
  const app = new Hono<NodeEnv>().get('/large', () => {
    const body = new ReadableStream<Uint8Array>({
      pull: controller => {
        if (made++ < pieces) controller.enqueue(new Uint8Array(16 * 1024).fill(97))
        else controller.close()
      },
      cancel: () => void (isCancelled = true),
    })
    return new Response(body)
  })
  const server = createServer()
  acceptUpgrades(server, app)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write('GET /large HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    let said = ''
    socket.on('data', data => (said += data.toString('latin1')))
    await once(socket, 'close')
    expect(said).toContain('HTTP/1.1 200')
    expect(said.length).toBeLessThan(20_000)
    expect(isCancelled).toBe(true)
    expect(made).toBeLessThan(10)
  } finally {
    server.close()
  }
})

test('whoever is refused a WebSocket and stays keeps no connection of the server', async () => {
  const app = new Hono<NodeEnv>().get('/', c => c.text('no', 401))
  const server = createServer()
  acceptUpgrades(server, app)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const staying = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  try {
    staying.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    staying.resume()
    staying.on('error', () => {})
    await once(staying, 'end') // we are told that nothing more comes, and do not leave
    await expect.poll(() => connectionsOf(server), { timeout: 3000 }).toBe(0)
  } finally {
    staying.destroy()
    server.close()
  }
})

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}
