import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isSignature } from '../../src/audit/signature.ts'
import { believed, keyNames, printKeyList, purposes, readKeyList } from '../../src/credentials/key-list.ts'
import { habits, KeyRing, keyListFile } from '../../src/credentials/key-ring.ts'
import { checkCertificate, issueCertificate } from '../../src/credentials/ssh-certificate.ts'
import { publicKeyBlob } from '../../src/credentials/ssh-key.ts'
import { certificateFileOf, openX509Authority } from '../../src/credentials/x509.ts'

const dayMs = 86_400_000
const now = Date.parse('2026-11-22T10:00:00Z')
const announced = purposes.filter(purpose => habits[purpose].begins === 'announced')
const atOnce = purposes.filter(purpose => habits[purpose].begins === 'at-once')

let folder: string
let ring: KeyRing
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-ring-'))
  ring = KeyRing.open(folder, now)
  ring.takeChanges()
})
afterEach(() => rmSync(folder, { recursive: true }))

const reopened = (nowMs = now) => KeyRing.open(folder, nowMs)
const stateOf = (keyId: string, of = ring) => of.list.keys.find(key => key.keyId === keyId)?.state
const secretsIn = (where = folder) =>
  readdirSync(where)
    .filter(name => name.endsWith('.pem'))
    .toSorted()

describe('what is refused', () => {
  test('a second rotation while a key waits', () => {
    ring.rotate('targets', now)
    expect(() => ring.rotate('targets', now)).toThrow('has a key that waits already')
  })

  test('an overlap beyond a year, or of no length at all', () => {
    for (const overlapMs of [-1, Number.NaN, 366 * dayMs])
      expect(() => ring.rotate('targets', now, overlapMs)).toThrow('between 0 and 365 days')
    expect(secretsIn()).toEqual(secretsIn().filter(name => !name.includes('next')))
  })

  test('to activate what was not announced', () => {
    expect(() => ring.activate('hosts', now)).toThrow('has no key that waits')
  })

  test('to revoke a key that is none of ours, and one twice', () => {
    expect(() => ring.revoke('SHA256:none', { why: 'lost' }, now)).toThrow('no key here has the id')
    const { keyId } = ring.current('targets')
    ring.revoke(keyId, { why: 'lost' }, now)
    expect(() => ring.revoke(keyId, { why: 'lost' }, now)).toThrow(
      'this key was revoked at 2026-11-22T10:00:00',
    )
  })

  test('a folder whose key is another than the list names, or is gone', () => {
    copyFileSync(join(folder, 'hosts.pem'), join(folder, 'targets.pem'))
    expect(() => reopened()).toThrow('is another than keys.json names')
    rmSync(join(folder, 'targets.pem'))
    expect(() => reopened()).toThrow('is missing')
    expect(existsSync(join(folder, 'targets.pem'))).toBe(false)
  })

  test('a list in which a byte was changed', () => {
    ring.revoke(ring.current('recording-heads').keyId, { why: 'stolen' }, now)
    const text = readFileSync(join(folder, keyListFile), 'utf8')
    fc.assert(
      fc.property(fc.nat(text.length - 1), at => {
        const changed = text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1)
        expect(() => readKeyList(changed, 'keys.json')).toThrow('cannot be used')
      }),
      { numRuns: 1000 },
    )
  })

  test('a list from which a revocation was taken', () => {
    ring.revoke(ring.current('recording-heads').keyId, { why: 'stolen' }, now)
    const list = JSON.parse(readFileSync(join(folder, keyListFile), 'utf8'))
    for (const key of list.keys)
      if (key.revoked !== undefined) {
        delete key.revoked
        key.state = 'former'
      }
    expect(() => readKeyList(JSON.stringify(list), 'keys.json')).toThrow('something in it was changed')
  })
})

