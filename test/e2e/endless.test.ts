/** Output without end: a session may use up so much (`recording.limits`), and its user, the audit log and the recording say so. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { verifyRecording } from '../../src/recorder/verify.ts'
import { testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'

const test = testWith('ssh', 'sshd')
const mebibyte = 1024 * 1024
/** What a busy session may take in the gateway, however much passes. */
const mayGrowBytes = 256 * mebibyte

let company: PostgresWorld | undefined
afterAll(() => company?.stop())

async function start(): Promise<PostgresWorld> {
  company ??= await PostgresWorld.start({
    version: 15,
    sshd: true,
    configure: config => {
      config['recording'] = { keepOutput: '1GiB', limits: { size: '48MiB', output: '200MiB' } }
    },
  })
  return company
}

function residentBytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
}

/** The newest session has ended by a limit: audited, sealed, and the gateway has not grown. */
async function expectLimited(
  { world }: PostgresWorld,
  reason: RegExp,
  before: number,
  mayGrow: number,
): Promise<void> {
  const row = await world.lastEnded()
  expect(row.state).toBe('ended')
  expect(row.endReason).toMatch(reason)
  const closed = world.audit().find(line => line['kind'] === 'session-close' && line['session'] === row.id)
  expect(closed).toMatchObject({ sealed: 'yes', reason: row.endReason })
  const file = join(world.recordings, row.recording)
  expect(verifyRecording(file, world.authorities['recording-heads'].publicKeyPem)).toMatchObject({
    ok: true,
    sealed: true,
  })
  expect(residentBytes(world.gatewayPid) - before).toBeLessThan(mayGrow)
}

test('yes, without end: the session ends when its recording is as large as one may be', async () => {
  const here = await start()
  const { world } = here
  const before = residentBytes(world.gatewayPid)
  let bytes = 0
  const run = await world.ssh(`${world.login}@web1`, {
    command: ['yes'],
    onStart: child => child.stdout?.on('data', (chunk: Buffer) => (bytes += chunk.length)),
  })
  expect(run.code).toBe(255)
  expect(run.stderr).toContain('its recording is as large as one may be (48 MiB)')
  expect(bytes).toBeGreaterThan(40 * mebibyte)
  await expectLimited(here, /^limit: its recording/, before, mayGrowBytes)
})

test('generate_series, without end: the session ends when it has sent as much as one may', async () => {
  const here = await start()
  const before = residentBytes(here.world.gatewayPid)
  const child = here.start(
    'psql',
    [
      '-X',
      '-A',
      '-t',
      '-v',
      'FETCH_COUNT=10000',
      '-c',
      "select repeat('x', 1000) from generate_series(1, 100000000)",
    ],
    await here.environment(),
  )
  let bytes = 0
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (bytes += chunk.length))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await new Promise(resolve => child.once('close', resolve))
  // Within a row nothing can be said, so that psql may only see the connection close.
  expect(stderr).toMatch(/it has sent as much output as one may \(200 MiB\)|closed unexpectedly/)
  expect(bytes).toBeGreaterThan(100 * mebibyte)
  await expectLimited(here, /^limit: it has sent/, before, mayGrowBytes)
})
