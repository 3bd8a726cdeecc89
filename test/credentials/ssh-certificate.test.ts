import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fileSigner } from '../../src/credentials/authority.ts'
import {
  type CertificateCheck,
  type CertificateFields,
  certificateAlgorithm,
  checkCertificate,
  issueCertificate,
} from '../../src/credentials/ssh-certificate.ts'
import { openSshPrivateKey, publicKeyBlob } from '../../src/credentials/ssh-key.ts'

const nowMs = Date.UTC(2026, 0, 5, 12)
const nowSeconds = nowMs / 1000
const authority = generateKeyPairSync('ed25519')
const person = generateKeyPairSync('ed25519')
const signer = fileSigner(authority.privateKey)

const good: CertificateFields = {
  serial: 42n,
  type: 'user',
  keyId: 'sallyport session=x principal=alice',
  principals: ['deploy'],
  validAfterSeconds: nowSeconds - 30,
  validBeforeSeconds: nowSeconds + 30,
  criticalOptions: { 'source-address': '127.0.0.1' },
  extensions: ['permit-pty'],
}
const check: CertificateCheck = {
  type: 'user',
  authorities: [publicKeyBlob(authority.publicKey)],
  principal: 'deploy',
  nowMs,
  sourceAddressMatches: list => list === '127.0.0.1',
}

async function judge(fields: Partial<CertificateFields>, how: Partial<CertificateCheck> = {}) {
  const blob = await issueCertificate(person.publicKey, { ...good, ...fields }, signer)
  const result = checkCertificate(blob, { ...check, ...how })
  return typeof result === 'string' ? result : 'accepted'
}

describe('a certificate is refused', () => {
  const stranger = publicKeyBlob(generateKeyPairSync('ed25519').publicKey)
  const rows: [string, Partial<CertificateFields>, Partial<CertificateCheck>, string][] = [
    ['of the other type', { type: 'host' }, {}, 'wrong-type'],
    ['of an authority that is not trusted', {}, { authorities: [stranger] }, 'unknown-authority'],
    ['when no authority is trusted', {}, { authorities: [] }, 'unknown-authority'],
    ['a minute later', {}, { nowMs: nowMs + 60_000 }, 'expired'],
    ['at the very instant of its end', {}, { nowMs: nowMs + 30_000 }, 'expired'],
    ['before its time', {}, { nowMs: nowMs - 31_000 }, 'not-yet-valid'],
    ['for another login', {}, { principal: 'root' }, 'wrong-principal'],
    ['with no principals, which would mean anybody', { principals: [] }, {}, 'no-principals'],
    ['from another address', {}, { sourceAddressMatches: () => false }, 'wrong-source-address'],
    [
      'with a critical option that nobody knows',
      { criticalOptions: { 'force-command': 'x' } },
      {},
      'unknown-critical-option',
    ],
  ]
  for (const [name, fields, how, refusal] of rows) {
    test(name, async () => expect(await judge(fields, how)).toBe(refusal))
  }

  test('when it was signed by a certificate instead of an authority', async () => {
    const inner = await issueCertificate(person.publicKey, good, signer)
    const nested = await issueCertificate(person.publicKey, good, {
      ...fileSigner(person.privateKey),
    })
    const asAuthority = { ...check, authorities: [inner] }
    expect(checkCertificate(nested, asAuthority)).toBe('unknown-authority')
  })

  test('when any byte of it was changed', async () => {
    const blob = await issueCertificate(person.publicKey, good, signer)
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const altered = Buffer.from(blob)
        altered[at] = (altered[at] ?? 0) ^ change
        expect(typeof checkCertificate(altered, check)).toBe('string')
      }),
      { numRuns: 300 },
    )
  })

  test('when it is cut, padded or garbage', async () => {
    const blob = await issueCertificate(person.publicKey, good, signer)
    for (let length = 0; length < blob.length; length += 7) {
      expect(checkCertificate(blob.subarray(0, length), check)).toBe('malformed')
    }
    expect(checkCertificate(Buffer.concat([blob, Buffer.from([0])]), check)).toBe('malformed')
    fc.assert(
      fc.property(fc.uint8Array(), bytes => checkCertificate(Buffer.from(bytes), check) === 'malformed'),
    )
  })
})

test('a good certificate is accepted and says what was put into it', async () => {
  const blob = await issueCertificate(person.publicKey, good, signer)
  expect(checkCertificate(blob, check)).toMatchObject({ ...good, extensions: ['permit-pty'] })
})

describe.skipIf(spawnSync('ssh-keygen', ['-?']).error !== undefined)('to OpenSSH', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'))

  test('our certificates read as what we meant', async () => {
    const blob = await issueCertificate(person.publicKey, good, signer)
    const file = join(folder, 'id-cert.pub')
    writeFileSync(file, `${certificateAlgorithm} ${blob.toString('base64')} test\n`)
    const shown = execFileSync('ssh-keygen', ['-Lf', file]).toString()
    expect(shown).toContain('user certificate')
    expect(shown).toContain('Serial: 42')
    expect(shown).toContain('source-address 127.0.0.1')
    expect(shown).toContain('permit-pty')
    expect(shown).toContain('deploy')
    expect(shown).toContain(signer.keyId)
  })

  test('our private keys load', () => {
    const file = join(folder, 'id')
    writeFileSync(file, openSshPrivateKey(person.privateKey), { mode: 0o600 })
    const shown = execFileSync('ssh-keygen', ['-yf', file]).toString()
    expect(shown).toContain(publicKeyBlob(person.publicKey).toString('base64'))
    rmSync(folder, { recursive: true })
  })
})
