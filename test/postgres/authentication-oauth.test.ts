import * as fc from 'fast-check'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { type AccessTokenRules, AccessTokens } from '../../src/identity/access-token.ts'
import { discoverTokenIssuer } from '../../src/identity/issuer.ts'
import { principalOfAccessToken } from '../../src/identity/principal.ts'
import { encodeErrorResponse } from '../../src/postgres/wire/backend.ts'
import { invalidToken, readBearerResponse } from '../../src/postgres/sasl/oauth-bearer.ts'
import {
  databaseAudience,
  deviceClient,
  type DeviceIssuer,
  gatewayClient,
  startDeviceIssuer,
} from '../support/device-issuer.ts'
import { type HostileIssuer, startHostileIssuer } from '../support/issuer.ts'
import {
  type Channel,
  connectLikeLibpq18,
  connectWithToken,
  initialResponse,
} from '../support/libpq-oauth.ts'
import { framesOf, openSignInWorld, type SignInWorld } from './sign-in-world.ts'

const claims = { name: 'email', groups: 'groups' }
const hour = 3_600_000

function rulesFor(issuer: string, more: Partial<AccessTokenRules> = {}): AccessTokenRules {
  return {
    issuer,
    clientId: deviceClient,
    audience: databaseAudience,
    scope: 'openid db',
    allowHttpIssuer: true,
    claims,
    ...more,
  }
}

function worldFor(rules: AccessTokenRules): SignInWorld {
  const tokens = new AccessTokens({ clock: systemClock, rules, discover: discoverTokenIssuer })
  return openSignInWorld({
    oauth: {
      serverName: 'oauth.bastion.example.com',
      issuer: rules.issuer,
      scope: rules.scope,
      verify: async token =>
        principalOfAccessToken(await tokens.verify(token), { claims, sessionMs: 8 * hour }, Date.now()),
    },
  })
}

/** A connection to `authenticate` without a socket, closed as the listener closes it. */
function channelTo(
  world: SignInWorld,
  asked: Parameters<SignInWorld['signIn']>[1],
): Channel & { result: ReturnType<SignInWorld['signIn']> } {
  const fromClient = queue<Buffer>()
  const toClient = queue<Buffer>()
  const gone = new AbortController()
  const client = {
    send: (bytes: Buffer) => framesOf(bytes).forEach(frame => toClient.push(frame)),
    receive: () => fromClient.next(),
    allowTime: () => {},
    gone: gone.signal,
  }
  const result = world.signIn(client, asked)
  const finish = async () => {
    const end = await result
    if (end.kind === 'refused') toClient.push(encodeErrorResponse(end.report))
    if (end.kind === 'proven') toClient.push(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]))
    toClient.push(undefined)
  }
  void finish()
  return {
    result,
    write: frame => fromClient.push(frame.subarray(5)),
    read: async () => {
      const frame = await toClient.next()
      return frame === undefined
        ? undefined
        : { type: String.fromCharCode(frame[0] ?? 0), body: frame.subarray(5) }
    },
    close: () => fromClient.push(undefined),
  }
}

function queue<T>() {
  const values: (T | undefined)[] = []
  const waiting: ((value: T | undefined) => void)[] = []
  return {
    push: (value: T | undefined) => {
      const first = waiting.shift()
      if (first === undefined) values.push(value)
      else first(value)
    },
    next: (): Promise<T | undefined> =>
      new Promise(resolve => {
        if (values.length > 0) resolve(values.shift())
        else waiting.push(resolve)
      }),
  }
}

const byPort = { oauthListener: true }
const byName = { tlsServerName: 'oauth.bastion.example.com' }

