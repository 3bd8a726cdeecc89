import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { createWeb } from '../../src/api/web.ts'
import { fileSigner } from '../../src/credentials/authority.ts'
import { openIssuer } from '../../src/identity/issuer.ts'
import { WaitingSignIns } from '../../src/identity/waiting-sign-in.ts'
import { openLog } from '../../src/log.ts'
import type { WebDeps } from '../../src/api/deps.ts'
import { startTestIssuer, testClient } from '../support/issuer.ts'

const webUrl = 'https://gw.example'
const noSignIns: WebDeps['store']['signIns'] = {
  insert: async () => {},
  find: async () => undefined,
  remove: async () => {},
  removeExpired: async () => 0,
}

const noPasswords: WebDeps['passwords'] = {
  issue: () => ({ kind: 'refused', code: 'too-many', userText: 'none here' }),
  listOf: () => [],
  revoke: () => false,
  signedInAnew: () => {},
  signedOut: () => {},
}

function app(issuerUrl: string, more: Partial<WebDeps> = {}) {
  const limits = { maxWaitingSignIns: 9, maxWaitingSignInsPerSource: 9, signInCodeLifetimeMs: 300_000 }
  const claims = { name: 'email', groups: 'groups' }
  const web = createWeb({
    webUrl,
    gatewayName: 'gw',
    issuer: openIssuer(
      { issuer: issuerUrl, clientId: testClient.clientId, claims, allowHttpIssuer: true },
      { clock: systemClock },
    ),
    identity: { claims, sessionMs: 3_600_000 },
    waiting: new WaitingSignIns({ clock: systemClock, limits, webUrl }),
    store: {
      sessions: { get: async () => undefined, list: async () => [] },
      signIns: noSignIns,
    },
    keys: { terms: () => undefined, listOf: async () => [], revoke: async () => false },
    machines: { verify: () => Promise.reject(new TypeError('no machines here')) },
    signInAuthority: fileSigner(generateKeyPairSync('ed25519').privateKey),
    signInX509Authority: undefined,
    passwords: noPasswords,
    places: () => [],
    endpoints: () => ({}),
    audit: { append: () => {} },
    mayReview: () => false,
    reviewable: async () => ({ rows: [], next: undefined }),
    kept: async () => [],
    transcript: async () => '',
    clock: systemClock,
    log: openLog('silent'),
    ...more,
  })
  return (path: string, headers: Record<string, string> = {}) =>
    web.request(`${webUrl}${path}`, { headers: { host: 'gw.example', ...headers } })
}

test('with https, cookies are tied to the origin and the browser is told to come back by https only', async () => {
  const issuer = await startTestIssuer(webUrl)
  const response = await app(issuer.url)('/sign-in/start')
  await issuer.close()
  expect(response.status).toBe(303)
  expect(response.headers.get('set-cookie')).toMatch(
    /^__Host-sallyport-flow=[A-Za-z0-9_-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  )
  expect(response.headers.get('strict-transport-security')).toBe('max-age=31536000')
})

test('an issuer that is away is a page that says so, with 503, and nobody is signed in', async () => {
  const response = await app('http://127.0.0.1:1')('/sign-in/start')
  expect([response.status, response.headers.get('set-cookie')]).toEqual([503, null])
  expect(await response.text()).toContain('The identity provider does not answer')
})

test('a store that is away is a refusal', async () => {
  const store = {
    sessions: { get: async () => undefined, list: async () => [] },
    signIns: {
      insert: async () => {},
      remove: async () => {},
      removeExpired: async () => 0,
      find: async () => {
        throw new Error('SQLITE_IOERR /var/lib/secret')
      },
    },
  }
  const response = await app('http://127.0.0.1:1', { store })('/sessions', { cookie: '__Host-sallyport=x' })
  expect(response.status).toBe(500)
  expect(await response.text()).not.toContain('SQLITE')
})

test('behind a proxy, the address of the browser is what the proxy itself saw, never what the browser claims', async () => {
  const limits = { maxWaitingSignIns: 9, maxWaitingSignInsPerSource: 9, signInCodeLifetimeMs: 300_000 }
  const waiting = new WaitingSignIns({ clock: systemClock, limits, webUrl })
  const opened = waiting.open({
    protocol: 'ssh',
    userName: 'a@b',
    target: 'b',
    login: 'a',
    sourceAddress: '203.0.113.9',
  })
  const path = opened.kind === 'waiting' ? new URL(opened.signIn.url).pathname : ''
  const forwarded = { 'x-forwarded-for': '203.0.113.9, 198.51.100.1', host: 'internal' }
  const behind = await app('http://127.0.0.1:1', { waiting, behindProxy: true })(path, forwarded)
  expect(await behind.text()).toContain('198.51.100.1')
  const direct = await app('http://127.0.0.1:1', { waiting })(path, { ...forwarded, host: 'gw.example' })
  expect(await direct.text()).not.toMatch(/198\.51\.100\.1|the same address/)
})
