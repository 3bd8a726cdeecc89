import { createHmac } from 'node:crypto'
import {
  createLocalJWKSet,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { MachineConfig } from '../../src/config/config.ts'
import { Fault } from '../../src/errors.ts'
import { MachineTokens } from '../../src/identity/machine-token.ts'
import { principalOfMachine } from '../../src/identity/principal.ts'
import { FakeClock } from '../support/fake-clock.ts'

const issuer = 'https://ci.example.com'
const infra: MachineConfig = {
  issuer,
  audience: 'sallyport',
  bound: { repository: 'acme/infra', ref: 'refs/heads/main' },
  name: 'ci-infra',
  groups: ['deployers'],
  allowHttpIssuer: false,
}

type Keys = Awaited<ReturnType<typeof generateKeyPair>>
let ec: Keys
let stranger: Keys
let clock: FakeClock
let machines: MachineConfig[]
let asked: string[]
let away: boolean
let tokens: MachineTokens
let payload: JWTPayload

beforeAll(async () => {
  ec = await generateKeyPair('ES256', { extractable: true })
  stranger = await generateKeyPair('ES256', { extractable: true })
})

beforeEach(async () => {
  clock = new FakeClock()
  machines = [infra]
  asked = []
  away = false
  const jwks = createLocalJWKSet({ keys: [{ ...(await exportJWK(ec.publicKey)), kid: 'ec' }] })
  tokens = new MachineTokens({
    clock,
    machines: () => machines,
    keysOf: async url => {
      asked.push(url)
      if (away) throw new Fault('ISSUER_UNAVAILABLE', 'away')
      return jwks
    },
  })
  const now = clock.nowMs() / 1000
  payload = {
    iss: issuer,
    aud: 'sallyport',
    sub: 'repo:acme/infra:ref:refs/heads/main',
    iat: now,
    exp: now + 300,
    jti: 'token-1',
    repository: 'acme/infra',
    ref: 'refs/heads/main',
  }
})

async function sign(more: Record<string, unknown> = {}, header = {}, keys: Keys = ec): Promise<string> {
  return await new SignJWT({ ...payload, ...more })
    .setProtectedHeader({ alg: 'ES256', kid: 'ec', ...header })
    .sign(keys.privateKey)
}

async function refusal(jwt: string, fingerprint = 'SHA256:a'): Promise<string> {
  try {
    await tokens.verify(jwt, fingerprint)
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: 'TOKEN_REFUSED' })
    return (thrown as Error).message
  }
  throw new Error('the token was accepted')
}

describe('T24: a workload’s token is refused', () => {
  test('with alg none, or with our public key as an HMAC secret', async () => {
    expect(await refusal(new UnsecuredJWT(payload).encode())).toContain('alg')
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: 'ec' })).toString('base64url')
    const body = Buffer.from(JSON.stringify(payload)).toString('base64url')
    const mac = createHmac('sha256', await exportSPKI(ec.publicKey)).update(`${header}.${body}`)
    expect(await refusal(`${header}.${body}.${mac.digest('base64url')}`)).toContain('alg')
  })

  test.each<[string, Record<string, unknown>, string]>([
    ['of another issuer', { iss: 'https://evil.example' }, 'issuer'],
    ['of no issuer', { iss: undefined }, 'issuer'],
    ['of an issuer that is a list', { iss: [issuer] }, 'issuer'],
    ['for another audience', { aud: 'other' }, 'aud'],
    ['for no audience', { aud: undefined }, 'aud'],
    ['of another repository', { repository: 'eve/infra' }, 'claims'],
    ['of a repository with ours as its beginning', { repository: 'acme/infra-fork' }, 'claims'],
    ['of another case', { repository: 'Acme/infra' }, 'claims'],
    ['whose claim is a list', { repository: ['acme/infra'] }, 'claims'],
    ['without a bound claim', { ref: undefined }, 'claims'],
    ['without an end', { exp: undefined }, 'exp'],
    ['without a beginning', { iat: undefined }, 'iat'],
    ['without a subject', { sub: undefined }, 'sub'],
    ['with a subject of two lines', { sub: 'a\nb' }, 'sub'],
    ['that lives for a day', { exp: Date.UTC(2026, 2, 2, 12) / 1000 }, 'lives longer'],
    [
      'that has expired',
      { iat: Date.UTC(2026, 2, 1, 11) / 1000, exp: Date.UTC(2026, 2, 1, 11, 30) / 1000 },
      'exp',
    ],
    ['that is not valid yet', { nbf: Date.UTC(2026, 2, 1, 13) / 1000 }, 'nbf'],
  ])('%s', async (_, more, why) => {
    expect(await refusal(await sign(more))).toContain(why)
  })

  test('signed by a stranger, altered, of another type, too long, or no token', async () => {
    expect(await refusal(await sign({}, {}, stranger))).toContain('signature')
    const [header, , signature] = (await sign()).split('.')
    const other = Buffer.from(JSON.stringify({ ...payload, sub: 'root' })).toString('base64url')
    expect(await refusal(`${header}.${other}.${signature}`)).toContain('signature')
    expect(await refusal(await sign({}, { typ: 'logout+jwt' }))).toContain('typ')
    expect(await refusal(await sign({ padding: 'x'.repeat(9000) }))).toContain('longer than')
    for (const text of ['', 'a', 'a.b.c', '....', '\u0000']) expect(await refusal(text)).toBeTruthy()
  })

  test('once its machine is out of the configuration', async () => {
    await tokens.verify(await sign(), 'SHA256:a')
    machines = []
    expect(await refusal(await sign())).toContain('issuer')
  })
})

