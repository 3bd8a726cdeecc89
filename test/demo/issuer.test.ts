import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type RunningIssuer, startIssuer } from '../../src/demo/issuer.ts'
import { people, testClient } from '../support/issuer.ts'

const redirectUri = 'http://127.0.0.1:9/callback'
const folder = mkdtempSync(join(tmpdir(), 'sallyport-issuer-'))
const options = {
  port: 0,
  people: [people.ada],
  clients: [{ ...testClient, redirectUris: [redirectUri] }],
  folder,
}

let issuer: RunningIssuer
const said: unknown[] = []
beforeAll(async () => {
  for (const level of ['log', 'info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((...words) => void said.push(words))
  issuer = await startIssuer(options)
})
afterAll(async () => {
  await issuer.close()
  rmSync(folder, { recursive: true })
})

function ask(more: Record<string, string> = {}, without: readonly string[] = []): Promise<Response> {
  const query = new URLSearchParams({
    client_id: testClient.clientId,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: redirectUri,
    state: 's',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
    ...more,
  })
  for (const name of without) query.delete(name)
  return fetch(`${issuer.url}/auth?${query.toString()}`, { redirect: 'manual' })
}

test('a request without PKCE is refused', async () => {
  const answer = await ask({}, ['code_challenge', 'code_challenge_method'])
  expect(answer.headers.get('location')).toContain('error=invalid_request')
})

test('a redirect address that the client did not register gets a page, not a redirect', async () => {
  const answer = await ask({ redirect_uri: 'https://evil.example/' })
  expect([answer.status, answer.headers.get('location')]).toEqual([400, null])
  expect(await answer.text()).not.toMatch(/<script|fonts\.|@import/)
})

test('an interaction that nobody started is a page that says what to do', async () => {
  const answer = await fetch(`${issuer.url}/interaction/unknown`)
  expect([answer.status, await answer.text()]).toEqual([
    400,
    expect.stringContaining('Go back to where you started'),
  ])
})

test('a port in use is a sentence', async () => {
  const other = createServer()
  const listening = Promise.withResolvers<void>()
  other.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  await expect(
    startIssuer({ ...options, port: (other.address() as AddressInfo).port }),
  ).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  other.close()
})

test('nothing of it is said on the terminal: refusals are in its log', async () => {
  await ask({ scope: 'nonsense' })
  expect(said).toEqual([])
  expect(readFileSync(join(folder, 'issuer.log'), 'utf8')).toContain('PKCE')
})
