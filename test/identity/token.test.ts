import { createHmac, generateKeyPairSync } from 'node:crypto'
import {
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  acceptedAlgorithms,
  completeToken,
  type TokenExpectations,
  verifyIdToken,
} from '../../src/identity/token.ts'
import { FakeClock } from '../support/fake-clock.ts'

const issuer = 'https://login.example.com'
const clientId = 'sallyport'
const clock = new FakeClock()
const now = clock.nowMs() / 1000

type Keys = Awaited<ReturnType<typeof generateKeyPair>>
let rsa: Keys
let ec: Keys
let stranger: Keys
let expected: TokenExpectations

beforeAll(async () => {
  rsa = await generateKeyPair('RS256', { extractable: true })
  ec = await generateKeyPair('ES256', { extractable: true })
  stranger = await generateKeyPair('RS256', { extractable: true })
  const keys = [
    { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', use: 'sig' },
    { ...(await exportJWK(ec.publicKey)), kid: 'ec', alg: 'ES256', use: 'sig' },
    {
      ...(await exportJWK((await generateKeyPair('RSA-OAEP', { extractable: true })).publicKey)),
      kid: 'enc',
      use: 'enc',
    },
  ]
  expected = { issuer, clientId, nonce: 'nonce-1', jwks: createLocalJWKSet({ keys }), clock }
})

const good: JWTPayload = {
  iss: issuer,
  aud: clientId,
  sub: 'subject-1',
  iat: now,
  exp: now + 300,
  nonce: 'nonce-1',
}

async function sign(
  claims: JWTPayload,
  header: Record<string, unknown> = {},
  keys: Keys = rsa,
): Promise<string> {
  return await new SignJWT({ ...good, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'rsa', ...header })
    .sign(keys.privateKey)
}

async function refusal(jwt: string, more: Partial<TokenExpectations> = {}): Promise<string> {
  try {
    await verifyIdToken(jwt, { ...expected, ...more })
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'TOKEN_REFUSED' })
    return (thrown as Error).message
  }
  throw new Error('the token was accepted')
}

describe('T24: what is no token of this issuer for us is refused', () => {
  test('alg none', async () => {
    expect(await refusal(new UnsecuredJWT(good).encode())).toContain('alg')
  })

  test.each(['None', 'NONE', 'nOnE', ''])('alg %j', async alg => {
    const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
    const payload = Buffer.from(JSON.stringify(good)).toString('base64url')
    await refusal(`${header}.${payload}.`)
  })

  test("HS256 keyed with the issuer's public key, in PEM and in DER", async () => {
    const pem = await exportSPKI(rsa.publicKey)
    const der = Buffer.from(pem.replaceAll(/-----[^-]*-----|\s/g, ''), 'base64')
    const input = [{ alg: 'HS256', kid: 'rsa' }, good]
      .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    for (const key of [pem, der])
      expect(
        await refusal(`${input}.${createHmac('sha256', key).update(input).digest('base64url')}`),
      ).toContain('"alg"')
  })

  test('a shared secret, even where the look-up of keys would give one', async () => {
    const secret = new Uint8Array(32).fill(7)
    const jwt = await new SignJWT(good).setProtectedHeader({ alg: 'HS256' }).sign(secret)
    expect(await refusal(jwt, { jwks: async () => secret as never })).toContain('"alg"')
  })

  test("a stranger's key, also under the kid of the issuer's", async () => {
    expect(await refusal(await sign({}, {}, stranger))).toContain('signature')
    await refusal(await sign({}, { kid: 'unknown' }, stranger))
  })

  test("a key that the token itself brings (jwk, jku, x5u) is not the issuer's", async () => {
    const jwk = await exportJWK(stranger.publicKey)
    await refusal(await sign({}, { jwk }, stranger))
    await refusal(
      await sign({}, { jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x5u' }, stranger),
    )
  })

  test('an algorithm that does not belong to the key', async () => {
    const jwt = await sign({})
    const [, payload = '', signature = ''] = jwt.split('.')
    for (const header of [
      { alg: 'ES256', kid: 'rsa' },
      { alg: 'PS256', kid: 'rsa' },
      { alg: 'RS256', kid: 'ec' },
    ])
      await refusal(`${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`)
  })

  test('an RSA key too short to mean anything', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const { createSign } = await import('node:crypto')
    const input = [{ alg: 'RS256', kid: 'short' }, good]
      .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')
    const jwt = `${input}.${createSign('sha256').update(input).sign(privateKey).toString('base64url')}`
    const jwks = createLocalJWKSet({
      keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'short' }],
    })
    await expect(verifyIdToken(jwt, { ...expected, jwks })).rejects.toMatchObject({ name: 'Fault' })
  })

  test('a changed payload', async () => {
    const [header = '', , signature = ''] = (await sign({})).split('.')
    const payload = Buffer.from(JSON.stringify({ ...good, sub: 'admin' })).toString('base64url')
    expect(await refusal(`${header}.${payload}.${signature}`)).toContain('signature')
  })

  test('a header that demands an extension that we do not know', async () => {
    await refusal(
      `${Buffer.from(JSON.stringify({ alg: 'RS256', kid: 'rsa', crit: ['exp'] })).toString('base64url')}.e30.AA`,
    )
  })

  test.each([
    ['another issuer', { iss: 'https://login.example.org' }],
    ['an issuer with a slash more', { iss: `${issuer}/` }],
    ['another audience', { aud: 'other' }],
    ['no audience', { aud: undefined as never }],
    ['several audiences without azp', { aud: [clientId, 'other'] }],
    ['several audiences with the azp of another', { aud: [clientId, 'other'], azp: 'other' }],
    ['one audience with the azp of another', { azp: 'other' }],
    ['expired beyond the skew', { exp: now - 31 }],
    ['not valid yet', { nbf: now + 31 }],
    ['issued in the future', { iat: now + 31 }],
    ['kept for a day', { iat: now - 86_400, exp: now + 60 }],
    ['no expiry', { exp: undefined as never }],
    ['no time of issue', { iat: undefined as never }],
    ['times that are text', { exp: '9999999999' as never }],
    ['an authentication in the future', { auth_time: now + 3600 }],
    ['an authentication time that is no number', { auth_time: '1' }],
    ['no subject', { sub: undefined as never }],
    ['an empty subject', { sub: '' }],
    ['a subject that is a number', { sub: 7 as never }],
    ['a subject with a line break', { sub: 'a\nb' }],
    ['a subject beyond ASCII', { sub: 'а' }],
    ['a subject of 256 characters', { sub: 'x'.repeat(256) }],
    ['no nonce', { nonce: undefined as never }],
    ["another request's nonce", { nonce: 'nonce-2' }],
    ['a nonce in a list', { nonce: ['nonce-1'] as never }],
  ])('%s', async (_, claims) => {
    await refusal(await sign(claims))
  })

  test('a token of another type of the same issuer: logout or access token', async () => {
    for (const typ of ['logout+jwt', 'at+jwt', 'application/at+jwt'])
      expect(await refusal(await sign({}, { typ }))).toContain('typ')
  })

  test('an id_token that was used before does not answer a new request', async () => {
    const jwt = await sign({})
    await verifyIdToken(jwt, expected)
    expect(await refusal(jwt, { nonce: 'nonce-of-the-next-request' })).toContain('nonce')
  })

  test('a token beyond the limit, and text that is no token', async () => {
    expect(await refusal('x'.repeat(300_000))).toContain('longer')
    for (const text of ['', '.', '..', 'a.b.c', '\u0000', 'e30.e30.e30']) await refusal(text)
  })

  test('what the person reads names neither the claim nor the key', async () => {
    const thrown = await verifyIdToken(await sign({ aud: 'other' }), expected).catch(
      (fault: unknown) => fault,
    )
    expect((thrown as { userText: string }).userText).not.toMatch(/aud|kid|other/)
  })
})

