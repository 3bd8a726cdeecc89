import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { type Issuer, type IssuerOptions, openIssuer } from '../../src/identity/issuer.ts'
import { type HostileIssuer, startHostileIssuer, testClient } from '../support/issuer.ts'

let hostile: HostileIssuer
beforeEach(async () => {
  hostile = await startHostileIssuer()
})
afterEach(() => hostile.close())

const redirectUri = 'http://127.0.0.1:9/callback'

function relyingParty(more: Partial<IssuerOptions> = {}): Issuer {
  const clientSecret = { reveal: () => testClient.clientSecret }
  const claims = { name: 'email', groups: 'groups' }
  const options = {
    issuer: hostile.url,
    clientId: testClient.clientId,
    clientSecret,
    claims,
    allowHttpIssuer: true,
    ...more,
  }
  return openIssuer(options, { clock: systemClock, requestTimeoutMs: 1000 })
}

/** Through the provider and back, with the answer changed on the way if the test wants that. */
async function signIn(issuer: Issuer, change: (answer: URL) => void = () => {}) {
  const { url, ...checks } = await issuer.begin(redirectUri)
  const response = await fetch(url, { redirect: 'manual' })
  const answer = new URL(response.headers.get('location') ?? '')
  change(answer)
  return { checks, answer, token: await issuer.redeem(answer, checks) }
}

const refused = { code: 'TOKEN_REFUSED' }
const away = { code: 'ISSUER_UNAVAILABLE' }

test.each([
  ['no ID token', async () => ({ access_token: 'a', token_type: 'Bearer' })],
  [
    'an ID token for another request',
    async () => ({ access_token: 'a', token_type: 'Bearer', id_token: await hostile.idToken('other') }),
  ],
  [
    'an ID token of another issuer',
    async (nonce: string) => ({
      access_token: 'a',
      token_type: 'Bearer',
      id_token: await hostile.idToken(nonce, { iss: 'https://x' }),
    }),
  ],
  [
    'an ID token for another client',
    async (nonce: string) => ({
      access_token: 'a',
      token_type: 'Bearer',
      id_token: await hostile.idToken(nonce, { aud: 'x' }),
    }),
  ],
  [
    'an ID token whose key it does not publish',
    async (nonce: string) => ({
      access_token: 'a',
      token_type: 'Bearer',
      id_token: await hostile.idToken(nonce, {}, { kid: 'no' }),
    }),
  ],
  [
    'an unsigned ID token',
    async (nonce: string) => {
      const [, payload = ''] = (await hostile.idToken(nonce)).split('.')
      return {
        access_token: 'a',
        token_type: 'Bearer',
        id_token: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
      }
    },
  ],
])('T24: a provider that answers with %s signs nobody in', async (_, answer) => {
  hostile.tokenAnswer = answer
  await expect(signIn(relyingParty())).rejects.toMatchObject(refused)
})

test('T24: an id_token that already signed somebody in is refused when it comes again', async () => {
  const issuer = relyingParty()
  let first: string | undefined
  hostile.tokenAnswer = async nonce => ({
    access_token: 'a',
    token_type: 'Bearer',
    id_token: (first ??= await hostile.idToken(nonce)),
  })
  await signIn(issuer)
  await expect(signIn(issuer)).rejects.toMatchObject(refused)
})

test('an answer with another state, without a code, with an error, or a second time is refused', async () => {
  const issuer = relyingParty()
  await expect(signIn(issuer, answer => answer.searchParams.set('state', 'x'))).rejects.toMatchObject(refused)
  await expect(signIn(issuer, answer => answer.searchParams.delete('code'))).rejects.toMatchObject(refused)
  await expect(
    signIn(issuer, answer => answer.searchParams.set('error', 'access_denied')),
  ).rejects.toMatchObject(refused)
  const { answer, checks } = await signIn(issuer)
  await expect(issuer.redeem(answer, checks)).rejects.toMatchObject(refused)
})

test('userinfo of another person is refused; of the same person it fills in the groups', async () => {
  hostile.userInfo = { sub: 'somebody-else', groups: ['admins'] }
  await expect(signIn(relyingParty())).rejects.toMatchObject(refused)
  hostile.userInfo = { sub: 'subject-1', groups: ['admins'] }
  const { token } = await signIn(relyingParty())
  expect(token.fields.claims['groups']).toEqual(['admins'])
})

test('a provider that is away refuses with what to do, and is asked again the next time', async () => {
  const issuer = relyingParty()
  hostile.metadata = { issuer: 'https://somebody-else.example' }
  await expect(issuer.begin(redirectUri)).rejects.toMatchObject({
    ...away,
    userText: expect.stringContaining('Try again'),
  })
  hostile.metadata = {}
  expect((await signIn(issuer)).token.fields.subject).toBe('subject-1')
})

test('an outage of token endpoint, keys or userinfo is an outage, not a person refused', async () => {
  const issuer = relyingParty()
  await issuer.discover()
  hostile.status = 503
  await expect(signIn(issuer)).rejects.toMatchObject(away)
})

test('nobody listens: the refusal says so without the address', async () => {
  const issuer = relyingParty({ issuer: 'http://127.0.0.1:1' })
  const fault = await issuer.discover().catch((thrown: unknown) => thrown)
  expect(fault).toMatchObject(away)
  expect((fault as { userText: string }).userText).not.toContain('127.0.0.1')
})

test('plain http is refused unless the configuration allowed it for loopback', async () => {
  await expect(relyingParty({ allowHttpIssuer: false }).discover()).rejects.toMatchObject(away)
})

test('a connection that never answers is given up (the discovery has a time-out)', async () => {
  const sockets: Socket[] = []
  const server = createServer(socket => void sockets.push(socket))
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const issuer = relyingParty({ issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  await expect(issuer.discover()).rejects.toMatchObject(away)
  for (const socket of sockets) socket.destroy()
  server.close()
})

test('the request asks for a code with PKCE, state and nonce, never twice the same', async () => {
  const issuer = relyingParty()
  const [one, two] = [await issuer.begin(redirectUri), await issuer.begin(redirectUri)]
  const asked = Object.fromEntries(one.url.searchParams)
  expect(asked).toMatchObject({
    response_type: 'code',
    code_challenge_method: 'S256',
    redirect_uri: redirectUri,
    scope: 'openid profile email',
  })
  for (const key of ['state', 'nonce', 'codeVerifier'] as const) expect(one[key]).not.toBe(two[key])
  expect(one.url.href).not.toContain(one.codeVerifier)
})

test('the scope `groups` is asked for where the provider knows it', async () => {
  hostile.metadata = { scopes_supported: ['openid', 'groups'] }
  expect((await relyingParty().begin(redirectUri)).url.searchParams.get('scope')).toBe(
    'openid profile email groups',
  )
})

test('the client secret is in no URL and no fault', async () => {
  hostile.tokenAnswer = async () => ({ error: 'invalid_client', secret: testClient.clientSecret })
  const issuer = relyingParty()
  const { url } = await issuer.begin(redirectUri)
  expect(url.href).not.toContain(testClient.clientSecret)
  const fault = await signIn(issuer).catch((thrown: unknown) => thrown)
  expect(`${(fault as Error).message} ${(fault as { userText: string }).userText}`).not.toContain(
    testClient.clientSecret,
  )
})
