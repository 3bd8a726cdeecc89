/** Disks that fill up, fail, hang or go away under open sessions of both protocols: nothing that was not recorded has moved on. */
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, expect } from 'vitest'
import { parse, stringify } from 'yaml'
import {
  type DiskCall,
  type DiskFault,
  FaultyDisk,
  missingForFaultyDisk,
} from '../support/disk/faulty-disk.ts'
import { countBySql, countBySsh, type Load, recordedIn, unrecorded } from '../support/disk/load.ts'
import { cannotMount, fill, freeze, mountExt4, mountSmall } from '../support/disk/mounted.ts'
import { testWith } from '../support/openssh.ts'
import { PostgresWorld } from '../support/postgres-world.ts'
import type { RawConfig } from '../support/world.ts'

/** A company starts once for all of this; the gateway starts anew for each disk. */
const timeoutMs = 300_000
const withClients = testWith('ssh', 'sshd')

/** For what needs more than clients: says what is missing, which is a failure where it must not be. */
function testNeeding(missing: string | undefined) {
  return (name: string, run: () => Promise<void>): void =>
    withClients(
      name,
      context => {
        if (missing === undefined) return run()
        if (process.env['SALLYPORT_REQUIRE_PEERS'] === '1') throw new Error(`missing: ${missing}`)
        return context.skip(`needs ${missing}`)
      },
      timeoutMs,
    )
}
const onFaultyDisk = testNeeding(missingForFaultyDisk())
const onMount = testNeeding(missingForFaultyDisk() ?? cannotMount())

let company: PostgresWorld | undefined
let disk: FaultyDisk | undefined
let loads: Load[] = []
const atEnd: (() => void | Promise<void>)[] = []

afterEach(async () => {
  disk?.heal()
  for (const load of loads) load.kill()
  loads = []
  for (const action of atEnd.splice(0).toReversed()) await action()
}, timeoutMs)
afterAll(async () => {
  await company?.stop()
  disk?.remove()
}, timeoutMs)

/** A gateway that has just started, with these keys of `recording`. */
async function start(
  recording: RawConfig = {},
  onto: (data: string) => void = () => {},
): Promise<[PostgresWorld, FaultyDisk]> {
  disk ??= new FaultyDisk()
  company ??= await PostgresWorld.start({
    version: 15,
    sshd: true,
    environment: disk.environment({ logged: true }),
  })
  const { world } = company
  await world.killGateway('SIGTERM')
  onto(world.data)
  const config = parse(readFileSync(world.configFile, 'utf8')) as RawConfig
  writeFileSync(world.configFile, stringify({ ...config, recording }))
  await world.startGateway()
  return [company, disk]
}

/** One session of each protocol that has been answered a few times. */
async function begin(here: PostgresWorld, marker: string): Promise<void> {
  loads = [countBySsh(here, `ssh ${marker}`), await countBySql(here, `sql ${marker}`)]
  await here.world.until(() => loads.every(load => load.got().split('\n').length > 3))
}

type Ended = { readonly marker: string; readonly got: string; readonly stderr: string }

function ended(): Promise<Ended[]> {
  return Promise.all(loads.map(async load => ({ marker: load.marker, ...(await load.ended) })))
}

/** All that the clients got is on record, and all logs prove themselves. */
async function expectRecorded(here: PostgresWorld, got: readonly Ended[]): Promise<void> {
  expect(unrecorded(recordedIn(here.world.recordings), got)).toEqual([])
  const verified = await here.world.sallyport('verify', here.world.data)
  expect(verified.stderr + verified.stdout.toString()).not.toMatch(/FAILED|not sealed/)
  expect(verified.code).toBe(0)
}

async function restart(here: PostgresWorld): Promise<void> {
  await here.world.killGateway('SIGTERM')
  await here.world.startGateway()
}

const failing: [DiskFault, string][] = [
  ['EIO', '/journal/journal-'],
  ['EROFS', '.sallyport'],
  ['EDQUOT', '/journal/journal-'],
]

onFaultyDisk(
  'a journal or a recording that cannot be written ends all sessions with a sentence, opens none, and is whole after a restart',
  async () => {
    const [here, faulty] = await start()
    const all: Ended[] = []
    for (const [fault, where] of failing) {
      await begin(here, `${fault} ${where}`)
      faulty.fail(fault, where)
      const got = await ended()
      for (const { stderr } of got) expect(stderr).toContain('The recording cannot be written')
      const refused = await here.world.ssh(`${here.world.login}@web1`, { command: ['true'] })
      expect(refused.stderr).toContain('The recording cannot be written')
      faulty.heal()
      await restart(here)
      all.push(...got)
    }
    await expectRecorded(here, all)
  },
)

onFaultyDisk('a recording that is written for ever ends all sessions with a sentence', async () => {
  const [here, faulty] = await start()
  await begin(here, 'hanging recording')
  faulty.fail('hang', '.sallyport')
  const got = await ended()
  for (const { stderr } of got) expect(stderr).toContain('The recording cannot be written')
  expect(here.world.log).toContain('did not return within')
  faulty.heal()
  await here.world.killGateway('SIGKILL') // its threads hang for ever
  await here.world.startGateway()
  await expectRecorded(here, got)
})

