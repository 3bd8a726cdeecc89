/** Answers whose bodies nobody takes: they must not hold what others need. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

test('who asks for the heads of downloads alone takes no place of those who download', async () => {
  const headers = await world.headers('reviewer')
  for (const path of ['recording', 'exports/bundle'])
    for (let asked = 0; asked < 20; asked++) {
      const url = `${world.url}/api/v1/sessions/${sessions.sql}/${path}`
      expect((await fetch(url, { method: 'HEAD', headers })).status).not.toBe(503)
    }
  for (const path of ['recording', 'exports/bundle'])
    expect((await world.ask('second', 'GET', `/sessions/${sessions.sql}/${path}`)).status).toBe(200)
})

/** Asks for a WebSocket where there is none, and gives what is answered. */
async function upgraded(path: string, headers: Record<string, string>): Promise<string> {
  const { hostname, port, host } = new URL(world.url)
  const socket = connect(Number(port), hostname)
  const lines = Object.entries({ ...headers, Host: host, Connection: 'Upgrade', Upgrade: 'websocket' })
  socket.write(
    `GET /api/v1${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  )
  let said = ''
  socket.on('data', data => (said += data.toString('latin1')))
  await once(socket, 'close')
  return said
}

test('a download that is asked for as a WebSocket takes no place either, and is not made', async () => {
  const headers = await world.headers('reviewer')
  for (let asked = 0; asked < 20; asked++)
    expect(await upgraded(`/sessions/${sessions.sql}/recording`, headers)).toContain('HTTP/1.1')
  expect((await world.ask('second', 'GET', `/sessions/${sessions.sql}/recording`)).status).toBe(200)
})