describe.each(['jwt', 'opaque'] as const)(
  'a client of PostgreSQL 18 at a provider with %s access tokens',
  format => {
    let issuer: DeviceIssuer
    let world: SignInWorld
    beforeAll(async () => {
      issuer = await startDeviceIssuer(format)
      const introspection = {
        endpoint: `${issuer.url}/token/introspection`,
        clientId: gatewayClient.clientId,
        clientSecret: { reveal: () => gatewayClient.clientSecret } as never,
      }
      world = worldFor(rulesFor(issuer.url, format === 'opaque' ? { introspection } : {}))
    })
    afterAll(() => issuer.close())

    test.each([
      ['a port of its own', byPort],
      ['the TLS server name', byName],
    ])('is told where to sign in, does, and comes in on its second connection (%s)', async (_, asked) => {
      const channels: ReturnType<typeof channelTo>[] = []
      const open = async () => {
        const channel = channelTo(world, asked)
        channels.push(channel)
        return channel
      }
      const settings = { issuer: issuer.url, clientId: deviceClient }
      const outcome = await connectLikeLibpq18(open, settings, uri => issuer.approve(uri, 'ada'))
      expect(outcome.kind).toBe('connected')
      expect(channels).toHaveLength(2)
      expect(await channels[1]?.result).toMatchObject({
        kind: 'proven',
        principal: {
          fields: {
            issuer: issuer.url,
            subject: 'ada',
            name: 'ada@example.com',
            emailVerified: true,
            groups: ['admins'],
          },
        },
        place: { target: 'orders', login: 'app_readonly' },
        proof: { method: 'oauth-bearer' },
        authenticationOkSent: false,
      })
      expect(world.audit.at(-1)).toMatchObject({
        kind: 'sign-in',
        method: 'oauth-bearer',
        principal: 'ada@example.com',
      })
    })

    test('that made its token up is refused, with a hint', async () => {
      const outcome = await connectWithToken(
        async () => channelTo(world, byPort),
        format === 'jwt' ? 'a.b.c' : 'abc',
      )
      expect(outcome).toMatchObject({ kind: 'failed', message: 'The access token was not accepted.' })
      expect(outcome.kind === 'failed' && outcome.fields.get('H')).toContain('Sign in again')
      expect(world.audit.at(-1)).toMatchObject({ kind: 'refusal', code: 'TOKEN_REFUSED' })
    })
  },
)

describe('refused', () => {
  let issuer: HostileIssuer
  let world: SignInWorld
  beforeAll(async () => {
    issuer = await startHostileIssuer(deviceClient)
    world = worldFor(rulesFor(issuer.url))
  })
  afterAll(() => issuer.close())

  const now = () => Math.floor(Date.now() / 1000)
  function token(more: Record<string, unknown> = {}, header: Record<string, string> = {}): Promise<string> {
    const payload = {
      iss: issuer.url,
      aud: databaseAudience,
      sub: 'ada',
      iat: now(),
      exp: now() + 300,
      scope: 'db',
      client_id: deviceClient,
      email: 'ada@example.com',
      groups: [],
    }
    return new SignJWT({ ...payload, ...more })
      .setProtectedHeader({ alg: 'ES256', kid: issuer.keyId, typ: 'at+jwt', ...header })
      .sign(issuer.key)
  }

  test.each<[string, Record<string, unknown>, Record<string, string>, RegExp]>([
    ['for another audience', { aud: 'urn:example:mail' }, {}, /aud/],
    ['of another issuer', { iss: 'https://evil.example' }, {}, /iss/],
    ['that has expired', { exp: now() - 60 }, {}, /exp/],
    ['without an end', { exp: undefined }, {}, /exp/],
    ['given to another client', { client_id: 'a mail program' }, {}, /client_id/],
    ['without the scope that was asked for', { scope: 'openid profile' }, {}, /scope/],
    ['that is a logout token', {}, { typ: 'logout+jwt' }, /typ/],
    ['that is an ID token', { nonce: 'n' }, { typ: 'JWT' }, /typ/],
    ['with a subject that cannot be written down', { sub: 'a\nb' }, {}, /sub/],
    ['signed with a key that is not published', {}, { kid: 'other' }, /key/],
  ])('a token %s (T24)', async (_, more, header, why) => {
    const outcome = await connectWithToken(async () => channelTo(world, byPort), await token(more, header))
    expect(outcome).toMatchObject({ kind: 'failed', message: 'The access token was not accepted.' })
    expect(world.audit.at(-1)?.['reasons']).toMatch(why)
  })

  test('a good one is not (and one of a provider that writes plain JWTs)', async () => {
    for (const header of [{}, { typ: 'application/at+jwt' }, { typ: 'JWT' }])
      expect(
        (await connectWithToken(async () => channelTo(world, byPort), await token({}, header))).kind,
      ).toBe('connected')
  })

  test('the ID token where the audience is the client itself', async () => {
    const same = worldFor(rulesFor(issuer.url, { audience: deviceClient, scope: 'openid' }))
    const plain = await token({ aud: deviceClient }, { typ: 'JWT' })
    expect((await connectWithToken(async () => channelTo(same, byPort), plain)).kind).toBe('failed')
  })

  test('an opaque token where nobody is asked about it', async () => {
    await connectWithToken(async () => channelTo(world, byPort), 'opaque')
    expect(world.audit.at(-1)?.['reasons']).toContain('introspection')
  })

  test('everybody while the issuer is away', async () => {
    const away = worldFor(rulesFor('http://127.0.0.1:1'))
    const channel = channelTo(away, byPort)
    await channel.read()
    channel.write(initialResponse('n,,\u0001auth=Bearer abc\u0001\u0001'))
    expect(await channel.result).toMatchObject({ kind: 'refused', report: { code: '57P03' } })
  })

  test.each([
    ['another mechanism', initialResponse('n,,', 'SCRAM-SHA-256')],
    ['no first response', Buffer.from('p\0\0\0\x14OAUTHBEARER\0\xff\xff\xff\xff', 'latin1')],
    ['a length that lies', Buffer.from('p\0\0\0\x15OAUTHBEARER\0\0\0\0\x05n', 'latin1')],
    ['channel binding', initialResponse('p=tls-exporter,,\u0001auth=\u0001\u0001')],
    ['two auths', initialResponse('n,,\u0001auth=\u0001auth=Bearer a\u0001\u0001')],
    ['another scheme', initialResponse('n,,\u0001auth=Basic YTpi\u0001\u0001')],
  ])('a first response with %s, as a violation of the protocol', async (_, response) => {
    const channel = channelTo(world, byPort)
    await channel.read()
    channel.write(response)
    expect(await channel.result).toMatchObject({ kind: 'refused', report: { code: '08P01' } })
  })

  test('a client that goes on after the error status', async () => {
    const channel = channelTo(world, byPort)
    await channel.read()
    channel.write(initialResponse('n,,\u0001auth=\u0001\u0001'))
    await channel.read()
    channel.write(initialResponse('n,,\u0001auth=Bearer a\u0001\u0001'))
    expect(await channel.result).toMatchObject({ kind: 'refused', report: { code: '08P01' } })
  })

  test('nobody is asked for OAUTHBEARER at the other name, since clients without it could not come in', async () => {
    const channel = channelTo(world, {})
    expect((await channel.read())?.body.readInt32BE()).toBe(3)
    channel.close()
  })
})

