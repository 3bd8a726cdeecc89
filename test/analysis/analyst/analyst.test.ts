import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Analyst, type AnalystParts } from '../../../src/analysis/analyst/analyst.ts'
import type { AnalystBatch } from '../../../src/analysis/analyst/session-observer.ts'
import { SearchThread } from '../../../src/analysis/index/search-thread.ts'
import type { IndexedEntry, IndexedSession } from '../../../src/analysis/index/search-types.ts'
import { Fault } from '../../../src/errors.ts'
import { newAuditor } from '../../recorder/encryption/support.ts'
import { HeldClock, newFolder, quiet } from '../../recorder/support.ts'
import { exec, Recordings, shell, shown, statement, typed } from './recordings.ts'

let recordings: Recordings
let dataFolder: string
let batches: AnalystBatch[]
let analyst: Analyst
let search: SearchThread

beforeEach(() => {
  recordings = new Recordings()
  dataFolder = newFolder()
  batches = []
  search = new SearchThread(dataFolder)
  analyst = newAnalyst()
})

afterEach(async () => {
  await analyst.stop()
  await search.close()
  await recordings.recorder.close()
})

function newAnalyst(more: Partial<AnalystParts> = {}): Analyst {
  return new Analyst({
    dataFolder,
    recordingsFolder: recordings.bench.folder,
    sessions: {
      list: async ({ state }) => recordings.rows.filter(row => row.state === state),
      retained: async ({ limit, after }) => {
        const ended = recordings.rows.filter(row => row.state !== 'open').toReversed()
        const from = after === undefined ? 0 : ended.findIndex(({ id }) => id === after.id) + 1
        return ended.slice(from, from + limit)
      },
    },
    fetch: async () => {
      throw new Fault('RECORDING_NOT_FOUND', 'It is nowhere.')
    },
    onBatch: batch => void batches.push(batch),
    log: quiet,
    ...more,
  })
}

async function restart(more: Partial<AnalystParts> = {}): Promise<void> {
  await analyst.stop()
  analyst = newAnalyst(more)
  analyst.start()
}

async function found(text: string): Promise<string[]> {
  const answer = await search.search({ text, scope: { targets: 'all' } }, 'ada')
  if (!answer.ok) throw new Error(answer.problem)
  return answer.page.items.map(item => item.text)
}

