import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  certificateTokenType,
  exchangesPerMinute,
  maxMachineCertificateMs,
  x509TokenType,
} from '../../src/api/token-route.ts'
import { publicKeyBlob } from '../../src/credentials/ssh-key.ts'
import { checkX509SignIn } from '../../src/identity/x509-sign-in.ts'
import { parseUserCertificate } from '../../src/identity/user-certificate.ts'
import { principalOption } from '../../src/identity/sign-in-certificate.ts'
import { ed25519Key, fidoKey, rsaKey, type TestKey } from '../identity/keys.ts'
import { type HostileIssuer, startHostileIssuer } from '../support/issuer.ts'
import { openWorld, type World } from './world.ts'

let world: World
let issuer: HostileIssuer
beforeAll(async () => {
  world = await openWorld()
  issuer = await startHostileIssuer('workloads')
  world.machines.push({
    issuer: issuer.url,
    audience: 'workloads',
    bound: { repository: 'acme/infra' },
    name: 'ci-infra',
    groups: ['deployers'],
    allowHttpIssuer: true,
  })
})
afterAll(async () => {
  await world.close()
  await issuer.close()
})

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const key = ed25519Key()
let made = 0

function lineOf({ type, blob }: TestKey): string {
  return `${type} ${blob.toString('base64')} job@runner`
}

async function jwt(claims: Record<string, unknown> = {}): Promise<string> {
  return await issuer.idToken('', { repository: 'acme/infra', jti: `t-${made++}`, ...claims })
}

async function post(fields: Record<string, string | undefined>, headers: Record<string, string> = {}) {
  world.knobs.aheadMs += 2000 // so that the tests among themselves stay under the limit
  const entries = Object.entries(fields).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  )
  const response = await fetch(`${world.url}/token`, {
    method: 'POST',
    body: new URLSearchParams(entries),
    headers,
  })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, string>,
  }
}

async function wish(more: Record<string, string | undefined> = {}) {
  return {
    grant_type: exchangeGrant,
    subject_token: await jwt(),
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    public_key: lineOf(key),
    ...more,
  }
}

