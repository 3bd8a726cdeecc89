import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { type ExportFormat, exportRecording, screenText } from '../../src/recorder/export.ts'
import { csvCell } from '../../src/recorder/table.ts'
import { newBench, newGrant, startRecorder } from './support.ts'

/** A sealed recording with these events. */
async function recorded(
  events: readonly RecordedEvent[],
  protocol: 'ssh' | 'postgres' = 'postgres',
): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench)
  const recording = recorder.open(newGrant(), { session: 's1', protocol })
  for (const event of events) {
    bench.clock.advance(1)
    recording.record(event)
  }
  await recording.seal('done')
  await recorder.close()
  return join(bench.folder, recording.path)
}

async function exported(file: string, format: ExportFormat): Promise<string> {
  const pieces: string[] = []
  for await (const piece of exportRecording(file, format)) pieces.push(piece)
  return pieces.join('')
}

const session: readonly RecordedEvent[] = [
  { type: 'statement', statement: 1, how: 'simple', text: 'update t set a = 1 where id = 7' },
  { type: 'result', statement: 1, status: 'done', tag: 'UPDATE 1', us: 1200 },
  { type: 'statement', statement: 2, how: 'simple', text: 'drop table t;\nselect 1' },
  { type: 'result', statement: 2, status: 'done', tag: 'DROP TABLE', us: 900 },
  { type: 'result', statement: 2, part: 2, status: 'error', sqlstate: '42P01', message: 'no\nsuch', us: 950 },
  { type: 'prepared', statement: 3, name: 'p', text: 'select $1' },
  {
    type: 'statement',
    statement: 4,
    how: 'execute',
    same: 3,
    name: 'p',
    parameters: [{ type: 'text', text: '=HYPERLINK("x")' }],
  },
  { type: 'result', statement: 4, status: 'done', tag: 'SELECT 1', rows: 1, bytes: 12, us: 100 },
  { type: 'statement', statement: 5, how: 'simple', text: "delete from t where a = '\u202e\u0007'" },
  { type: 'result', statement: 5, status: 'done', tag: 'DELETE 0', us: 100 },
  { type: 'statement', statement: 6, how: 'simple', text: 'drop table customers' },
  { type: 'blocked', statement: 6, rule: 'role dba, line 3', reason: 'Not here.' },
  {
    type: 'result',
    statement: 6,
    status: 'error',
    sqlstate: '42501',
    message: 'Not here.',
    blocked: 'role dba, line 3',
    us: 1,
  },
]

test('formats for terminals are refused for SQL, and formats for SQL for terminals', async () => {
  const sql = await recorded(session)
  await expect(exported(sql, 'asciicast')).rejects.toThrow('no terminal')
  await expect(exported(await recorded([], 'ssh'), 'sql')).rejects.toThrow('Only PostgreSQL')
})

test('a script runs what ran, and nothing that failed, was refused, or hides something', async () => {
  const script = await exported(await recorded(session), 'sql')
  const commands = script.split('\n').filter(line => line !== '' && !line.startsWith('--'))
  expect(commands).toEqual(['update t set a = 1 where id = 7', ';', 'select $1', ';'])
  expect(script).toContain('-- drop table t;\n-- select 1\n')
  expect(script).toContain('-- → refused by the gateway (role dba, line 3)')
  expect(script).not.toMatch(/[\u202e\u0007]/)
})

test('a backslash in a session that read strings with escapes stays in a comment: psql would read it otherwise', async () => {
  const text = "select 'a\\'; \\! touch /tmp/owned --'"
  const script = await exported(
    await recorded([
      { type: 'parameter', name: 'standard_conforming_strings', value: 'off' },
      { type: 'statement', statement: 1, how: 'simple', text },
      { type: 'result', statement: 1, status: 'done', tag: 'SELECT 1' },
    ]),
    'sql',
  )
  expect(script).toContain(`-- ${text}\n`)
  expect(script).not.toMatch(/^select/m)
})

