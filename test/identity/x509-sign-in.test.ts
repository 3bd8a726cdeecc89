import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fileSigner } from '../../src/credentials/authority.ts'
import { parseClientKey } from '../../src/identity/client-key.ts'
import {
  der,
  derObjectIdentifier,
  DerReader,
  derTag,
  derTime,
  explicitTag,
  readTime,
} from '../../src/identity/der.ts'
import { maxCertificateLifetimeMs } from '../../src/identity/sign-in-certificate.ts'
import { principalExtension } from '../../src/identity/x509-certificate.ts'
import { checkX509SignIn, issueX509SignIn, type X509SignInCheck } from '../../src/identity/x509-sign-in.ts'
import type { PrincipalFields } from '../../src/model.ts'
import { scratchFolder } from '../support/openssh.ts'

const minute = 60_000
const nowMs = Date.UTC(2026, 2, 1, 12)
const authorityKey = generateKeyPairSync('ed25519')
const authority = fileSigner(authorityKey.privateKey)
const client = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = client.publicKey.export({ format: 'der', type: 'spki' })
const principal: PrincipalFields = {
  issuer: 'https://ci.example.com',
  subject: 'repo:acme/infra',
  name: 'ci-infra',
  email: undefined,
  emailVerified: false,
  groups: ['deployers'],
  authenticatedAtMs: nowMs,
  expiresAtMs: nowMs + 10 * minute,
}
const said = { gateway: 'bastion.example.com', principal }
const check: X509SignInCheck = {
  authorities: [authority],
  gatewayName: 'bastion.example.com',
  sourceAddress: '10.0.0.7',
  nowMs,
  trustsIssuer: issuer => issuer === principal.issuer,
}

function clientKey(pem = client.publicKey.export({ format: 'pem', type: 'spki' }).toString()) {
  const key = parseClientKey(pem)
  if (key === undefined) throw new Error('no key')
  return key
}

function derOf(pem: string): Buffer {
  return new X509Certificate(pem).raw
}

async function issued(more: Partial<Parameters<typeof issueX509SignIn>[0]> = {}): Promise<Buffer> {
  const wish = { key: clientKey(), principal, gatewayName: check.gatewayName, lifetimeMs: 10 * minute, nowMs }
  return derOf((await issueX509SignIn({ ...wish, ...more }, authority)).pem)
}

function verdict(certificate: Buffer, more: Partial<X509SignInCheck> = {}): unknown {
  const result = checkX509SignIn(certificate, { ...check, ...more })
  return typeof result === 'string' ? result : result.fields.principal
}

const oid = { ed25519: '1.3.101.112', basic: '2.5.29.19', usage: '2.5.29.15', extended: '2.5.29.37' }
const clientAuth = derObjectIdentifier('1.3.6.1.5.5.7.3.2')
const text = (value: unknown) => der(derTag.utf8String, Buffer.from(JSON.stringify(value)))

/** A certificate that our own authority signed, and that has whatever form a test wants. */
type Shape = {
  version?: Buffer
  algorithm?: string
  times?: readonly [number, number]
  extensions?: readonly (readonly [string, Buffer, boolean?])[]
  changes?: Record<string, readonly [string, Buffer, boolean?] | undefined>
  tail?: Buffer
}
function shaped(shape: Shape = {}): Buffer {
  const usual: Record<string, readonly [string, Buffer, boolean?]> = {
    basic: [oid.basic, der(derTag.sequence)],
    usage: [oid.usage, der(derTag.bitString, Buffer.of(7, 0x80))],
    extended: [oid.extended, der(derTag.sequence, clientAuth)],
    principal: [principalExtension, text(said)],
  }
  const chosen = Object.values({ ...usual, ...shape.changes }).filter(one => one !== undefined)
  const extensions = (shape.extensions ?? chosen).map(([id, value, critical = true]) =>
    der(
      derTag.sequence,
      derObjectIdentifier(id),
      ...(critical ? [der(derTag.boolean, Buffer.of(0xff))] : []),
      der(derTag.octetString, value),
    ),
  )
  const algorithm = der(derTag.sequence, derObjectIdentifier(shape.algorithm ?? oid.ed25519))
  const name = der(derTag.sequence)
  const [from, to] = shape.times ?? [nowMs - minute, nowMs + minute]
  const signed = der(
    derTag.sequence,
    der(explicitTag(0), der(derTag.integer, shape.version ?? Buffer.of(2))),
    der(derTag.integer, Buffer.of(0x41)),
    algorithm,
    name,
    der(derTag.sequence, derTime(from), derTime(to)),
    name,
    spki,
    der(explicitTag(3), der(derTag.sequence, ...extensions)),
  )
  const signature = der(derTag.bitString, Buffer.of(0), sign(null, signed, authorityKey.privateKey))
  return Buffer.concat([der(derTag.sequence, signed, algorithm, signature), shape.tail ?? Buffer.alloc(0)])
}

