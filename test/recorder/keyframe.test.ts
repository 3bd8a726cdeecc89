import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { openSessionLog } from '../../src/audit/tree/session-log.ts'
import type { RecordedEvent } from '../../src/recorder/event.ts'
import {
  buildIndex,
  indexFileOf,
  keepIndex,
  openIndex,
  readIndex,
  screenAt,
  seekTo,
} from '../../src/recorder/keyframe.ts'
import { indexOf } from '../../src/recorder/keyframe-builder.ts'
import { Packer } from '../../src/recorder/pack.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { Screen, showOn } from '../../src/recorder/screen.ts'
import { newBench, newGrant, newSigner, output, quiet, startRecorder, turn } from './support.ts'

const packer = new Packer()
afterAll(() => packer.close())

const pty: RecordedEvent = {
  type: 'pty',
  channel: 0,
  term: 'xterm',
  columns: 20,
  rows: 6,
  widthPx: 0,
  heightPx: 0,
  modes: '',
}

/** Everything that the terminal holds and that later output could show. */
function dump(screen: Screen): unknown {
  const { terminal } = screen
  const { normal, alternate, ...rest } = screen.state()
  const { cells: _, combined: __, extended: ___, ...buffer } = alternate ?? normal
  const { active } = terminal.buffer
  const cell = active.getNullCell()
  const rows = Array.from({ length: terminal.rows }, (_, y) => {
    const line = active.getLine(active.baseY + y)
    const cells = Array.from({ length: terminal.cols }, (_, x) => {
      line?.getCell(x, cell)
      return [
        cell.getChars().trim(),
        cell.getFgColor(),
        cell.getBgColor(),
        cell.isBold(),
        cell.isInverse(),
        cell.isUnderline(),
      ]
    })
    return { cells, isWrapped: line?.isWrapped }
  })
  return {
    rest,
    buffer,
    rows,
    modes: terminal.modes,
    type: active.type,
    text: screen.text(),
  }
}

/** What programs do to terminals, the losses of the serializer among them. */
const gadgets = [
  'hello ',
  'wide 漢字🙂 ',
  'e\u0301',
  '\r\n',
  '\r',
  '\b',
  '\t',
  '\x1b[2J',
  '\x1b[H',
  '\x1b[3;5H',
  '\x1b[K',
  '\x1b[1;31m',
  '\x1b[48;2;1;2;3m',
  '\x1b[0m',
  '\x1b[7;4m',
  '\x1b[2;4r',
  '\x1b[r',
  '\x1b[?6h',
  '\x1b[?6l',
  '\x1b7',
  '\x1b8',
  '\x1b[s',
  '\x1b[u',
  '\x1b(0lqk',
  '\x1b(B',
  '\x0e',
  '\x0f',
  '\x1b)0',
  '\x1b[3g',
  '\x1bH',
  '\x1b[?1049h',
  '\x1b[?1049l',
  '\x1b[?25l',
  '\x1b[?25h',
  '\x1b[?7l',
  '\x1b[?7h',
  '\x1b[4h',
  '\x1b[4l',
  '\x1b[?2004h',
  '\x1b[?1h',
  '\x1bM',
  '\x1bD',
  '\x1b[2L',
  '\x1b[2M',
  '\x1b[3P',
  '\x1b[3@',
  '\x1b[2S',
  '\x1b[2T',
  '0123456789012345678901234567890',
  '\x1b[20G',
  'x',
  '\x1b[2',
  'A',
  '\x1b]0;title',
  '\x07',
  '\x1b[5b',
]
const writes = fc.array(fc.constantFrom(...gadgets), { minLength: 1, maxLength: 40 })

test('a screen that is restored shows and goes on as the one that it was taken of', () => {
  fc.assert(
    fc.property(writes, writes, (before, after) => {
      const direct = new Screen({ columns: 20, rows: 6 })
      for (const text of before) direct.write(Buffer.from(text))
      fc.pre(direct.isClean)
      const restored = Screen.restore(JSON.parse(JSON.stringify(direct.state())))
      expect(dump(restored)).toEqual(dump(direct))
      for (const text of after) for (const screen of [direct, restored]) screen.write(Buffer.from(text))
      expect(dump(restored)).toEqual(dump(direct))
    }),
    { numRuns: 400 },
  )
})