test('no algorithm with a shared secret is ever accepted', () => {
  expect(acceptedAlgorithms.filter(name => /^(HS|none|dir|A\d)/i.test(name))).toEqual([])
})

test("keys that cannot be fetched are the issuer's outage, not the person's fault", async () => {
  const jwks = async () => {
    throw new TypeError('fetch failed')
  }
  await expect(verifyIdToken(await sign({}), { ...expected, jwks })).rejects.toMatchObject({
    code: 'ISSUER_UNAVAILABLE',
  })
})

test('a token of the issuer for us is accepted, at the edges of the skew too', async () => {
  for (const claims of [
    {},
    { exp: now - 29 },
    { nbf: now + 29 },
    { iat: now + 29 },
    { aud: [clientId] },
    { aud: [clientId, 'b'], azp: clientId },
  ]) {
    const token = await verifyIdToken(await sign(claims), expected)
    expect(token.fields).toMatchObject({ issuer, subject: 'subject-1' })
  }
  const token = await verifyIdToken(
    await sign({ auth_time: now - 3600 }, { alg: 'ES256', kid: 'ec', typ: 'JWT' }, ec),
    expected,
  )
  expect(token.fields.authenticatedAtMs).toBe((now - 3600) * 1000)
})

describe('userinfo', () => {
  test('of somebody else is refused', async () => {
    const token = await verifyIdToken(await sign({}), expected)
    for (const sub of ['subject-2', undefined, ['subject-1']])
      expect(() => completeToken(token, { sub, groups: ['admins'] })).toThrow('different people')
  })

  test("fills in what the token leaves out, and never overrules the token's own words", async () => {
    const token = await verifyIdToken(await sign({ groups: ['a'] }), expected)
    const { claims, subject } = completeToken(token, {
      sub: 'subject-1',
      groups: ['root'],
      name: 'Ada',
      iss: 'x',
    }).fields
    expect({ subject, groups: claims['groups'], name: claims['name'], iss: claims['iss'] }).toEqual({
      subject: 'subject-1',
      groups: ['a'],
      name: 'Ada',
      iss: issuer,
    })
  })

  test('never verifies the address that only the token has', async () => {
    const token = await verifyIdToken(await sign({ email: 'ceo@example.com' }), expected)
    const { claims } = completeToken(token, {
      sub: 'subject-1',
      email: 'eve@example.com',
      email_verified: true,
    }).fields
    expect([claims['email'], claims['email_verified']]).toEqual(['ceo@example.com', undefined])
  })
})
