/** Signing in at real servers, 15 and 18, over TLS that they have proven themselves by. Refusals first. */
import { generateKeyPairSync } from 'node:crypto'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuditLog, openAuditLog } from '../../src/audit/audit-log.ts'
import { systemClock } from '../../src/clock.ts'
import { fileSigner } from '../../src/credentials/authority.ts'
import { reachPostgres } from '../../src/credentials/postgres/target-proof.ts'
import { Fault } from '../../src/errors.ts'
import { signInAtTarget, TargetRefused } from '../../src/postgres/upstream.ts'
import { protocol } from '../../src/postgres/wire/startup.ts'
import { hasPostgres, postgresVersions, startPostgres, type TestPostgres } from '../support/postgres.ts'
import { newFolder } from '../support/scratch.ts'

const needsPeers = process.env['SALLYPORT_REQUIRE_PEERS'] === '1'

describe.each(postgresVersions)('PostgreSQL %d', version => {
  if (!hasPostgres(version) && !needsPeers) return test.skip('(missing: this server)', () => {})
  let server: TestPostgres
  let audit: AuditLog
  beforeAll(async () => {
    const folder = newFolder('upstream')
    const signer = fileSigner(generateKeyPairSync('ed25519').privateKey)
    audit = openAuditLog({ folder, signer, clock: systemClock, log: pino({ level: 'silent' }) })
    server = await startPostgres(version, {
      hba: ['host all trusted all trust', 'host all md5 all password'],
    })
    await server.query(
      "CREATE ROLE somebody LOGIN PASSWORD 'secret-of-somebody'; CREATE ROLE trusted LOGIN; CREATE ROLE md5 LOGIN PASSWORD 'x'",
    )
  }, 60_000)
  afterAll(async () => {
    await server.close()
    await audit.close()
  })

  async function signIn(fields: {
    user?: string
    secret?: string
    database?: string
    version?: number
    over?: AbortSignal
  }) {
    const target = server.target()
    const connection = await reachPostgres(audit.probe('orders', 'a test'), target, { timeoutMs: 5000 })
    const { user = 'somebody', secret = 'secret-of-somebody', database = 'app', over } = fields
    const wish = {
      user,
      database,
      settings: [],
      version: fields.version ?? protocol.v3_0,
      secret: () => secret,
    }
    return signInAtTarget(connection, wish, over ?? AbortSignal.timeout(5000))
  }

  test('refused: a wrong secret, a database that is not there, in the words of the server', async () => {
    await expect(signIn({ secret: 'wrong' })).rejects.toMatchObject({ report: { code: '28P01' } })
    await expect(signIn({ database: 'nowhere' })).rejects.toBeInstanceOf(TargetRefused)
  })

  test('refused: a server that lets in anybody, or that wants to read the secret', async () => {
    await expect(signIn({ user: 'trusted' })).rejects.toThrow(/trust/)
    await expect(signIn({ user: 'md5' })).rejects.toThrow(/scram-sha-256/)
  })

  test('given up: by whoever ends the session meanwhile, with their words', async () => {
    const fault = new Fault('UPSTREAM_FAILED', 'ended by an operator')
    await expect(signIn({ over: AbortSignal.abort(fault) })).rejects.toBe(fault)
  })

  test('ready: with all that the server has said of itself, and its key', async () => {
    const connection = await signIn({})
    const names = connection.parameters.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['server_version', 'client_encoding', 'TimeZone']))
    expect(connection).toMatchObject({ version: protocol.v3_0, status: 'I' })
    expect(connection.opening).toHaveLength(connection.parameters.length)
    expect(connection.key?.key).toHaveLength(4)
    connection.socket.destroy()
  })

  test('the newest protocol is asked for, and the one of the server is spoken', async () => {
    const connection = await signIn({ version: protocol.v3_2 })
    expect(connection.version).toBe(version >= 18 ? protocol.v3_2 : protocol.v3_0)
    expect(connection.key?.key).toHaveLength(version >= 18 ? 32 : 4)
    connection.socket.destroy()
  })
})
