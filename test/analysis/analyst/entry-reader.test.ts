import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EntryReader } from '../../../src/analysis/analyst/entry-reader.ts'
import type { Told } from '../../../src/analysis/analyst/teller.ts'
import type { EventRecord, RecordedEvent } from '../../../src/recorder/event.ts'
import { jsonOf, isData } from '../../../src/recorder/event.ts'
import { exec, shell, shown, statement, typed } from './recordings.ts'

/** Every event a tenth of a second after the one before. */
function recordsOf(events: readonly RecordedEvent[], stepUs = 100_000): EventRecord[] {
  return events.map((event, index) => ({
    sequence: index + 1,
    us: (index + 1) * stepUs,
    event: isData(event) ? event : readAs(event),
  }))
}

function readAs(event: Exclude<RecordedEvent, { data: Buffer }>): EventRecord['event'] {
  const fields = JSON.parse(jsonOf(event)) as Record<string, unknown>
  return { type: event.type, fields }
}

/** As they are known at the end, in order of their numbers. */
function finalOf(told: readonly Told[]): unknown[] {
  const known = new Map<number, unknown>()
  for (const { number, draft, isOver } of told) known.set(number, { number, ...draft, isOver })
  return [...known.entries()].toSorted(([a], [b]) => a - b).map(([, entry]) => entry)
}

function read(records: readonly EventRecord[], protocol: 'ssh' | 'postgres' = 'ssh'): Told[] {
  const reader = new EntryReader(protocol)
  return [...records.flatMap(record => reader.take(record)), ...reader.end()]
}

const session = [
  ...shell(),
  ...typed('ls /srv', 'app\r\ndata\r\n'),
  ...exec('uptime', 1),
  ...typed('cat /srv/app/notes.txt', 'first line\r\nsecond line\r\n'),
  shown('\x1b[?1049h\x1b[Hfull screen editor\x1b[2;1Hof some file'),
  shown('\x1b[3;1Hanother row'),
  shown('\x1b[?1049l'),
  ...exec('id', 2),
  ...typed('sleep 100'),
]

test('a request that policy refused says why it did not run, and one that ran says nothing of the kind', () => {
  const reason = 'Policy does not allow this command here, only: uptime.'
  const [refused, ran] = finalOf(
    read(
      recordsOf([
        { type: 'exec', channel: 4, command: Buffer.from('cat /etc/app.conf') },
        { type: 'request-refused', channel: 4, request: 'exec', reason },
        { type: 'channel-close', channel: 4 },
        ...exec('uptime', 5),
        { type: 'request-refused', channel: 5, request: 'x11-req', reason: 'X11 is not forwarded.' },
      ]),
    ),
  )
  expect(refused).toMatchObject({ text: 'cat /etc/app.conf', command: { blocked: reason } })
  expect(ran).toMatchObject({ text: 'uptime' })
  expect(JSON.stringify(ran)).not.toContain('blocked')
})

test('nothing is lost and nothing doubled, and every entry is over at the end', () => {
  const told = read(recordsOf(session))
  const over = told.filter(({ isOver }) => isOver).map(({ number }) => number)
  expect(new Set(over).size).toBe(over.length)
  expect(new Set(told.map(({ number }) => number)).size).toBe(over.length)
  expect(Math.max(...over)).toBe(over.length - 1)
  const commands = told.filter(({ draft, isOver }) => draft.kind === 'command' && isOver)
  expect(commands.map(({ draft }) => draft.text).toSorted()).toEqual([
    'cat /srv/app/notes.txt',
    'id',
    'ls /srv',
    'sleep 100',
    'uptime',
  ])
  const screens = told.filter(({ draft }) => draft.kind === 'screen').map(({ draft }) => draft.text)
  expect(screens.join('\n')).toContain('second line')
  expect(screens.join('\n')).toContain('full screen editor')
  expect(screens.join('\n')).toContain('another row')
})

test('where output was cut never shows', () => {
  const whole = finalOf(read(recordsOf(session)))
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 60 }), cuts => {
      const records = recordsOf(session).flatMap((record, index) => {
        const { event } = record
        if (!('data' in event) || event.data.length < 2) return [record]
        const at = 1 + ((cuts[index % cuts.length] ?? 0) % (event.data.length - 1))
        return [
          { ...record, event: { ...event, data: event.data.subarray(0, at) } },
          { ...record, event: { ...event, data: event.data.subarray(at) } },
        ]
      })
      expect(finalOf(read(records))).toEqual(whole)
    }),
    { numRuns: 60 },
  )
})

test('a session that is looked at while it goes on gives what it gives when it is over', () => {
  const records = recordsOf(session, 700_000)
  const whole = finalOf(read(records))
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: records.length, maxLength: records.length }), looks => {
      const reader = new EntryReader('ssh')
      const told = records.flatMap((record, index) => {
        // Time passes until just before the next event, and somebody looks.
        const before = looks[index] === true ? lookUntil(reader, record.us - 1) : []
        return [...before, ...reader.take(record)]
      })
      expect(finalOf([...told, ...reader.end()])).toEqual(whole)
    }),
    { numRuns: 60 },
  )
})

