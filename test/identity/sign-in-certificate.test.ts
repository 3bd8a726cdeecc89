import { execFileSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { fileSigner } from '../../src/credentials/authority.ts'
import { openSshPrivateKey } from '../../src/credentials/ssh-key.ts'
import { isAcceptableOffer, proveKey, signedBytes } from '../../src/identity/key-proof.ts'
import { principalOfCertificate } from '../../src/identity/principal.ts'
import {
  authorityBlobOf,
  checkSignInCertificate,
  issueSignInCertificate,
  principalOption,
  type SignInCertificateCheck,
} from '../../src/identity/sign-in-certificate.ts'
import {
  type CertificateContent,
  certificateName,
  parseUserCertificate,
  writeUserCertificate,
} from '../../src/identity/user-certificate.ts'
import { isKeyType, parseUserKey, type UserKey } from '../../src/identity/user-key.ts'
import type { PrincipalFields, Signer } from '../../src/model.ts'
import { string, WireReader } from '../../src/wire.ts'
import { makeKey, programPath, scratchFolder, testWith } from '../support/openssh.ts'
import { algorithmOf, connection, ecdsaKey, ed25519Key, fidoKey, rsaKey, type TestKey } from './keys.ts'

const scratch = scratchFolder()
afterAll(scratch.remove)

const nowMs = Date.UTC(2026, 2, 1, 12)
const now = BigInt(nowMs / 1000)
const authorityKeys = generateKeyPairSync('ed25519')
const authority = fileSigner(authorityKeys.privateKey)
const stranger = fileSigner(generateKeyPairSync('ed25519').privateKey)
const key = ed25519Key()

const principal: PrincipalFields = {
  issuer: 'https://ci.example.com',
  subject: 'repo:acme/infra',
  name: 'ci-infra',
  email: undefined,
  emailVerified: false,
  groups: ['deployers'],
  authenticatedAtMs: nowMs - 5000,
  expiresAtMs: nowMs + 600_000,
}
const check: SignInCertificateCheck = {
  authorities: [authority],
  gatewayName: 'bastion.test',
  sourceAddress: '10.0.0.7',
  nowMs,
  trustsIssuer: issuer => issuer === principal.issuer,
}
const content: CertificateContent = {
  serial: 42n,
  keyId: 'test',
  principals: ['bastion.test'],
  validAfter: now - 30n,
  validBefore: now + 600n,
  criticalOptions: new Map([[principalOption, JSON.stringify(principal)]]),
}

function keyOf(test: TestKey): UserKey {
  const parsed = parseUserKey(test.blob)
  if (parsed === undefined) throw new Error('no key')
  return parsed
}

/** The key signs a request of our connection with that certificate around it. */
function prove(blob: Buffer, holder: TestKey = key) {
  const plain = algorithmOf(holder)
  const algorithm = holder.type === 'ssh-rsa' ? `${plain}-cert-v01@openssh.com` : nameOf(holder)
  const request = { ...connection, algorithm, blob }
  return proveKey({ ...request, signature: holder.sign(signedBytes(request)) })
}

function nameOf({ type }: TestKey): string {
  return isKeyType(type) ? certificateName(type) : type
}

function judge(blob: Buffer, more: Partial<SignInCertificateCheck> = {}, holder: TestKey = key) {
  const proven = prove(blob, holder)
  if (proven === undefined) return 'not proven'
  const result = checkSignInCertificate(proven, { ...check, ...more })
  return typeof result === 'string' ? result : 'accepted'
}

async function write(more: Partial<CertificateContent> = {}, by: Signer = authority, holder: TestKey = key) {
  return await writeUserCertificate(keyOf(holder), { ...content, ...more }, by, authorityBlobOf(by))
}

function withOption(name: string, value: string) {
  return { criticalOptions: new Map([...content.criticalOptions, [name, value]]) }
}

function withPrincipal(value: unknown) {
  const json = typeof value === 'string' ? value : JSON.stringify(value)
  return { criticalOptions: new Map([[principalOption, json]]) }
}

describe('T23: a certificate is refused', () => {
  test.each<[string, Partial<CertificateContent>, Partial<SignInCertificateCheck>, string]>([
    ['that has expired', { validBefore: now }, {}, 'expired'],
    ['that is of the future', { validAfter: now + 1n }, {}, 'not-yet-valid'],
    ['whose end is before its start', { validAfter: now - 5n, validBefore: now - 10n }, {}, 'expired'],
    ['for ever', { validAfter: 0n, validBefore: 0xffff_ffff_ffff_ffffn }, {}, 'lives-too-long'],
    ['of two days', { validBefore: now + 2n * 86_400n }, {}, 'lives-too-long'],
    ['with no principals, which would mean anybody', { principals: [] }, {}, 'no-principals'],
    ['with an empty principal', { principals: [''] }, {}, 'another-gateway'],
    ['for another gateway', { principals: ['other.test'] }, {}, 'another-gateway'],
    [
      'with force-command, which we would not obey',
      withOption('force-command', 'id'),
      {},
      'unknown-critical-option',
    ],
    ['with an option that nobody knows', withOption('x@example.com', ''), {}, 'unknown-critical-option'],
    ['from another network', withOption('source-address', '192.168.0.0/16'), {}, 'wrong-source-address'],
    [
      'with networks that cannot be read',
      withOption('source-address', '10.0.0.0/8,any'),
      {},
      'wrong-source-address',
    ],
    ['with no network at all', withOption('source-address', ''), {}, 'wrong-source-address'],
    [
      'from nowhere',
      withOption('source-address', '10.0.0.0/8'),
      { sourceAddress: '' },
      'wrong-source-address',
    ],
    [
      'that wants a verified user, of a plain key',
      withOption('verify-required', ''),
      {},
      'user-not-verified',
    ],
    ['with nobody inside', { criticalOptions: new Map() }, {}, 'no-principal-inside'],
    ['with no JSON inside', withPrincipal('{'), {}, 'no-principal-inside'],
    ['with a list inside', withPrincipal([]), {}, 'no-principal-inside'],
    ['with null inside', withPrincipal(null), {}, 'no-principal-inside'],
    ['with no subject', withPrincipal({ ...principal, subject: '' }), {}, 'no-principal-inside'],
    [
      'with a subject of two lines',
      withPrincipal({ ...principal, subject: 'a\nb' }),
      {},
      'no-principal-inside',
    ],
    [
      'with a name that turns the line around',
      withPrincipal({ ...principal, name: 'a\u202eb' }),
      {},
      'no-principal-inside',
    ],
    ['with groups that are a number', withPrincipal({ ...principal, groups: 7 }), {}, 'no-principal-inside'],
    [
      'with an end that is a text',
      withPrincipal({ ...principal, expiresAtMs: '9e99' }),
      {},
      'no-principal-inside',
    ],
    ['whose sign-in is over', withPrincipal({ ...principal, expiresAtMs: nowMs }), {}, 'expired'],
    [
      'of an issuer that was taken out of the configuration',
      {},
      { trustsIssuer: () => false },
      'unknown-issuer',
    ],
    ['of another authority', {}, { authorities: [stranger] }, 'unknown-authority'],
  ])('%s', async (_, more, how, expected) => {
    expect(judge(await write(), {})).toBe('accepted')
    expect(judge(await write(more), how)).toBe(expected)
  })

  test('of an authority that only says that it is ours', async () => {
    const blob = await writeUserCertificate(keyOf(key), content, stranger, authorityBlobOf(authority))
    expect(judge(blob)).toBe('bad-signature')
  })

  test('of a former key of the authority, once its overlap is over', async () => {
    const blob = await write()
    expect(judge(blob, { authorities: [stranger, authority] })).toBe('accepted')
    expect(judge(blob, { authorities: [stranger] })).toBe('unknown-authority')
    expect(judge(blob, { authorities: [] })).toBe('unknown-authority')
  })

  test('of a certificate as authority, although ours signed that one (CVE-2025-49825)', async () => {
    const inner = await write()
    const own = fileSigner(generateKeyPairSync('ed25519').privateKey)
    const blob = await writeUserCertificate(keyOf(key), content, own, inner)
    expect(judge(blob)).toBe('unknown-authority')
  })

  test('of nobody: an authority of no bytes', async () => {
    const blob = await writeUserCertificate(keyOf(key), content, authority, Buffer.alloc(0))
    expect(judge(blob)).toBe('unknown-authority')
  })

  test('around another key than the one that signs', async () => {
    const blob = await write({}, authority, ed25519Key())
    expect(judge(blob)).toBe('not proven')
  })

  test('around a key of another type than the algorithm says', async () => {
    const blob = await write()
    for (const algorithm of [
      'ssh-ed25519',
      'ecdsa-sha2-nistp256-cert-v01@openssh.com',
      'ssh-rsa-cert-v01@openssh.com',
    ])
      expect(isAcceptableOffer({ algorithm, blob })).toBe(false)
    expect(isAcceptableOffer({ algorithm: nameOf(key), blob: key.blob })).toBe(false)
  })

  test('any flipped byte refuses', async () => {
    const blob = await write()
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const bad = Buffer.from(blob)
        bad[at] = (bad[at] ?? 0) ^ by
        expect(judge(bad)).not.toBe('accepted')
      }),
      { numRuns: 400 },
    )
  })

  test('cut anywhere, or with a byte more', async () => {
    const blob = await write()
    for (let length = 0; length < blob.length; length += 3)
      expect(parseUserCertificate(blob.subarray(0, length))).toBeUndefined()
    expect(parseUserCertificate(Buffer.concat([blob, Buffer.of(0)]))).toBeUndefined()
  })

  test('with options out of order or twice', async () => {
    const twice = await write({
      criticalOptions: new Map([
        ['a', ''],
        ['b', ''],
      ]),
    })
    expect(parseUserCertificate(twice)).toBeDefined()
    const at = twice.indexOf(Buffer.concat([string('b'), string(string(''))]))
    twice[at + 4] = 'a'.charCodeAt(0)
    expect(parseUserCertificate(twice)).toBeUndefined()
  })

  test('a principal that does not fit is never certified', async () => {
    const groups = Array.from({ length: 900 }, (_, index) => `${'g'.repeat(200)}${index}`)
    const wish = { key: keyOf(key), gatewayName: 'bastion.test', lifetimeMs: 1000, nowMs }
    await expect(
      issueSignInCertificate({ ...wish, principal: { ...principal, groups } }, authority),
    ).rejects.toThrow('does not fit')
  })
})