for (const { what, where } of [
  { what: 'the journal', where: '/journal/journal-' },
  { what: 'the audit log', where: '/audit/audit-' },
  { what: 'the log of sessions', where: '/log/growing' },
  { what: 'state.db', where: '/state.db' },
])
  onFaultyDisk(
    `${what} that does not answer closes every connection, and the next start has all that was sent`,
    async () => {
      const [here, faulty] = await start()
      await begin(here, `hanging ${what}`)
      faulty.fail('hang', where)
      const another = here.world.ssh(`${here.world.login}@web1`, { command: ['true'] }) // whoever opens a session writes all of them
      const got = await ended()
      expect((await another).code).toBe(255)
      await here.world.until(() => here.world.gatewayEnded)
      expect(here.world.log).toContain("A call to the gateway's disk did not return")
      faulty.heal()
      await here.world.startGateway()
      await expectRecorded(here, got)
    },
  )

onFaultyDisk(
  'a folder of recordings in whose place there is another one ends all sessions with a sentence',
  async () => {
    const [here] = await start()
    await begin(here, 'moved away')
    const away = `${here.world.recordings}.away`
    renameSync(here.world.recordings, away)
    mkdirSync(here.world.recordings)
    const got = await ended()
    for (const { stderr } of got) expect(stderr).toContain('The recording cannot be written')
    expect(here.world.log).toContain('was a volume unmounted?')
    const refused = await here.world.ssh(`${here.world.login}@web1`, { command: ['true'] })
    expect(refused.stderr).toContain('The recording cannot be written')
    expect(readdirSync(here.world.recordings)).toEqual([])
    await here.world.killGateway('SIGTERM')
    rmdirSync(here.world.recordings)
    renameSync(away, here.world.recordings)
    await here.world.startGateway()
    await expectRecorded(here, got)
  },
)

onMount(
  'a disk that is full to its last block: sessions end with a sentence and are sealed, none is opened, and once there is room all goes on',
  async () => {
    const [here] = await start({ reserve: '8MiB' }, data => {
      const mounted = mountSmall(data, 96)
      atEnd.push(async () => {
        await here.world.killGateway('SIGKILL')
        mounted.remove()
      })
    })
    await here.world.until(() => existsSync(join(here.world.data, 'reserve')))
    await begin(here, 'full')
    const filler = fill(here.world.data)
    const got = await ended()
    for (const { stderr } of got)
      expect(stderr).toContain("The gateway's disk has no room for more recordings")
    await here.world.until(async () => (await here.world.sessions()).every(({ state }) => state !== 'open'))
    const refused = await here.world.ssh(`${here.world.login}@web1`, { command: ['true'] })
    expect(refused.stderr).toContain('no session can be opened')
    await expectRecorded(here, got)
    rmSync(filler)
    await here.world.until(() => here.world.log.includes('there is room on the disk again'))
    const again = await here.world.ssh(`${here.world.login}@web1`, { command: ['echo again'] })
    expect(again.stdout.toString()).toBe('again\n')
    await here.world.killGateway('SIGTERM')
  },
)

onMount('a file system that stands still closes every connection, and has all that was sent', async () => {
  const [here] = await start({}, data => {
    const mounted = mountExt4(data, 256)
    atEnd.push(async () => {
      await here.world.killGateway('SIGKILL')
      mounted.remove()
    })
  })
  await begin(here, 'frozen')
  const thaw = freeze(here.world.data)
  atEnd.push(thaw)
  const got = await ended() // before anything moves again
  thaw()
  await here.world.until(() => here.world.gatewayEnded)
  await here.world.startGateway()
  await expectRecorded(here, got)
  await here.world.killGateway('SIGTERM')
})

onFaultyDisk(
  'sync: statement: between what goes to one side and what goes to the other lies a sync of the journal',
  async () => {
    const [here, faulty] = await start({ sync: 'statement' })
    loads = [await countBySql(here, 'synced')]
    const lines = (): number => loads[0]?.got().split('\n').length ?? 0
    await here.world.until(() => lines() > 5)
    const before = faulty.calls().length
    await here.world.until(() => lines() > 60)
    const calls = faulty.calls().slice(before)
    expect(calls.filter(({ what }) => what === 'send').length).toBeGreaterThan(100)
    expect(sentWithoutSync(calls)).toBe(0)
    for (const load of loads) load.kill()
    const got = await ended()
    await restart(here)
    await expectRecorded(here, got)
  },
)

onFaultyDisk('sync: disk: what goes through is handed to the disk all the while', async () => {
  const [here, faulty] = await start({ sync: 'disk' })
  const before = faulty.calls().length
  await begin(here, 'handed over')
  await here.world.until(() => journalSyncs(faulty.calls().slice(before)) > 5)
  for (const load of loads) load.kill()
  const got = await ended()
  await restart(here)
  await expectRecorded(here, got)
})

onFaultyDisk('sync: statement: much data comes through unchanged, though all of it waits', async () => {
  const [here] = await start({ sync: 'statement' })
  const data = randomBytes(4_000_000)
  const { world } = here
  const run = await world.ssh(`${world.login}@web1`, { command: ['cat'], input: data })
  expect(run.stdout.equals(data)).toBe(true)
  const row = await world.lastEnded()
  expect(world.streamOf(row, 'input').equals(data)).toBe(true)
  expect(world.streamOf(row, 'output').equals(data)).toBe(true)
})

const isJournal = (path: string): boolean => path.includes('/journal/journal-')

function journalSyncs(calls: readonly DiskCall[]): number {
  return calls.filter(({ what, path }) => what === 'synced' && isJournal(path)).length
}

/** The client asks only after an answer, so that each message depends on the one before: how many had none of record, sync and its end in between. */
function sentWithoutSync(calls: readonly DiskCall[]): number {
  let step = 0
  let isFirst = true
  let without = 0
  for (const { what, path } of calls) {
    if (what === 'send') {
      if (!isFirst && step < 3) without++
      isFirst = false
      step = 0
    } else if (isJournal(path) && what === ['write', 'begin', 'synced'][step]) step++
  }
  return without
}
