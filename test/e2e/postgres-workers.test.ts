/** PostgreSQL with worker processes: the same as without, and what happens when one of the processes dies. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Client, type ClientConfig } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import type { SessionRow } from '../../src/model.ts'
import { maxWorkerNumber } from '../../src/postgres/cancel-keys.ts'
import { runSoak } from '../soak/postgres.ts'
import { people } from '../support/issuer.ts'
import { hasPostgres } from '../support/postgres.ts'
import { PostgresWorld, type PostgresWorldOptions } from '../support/postgres-world.ts'
import type { RawConfig } from '../support/world.ts'

function start(options: PostgresWorldOptions = {}): Promise<PostgresWorld> {
  return PostgresWorld.start({
    ...options,
    configure: config => {
      config['postgres'].workers = 2
      options.configure?.(config)
    },
  })
}

/** What a driver does, with the process id and key to cancel with. */
type Connected = Client & { processID: number; secretKey: number }

async function connected(world: PostgresWorld, more: ClientConfig = {}): Promise<Connected> {
  const client = new Client({
    host: '127.0.0.1',
    port: world.port,
    user: 'app_readonly@orders',
    database: 'app',
    password: more.password ?? (await world.password()),
    ssl: { ca: readFileSync(world.authorityFile, 'utf8'), servername: 'localhost' },
    ...more,
  })
  client.on('error', () => {})
  await client.connect()
  return client as Connected
}

function workerOf(client: Connected): number {
  return client.processID & maxWorkerNumber
}

/** Two clients, each in a worker of its own. */
async function twoClients(world: PostgresWorld): Promise<[Connected, Connected]> {
  const clients = [await connected(world), await connected(world)]
  const [one, two] = clients.toSorted((a, b) => workerOf(a) - workerOf(b))
  if (one === undefined || two === undefined) throw new Error('there are two')
  return [one, two]
}

/** By /proc: children of the gateway that run the worker's program. */
function workerPids(world: PostgresWorld): readonly number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => {
      try {
        const parent = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return parent === world.world.gatewayPid && line.includes('postgres-worker.ts')
      } catch {
        return false // it ended meanwhile
      }
    })
}

/** Of the worker with this number, as it says itself. */
function pidOf(world: PostgresWorld, number: number): number {
  return Number(readFileSync(join(world.world.data, 'workers', String(number), 'pid'), 'utf8'))
}

function changeConfig({ world }: PostgresWorld, change: (config: RawConfig) => void): void {
  const config = parse(readFileSync(world.configFile, 'utf8')) as RawConfig
  change(config)
  writeFileSync(world.configFile, stringify(config), { mode: 0o600 })
}

function cancel(port: number, pid: number, key: number): Promise<void> {
  const packet = Buffer.alloc(16)
  for (const [at, value] of [16, 80877102, pid].entries()) packet.writeInt32BE(value, at * 4)
  packet.writeInt32BE(key, 12)
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port }, () => socket.end(packet))
    socket.once('error', reject)
    socket.once('close', () => resolve())
    socket.resume()
  })
}

function ended(client: Client): Promise<void> {
  return new Promise(resolve => client.once('end', () => resolve()))
}

/** What a gateway had done before a test, so that the test tells its own part. */
type Before = { readonly sessions: ReadonlySet<string>; readonly lines: number }

async function beforeIn({ world }: PostgresWorld): Promise<Before> {
  return { sessions: new Set((await world.sessions()).map(({ id }) => id)), lines: world.audit().length }
}

async function sessionsIn({ world }: PostgresWorld, { sessions }: Before): Promise<readonly SessionRow[]> {
  return (await world.sessions()).filter(({ id }) => !sessions.has(id))
}

function auditIn({ world }: PostgresWorld, before: Before, kind: string): readonly Record<string, unknown>[] {
  return world
    .audit()
    .slice(before.lines)
    .filter(line => line['kind'] === kind)
}

async function allEnded(world: PostgresWorld, before: Before): Promise<readonly SessionRow[]> {
  let rows: readonly SessionRow[] = []
  await world.world.until(async () => {
    rows = await sessionsIn(world, before)
    return rows.every(({ state }) => state !== 'open')
  })
  return rows
}

async function noRoles(world: PostgresWorld): Promise<void> {
  await world.world.until(async () => (await world.roles()).length === 0)
}

async function expectVerified({ world }: PostgresWorld): Promise<void> {
  for (const what of ['recordings', 'audit']) {
    const verified = await world.sallyport('verify', join(world.data, what))
    expect(verified.stdout.toString() + verified.stderr).not.toMatch(/missing|damaged|broken/i)
    expect(verified.code).toBe(0)
  }
}