function lookUntil(reader: EntryReader, us: number): Told[] {
  const told: Told[] = []
  for (let next = reader.nextUs; next !== undefined && next <= us; next = reader.nextUs)
    told.push(...reader.settle(next))
  return told
}

test('a command that goes on is told before it is over, and once more when it is', () => {
  const reader = new EntryReader('ssh')
  const records = recordsOf([...shell(), ...typed('sleep 100')])
  for (const record of records) reader.take(record)
  const early = lookUntil(reader, 60_000_000).filter(({ draft }) => draft.kind === 'command')
  expect(early).toMatchObject([{ isOver: false, draft: { text: 'sleep 100' } }])
  const late = reader.end().filter(({ draft }) => draft.kind === 'command')
  expect(late).toMatchObject([{ number: early[0]?.number, isOver: true, draft: { text: 'sleep 100' } }])
})

test('requests of the client have their exit status', () => {
  const [told] = read(recordsOf(exec('false', 3, 1)))
  expect(told).toMatchObject({
    isOver: true,
    draft: { text: 'false', command: { found: 'exec', exitStatus: 1, sure: 1 } },
  })
})

test('statements are joined with their results', () => {
  const events: RecordedEvent[] = [
    ...statement(1, 'select * from orders', 3),
    { type: 'statement', statement: 2, how: 'simple', text: 'select 1; select 2' },
    { type: 'result', statement: 2, status: 'done', tag: 'SELECT 1', rows: 1, bytes: 5, us: 10 },
    { type: 'result', statement: 2, part: 2, status: 'done', tag: 'SELECT 1', rows: 1, bytes: 5, us: 10 },
    { type: 'statement', statement: 3, how: 'simple', text: 'drop table x' },
    { type: 'result', statement: 3, status: 'error', sqlstate: '42501', message: 'no', blocked: 'drop' },
    { type: 'prepared', statement: 4, name: 's1', text: 'select nonsense' },
    { type: 'result', statement: 4, during: 'parse', status: 'error', sqlstate: '42601', message: 'syntax' },
    { type: 'statement', statement: 5, how: 'simple', text: 'select pg_sleep(100)' },
  ]
  const told = read(recordsOf(events), 'postgres')
  expect(told.filter(({ isOver }) => isOver).map(({ draft }) => [draft.text, draft.statement])).toEqual([
    ['select * from orders', expect.objectContaining({ statement: 1, rows: 3, bytes: 30, durationMs: 1.5 })],
    ['select 1; select 2', expect.objectContaining({ statement: 2, rows: 2, bytes: 10 })],
    ['drop table x', expect.objectContaining({ blocked: 'drop', sqlstate: '42501' })],
    ['select nonsense', expect.objectContaining({ sqlstate: '42601' })],
    ['select pg_sleep(100)', expect.objectContaining({ statement: 5 })],
  ])
})

test('rows that a statement changes count as well as those that it returns; what is no tag counts nothing', () => {
  const results: readonly (readonly [string, Record<string, unknown>])[] = [
    ['update t set a = 1', { tag: 'UPDATE 500' }],
    ['insert into t select 1', { tag: 'INSERT 0 7' }],
    ['delete from t returning *', { tag: 'DELETE 3', rows: 3, bytes: 30 }],
    ['create table u as select 1', { tag: 'SELECT 9' }],
    ['copy t from stdin', { tag: 'COPY 4', copy: { direction: 'in', bytes: 8, sha256: '' } }],
    ['copy t to stdout', { tag: 'COPY 5', copy: { direction: 'out', bytes: 8, sha256: '' } }],
    ['move 6 in c', { tag: 'MOVE 6' }],
    ['merge into t', { tag: 'MERGE 8' }],
    ['select 1', { tag: 'SELECT 99', rows: 1, bytes: 5 }],
    ['hostile', { tag: 'UPDATE 99999999999' }],
    ['hostile', { tag: 'UPDATE -5' }],
    ['hostile', { tag: 'UPDATE 5\nDELETE 7' }],
    ['hostile', { tag: 'DROP TABLE 5' }],
    ['hostile', { tag: 'INSERT 5' }],
  ]
  const events = results.flatMap(([text, result], index): RecordedEvent[] => [
    { type: 'statement', statement: index + 1, how: 'simple', text },
    { type: 'result', statement: index + 1, status: 'done', us: 10, ...result },
  ])
  const told = read(recordsOf(events), 'postgres')
  expect(told.map(({ draft: { text, statement } }) => [text, statement?.rows, statement?.affected])).toEqual([
    ['update t set a = 1', undefined, 500],
    ['insert into t select 1', undefined, 7],
    ['delete from t returning *', 3, 3],
    ['create table u as select 1', undefined, 9],
    ['copy t from stdin', undefined, 4],
    ['copy t to stdout', 5, undefined],
    ['move 6 in c', undefined, 6],
    ['merge into t', undefined, 8],
    ['select 1', 1, undefined],
    ...Array.from({ length: 5 }, () => ['hostile', undefined, undefined]),
  ])
})

