import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { introspect } from '../../src/identity/introspection.ts'

let answer: RequestListener
let asked: { authorization: string | undefined; body: string }
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    asked = { authorization: request.headers.authorization, body: Buffer.concat(chunks).toString() }
    answer(request, response)
  })
})
let endpoint: string
beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/introspect`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

function ask(token = 'opaque') {
  return introspect(token, { endpoint, clientId: 'gate way', clientSecret: { reveal: () => 'a:b&c' } })
}

test.each<[string, RequestListener]>([
  ['another status', (_, response) => void response.writeHead(401).end('{"active":true}')],
  [
    'another site that it sends us to',
    (_, response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
  ],
  ['no JSON', (_, response) => void response.end('<html>')],
  ['no object', (_, response) => void response.end('"active"')],
  [
    'more than anybody says of a token',
    (_, response) => void response.end(`{"active":true,"x":"${'x'.repeat(300_000)}"}`),
  ],
  [
    'half an answer',
    (_, response) =>
      void response.writeHead(200, { 'content-length': '100' }).write('{"act', () => response.destroy()),
  ],
])('a provider that answers with %s is away, and nobody is let in for that', async (_, behaviour) => {
  answer = behaviour
  await expect(ask()).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
})

test('only active, exactly so, is active', async () => {
  for (const active of ['false', '"true"', '1', 'null']) {
    answer = (_, response) => void response.end(`{"active":${active},"sub":"ada"}`)
    expect(await ask()).toBeUndefined()
  }
  answer = (_, response) => void response.end('{"active":true,"sub":"ada"}')
  expect(await ask('a+b/c=')).toEqual({ active: true, sub: 'ada' })
  expect(asked).toEqual({
    authorization: `Basic ${Buffer.from('gate+way:a%3Ab%26c').toString('base64')}`,
    body: 'token=a%2Bb%2Fc%3D&token_type_hint=access_token',
  })
})