describe('what a client says', () => {
  test.each<[string, unknown]>([
    ['n,,\u0001auth=\u0001\u0001', { kind: 'discovery' }],
    ['y,,\u0001auth=Bearer a.b-c_d~e+f/g==\u0001\u0001', { kind: 'token', token: 'a.b-c_d~e+f/g==' }],
    ['n,,\u0001host=x\u0001auth=bearer   abc\u0001port=1\u0001\u0001', { kind: 'token', token: 'abc' }],
  ])('is read: %j', (text, read) => expect(readBearerResponse(Buffer.from(text))).toEqual(read))

  test.each([
    '',
    'n,,',
    'n,a=ada,\u0001auth=\u0001\u0001',
    'n,,auth=\u0001\u0001',
    'n,,\u0001auth=\u0001',
    'n,,\u0001\u0001',
    'n,,\u0001auth=Bearer \u0001\u0001',
    'n,,\u0001auth=Bearer a b\u0001\u0001',
    'n,,\u0001auth=Bearer a,b\u0001\u0001',
    'n,,\u0001auth=Bearer =\u0001\u0001',
    'n,,\u0001auth=\u0001\u0001\u0001',
    'n,,\u0001a-b=c\u0001auth=\u0001\u0001',
    'n,,\u0001auth=Bearer a\0\u0001\u0001',
  ])('is refused: %j', text => expect(readBearerResponse(Buffer.from(text)).kind).toBe('malformed'))

  test('whatever it is, is read without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
        expect(['malformed', 'discovery', 'token']).toContain(readBearerResponse(Buffer.from(bytes)).kind)
        const wrapped = Buffer.concat([
          Buffer.from('n,,\u0001auth=Bearer '),
          bytes,
          Buffer.from('\u0001\u0001'),
        ])
        const read = readBearerResponse(wrapped)
        if (read.kind === 'token') expect(read.token).toMatch(/^[A-Za-z0-9\-._~+/]+=*$/)
      }),
    )
  })

  test('the status names the discovery document of exactly the configured issuer', () => {
    expect(JSON.parse(invalidToken('https://login.example.com', 'openid db'))).toEqual({
      status: 'invalid_token',
      'openid-configuration': 'https://login.example.com/.well-known/openid-configuration',
      scope: 'openid db',
    })
  })
})