test('what was said while a statement ran stands behind its heading, and no statement stands there twice', async () => {
  const notice = (message: string): RecordedEvent => ({
    type: 'notice',
    severity: 'NOTICE',
    sqlstate: '00000',
    message,
  })
  const script = await exported(
    await recorded([
      { type: 'statement', statement: 1, how: 'simple', text: 'select 1' },
      { type: 'result', statement: 1, status: 'done', tag: 'SELECT 1' },
      {
        type: 'statement',
        statement: 2,
        how: 'simple',
        text: 'drop table if exists a; drop table if exists b',
      },
      notice('a is not there'),
      { type: 'result', statement: 2, status: 'done', tag: 'DROP TABLE' },
      notice('b is not there'),
      { type: 'result', statement: 2, part: 2, status: 'done', tag: 'DROP TABLE' },
      { type: 'statement', statement: 3, how: 'simple', text: 'drop table customers' },
      { type: 'blocked', statement: 3, rule: 'role dba, line 3', reason: 'Not here.' },
      { type: 'result', statement: 3, status: 'error', sqlstate: '42501', blocked: 'role dba, line 3' },
    ]),
    'sql',
  )
  const parts = script.split(/\n-- #\d+ [^\n]*\n/)
  expect(parts.slice(1).map(part => part.trimEnd())).toEqual([
    expect.stringMatching(/^select 1\n;\n-- → SELECT 1.*$/),
    expect.stringMatching(
      /^drop table if exists a; drop table if exists b\n;\n-- .*\n-- .*\n-- NOTICE: [ab] is not there\n-- NOTICE: [ab] is not there$/,
    ),
    expect.stringMatching(
      /^-- drop table customers\n-- → refused by the gateway \(role dba, line 3\)[^\n]*\n-- the session ended: done$/,
    ),
  ])
  expect(parts[0]?.trim()).toBe('')
})

test('COPY stands in a comment: its data is not in the script, and psql would read what follows as data', async () => {
  const copy = { direction: 'in', bytes: 3, sha256: '00' } as const
  const script = await exported(
    await recorded([
      { type: 'statement', statement: 1, how: 'simple', text: 'copy t from stdin' },
      { type: 'result', statement: 1, status: 'done', tag: 'COPY 1', copy },
    ]),
    'sql',
  )
  expect(script).toContain('-- copy t from stdin\n')
  expect(script).not.toMatch(/^copy/m)
})

test.each(['=1+1', '+1', '-1', '@x', '\t=1', '\r=1', ' =1', '\n=1'])(
  'a cell that begins as a formula does (%j) is text',
  cell => {
    expect(csvCell(cell)).toMatch(/^"'/)
  },
)

test('quotes are doubled, numbers are numbers, and what would not show is written out', () => {
  expect(csvCell('a"b')).toBe('"a""b"')
  expect(csvCell(-5)).toBe('-5')
  expect(csvCell(undefined)).toBe('')
  expect(csvCell('a\u202eb')).toBe('"a\\u{202e}b"')
})

test('the table has a line for each result', async () => {
  const lines = (await exported(await recorded(session), 'csv')).split('\r\n')
  expect(lines).toHaveLength(8)
  expect(lines[1]).toContain('"UPDATE 1"')
  expect(lines[4]).toContain('"select $1"')
})

test('text shows statements, parameters and outcomes, and is what pages show', async () => {
  const file = await recorded(session)
  const text = await exported(file, 'text')
  expect(text).toContain('#1  update t set a = 1 where id = 7')
  expect(text).toContain('→ UPDATE 1, 1.20 ms')
  expect(text).toContain('$1 = =HYPERLINK')
  expect(text).toContain('→ (2) error 42P01: no such')
  expect(await screenText(file)).toBe(text)
})

test('a long text and many parameters come back whole', async () => {
  const text = await exported(
    await recorded([
      { type: 'statement', statement: 1, how: 'simple', text: 'select 1 -- ', textBytes: 24 },
      { type: 'statement-text', statement: 1, from: 12, text: 'and the rest' },
      { type: 'result', statement: 1, status: 'done', tag: 'SELECT 1' },
    ]),
    'csv',
  )
  expect(text).toContain('"select 1 -- and the rest"')
})