test('only issuers of the configuration are ever asked for keys', async () => {
  await refusal(await sign({ iss: 'http://169.254.169.254' }))
  expect(asked).toEqual([])
  await tokens.verify(await sign(), 'SHA256:a')
  await tokens.verify(await sign(), 'SHA256:a')
  expect(asked).toEqual([issuer])
  clock.advance(3_600_000)
  const now = clock.nowMs() / 1000
  await tokens.verify(await sign({ iat: now, exp: now + 60, jti: 'later' }), 'SHA256:a')
  expect(asked).toEqual([issuer, issuer])
})

test('an issuer that is away refuses, and is asked again next time', async () => {
  away = true
  await expect(tokens.verify(await sign(), 'SHA256:a')).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' })
  away = false
  await tokens.verify(await sign(), 'SHA256:a')
})

test.each([
  ['with a name of its own (jti)', { jti: 'token-9' }],
  ['without one', { jti: undefined }],
])('a token %s belongs to the first key that it came with, for its whole life', async (_, more) => {
  const jwt = await sign(more)
  await tokens.verify(jwt, 'SHA256:mine')
  expect(await refusal(jwt, 'SHA256:thief')).toContain('used before')
  clock.advance(200_000)
  await tokens.verify(jwt, 'SHA256:mine')
  expect(await refusal(jwt, 'SHA256:thief')).toContain('used before')
  clock.advance(200_000)
  expect(await refusal(jwt, 'SHA256:thief')).toContain('exp')
})

test('a refused token takes nothing: its name is free for the right one', async () => {
  await refusal(await sign({ repository: 'eve/infra' }), 'SHA256:thief')
  await refusal(await sign({}, {}, stranger), 'SHA256:thief')
  await tokens.verify(await sign(), 'SHA256:mine')
})

test('name and groups are those of the configuration, the key is issuer and subject', async () => {
  const other = { ...infra, bound: { sub: 'pod-7' }, name: 'pod', groups: [] }
  machines = [infra, other]
  const token = await tokens.verify(
    await sign({ name: 'root', groups: ['admins'], email: 'a@b' }),
    'SHA256:a',
  )
  expect(principalOfMachine(token, 99).fields).toEqual({
    issuer,
    subject: 'repo:acme/infra:ref:refs/heads/main',
    name: 'ci-infra',
    email: undefined,
    emailVerified: false,
    groups: ['deployers'],
    authenticatedAtMs: clock.nowMs(),
    expiresAtMs: 99,
  })
  const pod = await tokens.verify(await sign({ sub: 'pod-7', jti: 'p', repository: undefined }), 'SHA256:a')
  expect(pod.fields.name).toBe('pod')
})
