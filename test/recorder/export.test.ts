import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import * as fc from 'fast-check'
import { Fault } from '../../src/errors.ts'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import { type ExportFormat, exportRecording, screenText } from '../../src/recorder/export.ts'
import { Packer } from '../../src/recorder/pack.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { screenTextOf } from '../../src/recorder/screen-text.ts'
import { newBench, newGrant, output, startRecorder } from './support.ts'

const packer = new Packer()
afterAll(() => packer.close())

/** A sealed recording of these events, each so many milliseconds after the one before. */
async function recorded(events: readonly RecordedEvent[], stepMs = 100): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench, { packer })
  const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
  for (const event of events) {
    bench.clock.advance(stepMs)
    recording.record(event)
  }
  await recording.seal('over')
  await recorder.close()
  return join(bench.folder, recording.path)
}

async function exported(file: string, format: ExportFormat, channel?: number): Promise<string> {
  let text = ''
  for await (const piece of exportRecording(file, format, channel)) text += piece
  return text
}

async function lines(file: string, format: ExportFormat, channel?: number): Promise<unknown[]> {
  return (await exported(file, format, channel))
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)
}

const pty = (channel: number, columns = 20, rows = 5): RecordedEvent => ({
  type: 'pty',
  channel,
  term: 'xterm-256color',
  columns,
  rows,
  widthPx: 0,
  heightPx: 0,
  modes: '',
})
const exec = (channel: number, command: string): RecordedEvent => ({
  type: 'exec',
  channel,
  command: Buffer.from(command),
})

async function textOf(...events: RecordedEvent[]): Promise<string> {
  const reader = readRecording(await recorded(events))
  try {
    return [...screenTextOf(reader)].join('')
  } finally {
    reader.close()
  }
}

describe('refusals', () => {
  test('a channel that is not there', async () => {
    const file = await recorded([pty(0), output('x')])
    await expect(exported(file, 'asciicast', 9)).rejects.toThrow(Fault)
  })

  test('a file that is not there, in a worker too', async () => {
    await expect(exported('/nowhere', 'json')).rejects.toThrow(Fault)
    await expect(screenText('/nowhere')).rejects.toThrow(Fault)
  })
})

describe('asciicast', () => {
  const events = (): RecordedEvent[] => [
    exec(1, 'true'),
    pty(0, 100, 30),
    { type: 'shell', channel: 0 },
    output('grü'.slice(0, 2)),
    output(Buffer.from('ü').subarray(0, 1)),
    output(Buffer.from('ü').subarray(1)),
    { type: 'input-count', channel: 0, bytes: 2 },
    { type: 'typed', channel: 0, text: 'ls' },
    { type: 'resize', channel: 0, columns: 120, rows: 40, widthPx: 0, heightPx: 0 },
    output('not this', 1),
    output('\x1b[0m\r\n'),
    { type: 'exit-status', channel: 0, status: 3 },
  ]

  test('second version: times since the opening, the first terminal, no character cut', async () => {
    expect(await lines(await recorded(events()), 'asciicast')).toEqual([
      {
        version: 2,
        width: 100,
        height: 30,
        timestamp: Date.parse('2026-11-21T14:00:00Z') / 1000,
        title: 'root@web1 by Ada Example, session one',
        env: { TERM: 'xterm-256color' },
      },
      [0.4, 'o', 'gr'],
      [0.6, 'o', 'ü'],
      [0.8, 'i', 'ls\r'],
      [0.8, 'm', 'ls'],
      [0.9, 'r', '120x40'],
      [1.1, 'o', '\x1b[0m\r\n'],
    ])
  })

  test('third version: times since the line before, and the exit status', async () => {
    expect(await lines(await recorded(events()), 'asciicast-v3')).toEqual([
      {
        version: 3,
        term: { cols: 100, rows: 30, type: 'xterm-256color' },
        timestamp: Date.parse('2026-11-21T14:00:00Z') / 1000,
        title: 'root@web1 by Ada Example, session one',
      },
      [0.4, 'o', 'gr'],
      [0.2, 'o', 'ü'],
      [0.2, 'i', 'ls\r'],
      [0, 'm', 'ls'],
      [0.1, 'r', '120x40'],
      [0.2, 'o', '\x1b[0m\r\n'],
      [0.1, 'x', '3'],
    ])
  })

  test('without a terminal the first command, with the carriage returns that a terminal would add', async () => {
    const file = await recorded([
      exec(4, 'make'),
      output('a\nb\r', 4),
      output('\nc\n', 4),
      { type: 'error-output', channel: 4, data: Buffer.from('!\n') },
    ])
    expect((await lines(file, 'asciicast')).slice(1)).toEqual([
      [0.1, 'm', 'make'],
      [0.2, 'o', 'a\r\nb\r'],
      [0.3, 'o', '\nc\r\n'],
      [0.4, 'o', '!\r\n'],
    ])
  })

  test('however output was cut, the text is the same', async () => {
    const text = 'zażółć 漢字 🙂 done'
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(Buffer.byteLength(text)), { maxLength: 5 }), async cuts => {
        const at = [0, ...cuts.toSorted((a, b) => a - b), Buffer.byteLength(text)]
        const pieces = at.slice(1).map((end, i) => output(Buffer.from(text).subarray(at[i], end)))
        const shown = (await lines(await recorded([pty(0), ...pieces]), 'asciicast')).slice(1) as [
          number,
          string,
          string,
        ][]
        expect(shown.map(([, , data]) => data).join('')).toBe(text)
      }),
      { numRuns: 12 },
    )
  })
})