test.each([
  ['ssh-ed25519', ed25519Key()],
  ['ecdsa-sha2-nistp256', ecdsaKey(256)],
  ['ecdsa-sha2-nistp384', ecdsaKey(384)],
  ['ecdsa-sha2-nistp521', ecdsaKey(521)],
  ['ssh-rsa', rsaKey()],
  ['sk-ssh-ed25519', fidoKey()],
  ['sk-ecdsa-sha2-nistp256', fidoKey({ kind: 'ecdsa' })],
])('%s: what is issued is accepted, and is the principal', async (_, holder) => {
  const wish = { key: keyOf(holder), principal, gatewayName: 'bastion.test', lifetimeMs: 600_000, nowMs }
  const issued = await issueSignInCertificate(wish, authority)
  expect(issued.validBeforeMs).toBe(nowMs + 600_000)
  const proven = prove(issued.blob, holder)
  if (proven === undefined) throw new Error('not proven')
  const accepted = checkSignInCertificate(proven, check)
  if (typeof accepted === 'string') throw new Error(accepted)
  expect(principalOfCertificate(accepted).fields).toEqual(principal)
  expect(judge(issued.blob, { nowMs: issued.validBeforeMs }, holder)).toBe('expired')
  expect(judge(issued.blob, { nowMs: nowMs - 31_000 }, holder)).toBe('not-yet-valid')
})

