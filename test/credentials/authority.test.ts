import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openAuthorities, publicKeyOf, purposes } from '../../src/credentials/authority.ts'
import { fingerprint, publicKeyBlob } from '../../src/credentials/ssh-key.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('a key that others may read is refused, and the sentence says what to do', () => {
  openAuthorities(folder)
  chmodSync(join(folder, 'targets.pem'), 0o644)
  expect(() => openAuthorities(folder)).toThrow('chmod 600')
})

test('a key file that holds no key is refused and not replaced', () => {
  writeFileSync(join(folder, 'targets.pem'), '', { mode: 0o600 })
  expect(() => openAuthorities(folder)).toThrow('cannot be used')
  expect(statSync(join(folder, 'targets.pem')).size).toBe(0)
})

test('every purpose has a key of its own, private to the owner', () => {
  const authorities = openAuthorities(folder)
  const ids = purposes.map(purpose => authorities[purpose].keyId)
  expect(new Set(ids).size).toBe(purposes.length)
  for (const purpose of purposes) expect(statSync(join(folder, `${purpose}.pem`)).mode & 0o077).toBe(0)
})

test('the keys are the same at the next start', () => {
  const first = openAuthorities(folder)
  const second = openAuthorities(folder)
  for (const purpose of purposes) expect(second[purpose].keyId).toBe(first[purpose].keyId)
  expect(fingerprint(publicKeyBlob(publicKeyOf(folder, 'targets')))).toBe(first.targets.keyId)
})