/** How often a worker began. */
function startsIn(world: PostgresWorld, before: Before): number {
  return auditIn(world, before, 'worker-start').length
}

/** Each session has one line that it opened and one that it was sealed. */
function expectAudited(world: PostgresWorld, rows: readonly SessionRow[]): void {
  const lines = world.world.audit()
  for (const { id } of rows) {
    const own = lines.filter(({ session }) => session === id)
    expect(own.filter(({ kind }) => kind === 'session-open')).toHaveLength(1)
    // A worker that could not seal says so, and the next start seals.
    expect(own.filter(({ kind, sealed }) => kind === 'session-close' && sealed !== 'no')).toHaveLength(1)
  }
}

describe('one gateway', () => {
  let world: PostgresWorld
  let before: Before

  beforeAll(async () => {
    world = await start({
      rule: { passwords: { for: '10m', connections: 5 } },
      configure: config => (config['postgres'].limits = { maxSessionsPerPrincipal: 2 }),
    })
  })
  afterAll(() => world.stop())

  beforeEach(async () => {
    before = await beforeIn(world)
  })
  afterEach(async () => {
    expectAudited(world, await allEnded(world, before))
    await noRoles(world)
  })

  test('a person has so many sessions in all processes together, and no more', async () => {
    const clients = await twoClients(world)
    await expect(connected(world)).rejects.toThrow('too many open sessions')
    await clients[0].end()
    await world.world.until(async () =>
      (await sessionsIn(world, before)).some(({ state }) => state !== 'open'),
    )
    clients[0] = await connected(world)
    await expect(connected(world)).rejects.toThrow('too many open sessions')
    for (const client of clients) await client.end()
  })

  test('a cancel request reaches the session that has its key, whichever process it comes to, and no other', async () => {
    const [one, two] = await twoClients(world)
    expect([workerOf(one), workerOf(two)]).toEqual([1, 2])
    const sleeping = [one, two].map(client =>
      client.query('SELECT pg_sleep(30)').then(
        () => 'slept',
        (cause: unknown) => (cause as { code?: string }).code,
      ),
    )
    await world.world.until(
      async () =>
        (await world.server.query("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'"))
          .length === 2,
    )
    await cancel(world.port, one.processID, two.secretKey)
    await cancel(world.port, two.processID, one.secretKey)
    await cancel(world.port, two.processID, two.secretKey)
    expect(await sleeping[1]).toBe('57014')
    await cancel(world.port, one.processID, one.secretKey)
    expect(await sleeping[0]).toBe('57014')
    expect(auditIn(world, before, 'cancel-request')).toHaveLength(2)
    await Promise.all([one.end(), two.end()])
  })

  test('a password that is revoked ends the session that it opened, in whichever process', async () => {
    const password = await world.password('app_readonly', people.ada, 'orders', 'often')
    const clients = [await connected(world, { password }), await connected(world, { password })]
    expect(new Set(clients.map(workerOf))).toEqual(new Set([1, 2]))
    const over = Promise.all(clients.map(ended))
    await world.revokePassword()
    await over
    for (const { endReason } of await allEnded(world, before)) expect(endReason).toContain('revoked')
  })

  test('a reload that one process cannot follow changes nothing', async () => {
    const [one, two] = await twoClients(world)
    changeConfig(world, config => {
      config['postgres'].workers = 3
    })
    const run = await world.world.sallyport('reload')
    expect(run.stderr).toContain('postgres.workers')
    changeConfig(world, config => {
      config['postgres'].workers = 2
    })
    expect(await Promise.all([one, two].map(client => client.query('SELECT 1')))).toHaveLength(2)
    await Promise.all([one.end(), two.end()])
  })

  test('sessions are listed, ended and decided again as in one process', async () => {
    const [one, two] = await twoClients(world)
    const rows = await sessionsIn(world, before)
    expect(rows.map(({ state }) => state)).toEqual(['open', 'open'])
    expect(new Set(rows.map(({ owner }) => owner)).size).toBe(2)

    const [{ id }] = rows as [SessionRow, SessionRow]
    const first = Promise.race([ended(one).then(() => two), ended(two).then(() => one)])
    const run = await world.world.sallyport('sessions', 'end', id, '--reason', 'enough')
    expect(run.stderr).toBe('')
    const left = await first
    const again = await world.world.sallyport('sessions', 'end', id)
    expect(again.code).not.toBe(0)

    expect((await left.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    const over = ended(left)
    changeConfig(world, config => {
      config['roles'].database.allow[0].logins = ['app_owner']
    })
    world.world.reload()
    await over
    const after = await allEnded(world, before)
    expect(after.find(row => row.id === id)?.endReason).toBe('an operator ended it: enough')
    expect(after.find(row => row.id !== id)?.endReason).toContain('no longer allowed')
    changeConfig(world, config => {
      config['roles'].database.allow[0].logins = ['app_readonly', 'app_owner']
    })
    expect((await world.world.sallyport('reload')).code).toBe(0)
  })

  test('a session in a worker is watched as it goes on, until it ends', async () => {
    const [one, two] = await twoClients(world)
    const rows = await sessionsIn(world, before)
    const seen: string[] = []
    const children = rows.map(({ id }) => {
      const child = spawn(process.execPath, ['src/main.ts', 'sessions', 'watch', id], {
        env: { ...process.env, SALLYPORT_CONFIG: world.world.configFile },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      child.stdout?.on('data', (chunk: Buffer) => seen.push(chunk.toString()))
      return child
    })
    const over = children.map(child => new Promise(resolve => child.once('exit', resolve)))
    await world.world.until(() => auditIn(world, before, 'watch-begin').length === 2)
    await one.query("SELECT 'by the first'")
    await two.query("SELECT 'by the second'")
    await world.world.until(() => /by the first/.test(seen.join('')) && /by the second/.test(seen.join('')))
    process.kill(pidOf(world, 1), 'SIGKILL')
    await two.end()
    await Promise.all(over)
    await world.world.until(() => auditIn(world, before, 'watch-end').length === 2)
    await world.world.until(() => startsIn(world, before) === 1)
  })

  test('a worker that is killed −9 takes its own sessions with it and nothing else, and another takes its place', async () => {
    const [one, two] = await twoClients(world)
    await one.query("SELECT 'before the end'")
    const victim = pidOf(world, 1)
    expect(workerPids(world)).toContain(victim)
    const gone = ended(one)
    process.kill(victim, 'SIGKILL')
    await gone
    expect((await two.query("SELECT 'still here' AS here")).rows).toEqual([{ here: 'still here' }])
    await world.world.until(() => startsIn(world, before) === 1)
    expect(workerPids(world)).toHaveLength(2)
    expect(pidOf(world, 1)).not.toBe(victim)
    await world.world.until(async () => (await world.roles()).length === 1)
    const interrupted = async (): Promise<SessionRow[]> =>
      (await sessionsIn(world, before)).filter(({ state }) => state === 'interrupted')
    await world.world.until(async () => (await interrupted()).length > 0)
    const cut = await interrupted()
    expect(cut).toHaveLength(1)
    expect(JSON.stringify(world.world.eventsOf(cut[0] as SessionRow))).toContain('before the end')

    const third = await connected(world)
    expect(workerOf(third)).toBe(1)
    await Promise.all([two.end(), third.end()])
    expectAudited(world, await allEnded(world, before))
    expect(auditIn(world, before, 'worker-end')).toMatchObject([
      { number: 1, why: 'SIGKILL', interrupted: 1 },
    ])
  })

  test('a connection that is on its way to a worker which dies is closed, and its client does not wait', async () => {
    const workers = workerPids(world)
    for (const pid of workers) process.kill(pid, 'SIGSTOP')
    const sockets = Array.from({ length: 6 }, () => connect({ host: '127.0.0.1', port: world.port }))
    const closed = sockets.map(socket => new Promise(resolve => socket.once('close', resolve)))
    for (const socket of sockets) socket.on('error', () => {}).resume()
    await Promise.all(sockets.map(socket => new Promise(resolve => socket.once('connect', resolve))))
    for (const pid of workers) process.kill(pid, 'SIGKILL')
    await Promise.all(closed)
    await world.world.until(() => startsIn(world, before) === 2)
    await (await connected(world)).end()
  })

  test('after the gateway is killed −9 its workers end, and the next start finishes what they left', async () => {
    const [one, two] = await twoClients(world)
    await Promise.all([one, two].map(client => client.query("SELECT 'seen by a client'")))
    const pids = workerPids(world)
    const both = Promise.all([ended(one), ended(two)])
    await world.world.killGateway('SIGKILL')
    await both
    await world.world.startGateway()
    expect(pids.filter(pid => existsSync(`/proc/${pid}`))).toEqual([])
    const rows = await allEnded(world, before)
    expect(rows).toHaveLength(2)
    for (const row of rows) expect(JSON.stringify(world.world.eventsOf(row))).toContain('seen by a client')
    const third = await connected(world)
    await third.end()
  })

  test('after all of them are killed −9 at once, too', async () => {
    const [one, two] = await twoClients(world)
    await Promise.all([one, two].map(client => client.query("SELECT 'seen by a client'")))
    const both = Promise.all([ended(one), ended(two)])
    const pids = workerPids(world)
    expect(pids).toHaveLength(2)
    const killed = world.world.killGateway('SIGKILL')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await Promise.all([killed, both])
    await world.world.startGateway()
    const rows = await allEnded(world, before)
    expect(rows.map(({ state }) => state)).toEqual(['interrupted', 'interrupted'])
    for (const row of rows) expect(JSON.stringify(world.world.eventsOf(row))).toContain('seen by a client')
    expectAudited(world, rows)
  })

  test('when the gateway stops, its workers seal what is open, and everything is in the logs', async () => {
    const [one, two] = await twoClients(world)
    const both = Promise.all([ended(one), ended(two)])
    await world.world.killGateway('SIGTERM')
    await both
    for (const number of [1, 2]) {
      const folder = join(world.world.data, 'workers', String(number))
      expect(readdirSync(folder).filter(name => name.startsWith('outbox'))).toEqual([])
    }
    await world.world.startGateway()
    const rows = await sessionsIn(world, before)
    expect(rows.map(({ state, endReason }) => [state, endReason])).toEqual([
      ['ended', 'the gateway stops'],
      ['ended', 'the gateway stops'],
    ])
    expectAudited(world, rows)
  })

  test('all of it verifies', () => expectVerified(world))
})

describe('a gateway whose disks fail', () => {
  let world: PostgresWorld
  let before: Before

  beforeAll(async () => {
    world = await start({ faulty: true })
  })
  afterAll(() => world.stop())

  beforeEach(async () => {
    before = await beforeIn(world)
  })
  afterEach(async () => {
    expectAudited(world, await allEnded(world, before))
    await noRoles(world)
  })

  test('while workers cannot write, nobody gets in, and what is open ends; then others take their places', async () => {
    const [one, two] = await twoClients(world)
    const both = Promise.all([ended(one), ended(two)])
    world.world.setFault('worker-full')
    for (const client of [one, two]) client.query('SELECT 1').catch(() => {})
    await both
    await expect(connected(world)).rejects.toThrow()
    world.world.setFault(undefined)
    await world.world.until(() => startsIn(world, before) >= 2)
    const third = await connected(world)
    await third.end()
  })

  test('a worker whose disk hangs is killed by its own watchdog; the others go on', async () => {
    const [one, two] = await twoClients(world)
    await Promise.all([one, two].map(client => client.query("SELECT 'before'")))
    const left = Promise.race([ended(one).then(() => two), ended(two).then(() => one)])
    world.world.setFault('worker-hang')
    one.query("SELECT 'during'").catch(() => {})
    const survivor = await left
    expect((await survivor.query("SELECT 'after' AS after")).rows).toEqual([{ after: 'after' }])
    await world.world.until(() => startsIn(world, before) === 1)
    await survivor.end()
    const rows = await allEnded(world, before)
    expect(rows.map(({ state }) => state).toSorted()).toEqual(['ended', 'interrupted'])
    world.world.setFault(undefined)
  })

  test('while the gateway cannot write its logs, sessions in workers end, too', async () => {
    const [one, two] = await twoClients(world)
    const both = Promise.all([ended(one), ended(two)])
    const password = await world.password()
    world.world.setFault('gateway-full')
    await expect(connected(world, { password })).rejects.toThrow()
    await both
    await world.world.killGateway('SIGKILL')
    world.world.setFault(undefined)
    await world.world.startGateway()
    const rows = await allEnded(world, before)
    for (const { id } of rows)
      expect(
        world.world.audit().some(line => line['session'] === id && line['kind'] === 'session-close'),
      ).toBe(true)
  })

  test('all of it verifies', () => expectVerified(world))
})

test('forty sessions that end in every way, the gateway and workers killed −9 among them, leave no role, and all are on record', {
  timeout: 400_000,
}, async () => {
  const report = await runSoak({
    sessions: 40,
    gatewayKills: 1,
    seed: 2,
    version: hasPostgres(15) ? 15 : 18,
    workers: 2,
    workerKills: 4,
  })
  expect(report).toMatchObject({
    rolesLeft: 0,
    leasesLeft: 0,
    sessionsLeftOpen: 0,
    withoutRecording: 0,
    answeredButNotRecorded: 0,
    verifies: true,
    problems: [],
  })
  expect(report.workerKills).toBeGreaterThan(0)
})