test('half a sequence and half a character are no moment to take a state', () => {
  const screen = new Screen({ columns: 20, rows: 6 })
  for (const half of [
    Buffer.from('\x1b['),
    Buffer.from('\x1b]0;x'),
    Buffer.from('ü').subarray(0, 1),
    Buffer.from('🙂').subarray(0, 3),
  ]) {
    screen.write(half)
    expect(screen.isClean).toBe(false)
    screen.write(Buffer.from('\x18\x07x'))
    expect(screen.isClean).toBe(true)
  }
})

async function busyRecording(): Promise<string> {
  const bench = newBench()
  const recorder = startRecorder(bench, { packer })
  const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
  recording.record({ type: 'exec', channel: 1, command: Buffer.from('make') })
  recording.record(pty)
  let random = 1
  for (let i = 0; i < 3000; i++) {
    random = (random * 48271) % 2147483647
    bench.clock.advance(50)
    recording.record(output(`${gadgets[random % gadgets.length]}${'.'.repeat(random % 300)}`))
    if (i % 700 === 699)
      recording.record({
        type: 'resize',
        channel: 0,
        columns: 20 + (random % 30),
        rows: 5 + (random % 10),
        widthPx: 0,
        heightPx: 0,
      })
    if (i === 1500) recording.record({ type: 'typed', channel: 0, text: 'ls -l' })
    if (i === 2000) bench.clock.advance(60_000)
    if (i % 100 === 0) await turn()
  }
  await recording.seal('over')
  await recorder.close()
  return join(bench.folder, recording.path)
}

