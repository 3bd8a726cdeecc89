/** The role of a session, seen from the server: there while the session lasts, and gone after, however it ended. */
import { request } from 'node:http'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasPostgres, postgresVersions } from '../support/postgres.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

/** As many sessions as the store, the broker and the server take at once without a thought; enough to be in each of its steps. */
const crowd = 12

describe.each(postgresVersions.filter(hasPostgres))('on PostgreSQL %i', version => {
  let here: PostgresWorld

  beforeAll(async () => {
    here = await PostgresWorld.start({
      version,
      rule: { passwords: { for: '10m', connections: 500 } },
    })
  })
  afterAll(() => here.stop())

  let password = ''
  async function open(login = 'app_owner'): Promise<pg.Client> {
    if (password === '') password = await here.password(login, undefined, 'orders', 'often')
    const client = new pg.Client({
      host: '127.0.0.1',
      port: here.port,
      user: `${login}@orders`,
      password,
      database: 'app',
      ssl: { rejectUnauthorized: false },
    })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  function leases(): readonly unknown[] {
    const database = new Database(join(here.world.data, 'state.db'), { readonly: true })
    try {
      return database.prepare("SELECT state, detail FROM leases WHERE kind = 'postgres-role'").all()
    } finally {
      database.close()
    }
  }

  const nothingIsLeft = (): Promise<void> =>
    here.world.until(async () => (await here.roles()).length === 0 && leases().length === 0)

  test('a session is one role, named after its person, and its end takes the role along', async () => {
    const client = await open()
    expect(await here.roles()).toEqual([expect.stringMatching(/^sp_[a-z0-9]+_ada[a-z0-9]*_[a-z0-9]{11}$/)])
    await client.end()
    await nothingIsLeft()
  })

  test('"sessions end" kills what runs on the server, not only the connection', async () => {
    const client = await open()
    const running = client.query('SELECT pg_sleep(600)')
    running.catch(() => {})
    const sleeping = (): Promise<readonly unknown[]> =>
      here.server.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)
    await here.world.until(async () => (await sleeping()).length === 1)
    const [row] = await here.world.sessions()
    await here.world.sallyport('sessions', 'end', row?.id ?? '', '--reason', 'enough')
    await expect(running).rejects.toThrow()
    await nothingIsLeft()
    expect(await sleeping()).toEqual([])
  })

  test('a gateway killed −9 among sessions in every state leaves nothing that its next start does not remove', async () => {
    const opened = await Promise.all(Array.from({ length: crowd }, () => open()))
    for (const client of opened)
      client.query('CREATE TEMP TABLE t (id int); SELECT pg_sleep(600)').catch(() => {})
    // Some are being made, some are ending, when it dies.
    const making = Array.from({ length: crowd }, () => open().catch(() => undefined))
    const ending = opened.slice(0, 4).map(client => client.end().catch(() => {}))
    await here.world.until(async () => (await here.roles()).length > crowd / 2)
    await here.world.killGateway('SIGKILL')
    await Promise.all([...making, ...ending])
    expect((await here.roles()).length).toBeGreaterThan(0)
    await here.world.startGateway()
    password = '' // it died with the process
    // What was asked for just before the kill may come late; the sweep looks again when that time is over.
    await here.world.until(async () => (await here.roles()).length === 0)
    const client = await open()
    await client.end()
    await here.world.until(async () => (await here.roles()).length === 0)
  })

  test('a gateway that is stopped removes the roles of its sessions before it goes', async () => {
    const opened = await Promise.all(Array.from({ length: crowd }, () => open()))
    for (const client of opened) client.query('SELECT pg_sleep(600)').catch(() => {})
    await here.world.killGateway('SIGTERM')
    expect(await here.roles()).toEqual([])
    expect(leases()).toEqual([])
    await here.world.startGateway()
    password = ''
  })

  test('"sweep" finishes it, and the numbers say so', async () => {
    const swept = await here.world.sallyport('sweep', '--json')
    expect(JSON.parse(swept.stdout.toString())).toMatchObject({ left: expect.any(Number) })
    expect(await here.roles()).toEqual([])
    const text = await metricsOf(join(here.world.data, 'admin.sock'))
    expect(text).toMatch(/^sallyport_sessions\{protocol="postgres"\} 0$/m)
    expect(text).toMatch(/^sallyport_oldest_pending_drop_seconds /m)
    expect(text).not.toMatch(/ada|orders|app_owner/)
  })

  test('check finds nothing wrong with the broker, and leaves nothing', async () => {
    const check = await here.world.sallyport('check')
    expect(check.stdout.toString()).toContain('app_owner@orders: certificate SHA-256')
    expect(check.stdout.toString()).not.toMatch(/FAILED.*orders/)
    expect(await here.roles()).toEqual([])
  })

  test('"targets setup" prints SQL that the server takes again, for its own version', async () => {
    const setup = await here.world.sallyport(
      'targets',
      'setup',
      'orders',
      '--server-version',
      String(version),
    )
    expect(setup.stdout.toString()).toContain('CREATE ROLE "app_owner" NOLOGIN')
    await here.server.query(setup.stdout.toString())
    const unknown = await here.world.sallyport('targets', 'setup', 'order')
    expect(unknown.stderr).toContain('did you mean `orders`?')
    expect(unknown.code).toBe(1)
  })
})

function metricsOf(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path: '/metrics', headers: { host: 'admin' } }, incoming => {
      let text = ''
      incoming.on('data', (chunk: Buffer) => (text += chunk.toString()))
      incoming.on('end', () => resolve(text))
    })
    outgoing.on('error', reject).end()
  })
}