describe('refused, as a problem document with the OAuth error', () => {
  test.each<[string, Record<string, string | undefined>, string]>([
    ['another grant', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
    ['no grant', { grant_type: undefined }, 'unsupported_grant_type'],
    ['no token', { subject_token: undefined }, 'invalid_request'],
    ['a token that is no JWT', { subject_token: 'abc' }, 'invalid_grant'],
    ['a token of an unknown kind', { subject_token_type: 'urn:x' }, 'invalid_request'],
    ['a wish for something else', { requested_token_type: 'urn:x' }, 'invalid_request'],
    ['no key', { public_key: undefined }, 'invalid_request'],
    ['a key of no bytes', { public_key: 'ssh-ed25519 ' }, 'invalid_request'],
    [
      'a key under the name of another',
      { public_key: lineOf({ ...key, type: 'ssh-rsa' }) },
      'invalid_request',
    ],
    ['an RSA key of 1,024 bits', { public_key: lineOf(rsaKey(1024)) }, 'invalid_request'],
  ])('%s', async (_, more, error) => {
    const { status, headers, body } = await post(await wish(more))
    expect([status, body['error']]).toEqual([400, error])
    expect(headers.get('content-type')).toBe('application/problem+json')
    expect(body['error_description']).toBe(body['detail'])
  })

  test('a token of another repository, and the answer does not say why; the audit log does', async () => {
    const { status, body } = await post(await wish({ subject_token: await jwt({ repository: 'eve/infra' }) }))
    expect([status, body['error']]).toEqual([400, 'invalid_grant'])
    expect(body['detail']).not.toMatch(/claim|repository|audience/)
    expect(world.audit.at(-1)).toMatchObject({
      kind: 'refusal',
      method: 'token-exchange',
      code: 'TOKEN_REFUSED',
      sourceAddress: '127.0.0.1',
    })
    expect(world.audit.at(-1)?.['reasons']).toContain('claims')
  })

  test('a token that was used for another key', async () => {
    const token = await jwt()
    expect((await post(await wish({ subject_token: token }))).status).toBe(200)
    const stolen = await wish({ subject_token: token, public_key: lineOf(ed25519Key()) })
    expect((await post(stolen)).body['error']).toBe('invalid_grant')
    expect((await post(await wish({ subject_token: token }))).status).toBe(200)
  })

  test('a JSON body, which is not what the standard asks for', async () => {
    const response = await fetch(`${world.url}/token`, {
      method: 'POST',
      body: JSON.stringify(await wish()),
      headers: { 'content-type': 'application/json' },
    })
    expect(response.status).toBe(400)
  })

  test('while the issuer is away: come again', async () => {
    world.machines.push({
      issuer: 'http://127.0.0.1:1',
      audience: 'a',
      bound: { sub: 'x' },
      name: 'away',
      groups: [],
      allowHttpIssuer: true,
    })
    const { status, body } = await post(
      await wish({ subject_token: await jwt({ iss: 'http://127.0.0.1:1' }) }),
    )
    expect([status, body['error']]).toEqual([503, 'temporarily_unavailable'])
  })

  test('when the audit log cannot be written: nobody gets a certificate', async () => {
    const failing = await openWorld({
      audit: {
        append: () => {
          throw new Error('full')
        },
      },
    })
    failing.machines.push(...world.machines)
    const body = new URLSearchParams(await wish())
    const response = await fetch(`${failing.url}/token`, { method: 'POST', body })
    await failing.close()
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('cert-v01')
  })
})

describe('accepted', () => {
  test.each([
    ['ssh-ed25519', key],
    ['ssh-rsa', rsaKey()],
    ['sk-ssh-ed25519', fidoKey()],
  ])(
    'a certificate for %s: our authority’s, of minutes, for this gateway, with the machine inside',
    async (name, holder) => {
      const token = await jwt()
      const { status, headers, body } = await post(
        await wish({ subject_token: token, public_key: lineOf(holder) }),
      )
      expect(status).toBe(200)
      expect(headers.get('cache-control')).toBe('no-store')
      expect(body).toMatchObject({ token_type: 'N_A', issued_token_type: certificateTokenType })
      const [algorithm, base64 = ''] = body['access_token']?.split(' ') ?? []
      expect(algorithm).toBe(`${name}-cert-v01@openssh.com`)
      const certificate = parseUserCertificate(Buffer.from(base64, 'base64'))
      if (certificate === undefined) throw new Error('no certificate')
      expect(certificate.key.blob.equals(holder.blob)).toBe(true)
      expect(
        certificate.authorityBlob.equals(publicKeyBlob(createPublicKey(world.authority.publicKeyPem))),
      ).toBe(true)
      expect(certificate.principals).toEqual(['bastion.example.com'])
      const lifetimeMs = Number(certificate.validBefore - certificate.validAfter) * 1000 - 30_000
      expect(lifetimeMs).toBeLessThanOrEqual(maxMachineCertificateMs)
      expect(Number(body['expires_in'])).toBeLessThanOrEqual(maxMachineCertificateMs / 1000)
      const principal = JSON.parse(certificate.criticalOptions.get(principalOption) ?? '') as Record<
        string,
        unknown
      >
      expect(principal).toMatchObject({
        issuer: issuer.url,
        subject: 'subject-1',
        name: 'ci-infra',
        groups: ['deployers'],
        emailVerified: false,
      })
      expect(principal['expiresAtMs']).toBe(Number(certificate.validBefore) * 1000)
      expect(world.audit.at(-1)).toMatchObject({
        kind: 'sign-in',
        method: 'token-exchange',
        subject: 'subject-1',
        serial: String(certificate.serial),
      })
      expect(JSON.stringify(world.audit)).not.toContain(token)
    },
  )

  test('sessions may last longer than the certificate where the configuration says so', async () => {
    const machine = world.machines[0]
    if (machine === undefined) throw new Error('no machine')
    world.machines[0] = { ...machine, sessionMs: 3_600_000 }
    const { body } = await post(await wish())
    world.machines[0] = machine
    const certificate = parseUserCertificate(Buffer.from(body['access_token']?.split(' ')[1] ?? '', 'base64'))
    const principal = JSON.parse(certificate?.criticalOptions.get(principalOption) ?? '') as Record<
      string,
      number
    >
    const longerMs = (principal['expiresAtMs'] ?? 0) - Number(certificate?.validBefore) * 1000
    expect(longerMs).toBeGreaterThan(3_600_000 - maxMachineCertificateMs - 1000)
  })
})

describe('a certificate for TLS', () => {
  const tlsKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = tlsKey.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const asked = { requested_token_type: x509TokenType, public_key: publicKey }

  test.each<[string, Record<string, string | undefined>]>([
    ['an SSH key', { public_key: lineOf(key) }],
    ['a private key', { public_key: tlsKey.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }],
    ['no key', { public_key: undefined }],
    ['an address that is none', { source_address: 'somewhere' }],
  ])('is refused for %s', async (_, more) => {
    const { status, body } = await post(await wish({ ...asked, ...more }))
    expect([status, body['error']]).toEqual([400, 'invalid_request'])
  })

  test('is refused for a token that came with another key', async () => {
    const token = await jwt()
    expect((await post(await wish({ subject_token: token }))).status).toBe(200)
    expect((await post(await wish({ ...asked, subject_token: token }))).body['error']).toBe('invalid_grant')
  })

  test('is the machine’s, of minutes, from the address that it asked for', async () => {
    const { status, body } = await post(await wish({ ...asked, source_address: '127.0.0.0/8' }))
    expect([status, body['issued_token_type'], body['token_type']]).toEqual([200, x509TokenType, 'N_A'])
    const certificate = new X509Certificate(body['access_token'] ?? '')
    const checked = (sourceAddress: string) =>
      checkX509SignIn(certificate.raw, {
        authorities: [world.x509Authority],
        gatewayName: 'bastion.example.com',
        sourceAddress,
        nowMs: Date.now() + world.knobs.aheadMs,
        trustsIssuer: url => url === issuer.url,
      })
    expect(checked('127.0.0.9')).toMatchObject({
      fields: { principal: { name: 'ci-infra', groups: ['deployers'] } },
    })
    expect(checked('10.0.0.7')).toBe('wrong-source-address')
    expect(certificate.publicKey.equals(tlsKey.publicKey)).toBe(true)
    expect(Number(body['expires_in'])).toBeLessThanOrEqual(maxMachineCertificateMs / 1000)
    expect(world.audit.at(-1)).toMatchObject({
      kind: 'sign-in',
      method: 'token-exchange',
      certificate: 'x509',
      serial: certificate.serialNumber.toLowerCase(),
    })
  })
})

test('one source gets so many a minute, and then has to wait', async () => {
  world.knobs.aheadMs += 60_000
  const body = () => new URLSearchParams({ grant_type: 'x' })
  const statuses: number[] = []
  for (let count = 0; count <= exchangesPerMinute + 5; count++)
    statuses.push((await fetch(`${world.url}/token`, { method: 'POST', body: body() })).status)
  expect(statuses.slice(0, exchangesPerMinute).every(status => status === 400)).toBe(true)
  expect(statuses.at(-1)).toBe(429)
  world.knobs.aheadMs += 60_000
  expect((await fetch(`${world.url}/token`, { method: 'POST', body: body() })).status).toBe(400)
})