describe('refused', () => {
  test('what another authority signed, and what nobody signed', async () => {
    const other = fileSigner(generateKeyPairSync('ed25519').privateKey)
    const wish = { key: clientKey(), principal, gatewayName: check.gatewayName, lifetimeMs: minute, nowMs }
    expect(verdict(derOf((await issueX509SignIn(wish, other)).pem))).toBe('unknown-authority')
    const good = await issued()
    for (let at = 4; at < good.length; at += 7) {
      const flipped = Buffer.from(good)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      expect(typeof verdict(flipped)).toBe('string')
    }
  })

  test('a certificate of ours for the sign-in authority’s own key, passed off as an authority', async () => {
    const key = clientKey(authority.publicKeyPem)
    const nested = await issued({ key })
    expect(new X509Certificate(nested).ca).toBe(false)
    expect(
      verdict(nested, {
        authorities: [{ publicKeyPem: client.publicKey.export({ format: 'pem', type: 'spki' }).toString() }],
      }),
    ).toBe('unknown-authority')
  })

  test.each<[string, Shape, string]>([
    [
      'an authority',
      { changes: { basic: [oid.basic, der(derTag.sequence, der(derTag.boolean, Buffer.of(0xff)))] } },
      'wrong-use',
    ],
    ['no basic constraints', { changes: { basic: undefined } }, 'wrong-use'],
    [
      'a key that signs certificates',
      { changes: { usage: [oid.usage, der(derTag.bitString, Buffer.of(2, 0x84))] } },
      'wrong-use',
    ],
    [
      'a server’s',
      {
        changes: { extended: [oid.extended, der(derTag.sequence, derObjectIdentifier('1.3.6.1.5.5.7.3.1'))] },
      },
      'wrong-use',
    ],
    [
      'any use',
      { changes: { extended: [oid.extended, der(derTag.sequence, derObjectIdentifier('2.5.29.37.0'))] } },
      'wrong-use',
    ],
    [
      'clients and servers',
      { changes: { extended: [oid.extended, der(derTag.sequence, clientAuth, clientAuth)] } },
      'wrong-use',
    ],
    ['no use at all', { changes: { extended: undefined } }, 'wrong-use'],
    ['no principal', { changes: { principal: undefined } }, 'wrong-use'],
    [
      'a principal that is not critical',
      { changes: { principal: [principalExtension, text(said), false] } },
      'malformed',
    ],
    [
      'an unknown critical extension',
      { changes: { more: ['2.5.29.36', der(derTag.sequence)] } },
      'unknown-extension',
    ],
    [
      'an unknown extension that is not critical',
      { changes: { more: ['2.5.29.17', der(derTag.sequence), false] } },
      'malformed',
    ],
    ['two principals', { changes: { more: [principalExtension, text(said)] } }, 'unknown-extension'],
    ['no extensions', { extensions: [] }, 'wrong-use'],
    ['version 1', { version: Buffer.of(0) }, 'malformed'],
    ['another algorithm', { algorithm: '1.2.840.113549.1.1.11' }, 'unknown-authority'],
    ['bytes after it', { tail: Buffer.of(0) }, 'unknown-authority'],
    ['not yet valid', { times: [nowMs + minute, nowMs + 2 * minute] }, 'not-yet-valid'],
    ['expired', { times: [nowMs - minute, nowMs] }, 'expired'],
    ['too long a life', { times: [nowMs - minute, nowMs + maxCertificateLifetimeMs] }, 'lives-too-long'],
    [
      'a principal that is no JSON',
      { changes: { principal: [principalExtension, der(derTag.utf8String, Buffer.from('x'))] } },
      'no-principal-inside',
    ],
    [
      'a principal with a member that nobody knows',
      { changes: { principal: [principalExtension, text({ ...said, until: 1 })] } },
      'no-principal-inside',
    ],
    [
      'a principal without subject',
      {
        changes: {
          principal: [principalExtension, text({ ...said, principal: { ...principal, subject: '' } })],
        },
      },
      'no-principal-inside',
    ],
    [
      'no gateway',
      { changes: { principal: [principalExtension, text({ principal })] } },
      'no-principal-inside',
    ],
  ])('%s, even if our authority signed it', (_, shape, why) => {
    expect(verdict(shaped())).toEqual(principal)
    expect(verdict(shaped(shape))).toBe(why)
  })

  test('one for another gateway, from elsewhere, of an issuer that is gone, or after the sign-in in it', async () => {
    expect(verdict(await issued(), { gatewayName: 'other.example.com' })).toBe('another-gateway')
    const bound = await issued({ from: '10.0.0.0/24' })
    expect(verdict(bound)).toEqual(principal)
    expect(verdict(bound, { sourceAddress: '10.0.1.7' })).toBe('wrong-source-address')
    expect(verdict(bound, { sourceAddress: 'nonsense' })).toBe('wrong-source-address')
    expect(verdict(await issued({ from: 'nonsense' }))).toBe('wrong-source-address')
    expect(verdict(await issued(), { trustsIssuer: () => false })).toBe('unknown-issuer')
    const short = await issued({ principal: { ...principal, expiresAtMs: nowMs + minute } })
    expect(verdict(short, { nowMs: nowMs + minute })).toBe('expired')
  })

  test('any bytes, without an exception', async () => {
    const good = await issued()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(good.length - 1), (bytes, at) => {
        expect(verdict(Buffer.from(bytes))).toBe('unknown-authority')
        expect(verdict(Buffer.concat([good.subarray(0, at), bytes]))).toBe('unknown-authority')
      }),
    )
    expect(verdict(Buffer.alloc(1_000_000, 0x30))).toBe('unknown-authority')
  })

  test('a principal that does not fit is never issued', async () => {
    const groups = Array.from({ length: 900 }, (_, index) => `${'g'.repeat(100)}${index}`)
    await expect(issued({ principal: { ...principal, groups } })).rejects.toThrow(TypeError)
  })
})