describe('a rotation', () => {
  test.each(announced)('of %s lets the old key sign until its time has come', purpose => {
    const old = ring.current(purpose).keyId
    ring.rotate(purpose, now, 7 * dayMs)
    const next = ring.next(purpose)?.keyId ?? ''
    expect(next).not.toBe(old)
    expect(ring.current(purpose).keyId).toBe(old)
    expect(ring.settle(now + 7 * dayMs - 1)).toBe(false)
    expect(ring.settle(now + 7 * dayMs)).toBe(true)
    expect(ring.current(purpose).keyId).toBe(next)
    expect([stateOf(old), stateOf(next)]).toEqual(['former', 'current'])
  })

  test.each(announced)('of %s can be ended earlier', purpose => {
    ring.rotate(purpose, now)
    const next = ring.next(purpose)?.keyId
    ring.activate(purpose, now + 1)
    expect(ring.current(purpose).keyId).toBe(next)
    expect(ring.next(purpose)).toBeUndefined()
  })

  test.each(atOnce)('of %s signs with the new key at once', purpose => {
    const old = ring.current(purpose).keyId
    ring.rotate(purpose, now)
    expect(ring.current(purpose).keyId).not.toBe(old)
    expect(stateOf(old)).toBe('former')
  })

  test.each(['sign-in', 'sign-in-x509'] as const)(
    'of %s still accepts what the old key signed, until the overlap ends',
    purpose => {
      const old = ring.current(purpose).keyId
      ring.rotate(purpose, now)
      const accepted = (atMs: number) => ring.accepted(purpose, atMs).map(({ keyId }) => keyId)
      expect(accepted(now + dayMs - 1)).toEqual([ring.current(purpose).keyId, old])
      expect(accepted(now + dayMs)).toEqual([ring.current(purpose).keyId])
    },
  )

  test('of log checkpoints lets the old key sign beside the new one, and forgets it when the overlap ends', async () => {
    const old = ring.current('log-checkpoints')
    ring.rotate('log-checkpoints', now)
    for (const each of [ring, reopened()]) {
      const [also] = each.alsoSigning('log-checkpoints')
      const signature = (await also?.sign(Buffer.from('x'))) ?? Buffer.alloc(0)
      expect(isSignature(Buffer.from('x'), signature, old.publicKeyPem)).toBe(true)
    }
    ring.settle(now + 30 * dayMs)
    expect(ring.alsoSigning('log-checkpoints')).toEqual([])
    expect(secretsIn()).toEqual(keyNames.map(name => `${name}.pem`).toSorted())
  })

  test('of the host key takes both host keys along', () => {
    const before = [ring.privateKey('gateway-host'), ring.privateKey('gateway-host-rsa')]
    ring.rotate('gateway-host', now, 0)
    const after = [ring.privateKey('gateway-host'), ring.privateKey('gateway-host-rsa')]
    expect(after.map((key, at) => key.equals(before[at] as (typeof before)[0]))).toEqual([false, false])
  })

  test('leaves no private key of the old one behind', () => {
    const old = readFileSync(join(folder, 'recording-heads.pem'), 'utf8')
    ring.rotate('recording-heads', now)
    for (const name of readdirSync(folder))
      expect(readFileSync(join(folder, name), 'utf8')).not.toContain(old)
    expect(secretsIn()).toEqual(keyNames.map(name => `${name}.pem`).toSorted())
  })

  test('a signer that was taken once signs with the new key, and one that was pinned with its own', async () => {
    const [live, pinned] = [ring.live('recording-heads'), ring.current('recording-heads')]
    ring.rotate('recording-heads', now)
    expect(live.keyId).not.toBe(pinned.keyId)
    expect(isSignature(Buffer.from('x'), await live.sign(Buffer.from('x')), live.publicKeyPem)).toBe(true)
    expect(isSignature(Buffer.from('x'), await pinned.sign(Buffer.from('x')), pinned.publicKeyPem)).toBe(true)
  })

  test('is told once, with the key before and until when both count', () => {
    const before = ring.current('sign-in').keyId
    ring.rotate('sign-in', now, dayMs)
    expect(ring.takeChanges()).toEqual([
      {
        change: 'activated',
        purpose: 'sign-in',
        keyId: ring.current('sign-in').keyId,
        before,
        until: '2026-11-23T10:00:00.000Z',
      },
    ])
    expect(ring.takeChanges()).toEqual([])
  })

  test('survives a start, and new files are private', () => {
    ring.rotate('targets', now)
    ring.rotate('recording-heads', now)
    const again = reopened()
    expect(again.list).toEqual(ring.list)
    expect(again.next('targets')?.keyId).toBe(ring.next('targets')?.keyId)
    for (const name of secretsIn()) expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0)
  })
})