describe('the index of a recording', () => {
  test('restored and replayed, every instant shows what a replay from the beginning shows', async () => {
    const file = await busyRecording()
    const index = indexOf(file)
    expect(index.keyframes.length).toBeGreaterThan(6)
    const reader = readRecording(file)
    let direct: Screen | undefined
    let compared = 0
    let us = 0
    for (const record of reader.events()) {
      if (record.us > us && direct !== undefined && record.sequence % 97 === 0) {
        const sought = screenAt(file, index, 0, us)
        expect(sought && dump(sought), `at ${us}`).toEqual(dump(direct))
        compared++
      }
      const { event } = record
      if (('data' in event ? event.channel : event.fields['channel']) === 0) direct = showOn(direct, record)
      us = record.us
    }
    reader.close()
    expect(compared).toBeGreaterThan(20)
  })

  test('makes a seek cost one keyframe and what was shown since, wherever it goes', async () => {
    const file = await busyRecording()
    const index = indexOf(file)
    const reader = readRecording(file)
    const whole = [...reader.events()]
    reader.close()
    const shown = (records: typeof whole): number =>
      records.reduce(
        (sum, { event }) => sum + ('data' in event && event.channel === 0 ? event.data.length : 0),
        0,
      )
    for (let us = 0; us <= index.durationUs; us += Math.ceil(index.durationUs / 100)) {
      const seek = seekTo(file, index, 0, us)
      const read: typeof whole = []
      for (const record of seek.events()) {
        if (record.us > us) break
        read.push(record)
      }
      // A keyframe waits for the end of the sequence that is passing; events of one chunk before it are read and left out.
      expect(shown(read), `at ${us}`).toBeLessThan(256 * 1024 + 2 * 68 * 1024)
      const first = index.keyframes.find(keyframe => keyframe.channel === 0)
      if (first !== undefined && us >= first.us) expect(seek.screen).toBeDefined()
    }
  })

  test('names commands with their times, and is made in a worker and kept beside the recording', async () => {
    const file = await busyRecording()
    expect(readIndex(file)).toBeUndefined()
    const index = await openIndex(file)
    expect(index).toEqual(indexOf(file))
    expect(readIndex(file)).toEqual(index)
    expect(index.commands).toEqual([
      { channel: 1, sequence: 1, us: 0, kind: 'exec', text: 'make' },
      { channel: 0, sequence: expect.any(Number), us: 75_050_000, kind: 'typed', text: 'ls -l' },
    ])
  })

  test('is found again where the log of sessions has put its proofs behind the seal', async () => {
    const bench = newBench()
    const { clock } = bench
    const sessionLog = openSessionLog({
      folder: join(bench.folder, '..', 'log'),
      origin: 'bastion',
      signer: newSigner(),
      clock,
      log: quiet,
      checkpointAfterMs: 1,
    })
    const recorder = startRecorder(bench, { packer, sessionLog })
    const recording = recorder.open(newGrant(), { session: 'proven', protocol: 'ssh' })
    recording.record(pty)
    recording.record(output('hello'))
    await recording.seal('over')
    await recorder.close()
    await sessionLog.close()
    const file = join(bench.folder, recording.path)
    const index = await openIndex(file)
    expect(index.keyframes).toHaveLength(1)
    expect(readIndex(file)).toEqual(index)
  })

  test('is not believed once the recording is another', async () => {
    const file = await busyRecording()
    const index = indexOf(file)
    keepIndex(file, index)
    expect(readIndex(file)).toBeDefined()
    const bytes = readFileSync(file)
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
    writeFileSync(file, bytes)
    expect(readIndex(file)).toBeUndefined()
    writeFileSync(indexFileOf(file), '{"format":"sallyport keyframes"}')
    expect(readIndex(file)).toBeUndefined()
  })

  test('of a live recording reaches as far as the file', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench, { packer })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    recording.record(pty)
    recording.record(output('hello'))
    await turn()
    await recorder.close()
    const file = join(bench.folder, recording.path)
    const index = await buildIndex(file)
    expect(screenAt(file, index, 0, index.durationUs)?.text()).toContain('hello')
    appendFileSync(file, 'x')
    expect(readIndex(file)).toBeUndefined()
  })

  test('follows terminals up to what a gateway can hold, and an absurd one no longer', async () => {
    const bench = newBench()
    const recorder = startRecorder(bench, { packer })
    const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
    for (let channel = 0; channel < 4; channel++)
      recording.record({ ...pty, channel, columns: 400, rows: 200 })
    recording.record({ type: 'resize', channel: 0, columns: 1000, rows: 1000, widthPx: 0, heightPx: 0 })
    await recording.seal('over')
    const { keyframes } = await buildIndex(join(bench.folder, recording.path))
    expect(keyframes.map(({ channel, rows }) => [channel, rows])).toEqual([
      [0, 200],
      [1, 200],
      [2, 200],
    ])
  })

  test('that cannot be made keeps none of the others from being made, at the same time or later', async () => {
    const file = await busyRecording()
    const all = await Promise.allSettled([buildIndex(file), buildIndex('/nowhere'), buildIndex(file)])
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await buildIndex(file)).toEqual(indexOf(file))
  })

  test('of a damaged recording reaches up to the damage, and every instant before it can be sought', async () => {
    const file = await busyRecording()
    const whole = indexOf(file)
    const bytes = readFileSync(file)
    const middle = whole.keyframes[Math.floor(whole.keyframes.length / 2)]
    if (middle === undefined) throw new Error('there are keyframes')
    bytes[middle.place.offset + 5] = 9
    const path = `${file}.changed.sallyport`
    writeFileSync(path, bytes)
    const index = await buildIndex(path)
    expect(index.keyframes).toEqual(whole.keyframes.filter(({ place }) => place.offset < middle.place.offset))
    expect(readIndex(path)).toEqual(index)
    const last = index.keyframes.at(-1)?.us ?? 0
    for (const us of [0, Math.floor(last / 2), last]) {
      const [before, after] = [screenAt(file, whole, 0, us), screenAt(path, index, 0, us)]
      expect(after && dump(after)).toEqual(before && dump(before))
    }
  })

  test('of what is no recording is refused', async () => {
    await expect(buildIndex('/nowhere')).rejects.toThrow()
  })
})
