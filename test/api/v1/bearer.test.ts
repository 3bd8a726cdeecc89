import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'
import { openTokenWorld, type TokenWorld } from './token-world.ts'

let world: ApiWorld
let tokenOf: TokenWorld['tokenOf']
let close: TokenWorld['close']

beforeAll(async () => {
  ;({ world, tokenOf, close } = await openTokenWorld())
})
afterAll(async () => await close())

async function ask(authorization: string, path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`${world.url}/api/v1${path}`, {
    ...init,
    headers: { ...(init.headers as Record<string, string>), Authorization: authorization },
  })
}

test('a token of another audience, without the scope, over, changed, or none at all is refused', async () => {
  const good = await tokenOf({})
  const [head = '', , signature = ''] = good.split('.')
  const claims = Buffer.from(JSON.stringify({ sub: 'root', groups: ['audit'] })).toString('base64url')
  for (const authorization of [
    `Bearer ${await tokenOf({ aud: 'https://another.example' })}`,
    `Bearer ${await tokenOf({ scope: 'openid' })}`,
    `Bearer ${await tokenOf({ exp: Math.floor(Date.now() / 1000) - 3600 })}`,
    `Bearer ${head}.${claims}.${signature}`,
    'Bearer x',
    'Bearer',
    `Basic ${good}`,
  ]) {
    const answer = await ask(authorization, '/sessions')
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  }
})

test('policy decides by the groups of the token', async () => {
  expect((await ask(`Bearer ${await tokenOf({})}`, `/sessions/${sessions.ssh}`)).status).toBe(200)
  expect(
    (await ask(`Bearer ${await tokenOf({ groups: ['lab-audit'] })}`, `/sessions/${sessions.ssh}`)).status,
  ).toBe(404)
  expect((await ask(`Bearer ${await tokenOf({ groups: [] })}`, '/sessions')).status).toBe(403)
})

test('changes by a token need no page of ours, and a token is all that counts', async () => {
  const body = JSON.stringify({ text: 'From a tool.' })
  const headers = { 'Content-Type': 'application/json', 'Sec-Fetch-Site': 'cross-site' }
  const path = `/sessions/${sessions.ssh}/comments`
  const answer = await ask(`Bearer ${await tokenOf({})}`, path, { method: 'POST', body, headers })
  expect(answer.status).toBe(200)
  const cookie = await world.headers('reviewer')
  expect((await ask('Bearer wrong', path, { headers: cookie })).status).toBe(401)
})

test('passwords are for people in their browsers', async () => {
  const answer = await ask(`Bearer ${await tokenOf({})}`, '/connect/password', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ target: 'orders', login: 'app_readonly' }),
  })
  expect(answer.status).toBe(403)
})

test('where tokens are not configured, none is taken', async () => {
  const without = await openApiWorld()
  try {
    const answer = await fetch(`${without.url}/api/v1/me`, {
      headers: { Authorization: `Bearer ${await tokenOf({})}` },
    })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBeNull()
  } finally {
    await without.close()
  }
})
