/** Places of those who watch live: nobody takes all of them. */
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type ApiWorld, openApiWorld, sessions, type Who } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

/** The socket, or the status with which it was refused. */
async function watch(who: Who): Promise<WebSocket | number> {
  const address = `${world.url.replace('http', 'ws')}/api/v1/sessions/${sessions.open}/live`
  const socket = new WebSocket(address, { headers: { ...(await world.headers(who)), Origin: world.url } })
  const refused = once(socket, 'unexpected-response').then(
    ([, response]: { statusCode?: number }[]) => response?.statusCode ?? 0,
  )
  socket.on('error', () => {})
  return await Promise.race([once(socket, 'open').then(() => socket), refused])
}

test('one who watches a session many times over, all at once, leaves room for others', async () => {
  const mine = await Promise.all(Array.from({ length: 12 }, () => watch('reviewer')))
  const open = mine.filter(one => typeof one !== 'number')
  try {
    expect(open.length).toBeGreaterThan(0)
    expect(mine.filter(one => typeof one === 'number')).toEqual(Array.from({ length: 9 }, () => 429))
    const other = await watch('second')
    expect(typeof other).toBe('object')
    if (typeof other === 'object') open.push(other)
  } finally {
    for (const socket of open) socket.terminate()
  }
})
