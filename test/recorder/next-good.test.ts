import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { type ExportFormat, exportRecording } from '../../src/recorder/export.ts'
import { FrameReader } from '../../src/recorder/frames.ts'
import { type Gap, nextGoodFrame } from '../../src/recorder/next-good.ts'
import { Packer } from '../../src/recorder/pack.ts'
import { readRecording } from '../../src/recorder/reader.ts'
import { newBench, newGrant, output, startRecorder, turn } from './support.ts'

const packer = new Packer()
afterAll(() => packer.close())

type Place = { kind: string; offset: number; bytes: number }

/** `ends` follows each piece: by default bytes that do not shrink. */
async function recorded(ends = () => randomBytes(20_000)): Promise<{ file: string; frames: Place[] }> {
  const bench = newBench()
  const recorder = startRecorder(bench, { packer })
  const recording = recorder.open(newGrant(), { session: 'one', protocol: 'ssh' })
  for (let n = 0; n < 12; n++) {
    bench.clock.advance(1000)
    recording.record(output(Buffer.concat([Buffer.from(`piece ${n} `), ends(), Buffer.from(` last ${n}`)])))
    await turn()
  }
  await recording.seal('over')
  await recorder.close()
  const file = join(bench.folder, recording.path)
  return { file, frames: framesOf(file) }
}

function framesOf(file: string): Place[] {
  const reader = new FrameReader(file)
  const frames: Place[] = []
  for (let frame = reader.next(); frame !== undefined; frame = reader.next())
    frames.push({ kind: frame.kind, offset: frame.offset, bytes: frame.stored.length })
  reader.close()
  return frames
}

function damaged(file: string, change: (bytes: Buffer) => Buffer): string {
  const path = `${file}.changed`
  writeFileSync(path, change(readFileSync(file)))
  return path
}

/** The pieces that can be read, and what could not. */
function salvage(file: string): { pieces: number[]; gaps: Gap[]; end: string | undefined } {
  const gaps: Gap[] = []
  const reader = readRecording(file, { onGap: gap => gaps.push(gap) })
  const pieces: number[] = []
  for (const { event } of reader.events()) {
    const found = 'data' in event ? /^piece (\d+) /.exec(event.data.toString('latin1')) : null
    if (found !== null) pieces.push(Number(found[1]))
  }
  reader.close()
  return { pieces, gaps, end: reader.end?.kind }
}

describe('a damaged chunk', () => {
  test('ends reading with its number and offset, and what came before is read', async () => {
    const { file, frames } = await recorded()
    const chunks = frames.filter(({ kind }) => kind === 'chunk')
    const third = chunks[2] as Place
    const path = damaged(file, bytes => flipped(bytes, third.offset + 60))
    const reader = readRecording(path)
    const read: number[] = []
    expect(() => {
      for (const chunk of reader.chunks()) read.push(chunk.head.number)
    }).toThrow(`Record ${frames.indexOf(third)} at byte ${third.offset}`)
    expect(read).toEqual([1, 2])
    reader.close()
  })

  test('is left out by whoever reads on: every other piece comes, and the gap names where reading goes on', async () => {
    const { file, frames } = await recorded()
    const chunks = frames.filter(({ kind }) => kind === 'chunk')
    const whole = salvage(file)
    expect(whole.gaps).toEqual([])
    expect(whole.pieces.length).toBeGreaterThan(8)
    for (const [at, chunk] of chunks.entries()) {
      for (const place of [0, 5, 6, 20, 44, 79, chunk.bytes - 1]) {
        const path = damaged(file, bytes => flipped(bytes, chunk.offset + place))
        const { pieces, gaps, end } = salvage(path)
        expect(gaps, `chunk ${at}, byte ${place}`).toHaveLength(1)
        const [gap] = gaps as [Gap]
        expect([chunk.offset, chunk.offset + chunk.bytes]).toContain(gap.offset)
        expect(gap.nextOffset).toBe(chunk.offset + chunk.bytes)
        expect(whole.pieces.length - pieces.length).toBeLessThanOrEqual(4)
        expect(end).toBe('sealed')
      }
    }
  })

  test('is found behind bytes that were cut out or put in', async () => {
    const { file, frames } = await recorded()
    const [, second, third] = frames.filter(({ kind }) => kind === 'chunk') as [Place, Place, Place]
    const cut = damaged(file, bytes =>
      Buffer.concat([bytes.subarray(0, second.offset + 100), bytes.subarray(second.offset + 150)]),
    )
    expect(salvage(cut).gaps.map(gap => gap.nextOffset)).toEqual([third.offset - 50])
    const more = damaged(file, bytes =>
      Buffer.concat([bytes.subarray(0, second.offset), randomBytes(3000), bytes.subarray(second.offset)]),
    )
    expect(salvage(more).gaps.map(gap => gap.nextOffset)).toEqual([second.offset + 3000])
  })

  test('with nothing good behind it is the end', async () => {
    const { file, frames } = await recorded()
    const [first] = frames.filter(({ kind }) => kind === 'chunk') as [Place]
    const path = damaged(file, bytes => Buffer.concat([bytes.subarray(0, first.offset), randomBytes(50_000)]))
    const { gaps, end } = salvage(path)
    expect(gaps).toMatchObject([{ offset: first.offset, nextOffset: undefined }])
    expect(end).toBe('open')
    expect(nextGoodFrame(path, first.offset)).toBeUndefined()
  })
})

function flipped(bytes: Buffer, offset: number): Buffer {
  bytes[offset] = (bytes[offset] ?? 0) ^ 1
  return bytes
}

describe('an export of a damaged recording', () => {
  const formats = ['text', 'html', 'json', 'ndjson', 'asciicast'] as const
  for (const format of formats) {
    test(`as ${format} has everything before the damage, and everything behind it for whoever asks`, async () => {
      const { file, frames } = await recorded(() => Buffer.from(`${randomBytes(10_000).toString('hex')}\r\n`))
      const chunks = frames.filter(({ kind }) => kind === 'chunk')
      const middle = chunks[Math.floor(chunks.length / 2)] as Place
      const path = damaged(file, bytes => flipped(bytes, middle.offset + 5))
      const before = await taken(path, format)
      expect(before.problem).toContain(`at byte ${middle.offset}`)
      const gaps: Gap[] = []
      const after = await taken(path, format, gap => gaps.push(gap))
      expect(after.problem).toBeUndefined()
      // asciicast reads twice: it looks for a channel first
      expect([...new Set(gaps.map(gap => gap.nextOffset))]).toEqual([middle.offset + middle.bytes])
      if (format === 'ndjson') return // has commands, of which there are none here
      if (format !== 'html') expect(before.text.includes('piece 0 ')).toBe(true) // screens have it no more
      expect(after.text.includes('last 11')).toBe(true)
      expect(before.text.includes('last 11')).toBe(false)
    })
  }
})

async function taken(
  file: string,
  format: ExportFormat,
  onGap?: (gap: Gap) => void,
): Promise<{ text: string; problem: string | undefined }> {
  let text = ''
  try {
    for await (const piece of exportRecording(file, format, undefined, { onGap })) text += piece
  } catch (error) {
    return { text, problem: String(error) }
  }
  const problem = /damaged: record \d+ (at byte \d+)/.exec(text)?.[1]
  return { text, problem }
}