async function untilFound(text: string, count = 1): Promise<string[]> {
  for (;;) {
    const texts = await found(text).catch(() => [])
    if (texts.length >= count) return texts
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function untilState(session: string, state: IndexedSession['state']): Promise<IndexedSession> {
  for (;;) {
    const known = (await search.sessions([session])).get(session)
    if (known?.state === state) return known
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function entriesOf(session: string): Promise<readonly IndexedEntry[]> {
  const kinds = ['command', 'statement', 'file', 'screen', 'forward'] as const
  return (await search.entries({ session, kinds, limit: 1000 })).items
}

const secret = 'hunter2Secret'
const work = [
  ...shell(),
  ...typed('ls /srv', 'app data\r\n'),
  ...typed(`mysql -u root -p${secret} shop`, `export TOKEN=${secret}\r\n`),
  ...exec(`PGPASSWORD=${secret} psql -c "select 1"`, 1),
  ...typed('cat /etc/shadow', 'root:$6$salt$hashhashhashhash:19000\r\n'),
]

async function sealed(session: string, events: Parameters<Recordings['record']>[1]): Promise<void> {
  const recording = await recordings.open(session)
  await recordings.record(recording, events)
  await recording.seal('done')
  recordings.ended(session)
}

test('an encrypted recording leaves nothing in the index', async () => {
  await recordings.recorder.close()
  const auditor = newAuditor()
  recordings = new Recordings({ encryptTo: () => [auditor.publicKey] })
  analyst = newAnalyst()
  await sealed('s1', [...shell(), ...typed('cat zanzibar')])
  analyst.start()
  expect(await untilState('s1', 'sealed')).toMatchObject({
    problem: expect.stringContaining('Sealed to auditors'),
  })
  expect(await entriesOf('s1')).toEqual([])
  await analyst.stop()
  expect(everythingIn(dataFolder)).not.toContain('zanzibar')
})

test('no password is in the index, in any of its files', async () => {
  const recording = await recordings.open('s1')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, work)
  await untilFound('shadow')
  expect(everythingIn(dataFolder)).not.toContain(secret)
  expect(await found(secret)).toEqual([])
  expect(JSON.stringify(batches)).not.toContain(secret)
  await recording.seal('done')
  await untilState('s1', 'done')
  await analyst.stop()
  expect(everythingIn(dataFolder)).not.toContain(secret)
  expect(everythingIn(dataFolder)).toContain('[redacted]')
})

function everythingIn(folder: string): string {
  return readdirSync(folder)
    .filter(name => name.startsWith('index.db'))
    .map(name => readFileSync(join(folder, name), 'latin1'))
    .join('\n')
}

test('an open session is found in, and gives what it gives once it is sealed and read again', async () => {
  const recording = await recordings.open('s1')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, work)
  expect(await untilFound('kind:command shadow')).toEqual(['cat /etc/shadow'])
  await recordings.record(recording, typed('whoami', 'root\r\n'))
  await untilFound('kind:command whoami')
  await recording.seal('done')
  const live = await untilState('s1', 'done')
  const entries = await entriesOf('s1')
  recordings.ended('s1')
  await analyst.reindex()
  search.reopen()
  expect(await untilState('s1', 'done')).toEqual(live)
  expect(await entriesOf('s1')).toEqual(entries)
  expect(live.counts).toMatchObject({ commands: 5, statements: 0 })
  expect(entries.map(({ entry }) => entry.number)).toEqual(entries.map((_, number) => number))
})

test('rules are kept with their entries and told', async () => {
  await sealed('s1', work)
  analyst.start()
  await untilState('s1', 'done')
  const hits = batches.flatMap(batch => batch.hits)
  expect(hits.length).toBeGreaterThan(0)
  expect(await search.hits('s1')).toEqual(
    expect.arrayContaining(hits.map(hit => expect.objectContaining({ rule: hit.rule }))),
  )
  const rule = hits[0]?.rule ?? ''
  expect((await found(`rule:${rule}`)).length).toBeGreaterThan(0)
  const met = new Set(hits.map(hit => hit.entry))
  expect(batches.flatMap(batch => batch.entries).every(({ number }) => met.has(number))).toBe(true)
  expect(batches.at(-1)).toMatchObject({ session: 's1', isSealed: true })
})

test('a thread that stops in the middle and starts again loses and doubles nothing', async () => {
  const recording = await recordings.open('s1')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, [...shell(), ...typed('ls one'), ...typed('ls two')])
  await untilFound('kind:command one')
  await restart()
  await recordings.record(recording, [...typed('ls three'), ...exec('uptime', 1)])
  await recording.seal('done')
  recordings.ended('s1')
  analyst.over('s1')
  await untilState('s1', 'done')
  const commands = (await entriesOf('s1')).filter(({ entry }) => entry.kind === 'command')
  expect(commands.map(({ entry }) => entry.text).toSorted()).toEqual([
    'ls one',
    'ls three',
    'ls two',
    'uptime',
  ])
  expect(batches.filter(({ isSealed }) => isSealed)).toHaveLength(1)
})

test('with room for one terminal several are read while they are open: the others are parked', async () => {
  const sessions = ['s1', 's2', 's3']
  const open = await Promise.all(sessions.map(session => recordings.open(session)))
  analyst = newAnalyst({ maxTerminals: 1 })
  analyst.start()
  for (const row of recordings.rows) analyst.opened(row)
  for (const recording of open) await recordings.record(recording, [...shell(), ...typed('ls first')])
  await untilFound('kind:command first', 3)
  for (const recording of open) await recordings.record(recording, typed('ls second'))
  await untilFound('kind:command second', 3)
  for (const recording of open) await recording.seal('done')
  for (const session of sessions) {
    await untilState(session, 'done')
    const commands = (await entriesOf(session)).filter(({ entry }) => entry.kind === 'command')
    expect(commands.map(({ entry }) => entry.text)).toEqual(['ls first', 'ls second'])
  }
})

test('it tells how far it is behind, and that it is not any more', async () => {
  const recording = await recordings.open('s1')
  analyst = newAnalyst({ maxTerminals: 0 })
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(recording, work)
  while (analyst.lag.bytes === 0 || analyst.lag.waitedMs === 0)
    await new Promise(resolve => setTimeout(resolve, 50))
  await restart()
  await untilFound('kind:command shadow')
  while (analyst.lag.bytes > 0 || analyst.lag.waitedMs > 0)
    await new Promise(resolve => setTimeout(resolve, 50))
  await recording.seal('done')
})

test('sessions beyond what fits in memory are read at the latest when they are over', async () => {
  const sessions = ['s1', 's2', 's3', 's4', 's5', 's6']
  const open = await Promise.all(sessions.map(session => recordings.open(session)))
  analyst = newAnalyst({ maxTerminals: 1 })
  analyst.start()
  for (const row of recordings.rows) analyst.opened(row)
  for (const recording of open) await recordings.record(recording, [...shell(), ...typed('ls first')])
  await untilFound('kind:command first')
  for (const recording of open) await recordings.record(recording, typed('ls second'))
  for (const [at, recording] of open.entries()) {
    await recording.seal('done')
    recordings.ended(`s${at + 1}`)
    analyst.over(`s${at + 1}`)
  }
  for (const session of sessions) {
    await untilState(session, 'done')
    const commands = (await entriesOf(session)).filter(({ entry }) => entry.kind === 'command')
    expect(commands.map(({ entry }) => entry.text)).toEqual(['ls first', 'ls second'])
  }
})

test('statements have what the grammar says of them', async () => {
  const recording = await recordings.open('q1', 'postgres')
  await recordings.record(recording, [
    ...statement(1, 'select * from sales.orders o join customers c on true', 12),
    ...statement(2, 'selekt nonsense'),
    ...statement(3, `insert into a values ${'(1,2),'.repeat(40_000)}(3,4)`),
    ...statement(4, `select '${'x'.repeat(300_000)}'`),
    ...statement(5, 'drop table orders'),
    { type: 'statement', statement: 6, how: 'simple', text: 'update orders set a = 1' },
    { type: 'result', statement: 6, status: 'done', tag: 'UPDATE 500', us: 10 },
  ])
  await recording.seal('done')
  recordings.ended('q1')
  analyst.start()
  expect(await untilState('q1', 'done')).toMatchObject({
    counts: { statements: 6, rows: 516, bytes: 160, commands: 0 },
  })
  const [first, second, , long, last] = await entriesOf('q1')
  expect(first?.entry.statement).toMatchObject({
    class: 'read',
    tables: ['sales.orders', 'customers'],
    rows: 12,
    fingerprint: expect.any(String),
  })
  expect(second?.entry.statement).toMatchObject({
    class: 'unparsable',
    unparsed: expect.stringContaining('syntax error'),
  })
  expect(long?.entry.statement).toMatchObject({
    class: 'unparsable',
    unparsed: 'longer than 262144 characters',
  })
  expect(last?.entry.statement?.class).toBe('ddl')
})

test('a PREPARE runs nothing, and an EXECUTE is of the class of what it runs', async () => {
  const recording = await recordings.open('q1', 'postgres')
  const prepare = 'prepare p (int) as delete from orders where id = $1'
  await recordings.record(recording, [
    ...statement(1, prepare),
    { type: 'statement', statement: 2, how: 'simple', text: 'execute p(7)', executes: 1 },
    { type: 'result', statement: 2, status: 'done', tag: 'DELETE 3', us: 10 },
    ...statement(3, 'execute nobody_knows'),
    { type: 'statement', statement: 4, how: 'execute', name: 'p', text: prepare },
    { type: 'result', statement: 4, status: 'done', tag: 'DELETE 3', us: 10 },
    { type: 'statement', statement: 5, how: 'simple', text: `${prepare}; drop table orders` },
    { type: 'statement', statement: 6, how: 'simple', text: 'create table x as execute p', executes: 1 },
  ])
  await recording.seal('done')
  recordings.ended('q1')
  analyst.start()
  await untilState('q1', 'done')
  const classes = (await entriesOf('q1')).map(({ entry }) => entry.statement?.class)
  expect(classes).toEqual(['session', 'write', 'call', 'write', 'ddl', 'ddl'])
})

test('the time in which nothing came or went is not active', async () => {
  await recordings.recorder.close()
  const clock = new HeldClock()
  recordings = new Recordings({ clock })
  analyst = newAnalyst()
  const recording = await recordings.open('s1')
  await recordings.record(recording, shell())
  for (const [pauseMs, line] of [
    [10_000, 'ls'],
    [10_001, 'id'],
    [3_600_000, 'w'],
    [4_000, 'pwd'],
  ] as const) {
    clock.advance(pauseMs)
    await recordings.record(recording, typed(line))
  }
  clock.advance(30_000)
  await recording.seal('done')
  recordings.ended('s1')
  analyst.start()
  expect((await untilState('s1', 'done')).counts).toMatchObject({ commands: 4, activeMs: 14_000 })
})

test('a recording that is gone, or damaged, says so, and what can be read of it is', async () => {
  await sealed('s1', work)
  await sealed('s2', work)
  recordings.rows.push({ ...recordings.rows[0]!, id: 's3', recording: 'nowhere.sallyport' })
  const file = join(recordings.bench.folder, recordings.rows.find(({ id }) => id === 's2')!.recording)
  const bytes = readFileSync(file)
  bytes.fill(0, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 10)
  writeFileSync(file, bytes)
  const unread: string[] = []
  await restart({ onUnread: session => void unread.push(session) })
  await untilState('s1', 'done')
  expect(await untilState('s2', 'done')).toMatchObject({ problem: expect.stringContaining('damaged') })
  expect(await untilState('s3', 'gone')).toMatchObject({ problem: 'It is nowhere.' })
  expect(unread.toSorted()).toEqual(['s2', 's3'])
})

test('a copy that arrives when its thread is dead is given back, and so is that of the next', async () => {
  const recording = await recordings.open('s1')
  await recordings.record(recording, exec('uptime', 1))
  await recording.seal('done')
  recordings.ended('s1')
  const path = join(newFolder(), 'copy')
  renameSync(recordings.fileOf(recording), path)
  const asked: (() => void)[] = []
  const released: number[] = []
  const threads: Worker[] = []
  const note = (message: unknown): void => void threads.push((message as { worker: Worker }).worker)
  subscribe('worker_threads', note)
  analyst = newAnalyst({
    fetch: () => {
      const number = asked.length
      return new Promise(resolve =>
        asked.push(() => resolve({ path, release: () => void released.push(number) })),
      )
    },
  })
  analyst.start()
  unsubscribe('worker_threads', note)
  while (asked.length < 1) await new Promise(resolve => setTimeout(resolve, 20))
  await threads[0]?.terminate()
  while (asked.length < 2) await new Promise(resolve => setTimeout(resolve, 20))
  asked[0]?.()
  await new Promise(resolve => setImmediate(resolve))
  expect(released).toEqual([0])
  asked[1]?.()
  await untilState('s1', 'done')
  while (released.length < 2) await new Promise(resolve => setTimeout(resolve, 20))
  expect(released).toEqual([0, 1])
})

test('what is to be forgotten is gone when it says so, also of a session that is being read', async () => {
  await sealed('s1', [...shell(), ...typed('cat zanzibar-plans')])
  const open = await recordings.open('s2')
  analyst.start()
  analyst.opened(recordings.rows[0]!)
  await recordings.record(open, [...shell(), ...typed('cat zanzibar-plans')])
  await untilFound('kind:command zanzibar', 2)
  await analyst.forget('s1')
  expect(await found('kind:command zanzibar')).toHaveLength(1)
  await analyst.forget('s2')
  expect(await found('zanzibar')).toEqual([])
  await open.seal('done')
})

test('output without commands is found as what the screen showed', async () => {
  await sealed('s1', [...shell(), shown('Kernel panic - not syncing\r\n')])
  analyst.start()
  expect((await untilFound('"kernel panic"'))[0]).toContain('Kernel panic')
})