describe('killed in the middle of a rotation', () => {
  /** What is on disk after each step of a rotation, as copies. */
  function afterEachStep(purpose: 'targets' | 'log-checkpoints'): {
    copies: string[]
    old: string
    heir: string
  } {
    const before = `${folder}-before`
    cpSync(folder, before, { recursive: true })
    const old = ring.current(purpose).keyId
    ring.rotate(purpose, now, habits[purpose].begins === 'announced' ? 0 : dayMs)
    const heir = ring.current(purpose).keyId
    const made = `${folder}-made` // the new private key is written, the list does not know it
    cpSync(before, made, { recursive: true })
    copyFileSync(join(folder, `${purpose}.pem`), join(made, `${purpose}.next.pem`))
    const listed = `${folder}-listed` // the list says that the new one is current, the files are not moved
    cpSync(made, listed, { recursive: true })
    copyFileSync(join(folder, keyListFile), join(listed, keyListFile))
    if (purpose === 'log-checkpoints')
      copyFileSync(join(before, `${purpose}.pem`), join(listed, `${purpose}.former.pem`))
    return { copies: [before, made, listed], old, heir }
  }

  test.each(['targets', 'log-checkpoints'] as const)(
    '%s: either the old or the new key is current, and nothing is left over',
    purpose => {
      const { copies, old, heir } = afterEachStep(purpose)
      try {
        const current = copies.map(copy => KeyRing.open(copy, now).current(purpose).keyId)
        expect(current).toEqual([old, old, heir])
        for (const copy of copies) {
          expect(secretsIn(copy).filter(name => name.includes('.next.'))).toEqual([])
          expect(KeyRing.open(copy, now).current(purpose).keyId).toBe(current[copies.indexOf(copy)])
        }
        const former = KeyRing.open(copies[2] as string, now).alsoSigning('log-checkpoints')
        expect(former.map(({ keyId }) => keyId)).toEqual(purpose === 'log-checkpoints' ? [old] : [])
      } finally {
        for (const copy of copies) rmSync(copy, { recursive: true })
      }
    },
  )
})

describe('a revocation', () => {
  test.each(purposes)('of the key of %s lets another sign at once', purpose => {
    const { keyId } = ring.current(purpose)
    ring.revoke(keyId, { why: 'stolen', sinceMs: now - dayMs }, now)
    expect(ring.current(purpose).keyId).not.toBe(keyId)
    expect(ring.accepted(purpose, now).map(key => key.keyId)).not.toContain(keyId)
    expect(ring.list.keys.find(key => key.keyId === keyId)).toMatchObject({
      state: 'revoked',
      revoked: { at: '2026-11-22T10:00:00.000Z', why: 'stolen', since: '2026-11-21T10:00:00.000Z' },
    })
    expect(reopened().list).toEqual(ring.list)
  })

  test('takes the key that others know already, if one waits', () => {
    ring.rotate('targets', now)
    const next = ring.next('targets')?.keyId
    ring.revoke(ring.current('targets').keyId, { why: 'stolen' }, now)
    expect(ring.current('targets').keyId).toBe(next)
  })

  test('of a key that waits ends the waiting', () => {
    const current = ring.current('targets').keyId
    ring.rotate('targets', now)
    ring.revoke(ring.next('targets')?.keyId ?? '', { why: 'copied' }, now)
    ring.settle(now + 30 * dayMs)
    expect([ring.current('targets').keyId, ring.next('targets')]).toEqual([current, undefined])
    expect(secretsIn()).toEqual(keyNames.map(name => `${name}.pem`).toSorted())
  })

  test('of a former key ends its overlap at once', () => {
    for (const purpose of ['sign-in', 'log-checkpoints'] as const) {
      const old = ring.current(purpose).keyId
      ring.rotate(purpose, now)
      ring.revoke(old, { why: 'stolen' }, now)
      expect(ring.accepted(purpose, now).map(({ keyId }) => keyId)).toEqual([ring.current(purpose).keyId])
      expect(ring.alsoSigning(purpose)).toEqual([])
    }
  })
})

