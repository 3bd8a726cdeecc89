import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PostgresCredential } from '../../../src/credentials/postgres/role.ts'
import { reachAgain } from '../../../src/credentials/postgres/target-proof.ts'
import { openX509Authority, type X509Authority } from '../../../src/credentials/x509.ts'
import { newFolder, newSigner } from '../../recorder/support.ts'
import { hasPostgres, postgresVersions, startPostgres, type TestPostgres } from '../../support/postgres.ts'
import { type Door, openDoor } from './door.ts'

const connector = { connector: 'certificate' } as const
const about = { gateway: 'bastion.example.com', nowMs: Date.now() }

describe.each(postgresVersions.filter(hasPostgres))('client certificates on PostgreSQL %i', version => {
  let databases: X509Authority
  let postgres: TestPostgres
  let door: Door

  beforeAll(async () => {
    databases = await openX509Authority(newFolder(), newSigner(), about)
    postgres = await startPostgres(version, {
      hba: ['hostssl app app_certified 127.0.0.1/32 cert'],
      clientAuthority: databases.certificatePem,
    })
    await postgres.query('CREATE ROLE app_certified LOGIN')
    door = await openDoor(postgres, { databases, target: connector })
  }, 60_000)
  afterAll(async () => {
    await door.close()
    await postgres.close()
  })

  async function connect(credential: PostgresCredential, user = credential.user): Promise<pg.Client> {
    const secret = credential.useSecretOnce()
    if (secret.kind !== 'certificate') throw new TypeError('not a certificate')
    const { host, port, tls } = postgres.target()
    const ssl = { ca: tls.authority, cert: secret.certificate, key: secret.key }
    const client = new pg.Client({ host, port, user, database: 'app', ssl })
    await client.connect()
    return client
  }

  test('refuses a certificate of another authority, and one for another role', async () => {
    const strangers = await openX509Authority(newFolder(), newSigner(), about)
    const other = await openDoor(postgres, { databases: strangers, target: connector })
    await expect(connect(await other.mint({ login: 'app_certified' }))).rejects.toThrow()
    await other.close()
    await expect(connect(await door.mint({ login: 'app_owner' }), 'app_certified')).rejects.toThrow(
      'certificate authentication failed',
    )
  })

  test('lets one session in as the role that the grant names, and the lease goes with it', async () => {
    const credential = await door.mint({ login: 'app_certified' })
    const client = await connect(credential)
    await credential.signedIn()
    const { rows } = await client.query(
      'SELECT session_user::text AS who, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
    )
    expect(rows).toEqual([{ who: 'app_certified', client_dn: '/CN=app_certified' }])
    expect((await door.leases()).some(lease => lease.startsWith('live '))).toBe(true)
    await client.end()
    await credential.remove()
    expect((await door.leases()).some(lease => lease.startsWith('live '))).toBe(false)
    expect(() => credential.useSecretOnce()).toThrow('was used already')
  })

  test('shows the certificate only to the server that has proven to be the target', async () => {
    const credential = await door.mint({ login: 'app_certified' })
    const secret = credential.useSecretOnce()
    if (secret.kind !== 'certificate') throw new TypeError('not a certificate')
    const { socket, proof } = await reachAgain(door.proof, secret, { timeoutMs: 5000 })
    expect(proof.fingerprint).toBe(postgres.fingerprint)
    socket.destroy()
    await sleep(0)
    await credential.remove()
  })
})