describe('what is issued', () => {
  test('is a client’s certificate to Node and OpenSSL, in every field', async () => {
    const certificate = new X509Certificate(await issued())
    expect(certificate.verify(createPublicKey(authority.publicKeyPem))).toBe(true)
    expect(certificate).toMatchObject({
      ca: false,
      subject: 'CN=ci-infra',
      issuer: 'CN=Sallyport sign-in of bastion.example.com',
    })
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(certificate.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
    expect([Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]).toEqual([
      nowMs - 30_000,
      nowMs + 10 * minute,
    ])
    expect(certificate.publicKey.export({ format: 'der', type: 'spki' })).toEqual(spki)
  })

  test('is worthless to a server that trusts the wrong authority: the principal is critical and unknown', async () => {
    const folder = scratchFolder()
    const file = join(folder.path, 'certificate.pem')
    writeFileSync(file, new X509Certificate(await issued()).toString())
    const shown = execFileSync('openssl', ['x509', '-in', file, '-noout', '-text'], { encoding: 'utf8' })
    folder.remove()
    expect(shown).toMatch(/2\.25\.152276733194451503451316777057249578523: critical/)
    expect(shown).toMatch(/Extended Key Usage: critical\s+TLS Web Client Authentication/)
  })

  test('lives a day at most', async () => {
    const certificate = new X509Certificate(await issued({ lifetimeMs: 1e12 }))
    expect(Date.parse(certificate.validTo)).toBe(nowMs + maxCertificateLifetimeMs)
  })
})

describe('keys', () => {
  test('that are weak, private, of another kind or no key at all are refused', () => {
    const pem = (key: { publicKey: { export: (o: { format: 'pem'; type: 'spki' }) => string | Buffer } }) =>
      key.publicKey.export({ format: 'pem', type: 'spki' }).toString()
    expect(parseClientKey(pem(generateKeyPairSync('rsa', { modulusLength: 1024 })))).toBeUndefined()
    expect(parseClientKey(pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })))).toBeUndefined()
    expect(parseClientKey(pem(generateKeyPairSync('x25519')))).toBeUndefined()
    expect(
      parseClientKey(client.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()),
    ).toBeUndefined()
    expect(parseClientKey('')).toBeUndefined()
    expect(parseClientKey('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----')).toBeUndefined()
    expect(
      parseClientKey('-----BEGIN CERTIFICATE REQUEST-----\nMAMCAQA=\n-----END CERTIFICATE REQUEST-----'),
    ).toBeUndefined()
  })

  test('come from a request of openssl, too', () => {
    const folder = scratchFolder()
    const file = join(folder.path, 'key.pem')
    writeFileSync(file, client.privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const request = execFileSync('openssl', ['req', '-new', '-key', file, '-subj', '/CN=whoever'], {
      encoding: 'utf8',
    })
    folder.remove()
    expect(parseClientKey(request)?.der).toEqual(spki)
  })
})

test('DER: what is written is read, and lengths that lie are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70_000 }), content => {
      const reader = new DerReader(der(derTag.octetString, content))
      expect(reader.next(derTag.octetString).content).toEqual(Buffer.from(content))
      reader.end()
    }),
    { numRuns: 30 },
  )
  for (const hex of ['0481', '048100', '04820001ff', '0480', '0485000000000100', '0402ff', '1f8101', ''])
    expect(() => new DerReader(Buffer.from(hex, 'hex')).any()).toThrow()
  for (const ms of [Date.UTC(1999, 1, 3, 4, 5, 6), Date.UTC(2049, 11, 31), Date.UTC(2050, 0, 1)])
    expect(readTime(new DerReader(derTime(ms)).any())).toBe(ms)
})
