/** Connections to the web listener. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { NodeEnv } from '../../src/api/browser.ts'
import { serveWeb } from '../../src/api/serve.ts'

test('whoever takes nothing of an answer is left after a while', async () => {
  const app = new Hono<NodeEnv>().get('/large', c => c.body('x'.repeat(50_000_000)))
  const server = await serveWeb(app, { listen: { host: '127.0.0.1', port: 0 }, idleMs: 300 })
  try {
    const staying = connect({ port: server.port, host: '127.0.0.1' })
    staying.on('error', () => {})
    staying.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(staying, 'readable') // it begins to come, and we take none of it
    await expect.poll(() => server.connections(), { timeout: 5000 }).toBe(0)
    staying.destroy()
  } finally {
    await server.close()
  }
})

test('one address does not take all connections, unless it is a proxy’s', async () => {
  const app = new Hono<NodeEnv>().get('/', c => c.text('here'))
  for (const behindProxy of [false, true]) {
    const server = await serveWeb(app, { listen: { host: '0.0.0.0', port: 0 }, behindProxy })
    const sockets: Socket[] = []
    try {
      for (let at = 0; at < 600; at++) {
        const socket = connect({ port: server.port, host: '127.0.0.1' })
        socket.on('error', () => {})
        sockets.push(socket)
        await once(socket, 'connect')
      }
      expect(await statusFrom('127.0.0.2', server.port)).toBe(200)
      const held = await server.connections()
      if (behindProxy) expect(held).toBeGreaterThanOrEqual(600)
      else expect(held).toBeLessThan(300)
    } finally {
      for (const socket of sockets) socket.destroy()
      await server.close()
    }
  }
})

async function statusFrom(localAddress: string, port: number): Promise<number | undefined> {
  const asked = request({ host: '127.0.0.1', port, localAddress, agent: false })
  asked.end()
  const [response] = (await once(asked, 'response')) as [{ statusCode?: number; resume(): void }]
  response.resume()
  return response.statusCode
}