test('a certificate that wants a verified user is good for a FIDO key that asked for a PIN', async () => {
  const touched = fidoKey({ flags: 1 })
  const verified = fidoKey({ flags: 5 })
  const wanted = withOption('verify-required', '')
  expect(judge(await write(wanted, authority, touched), {}, touched)).toBe('user-not-verified')
  expect(judge(await write(wanted, authority, verified), {}, verified)).toBe('accepted')
})

test('the source networks of a certificate may be several', async () => {
  const blob = await write(withOption('source-address', '192.168.0.0/16,10.0.0.7'))
  expect(judge(blob)).toBe('accepted')
  expect(judge(blob, { sourceAddress: '::ffff:10.0.0.7' })).toBe('accepted')
  expect(judge(blob, { sourceAddress: '10.0.0.8' })).toBe('wrong-source-address')
})

describe('with ssh-keygen', () => {
  const file = (name: string) => join(scratch.path, name)
  const keygen = (...args: string[]) => execFileSync(programPath('ssh-keygen'), args).toString()

  testWith('ssh-keygen')(
    'what we issue, it reads: a user certificate with the gateway as its principal',
    async () => {
      const made = makeKey(scratch.path, 'person')
      const holder = parseUserKey(made.blob)
      if (holder === undefined) throw new Error('no key')
      const wish = { key: holder, principal, gatewayName: 'bastion.test', lifetimeMs: 600_000, nowMs }
      const { blob } = await issueSignInCertificate(wish, authority)
      writeFileSync(file('person-cert.pub'), `${certificateName(holder.type)} ${blob.toString('base64')}\n`)
      const shown = keygen('-L', '-f', file('person-cert.pub'))
      expect(shown).toContain('user certificate')
      expect(shown).toMatch(/Principals: \n\s+bastion\.test/)
      expect(shown).toContain(`Signing CA: ED25519 ${authority.keyId}`)
      expect(shown).toContain(principalOption)
    },
  )

  for (const type of ['ed25519', 'ecdsa', 'rsa'] as const)
    testWith('ssh-keygen')(
      `what it signs with our authority's key for ${type}, we read, and refuse a host's`,
      () => {
        writeFileSync(file('ca'), openSshPrivateKey(authorityKeys.privateKey), { mode: 0o600 })
        const made = makeKey(scratch.path, `of-${type}`, type)
        const option = `critical:${principalOption}=${JSON.stringify(principal)}`
        const times = ['-V', '-1m:+5m']
        keygen(
          '-q',
          '-s',
          file('ca'),
          '-I',
          'id',
          '-n',
          'bastion.test',
          '-O',
          option,
          '-z',
          '9',
          ...times,
          made.publicFile,
        )
        const certificate = read(`${made.privateFile}-cert.pub`)
        expect(certificate).toMatchObject({ serial: 9n, type: 1, keyId: 'id', principals: ['bastion.test'] })
        expect(certificate.key.blob.equals(made.blob)).toBe(true)
        expect(JSON.parse(certificate.criticalOptions.get(principalOption) ?? '')).toMatchObject({
          name: 'ci-infra',
        })
        if (type !== 'ed25519') return
        const privateKey = createPrivateKey(opensslOf(made.privateFile))
        const holder: TestKey = { ...key, blob: made.blob, sign: data => ed25519Signature(data, privateKey) }
        const current = { nowMs: Date.now(), trustsIssuer: () => true }
        const inside = { ...principal, expiresAtMs: Date.now() + 300_000 }
        const signIt = (...more: string[]) => {
          keygen('-q', '-s', file('ca'), '-I', 'id', ...times, ...more, made.publicFile)
          return judge(blobOf(`${made.privateFile}-cert.pub`), current, holder)
        }
        const carry = ['-O', `critical:${principalOption}=${JSON.stringify(inside)}`]
        expect(signIt('-n', 'bastion.test', ...carry)).toBe('accepted')
        expect(signIt(...carry)).toBe('no-principals')
        expect(signIt('-n', 'bastion.test', '-h')).toBe('wrong-type')
        expect(signIt('-n', 'bastion.test', ...carry, '-O', 'force-command=id')).toBe(
          'unknown-critical-option',
        )
        expect(signIt('-n', 'bastion.test', ...carry, '-O', 'source-address=10.0.0.0/24')).toBe('accepted')
        expect(signIt('-n', 'bastion.test', ...carry, '-O', 'source-address=10.9.0.0/24')).toBe(
          'wrong-source-address',
        )
      },
    )

  function blobOf(path: string): Buffer {
    return Buffer.from(readFileSync(path, 'utf8').split(' ')[1] ?? '', 'base64')
  }

  function read(path: string) {
    const parsed = parseUserCertificate(blobOf(path))
    if (parsed === undefined) throw new Error('not read')
    return parsed
  }
})

function ed25519Signature(data: Buffer, privateKey: ReturnType<typeof createPrivateKey>): Buffer {
  return Buffer.concat([string('ssh-ed25519'), string(sign(null, data, privateKey))])
}

/** The seed lies at a fixed place of an unencrypted Ed25519 file: the last strings are the 64 bytes and the comment. */
function opensslOf(path: string): { key: Buffer; format: 'der'; type: 'pkcs8' } {
  const container = Buffer.from(readFileSync(path, 'utf8').replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  const reader = new WireReader(container, 'openssh-key-v1\0'.length)
  for (let skipped = 0; skipped < 3; skipped++) reader.string()
  reader.uint32()
  reader.string()
  const secret = new WireReader(reader.string(), 8)
  secret.string()
  secret.string()
  const seed = secret.string().subarray(0, 32)
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
  return { key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' }
}
