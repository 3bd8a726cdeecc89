import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type CryptoKey, type JWTPayload, SignJWT } from 'jose'
import { type DemoPerson, type RunningIssuer, startIssuer } from '../../src/demo/issuer.ts'

/** The people of tests. Passwords are as long as real ones, since forms are typed, not called. */
export const people = {
  ada: { name: 'ada', password: 'ada-password-1', email: 'ada@example.com', groups: ['admins'] },
  ben: { name: 'ben', password: 'ben-password-2', email: 'ben@example.com', groups: ['audit'] },
  cleo: { name: 'cleo', password: 'cleo-password-4', email: 'cleo@example.com', groups: ['admins', 'audit'] },
  eve: { name: 'eve', password: 'eve-password-3', email: 'eve@example.com', groups: [] },
} satisfies Record<string, DemoPerson>

export const testClient = { clientId: 'sallyport', clientSecret: 'a-secret-of-tests-only' }

/** The demo's provider with the people of tests, for a gateway whose pages are at `webUrl`. */
export async function startTestIssuer(webUrl: string, port = 0): Promise<RunningIssuer> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-issuer-'))
  const clients = [{ ...testClient, redirectUris: [`${webUrl}/callback`] }]
  const issuer = await startIssuer({ port, people: Object.values(people), clients, folder })
  const close = async () => {
    await issuer.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { url: issuer.url, close }
}

/** A provider that says whatever a test wants it to say. */
export type HostileIssuer = {
  readonly url: string
  readonly keyId: string
  readonly key: CryptoKey
  /** What the token endpoint answers next; `idToken` is made for the nonce of the request that came before. */
  tokenAnswer: (nonce: string) => Promise<Record<string, unknown>>
  userInfo: Record<string, unknown> | undefined
  /** Status that every answer but discovery has, to play an outage. */
  status: number
  metadata: Record<string, unknown>
  /** An ID token as it should be, but for what is given. */
  idToken(
    nonce: string,
    claims?: JWTPayload,
    header?: { alg?: string; kid?: string; typ?: string },
  ): Promise<string>
  close(): Promise<void>
}

export async function startHostileIssuer(clientId = testClient.clientId): Promise<HostileIssuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const keyId = 'key-1'
  const jwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: 'ES256', use: 'sig' }
  const server = createServer()
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let nonce = ''
  const issuer: HostileIssuer = {
    url,
    keyId,
    key: privateKey,
    status: 200,
    userInfo: undefined,
    metadata: {},
    tokenAnswer: async asked => ({
      access_token: 'a',
      token_type: 'Bearer',
      id_token: await issuer.idToken(asked),
    }),
    idToken: async (asked, claims = {}, header = {}) => {
      const now = Math.floor(Date.now() / 1000)
      const payload = {
        iss: url,
        aud: clientId,
        sub: 'subject-1',
        iat: now,
        exp: now + 300,
        nonce: asked,
        email: 'ada@example.com',
        ...claims,
      }
      return await new SignJWT(payload)
        .setProtectedHeader({ alg: 'ES256', kid: keyId, ...header })
        .sign(privateKey)
    },
    close: async () => {
      const done = Promise.withResolvers<void>()
      server.close(() => done.resolve())
      server.closeAllConnections()
      await done.promise
    },
  }
  const discovery = () => ({
    issuer: url,
    authorization_endpoint: `${url}/authorize`,
    token_endpoint: `${url}/token`,
    jwks_uri: `${url}/jwks`,
    ...(issuer.userInfo === undefined ? {} : { userinfo_endpoint: `${url}/userinfo` }),
    response_types_supported: ['code'],
    id_token_signing_alg_values_supported: ['ES256'],
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    ...issuer.metadata,
  })
  server.on('request', (request, response) => {
    const asked = new URL(request.url ?? '/', url)
    const json = (body: unknown, status = issuer.status) =>
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    if (asked.pathname === '/.well-known/openid-configuration') return json(discovery(), 200)
    if (asked.pathname === '/jwks') return json({ keys: [jwk] })
    if (asked.pathname === '/userinfo') return json(issuer.userInfo)
    if (asked.pathname === '/authorize') {
      nonce = asked.searchParams.get('nonce') ?? ''
      const back = new URL(asked.searchParams.get('redirect_uri') ?? url)
      back.search = new URLSearchParams({
        code: 'c',
        state: asked.searchParams.get('state') ?? '',
      }).toString()
      return response.writeHead(303, { Location: back.href }).end()
    }
    if (asked.pathname === '/token')
      return void issuer.tokenAnswer(nonce).then(
        answer => json(answer),
        () => json({}, 500),
      )
    return json({}, 404)
  })
  return issuer
}
