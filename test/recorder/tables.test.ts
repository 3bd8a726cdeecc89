import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { type ExportFormat, exportRecording } from '../../src/recorder/export.ts'
import { takeFile } from '../../src/recorder/file-content.ts'
import { csvCell, jsonLine } from '../../src/recorder/table.ts'
import { newBench, newGrant, output, startRecorder } from './support.ts'

async function recorded(
  events: readonly RecordedEvent[],
  protocol: 'ssh' | 'postgres' = 'ssh',
): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(), { session: 's1', protocol })
  for (const event of events) {
    bench.clock.advance(1000)
    recording.record(event)
  }
  await recording.seal('done')
  await recorder.close()
  return join(bench.folder, recording.path)
}

async function exported(file: string, format: ExportFormat): Promise<string> {
  let text = ''
  for await (const piece of exportRecording(file, format)) text += piece
  return text
}

const rows = async (file: string, format: ExportFormat): Promise<Record<string, unknown>[]> =>
  (await exported(file, format))
    .trimEnd()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Record<string, unknown>)

/** As Python's csv module reads it, which is somebody else's. */
function asTable(csv: string): Record<string, string>[] {
  const script = 'import csv,json,sys\nprint(json.dumps(list(csv.DictReader(sys.stdin))))'
  return JSON.parse(execFileSync('python3', ['-c', script], { input: csv }).toString()) as Record<
    string,
    string
  >[]
}

const hostileText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    ' =1',
    '＝1',
    '"',
    '","',
    '\n=1',
    '\u202e=1',
    '\u200b=1',
    '%0A=1',
  ),
)

test('no cell becomes a formula, and none breaks out of its row', () => {
  fc.assert(
    fc.property(hostileText, text => {
      const cell = csvCell(text)
      expect(cell).toMatch(/^"(?:[^"]|"")*"$/)
      const shown = cell.slice(1, -1).replaceAll('""', '"')
      expect(shown).not.toMatch(/^[\s]*[=+\-@\t\r＝＋－＠]/)
      expect(shown).not.toMatch(/[^\P{C}\n\t]/u)
    }),
  )
})

test('a line of JSON is one line that shows nothing but itself, and reads back', () => {
  fc.assert(
    fc.property(hostileText, text => {
      const line = jsonLine({ text })
      expect(JSON.parse(line)).toEqual({ text })
      expect(line.slice(0, -1)).not.toMatch(
        /[\p{Cc}\u200b-\u200f\u202a-\u202e\u2060-\u206f\u{e0000}-\u{e0fff}]/u,
      )
    }),
  )
})

const session: readonly RecordedEvent[] = [
  { type: 'channel-open', channel: 0, kind: 'session' },
  { type: 'exec', channel: 0, command: Buffer.from('=cmd|" /C calc"!A0') },
  { type: 'input', channel: 0, data: Buffer.from('12345') },
  output('1234567'),
  { type: 'exit-status', channel: 0, status: 3 },
  { type: 'channel-close', channel: 0 },
  { type: 'shell', channel: 1 },
  { type: 'typed', channel: 1, text: 'rm \u202e-rf\u001b[2J /' },
  { type: 'unechoed-line', channel: 1, characters: 8 },
  { type: 'input-count', channel: 1, bytes: 30 },
]

test('what was run in a session, with how it ended', async () => {
  const file = await recorded(session)
  expect(asTable(await exported(file, 'csv'))).toMatchObject([
    {
      channel: '0',
      kind: 'exec',
      text: `'=cmd|" /C calc"!A0`,
      exit_status: '3',
      input_bytes: '5',
      output_bytes: '7',
      duration_us: '4000000',
    },
    { channel: '1', kind: 'typed', text: 'rm \\u{202e}-rf\\u{1b}[2J /' },
    { channel: '1', kind: 'unechoed', text: '8 characters' },
    { channel: '1', kind: 'shell', input_bytes: '30', duration_us: '' },
  ])
  expect((await rows(file, 'ndjson')).map(({ kind }) => kind)).toEqual(['exec', 'typed', 'unechoed', 'shell'])
})

const sha256 = 'ab'.repeat(32)
const files: readonly RecordedEvent[] = [
  { type: 'file-open', channel: 0, file: 1, operation: 'open', path: '/srv/a', flags: ['write'] },
  { type: 'file-open', channel: 0, file: 2, operation: 'open-directory', path: '/srv' },
  {
    type: 'file-content',
    channel: 0,
    file: 1,
    stream: 'written',
    from: 3,
    base64: Buffer.from('lo').toString('base64'),
  },
  {
    type: 'file-content',
    channel: 0,
    file: 1,
    stream: 'written',
    from: 0,
    base64: Buffer.from('hel').toString('base64'),
  },
  { type: 'file-close', channel: 0, file: 2, path: '/srv', status: 'ok' },
  {
    type: 'file-close',
    channel: 0,
    file: 1,
    path: '/srv/a',
    status: 'ok',
    written: {
      bytes: 5,
      complete: true,
      sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    },
  },
  {
    type: 'file-operation',
    channel: 0,
    operation: 'rename',
    path: '/srv/a',
    targetPath: '/srv/b',
    status: 'ok',
  },
  { type: 'file-open', channel: 0, file: 3, operation: 'open', path: '/etc/shadow' },
  {
    type: 'file-close',
    channel: 0,
    file: 3,
    path: '/etc/shadow',
    status: 'ok',
    read: { bytes: 9, complete: true, sha256 },
  },
  {
    type: 'transfer',
    channel: 1,
    program: 'rsync',
    direction: 'to-target',
    paths: ['/srv'],
    inputBytes: 77,
    outputBytes: 7,
  },
]

