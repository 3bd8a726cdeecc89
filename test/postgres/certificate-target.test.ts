/** A target that takes client certificates instead of roles that are made for a session, as a real server does. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { fileSigner } from '../../src/credentials/authority.ts'
import { openX509Authority, type X509Authority } from '../../src/credentials/x509.ts'
import { decodeReport } from '../../src/postgres/wire/backend.ts'
import { encodePassword, encodeQuery } from '../../src/postgres/wire/frontend.ts'
import { encodeStartup, protocol } from '../../src/postgres/wire/startup.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { Door, type DoorOptions, RawClient } from './door.ts'
import { newFolder } from '../support/scratch.ts'

let authority: X509Authority
let server: TestPostgres
const doors: Door[] = []

beforeAll(async () => {
  const folder = newFolder('x509')
  const signer = fileSigner(generateKeyPairSync('ed25519').privateKey)
  authority = await openX509Authority(folder, signer, { gateway: 'test', nowMs: Date.now() })
  server = await startPostgres(18, {
    clientAuthority: authority.certificatePem,
    hba: ['hostssl all app_readonly,app_owner all cert', 'hostssl replication app_owner all cert'],
  })
  await server.query('ALTER ROLE app_readonly LOGIN; ALTER ROLE app_owner LOGIN REPLICATION')
}, 60_000)
afterAll(() => server.close())
afterEach(async () => {
  for (const door of doors.splice(0)) await door.close()
})

async function open(
  options: DoorOptions = {},
  connector: 'certificate' | 'role' = 'certificate',
): Promise<Door> {
  const door = await Door.open(server.target({ connector }), {
    databases: authority,
    plain: true,
    realRelay: true,
    ...options,
  })
  doors.push(door)
  return door
}

async function session(door: Door, login = 'app_readonly', more: Record<string, string> = {}) {
  const client = await RawClient.connect(door.port)
  const pairs = { user: `${login}@orders`, database: 'app', ...more }
  client.send(
    encodeStartup(
      protocol.v3_0,
      Object.entries(pairs).map(([name, value]) => ({ name, value })),
    ),
  )
  await client.until('R')
  client.send(encodePassword(door.password({ target: 'orders', login })))
  const frames = await client.until('Z')
  const error = frames.find(({ type }) => type === 'E')
  return { client, error: error === undefined ? undefined : decodeReport(error.body).get('C') }
}

async function answerTo(client: RawClient, query: string): Promise<string> {
  client.send(encodeQuery(query))
  const frames = await client.until('Z')
  return frames.map(({ body }) => body.toString()).join(' ')
}

describe('refused', () => {
  test('a certificate of an authority that the target does not know', async () => {
    const folder = newFolder('x509')
    const signer = fileSigner(generateKeyPairSync('ed25519').privateKey)
    const other = await openX509Authority(folder, signer, { gateway: 'test', nowMs: Date.now() })
    expect((await session(await open({ databases: other }))).error).toBe('08006')
  })

  test('replication without a rule that allows it, or where rules for statements apply', async () => {
    const asked = { replication: 'database' }
    expect((await session(await open(), 'app_owner', asked)).error).toBe('42501')
    const rules = { replication: true, deny: { statements: ['drop'], tables: [] } }
    expect((await session(await open({ rule: rules }), 'app_owner', asked)).error).toBe('42501')
  })
})

describe('a session', () => {
  test('is the login itself, by a certificate that lives for seconds, and leaves nothing on the target', async () => {
    const door = await open()
    const { client } = await session(door)
    const answer = await answerTo(
      client,
      "select current_user, client_dn, current_setting('application_name') from pg_stat_ssl where pid = pg_backend_pid()",
    )
    expect(answer).toContain('app_readonly')
    expect(answer).toContain('/CN=app_readonly')
    expect(answer).toMatch(/sallyport \w{20} ada@example\.com/)
    expect(await server.query("SELECT 1 FROM pg_roles WHERE rolname LIKE 'sp\\_%'")).toEqual([])
    client.close()
    await expect.poll(() => door.kinds()).toContain('credential-removed')
  })

  test('that ends takes its running statement along, although no role is removed', async () => {
    const door = await open()
    const { client } = await session(door)
    client.send(encodeQuery('select pg_sleep(60)'))
    const running = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'select pg_sleep(60)%'"
    await expect.poll(() => server.query(running)).toHaveLength(1)
    door.live.list()[0]?.end({ reason: 'over', userText: 'over' })
    await expect.poll(() => server.query(running), { timeout: 5000 }).toEqual([])
  })

  test('may speak the replication protocol where a rule says so', async () => {
    const door = await open({ rule: { replication: true } })
    const { client, error } = await session(door, 'app_owner', { replication: 'database' })
    expect(error).toBeUndefined()
    expect(await answerTo(client, 'IDENTIFY_SYSTEM')).toMatch(/systemid/)
    client.close()
  })
})
