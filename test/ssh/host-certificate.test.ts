/** Host certificates as a server, which the inner servers of `ssh -J` show. */
import { createPublicKey } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAuthorities } from '../../src/credentials/authority.ts'
import { certificateAlgorithm, checkCertificate } from '../../src/credentials/ssh-certificate.ts'
import { publicKeyBlob } from '../../src/credentials/ssh-key.ts'
import { TargetHostKeys } from '../../src/credentials/target-host-keys.ts'
import { defaultSshLimits } from '../../src/config/ssh-limits.ts'
import { systemClock } from '../../src/clock.ts'
import { proveEngine } from '../../src/ssh/engine.ts'
import { acceptTransport, connectTransport, type OfferedHostKey } from '../../src/ssh/transport.ts'
import { scratchFolder } from '../support/openssh.ts'

const scratch = scratchFolder()
const engine = proveEngine()
const limits = { ...defaultSshLimits, maxPacketBytes: 65_536 }
let keys: TargetHostKeys
let authorityBlob: Buffer

beforeAll(() => {
  const { hosts } = openAuthorities(join(scratch.path, 'keys'))
  authorityBlob = publicKeyBlob(createPublicKey(hosts.publicKeyPem))
  keys = new TargetHostKeys({
    folder: join(scratch.path, 'keys', 'hosts'),
    authority: hosts,
    clock: systemClock,
  })
})
afterAll(() => scratch.remove())

/** What a client is shown that asks for these algorithms; rejects if the connection fails. */
async function shown(hostKeyAlgorithms: readonly string[]): Promise<OfferedHostKey> {
  const identity = await keys.identityOf('web1', '10.0.0.5')
  const [inner, outer] = duplexPair()
  const ignore = { message: () => {}, closed: () => {} }
  const server = acceptTransport(engine, inner, {
    ident: 'test',
    hostKeys: identity.hostKeys,
    hostCertificate: identity.certificate,
    serverSigAlgs: [],
    limits,
    handlers: { ready: () => {}, ...ignore },
  })
  return new Promise((resolve, reject) => {
    let key: OfferedHostKey | undefined
    const client = connectTransport(engine, outer, {
      ident: 'test',
      limits,
      hostKeyAlgorithms,
      verifyHostKey: offered => {
        key = offered
        return true
      },
      handlers: {
        ready: () => {
          resolve(key as OfferedHostKey)
          client.close()
          server.close()
        },
        message: () => {},
        closed: why => reject(new Error(why.text)),
      },
    })
  })
}

test('a server shows a host certificate, and signs as the plain key', async () => {
  const { algorithm, blob } = await shown([certificateAlgorithm])
  expect(algorithm).toBe(certificateAlgorithm)
  const check = { type: 'host', authorities: [authorityBlob], nowMs: Date.now() } as const
  expect(checkCertificate(blob, { ...check, principal: 'web2' })).toBe('wrong-principal')
  expect(checkCertificate(blob, { ...check, principal: 'web1', nowMs: Date.now() + 3_600_000 })).toBe(
    'expired',
  )
  expect(checkCertificate(blob, { ...check, principal: 'web1', type: 'user' })).toBe('wrong-type')
  expect(checkCertificate(blob, { ...check, principal: 'web1' })).toMatchObject({
    principals: ['web1', '10.0.0.5'],
    extensions: [],
  })
})

test('a client that pins keys gets the same one each time, and another for another target', async () => {
  const first = await shown(['ssh-ed25519'])
  const second = await shown(['ssh-ed25519'])
  expect(first.algorithm).toBe('ssh-ed25519')
  expect(first.blob).toEqual(second.blob)
  const one = await keys.identityOf('web1', 'web1')
  const other = await keys.identityOf('web2', 'web2')
  expect(other.hostKeys).not.toEqual(one.hostKeys)
})

test('nobody else can read the keys', () => {
  expect(statSync(join(scratch.path, 'keys', 'hosts', 'web1.pem')).mode & 0o777).toBe(0o600)
  expect(statSync(join(scratch.path, 'keys', 'hosts')).mode & 0o777).toBe(0o700)
})
