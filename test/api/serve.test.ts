/** Connections to the web listener. */
import { once } from 'node:events'
import { connect } from 'node:net'
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