describe('what an auditor believes who pinned keys long ago', () => {
  const ids = (keys: readonly { keyId: string }[]) => keys.map(({ keyId }) => keyId)

  test('without any pinned key, the list as it is', () => {
    expect(believed(ring.list, []).keys).toEqual(ring.list.keys)
  })

  test('heirs of heirs, of the same purpose', () => {
    const pinned = ring.current('recording-heads').keyId
    for (let year = 1; year <= 5; year++) ring.rotate('recording-heads', now + year * 365 * dayMs)
    const { keys, strangers } = believed(ring.list, [pinned])
    expect(ids(keys)).toContain(ring.current('recording-heads').keyId)
    expect(new Set(keys.map(({ purpose }) => purpose))).toEqual(new Set(['recording-heads']))
    expect(keys.length + strangers.length).toBe(ring.list.keys.length)
  })

  test('every key, who pinned that of log checkpoints: it or its heir signs the list', () => {
    const pinned = ring.current('log-checkpoints').keyId
    ring.rotate('log-checkpoints', now)
    ring.revoke(ring.current('recording-heads').keyId, { why: 'stolen' }, now)
    expect(believed(ring.list, [pinned]).strangers).toEqual([])
  })

  test('no heir of a key that was revoked: whoever stole it could name another', () => {
    const pinned = ring.current('log-checkpoints').keyId
    ring.rotate('log-checkpoints', now)
    ring.revoke(pinned, { why: 'stolen' }, now)
    expect(ids(believed(ring.list, [pinned]).keys)).toEqual([pinned])
  })

  test('nothing of another gateway’s list', () => {
    expect(believed(ring.list, ['SHA256:other']).keys).toEqual([])
  })
})

test('the list holds no secret, and is readable for tools', () => {
  ring.rotate('targets', now)
  const text = printKeyList(ring.list)
  expect(text).not.toContain('PRIVATE')
  expect(readKeyList(text, 'x')).toEqual(ring.list)
  const file = join(folder, 'copy.json')
  writeFileSync(file, text)
  const purposesRead = execFileSync('python3', [
    '-c',
    `import json; print(len(json.load(open('${file}'))['keys']))`,
  ])
  expect(Number(purposesRead)).toBe(keyNames.length + 1)
})

describe('what is issued after a rotation', () => {
  test('is signed by the key of that instant, and names it', async () => {
    const authority = ring.live('hosts')
    const { publicKey } = generateKeyPairSync('ed25519')
    const issue = () =>
      issueCertificate(
        publicKey,
        {
          serial: 1n,
          type: 'host',
          keyId: 'x',
          principals: ['web1'],
          validAfterSeconds: 0,
          validBeforeSeconds: 2 ** 31,
          criticalOptions: {},
          extensions: [],
        },
        authority,
      )
    const blobOf = (pem: string) => publicKeyBlob(createPublicKey(pem))
    const check = (blob: Buffer, pem: string) =>
      checkCertificate(blob, { type: 'host', authorities: [blobOf(pem)], principal: 'web1', nowMs: now })
    const old = authority.publicKeyPem
    expect(check(await issue(), old)).toMatchObject({ keyId: 'x' })
    ring.rotate('hosts', now, 0)
    const after = await issue()
    expect(check(after, old)).toBe('unknown-authority')
    expect(check(after, authority.publicKeyPem)).toMatchObject({ keyId: 'x' })
  })

  test('each key of databases has a certificate of its own, and the first keeps the name that it had', async () => {
    const about = { gateway: 'gw', nowMs: now }
    const first = ring.first('databases').keyId
    const open = (keyId: string, signer = ring.current('databases')) =>
      openX509Authority(folder, signer, about, certificateFileOf(keyId, first))
    const before = await open(first)
    ring.rotate('databases', now)
    const next = ring.next('databases')
    const announced = await open(next?.keyId ?? '', next)
    expect(announced.certificatePem).not.toBe(before.certificatePem)
    ring.activate('databases', now)
    expect((await open(ring.current('databases').keyId)).certificatePem).toBe(announced.certificatePem)
    expect(readFileSync(join(folder, 'databases.crt'), 'utf8')).toBe(before.certificatePem)
    expect(ring.first('databases').keyId).toBe(first)
  })
})