test('which files passed, and what else was done to files', async () => {
  const file = await recorded(files)
  expect(await rows(file, 'files-ndjson')).toMatchObject([
    { number: 1, via: 'sftp', operation: 'write', path: '/srv/a', bytes: 5, complete: true, kept_bytes: 5 },
    { via: 'sftp', operation: 'rename', path: '/srv/a', target_path: '/srv/b' },
    { number: 2, via: 'sftp', operation: 'read', path: '/etc/shadow', bytes: 9, sha256, kept_bytes: 0 },
    { via: 'rsync', operation: 'copy to-target', path: '/srv', bytes: 77 },
  ])
  expect(asTable(await exported(file, 'files-csv'))).toHaveLength(4)
})

test('a file whose content was kept is put together from its pieces; of another only the digest is there', async () => {
  const file = await recorded(files)
  expect(takeFile(file, 1)).toMatchObject({ bytes: Buffer.from('hello'), isWhole: true, problem: undefined })
  expect(() => takeFile(file, 2)).toThrow('has the SHA-256 of file 2 and not its content')
  expect(() => takeFile(file, 3)).toThrow('no file 3')
})

test('a copy that is not what its digest says is told', async () => {
  const [open, , first, second, , close] = files as [
    RecordedEvent,
    RecordedEvent,
    RecordedEvent,
    RecordedEvent,
    RecordedEvent,
    RecordedEvent,
  ]
  const wrong = { ...first, base64: Buffer.from('LO').toString('base64') } as RecordedEvent
  const taken = takeFile(await recorded([open, wrong, second, close]), 1)
  expect(taken).toMatchObject({ isWhole: false, bytes: Buffer.from('helLO') })
  expect(taken.problem).toContain('SHA-256 is not the one')
})

test('COPY of PostgreSQL is a file that passed too', async () => {
  const file = await recorded(
    [
      { type: 'statement', statement: 1, how: 'simple', text: 'copy customers to stdout' },
      {
        type: 'result',
        statement: 1,
        status: 'done',
        tag: 'COPY 2',
        us: 10,
        copy: { direction: 'out', bytes: 20, sha256 },
      },
    ],
    'postgres',
  )
  expect(await rows(file, 'files-ndjson')).toMatchObject([
    {
      via: 'copy',
      operation: 'COPY out',
      path: 'copy customers to stdout',
      bytes: 20,
      sha256,
      complete: true,
    },
  ])
  expect(await rows(file, 'ndjson')).toMatchObject([
    { statement: 1, text: 'copy customers to stdout', copy: { bytes: 20 } },
  ])
})

// ── asciicast, held against the rules of its pages ──────────────────────────────────────────────────────────────

/** https://docs.asciinema.org/manual/asciicast/v2/ and v3: what a header has, and which events there may be. */
function expectAsciicast(text: string): void {
  const [first = '', ...lines] = text.trimEnd().split('\n')
  const header = JSON.parse(first) as Record<string, unknown>
  const isThree = header['version'] === 3
  if (isThree) {
    const term = header['term'] as Record<string, unknown>
    expect(Number.isInteger(term['cols']) && Number.isInteger(term['rows'])).toBe(true)
  } else {
    expect(header['version']).toBe(2)
    expect(Number.isInteger(header['width']) && Number.isInteger(header['height'])).toBe(true)
  }
  expect(Number.isInteger(header['timestamp'])).toBe(true)
  const known = isThree ? ['o', 'i', 'm', 'r', 'x'] : ['o', 'i', 'm', 'r']
  let last = 0
  for (const line of lines) {
    const event = JSON.parse(line) as unknown[]
    expect(event).toHaveLength(3)
    const [time, code, data] = event as [number, string, string]
    expect(typeof time === 'number' && time >= 0).toBe(true)
    if (!isThree) expect(time).toBeGreaterThanOrEqual(last)
    last = time
    expect(known).toContain(code)
    expect(typeof data).toBe('string')
    if (code === 'r') expect(data).toMatch(/^\d+x\d+$/)
    if (code === 'x') expect(data).toMatch(/^\d+$/)
  }
}

test.each(['asciicast-v2', 'asciicast-v3'] as const)(
  '%s keeps the rules of its format, input and sizes included',
  async format => {
    const pty: RecordedEvent = {
      type: 'pty',
      channel: 0,
      term: 'xterm',
      columns: 80,
      rows: 24,
      widthPx: 0,
      heightPx: 0,
      modes: '',
    }
    const text = await exported(
      await recorded([
        pty,
        { type: 'shell', channel: 0 },
        output('\x1b[31m$ \u2028'),
        { type: 'typed', channel: 0, text: 'vi \u202e' },
        { type: 'resize', channel: 0, columns: 100, rows: 40, widthPx: 0, heightPx: 0 },
        output(Buffer.from([0xff, 0xfe, 0xc3])),
        output(Buffer.from([0xa4])),
        { type: 'exit-status', channel: 0, status: 0 },
      ]),
      format,
    )
    expectAsciicast(text)
    expect(text).toContain('"i","vi \\u202e\\r"')
    expect(text).toContain('"m","vi <U+202E>"')
    expect(text).toContain('"r","100x40"')
    const withoutTerminal = await recorded([
      { type: 'exec', channel: 2, command: Buffer.from('tr a b') },
      { type: 'input', channel: 2, data: Buffer.from('banana') },
      output('bbnbnb\n', 2),
    ])
    const other = await exported(withoutTerminal, format)
    expectAsciicast(other)
    expect(other).toContain('"i","banana"')
    expect(other).toContain('"command":"tr a b"')
  },
)
