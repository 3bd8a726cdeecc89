import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fileSigner } from '../../src/credentials/authority.ts'
import { issueClientCertificate, openX509Authority, type X509Authority } from '../../src/credentials/x509.ts'
import { newFolder } from '../recorder/support.ts'

const nowMs = Date.parse('2026-11-22T01:00:00Z')
const newSigner = () => fileSigner(generateKeyPairSync('ed25519').privateKey)
const about = { gateway: 'bastion.example.com', nowMs }

async function issued(authority: X509Authority, commonName: string) {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = await issueClientCertificate(
    {
      publicKey,
      commonName,
      serial: randomBytes(16),
      notBeforeMs: nowMs,
      notAfterMs: nowMs + 60_000,
    },
    authority,
  )
  return { publicKey, certificate: new X509Certificate(pem) }
}

describe('refuses', () => {
  test('a certificate beside the key of another authority', async () => {
    const folder = newFolder()
    await openX509Authority(folder, newSigner(), about)
    await expect(openX509Authority(folder, newSigner(), about)).rejects.toThrow(
      'not that of the key beside it',
    )
  })

  test('a file that is no certificate', async () => {
    const folder = newFolder()
    writeFileSync(join(folder, 'databases.crt'), 'nothing')
    await expect(openX509Authority(folder, newSigner(), about)).rejects.toThrow('cannot be used')
  })
})

test('an authority is the same after a restart, and may sign certificates of clients, not of authorities', async () => {
  const [folder, signer] = [newFolder(), newSigner()]
  const first = await openX509Authority(folder, signer, about)
  const again = await openX509Authority(folder, signer, { ...about, nowMs: nowMs + 1 })
  expect(again.certificatePem).toBe(first.certificatePem)
  expect(first.certificate.ca).toBe(true)
  expect(first.certificate.subject).toContain('bastion.example.com')
  expect(first.certificate.verify(first.certificate.publicKey)).toBe(true)
})

test('a client certificate is of its authority, for a client, for its time, and holds hostile names as they are', async () => {
  const authority = await openX509Authority(newFolder(), newSigner(), about)
  const other = await openX509Authority(newFolder(), newSigner(), about)
  for (const name of ['app_owner', 'a, CN=postgres', 'a+CN=b', '#0c0141', '"q"', 'ünïcode']) {
    const { certificate, publicKey } = await issued(authority, name)
    expect(certificate.verify(authority.certificate.publicKey)).toBe(true)
    expect(certificate.verify(other.certificate.publicKey)).toBe(false)
    expect(certificate.checkIssued(authority.certificate)).toBe(true)
    expect(certificate.publicKey.equals(publicKey)).toBe(true)
    expect(certificate.toLegacyObject().subject).toEqual({ CN: name })
    expect([certificate.validFromDate.getTime(), certificate.validToDate.getTime()]).toEqual([
      nowMs,
      nowMs + 60_000,
    ])
    expect(certificate.ca).toBe(false)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']) // clientAuth
  }
})
