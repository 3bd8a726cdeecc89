/** What a stolen session credential would be worth to a real sshd. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test as plainTest } from 'vitest'
import { fileSigner, openAuthorities, type Authorities } from '../../src/credentials/authority.ts'
import { mintSshCredential } from '../../src/credentials/mint.ts'
import { type CertificateFields, issueCertificate } from '../../src/credentials/ssh-certificate.ts'
import { openSshPrivateKey, publicKeyBlob, publicKeyLine } from '../../src/credentials/ssh-key.ts'
import { runSsh, scratchFolder, type Sshd, startSshd, testWith } from '../support/openssh.ts'

const test = testWith('ssh', 'sshd')
const { path: folder, remove } = scratchFolder()
let authorities: Authorities
let sshd: Sshd
let count = 0

beforeAll(async () => {
  authorities = openAuthorities(join(folder, 'keys'))
  const authority = publicKeyBlob(createPublicKey(authorities.targets.publicKeyPem))
  sshd = await startSshd({ trustedUserCaKeys: [publicKeyLine(authority, 'targets')] })
})
afterAll(async () => {
  await sshd?.stop()
  remove()
})

/** Tries to sign in with a certificate like those that are minted, but for what is given. */
async function attempt(change: Partial<CertificateFields> = {}, authority = authorities.targets) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const nowSeconds = Math.floor(Date.now() / 1000)
  const certificate = await issueCertificate(
    publicKey,
    {
      serial: 1n,
      type: 'user',
      keyId: 'test',
      principals: [sshd.user],
      validAfterSeconds: nowSeconds - 30,
      validBeforeSeconds: nowSeconds + 30,
      criticalOptions: { 'source-address': '127.0.0.1' },
      extensions: [],
      ...change,
    },
    authority,
  )
  const identity = join(folder, `id-${count++}`)
  writeFileSync(identity, openSshPrivateKey(privateKey), { mode: 0o600 })
  chmodSync(identity, 0o600)
  writeFileSync(
    `${identity}-cert.pub`,
    `ssh-ed25519-cert-v01@openssh.com ${certificate.toString('base64')}\n`,
  )
  return (extra: string[] = []) =>
    runSsh(sshd.port, sshd.user, ['echo in'], { identity, extra: ['BatchMode=yes', ...extra] })
}

test('as it is minted, within its minute, it lets in (so the refusals below mean something)', async () => {
  expect((await (await attempt())()).stdout.toString()).toBe('in\n')
})

describe('sshd refuses the certificate', () => {
  const later = Math.floor(Date.now() / 1000)
  test('a minute later', async () => {
    const use = await attempt({ validAfterSeconds: later - 120, validBeforeSeconds: later - 60 })
    expect((await use()).code).toBe(255)
  })

  test('for another principal', async () => {
    expect((await (await attempt({ principals: ['somebody-else'] }))()).code).toBe(255)
  })

  test('from another address', async () => {
    const use = await attempt()
    expect((await use(['BindAddress=127.0.0.2'])).code).toBe(255)
    expect((await use()).code).toBe(0)
  })

  test('of the sign-in authority, which only the gateway trusts', async () => {
    expect((await (await attempt({}, authorities['sign-in']))()).code).toBe(255)
  })

  test('with a terminal asked for that the grant did not need', async () => {
    const run = await (await attempt())(['RequestTTY=force'])
    expect(run.stderr).toContain('PTY allocation request failed')
  })
})

plainTest('loopback has more than one address here, or the test above proves nothing', () => {
  expect(networkInterfaces()['lo']?.some(address => address.cidr === '127.0.0.1/8')).toBe(true)
})

plainTest('after its one signature nothing holds the private key any more', async () => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const keys: WeakRef<object>[] = []
  const credential = await mintForTest(key => keys.push(new WeakRef(key)))
  credential.signOnce(Buffer.from('x'))
  // A WeakRef keeps what it was asked for until the end of the turn: so ask only once, at the end.
  for (let round = 0; round < 10; round++) {
    await new Promise(resolve => setTimeout(resolve, 5))
    collect()
  }
  expect(keys.length).toBe(1)
  expect(keys[0]?.deref()).toBeUndefined()
})

/** Mints with parts that do nothing, and shows each private key on the way. */
async function mintForTest(onKey: (key: object) => void) {
  const target = { name: 'web1' }
  const principal = { fields: { name: 'ada' } }
  const grant = { fields: { target, login: 'root', channels: ['shell'], exec: undefined, principal } }
  const leases = { insert: async () => {}, advance: async () => {}, remove: async () => {} }
  const parts = {
    store: { leases },
    audit: { append: () => {} },
    clock: { nowMs: Date.now, monotonicUs: () => 0 },
    authority: fileSigner(generateKeyPairSync('ed25519').privateKey),
    owner: 'me',
    generateKeys: () => {
      const pair = generateKeyPairSync('ed25519')
      onKey(pair.privateKey)
      return pair
    },
  }
  const evidence = { grant, recording: { session: 'x' }, proof: { target } }
  return mintSshCredential(evidence as never, '127.0.0.1', parts as never)
}