test('a text carries no escape, and nothing that hides or reorders it, whoever wrote it', async () => {
  const hostile = fc
    .stringMatching(/^[\s\S]{0,40}$/u)
    .map(text => `${text}\u202e\u200b\x1b[31m\x1b]0;t\x07\u0085\u{e0041}`)
  await fc.assert(
    fc.asyncProperty(hostile, async text => {
      const shown = await textOf(pty(0), output(`${text}\r\n`), exec(1, text), output(`${text}\n`, 1))
      expect(shown).not.toMatch(
        /[^\P{Cc}\n\t]|[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e0fff}]/u,
      )
      expect(shown).toContain('<U+202E>')
    }),
    { numRuns: 20 },
  )
})

describe('text, as shown on the screen', () => {
  test('lines that scrolled off are kept, wrapped lines are whole, overwritten ones as they were last', async () => {
    const numbers = Array.from({ length: 5000 }, (_, i) => `line ${i}\r\n`).join('')
    const text = await textOf(
      pty(0),
      output(numbers),
      output(`${'x'.repeat(50)}\r\n`),
      output('50%\r100%\r\nend'),
    )
    const shown = text.split('\n')
    expect(shown.slice(0, 5000)).toEqual(Array.from({ length: 5000 }, (_, i) => `line ${i}`))
    expect(shown.slice(5000)).toEqual(['x'.repeat(50), '100%', 'end', ''])
  })

  test('what was cleared is kept, and clearing what had scrolled off changes nothing', async () => {
    expect(
      await textOf(
        pty(0),
        output('a\r\nb\x1b[2J\x1b[H'),
        output('c\x1b[3J\r\n'),
        output('d\x1bc'),
        output('e'),
      ),
    ).toBe('a\nb\nc\nd\ne\n')
  })

  test('the last screen of a full-screen program is kept', async () => {
    const text = await textOf(
      pty(0, 20, 3),
      output('$ vi\r\n'),
      output('\x1b[?1049h\x1b[Hsecret\r\nfile'),
      output('\x1b[?1049l$ '),
    )
    expect(text).toBe(
      '[full-screen program, its last screen]\nsecret\nfile\n\n[end of full-screen program]\n$ vi\n$ \n',
    )
  })

  test('channels without a terminal give their output, and each says whose it is', async () => {
    const text = await textOf(
      pty(0),
      output('shell\r\n'),
      exec(1, 'cat \x1b[2Jx'),
      output('raw\nli', 1),
      output('ne', 1),
      { type: 'channel-close', channel: 1 },
    )
    expect(text).toBe('[channel 1: cat ␛[2Jx]\nraw\nline\n[channel 0]\nshell\n')
  })

  test('a hostile terminal size or an endless line does not take memory', async () => {
    const huge = { ...pty(0), columns: 0xffff_ffff, rows: 0xffff_ffff } as RecordedEvent
    const before = process.memoryUsage().rss
    const text = await textOf(
      huge,
      output(Buffer.alloc(2_000_000, 'x')),
      exec(1, 'yes'),
      output(Buffer.alloc(2_000_000, 'y'), 1),
    )
    expect(text.length).toBeGreaterThan(4_000_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024)
  })

  test('is the same from the worker', async () => {
    const file = await recorded([
      pty(0),
      output(Array.from({ length: 20_000 }, (_, i) => `line ${i}\r\n`).join('')),
    ])
    const reader = readRecording(file)
    const direct = [...screenTextOf(reader)].join('')
    reader.close()
    expect(await screenText(file)).toBe(direct)
    expect(await exported(file, 'text')).toBe(direct)
  })

  test('who stops reading stops the worker', async () => {
    const file = await recorded([
      pty(0),
      output(Array.from({ length: 60_000 }, (_, i) => `line ${i}\r\n`).join('')),
    ])
    for await (const piece of exportRecording(file, 'text')) {
      expect(piece).toContain('line 0\n')
      break
    }
  })
})

test('JSON lines hold every event and are safe to print', async () => {
  const file = await recorded([
    exec(0, 'x'),
    output('\x1b[31m\u009b\u202e'),
    output(Buffer.from([0xff])),
    { type: 'exit-status', channel: 0, status: 0 },
  ])
  const text = await exported(file, 'json')
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  const [header, ...rest] = await lines(file, 'json')
  expect(header).toMatchObject({ header: { session: 'one' } })
  expect(rest).toEqual([
    { sequence: 1, us: 100_000, type: 'exec', channel: 0, command: 'x' },
    { sequence: 2, us: 200_000, type: 'output', channel: 0, text: '\x1b[31m\u009b\u202e' },
    { sequence: 3, us: 300_000, type: 'output', channel: 0, base64: '/w==' },
    { sequence: 4, us: 400_000, type: 'exit-status', channel: 0, status: 0 },
    { sequence: 5, us: 400_000, type: 'end', reason: 'over' },
    { end: expect.objectContaining({ sealed: true, reason: 'over', interrupted: false, events: 5 }) },
  ])
})
