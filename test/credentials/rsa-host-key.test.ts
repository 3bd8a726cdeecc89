/** The gateway's second host key: how it is kept, and that OpenSSH reads both of its halves. */
import { generateKeyPairSync } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAuthorities, rsaHostPublicKeyOf } from '../../src/credentials/authority.ts'
import {
  fingerprint,
  openSshPrivateKey,
  publicKeyBlob,
  publicKeyLine,
} from '../../src/credentials/ssh-key.ts'
import { programPath, scratchFolder, testWith } from '../support/openssh.ts'

let scratch: ReturnType<typeof scratchFolder>
beforeEach(() => {
  scratch = scratchFolder()
})
afterEach(() => scratch.remove())

const file = (): string => join(scratch.path, 'gateway-host-rsa.pem')

function put(privateKey: { export(o: object): string | Buffer }): void {
  writeFileSync(file(), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
}

test('one that others may read is refused', () => {
  openAuthorities(scratch.path)
  chmodSync(file(), 0o640)
  expect(() => openAuthorities(scratch.path)).toThrow('chmod 600')
})

test('one of too few bits is refused, and not replaced', () => {
  put(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)
  const before = readFileSync(file())
  expect(() => openAuthorities(scratch.path)).toThrow('2048 bits are too few')
  expect(readFileSync(file()).equals(before)).toBe(true)
})

test('one of another kind is refused', () => {
  put(generateKeyPairSync('ed25519').privateKey)
  expect(() => openAuthorities(scratch.path)).toThrow('not an RSA key')
})

test('an RSA key is no authority', () => {
  openAuthorities(scratch.path)
  writeFileSync(join(scratch.path, 'targets.pem'), readFileSync(file()))
  expect(() => openAuthorities(scratch.path)).toThrow('not an Ed25519 key')
})

test('it is made at the first start, private to the owner, and stays', () => {
  expect(rsaHostPublicKeyOf(scratch.path)).toBeUndefined()
  const first = openAuthorities(scratch.path).gatewayRsaHostKey
  expect(first.asymmetricKeyDetails?.modulusLength).toBe(3072)
  expect(statSync(file()).mode & 0o777).toBe(0o600)
  const second = openAuthorities(scratch.path).gatewayRsaHostKey
  expect(second.equals(first)).toBe(true)
  expect(publicKeyBlob(rsaHostPublicKeyOf(scratch.path) ?? first)).toEqual(publicKeyBlob(first))
})

test('a folder from before there was one gets one, and keeps its other keys', () => {
  const before = openAuthorities(scratch.path)
  rmSync(file())
  rmSync(join(scratch.path, 'keys.json'))
  const after = openAuthorities(scratch.path)
  expect(after['gateway-host'].keyId).toBe(before['gateway-host'].keyId)
  expect(after.gatewayRsaHostKey.equals(before.gatewayRsaHostKey)).toBe(false)
})

testWith('ssh-keygen')('ssh-keygen reads it, and says the same of it as we do', () => {
  const { privateKey: key } = generateKeyPairSync('rsa', { modulusLength: 3072 })
  const written = join(scratch.path, 'id')
  writeFileSync(written, openSshPrivateKey(key), { mode: 0o600 })
  const ask = (...args: string[]): string =>
    execFileSync(programPath('ssh-keygen'), [...args, '-f', written], { encoding: 'utf8' }).trim()
  expect(ask('-y')).toBe(publicKeyLine(publicKeyBlob(key), '').trim())
  expect(ask('-l')).toContain(`3072 ${fingerprint(publicKeyBlob(key))}`)
})