test('files are told with what passed, and looking is not', () => {
  const events: RecordedEvent[] = [
    { type: 'file-operation', channel: 0, operation: 'stat', status: 'ok', path: '/etc' },
    { type: 'file-open', channel: 0, file: 1, operation: 'open', path: '/srv/a' },
    {
      type: 'file-close',
      channel: 0,
      file: 1,
      status: 'ok',
      path: '/srv/a',
      written: { bytes: 5, complete: true, sha256: 'ab' },
    },
    {
      type: 'file-operation',
      channel: 0,
      operation: 'rename',
      status: 'ok',
      path: '/srv/a',
      targetPath: '/srv/b',
    },
    {
      type: 'file-operation',
      channel: 0,
      operation: 'remove',
      status: 'permission denied',
      path: '/etc/passwd',
    },
    {
      type: 'transfer',
      channel: 1,
      program: 'rsync',
      direction: 'from-target',
      paths: ['/srv'],
      inputBytes: 3,
      outputBytes: 900,
    },
    { type: 'forward-open', channel: 2, kind: 'direct-tcpip', destination: '10.0.0.9:5432', originator: '' },
  ]
  const told = read(recordsOf(events)).map(({ draft: { text, kind, file } }) => ({ text, kind, file }))
  expect(told).toEqual([
    { text: '/srv/a', kind: 'file', file: { operation: 'open', direction: 'up', bytes: 5, sha256: 'ab' } },
    { text: '/srv/a → /srv/b', kind: 'file', file: { operation: 'rename' } },
    { text: '/etc/passwd', kind: 'file', file: { operation: 'remove', status: 'permission denied' } },
    { text: '/srv', kind: 'file', file: { operation: 'rsync', direction: 'down', bytes: 900 } },
    { text: 'direct-tcpip to 10.0.0.9:5432', kind: 'forward', file: undefined },
  ])
})

test('a private key on the screen is left out, and what is no text is not told', () => {
  const events: RecordedEvent[] = [
    ...shell(),
    ...typed('cat key', '-----BEGIN PRIVATE KEY-----\r\nMIIsecretsecret\r\n-----END PRIVATE KEY-----\r\n'),
    { type: 'channel-open', channel: 1, kind: 'session' },
    { type: 'exec', channel: 1, command: Buffer.from('cat image') },
    shown('PNG \0\0 binarystuff\nmorestuff\n', 1),
  ]
  const all = JSON.stringify(read(recordsOf(events)).map(({ draft }) => draft))
  expect(all).not.toContain('secretsecret')
  expect(all).not.toContain('stuff')
})

test('what floods a screen is told up to a limit', () => {
  const lines = Array.from({ length: 300_000 }, (_, n) => `line number ${n} ${'x'.repeat(40)}`).join('\n')
  const events: RecordedEvent[] = [
    { type: 'channel-open', channel: 1, kind: 'session' },
    { type: 'exec', channel: 1, command: Buffer.from('seq') },
    ...Array.from({ length: 200 }, (_, n) => shown(lines.slice(n * 100_000, (n + 1) * 100_000), 1)),
  ]
  const reader = new EntryReader('ssh')
  const told = recordsOf(events).flatMap(record => reader.take(record))
  const characters = told.reduce((sum, { draft }) => sum + draft.text.length, 0)
  expect(characters).toBeLessThan(8.2 * 1024 * 1024)
  expect(reader.problem).toContain('More was shown')
})

test('terminals as large as they may be are not read, and the rest of the session is', () => {
  const wall = (channel: number): RecordedEvent[] => [
    { type: 'channel-open', channel, kind: 'session' },
    { type: 'pty', channel, term: 'xterm', columns: 1000, rows: 1000, widthPx: 0, heightPx: 0, modes: '' },
    { type: 'exec', channel, command: Buffer.from('yes') },
    shown('all of the cells are in use\r\n', channel),
  ]
  const events = [...wall(5), ...wall(6), ...wall(7), ...exec('uptime', 1), ...shell(), ...typed('ls /srv')]
  const reader = new EntryReader('ssh')
  const told = [...recordsOf(events).flatMap(record => reader.take(record)), ...reader.end()]
  const texts = told
    .filter(({ draft, isOver }) => draft.kind === 'command' && isOver)
    .map(({ draft }) => draft.text)
  expect(texts.toSorted()).toEqual(['ls /srv', 'uptime', 'yes', 'yes', 'yes'])
  expect(told.some(({ draft }) => draft.text.includes('all of the cells'))).toBe(false)
  expect(reader.problem).toContain('too large')
})
