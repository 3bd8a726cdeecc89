/** What is left when the gateway is killed in the middle of a busy session. */
import Database from 'better-sqlite3'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { testWith } from '../support/openssh.ts'
import { World } from '../support/world.ts'

const test = testWith('ssh', 'sshd')
let world: World | undefined

afterEach(async () => {
  await world?.stop()
  world = undefined
})

test('invariant 3, record then forward: after kill -9 the recording holds everything that the user saw, verifies, and is sealed as interrupted', async () => {
  world = await World.start()
  const here = world
  const run = here.ssh(`${here.login}@web1`, {
    command: ['i=0; while :; do echo "line $i"; i=$((i+1)); done'],
  })
  let row = (await here.sessions())[0]
  await here.until(async () => (row = (await here.sessions())[0]) !== undefined)
  await new Promise(resolve => setTimeout(resolve, 1500))
  await here.killGateway('SIGKILL')
  const seen = (await run).stdout
  expect(seen.length).toBeGreaterThan(10_000)

  const whileDead = await here.sallyport('verify', here.recordings)
  expect(whileDead.code).toBe(0)
  expect(whileDead.stdout.toString()).toMatch(/not sealed|unsealed|open/i)

  await here.startGateway()
  const ended = await here.lastEnded()
  expect(ended).toMatchObject({ id: row?.id, state: 'interrupted' })
  const recorded = here.streamOf(ended, 'output')
  expect(recorded.subarray(0, seen.length).equals(seen)).toBe(true)
  const verified = await here.sallyport('verify', here.recordings)
  expect(verified.code).toBe(0)
  expect(verified.stdout.toString()).toMatch(/interrupted/i)
})

test('invariant 6: a lease that a crash left is removed by the next start once its certificate is worthless', async () => {
  world = await World.start()
  const here = world
  await here.killGateway('SIGKILL')
  const database = new Database(join(here.data, 'state.db'))
  const columns = (database.pragma('table_info(leases)') as { name: string }[]).map(column => column.name)
  expect(columns.length).toBeGreaterThan(5)
  const insert = (id: string, expiresAtMs: number): void => {
    const row: Record<string, unknown> = {
      id,
      session: 'gone',
      target: 'web1',
      kind: 'ssh-certificate',
      detail: '7',
      owner: 'a process that died',
      state: 'live',
      createdAtMs: Date.now() - 60_000,
      expiresAtMs,
    }
    const values = columns.map(
      column => row[column.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())],
    )
    database
      .prepare(`insert into leases (${columns.join(',')}) values (${columns.map(() => '?').join(',')})`)
      .run(values)
  }
  insert('gone.1', Date.now() - 30_000)
  insert('gone.2', Date.now() + 3_600_000)
  database.close()
  await here.startGateway()
  await here.until(() =>
    here.audit().some(entry => entry['kind'] === 'credential-removed' && entry['by'] === 'sweep'),
  )
  const after = new Database(join(here.data, 'state.db'), { readonly: true })
  expect(after.prepare('select id from leases').all()).toEqual([{ id: 'gone.2' }])
  after.close()
})

test('after a stop with SIGTERM every recording is sealed and the audit log proves itself', async () => {
  world = await World.start()
  const here = world
  let heard = false
  const run = here.ssh(`${here.login}@web1`, {
    command: ['echo up; sleep 60'],
    onStart: child => child.stdout?.once('data', () => (heard = true)),
  })
  await here.until(() => heard)
  await here.killGateway('SIGTERM')
  expect((await run).stderr).toContain('The gateway is stopping')
  const verified = await here.sallyport('verify', here.recordings, join(here.data, 'audit'))
  expect(verified.stdout.toString() + verified.stderr).not.toMatch(/not sealed|FAILED/i)
  expect(verified.code).toBe(0)
  const kinds = here.audit().map(entry => entry['kind'])
  expect(kinds).toEqual(
    expect.arrayContaining([
      'gateway-start',
      'sign-in',
      'session-open',
      'credential-minted',
      'credential-removed',
      'session-close',
      'gateway-stop',
    ]),
  )
})
