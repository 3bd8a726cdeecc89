/** What the journal takes for its records, and what for room that it was given, for the rests of a crash, or for damage. */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { appendAll } from '../../src/audit/append.ts'
import { DiskSync } from '../../src/recorder/disk-sync.ts'
import { Journal } from '../../src/recorder/journal.ts'
import {
  journalHeadBytes,
  journalKind,
  journalPreamble,
  journalPreambleBytes,
  lastTurnBytes,
  writeJournalHead,
} from '../../src/recorder/journal-format.ts'
import { readSegment, type SegmentEnd } from '../../src/recorder/journal-reader.ts'
import { ReservedFile } from '../../src/recorder/reserved-file.ts'
import { newFolder, quiet } from './support.ts'

const segmentBytes = 100_000
const disk = new DiskSync({ mode: 'os', onFailure: () => {} })

function startJournal(folder: string, onShortage: (error: unknown) => void = () => {}): Journal {
  return new Journal(folder, { append: appendAll, disk, log: quiet, onShortage, segmentBytes })
}

function record(kind: number, sequence: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(journalHeadBytes + payload.length)
  payload.copy(bytes, journalHeadBytes)
  writeJournalHead(bytes, 0, bytes.length, undefined, kind, 1, sequence)
  return bytes
}

const name = record(
  journalKind.declare,
  0,
  Buffer.from(JSON.stringify({ session: 'one', path: 'one.sallyport' })),
)
const events = [1, 2, 3].map(sequence =>
  record(journalKind.event, sequence, Buffer.alloc(600, 0x60 + sequence)),
)
const written = Buffer.concat([journalPreamble(), name, ...events])
const starts = events.map((_, index) => journalPreambleBytes + name.length + index * (journalHeadBytes + 600))

/** A segment with these bytes and room behind them. */
function segmentWith(bytes: Buffer, room = 50_000): string {
  const path = join(newFolder(), 'journal-0000000001')
  writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(room)]))
  return path
}

function read(path: string): { sequences: number[]; end: SegmentEnd } {
  const found = readSegment(path)
  const sequences: number[] = []
  for (let next = found.next(); ; next = found.next()) {
    if (next.done === true) return { sequences, end: next.value }
    sequences.push(next.value.sequence)
  }
}

test('zeros behind the last record are room and not damage', () => {
  expect(read(segmentWith(written))).toEqual({ sequences: [1, 2, 3], end: { kind: 'whole' } })
  expect(read(segmentWith(journalPreamble()))).toEqual({ sequences: [], end: { kind: 'whole' } })
})

test('a segment of zeros alone holds nothing: the process died before it wrote to it', () => {
  expect(read(segmentWith(Buffer.alloc(0)))).toEqual({ sequences: [], end: { kind: 'torn' } })
})

test('a record whose end was never written is torn, wherever it was cut', () => {
  const [, , third = 0] = starts
  for (
    let cut = third + 3;
    cut < written.length;
    cut++ // its first bytes are zeros anyhow
  )
    expect(read(segmentWith(written.subarray(0, cut))), `cut at ${cut}`).toEqual({
      sequences: [1, 2],
      end: { kind: 'torn' },
    })
})

test('zeros in front of records are damage: a loss of power has kept later bytes and not these', () => {
  const bytes = Buffer.from(written)
  bytes.fill(0, starts[1], starts[2])
  expect(read(segmentWith(bytes))).toEqual({
    sequences: [1],
    end: { kind: 'damaged', offset: starts[1], reason: 'records are missing' },
  })
})

test('a change in any byte of a record is damage, in the last record too', () => {
  const [, , third = 0] = starts
  for (let at = third; at < written.length; at += 7) {
    const bytes = Buffer.from(written)
    bytes[at] = (bytes[at] ?? 0) ^ 0x40
    expect(read(segmentWith(bytes)), `changed at ${at}`).toMatchObject({
      sequences: [1, 2],
      end: { offset: third },
    })
  }
})

test('records behind the reserved room are read as well', () => {
  expect(read(segmentWith(written, 0))).toEqual({ sequences: [1, 2, 3], end: { kind: 'whole' } })
})

test('a segment has its room on the disk before its first record, and the next one is made meanwhile', async () => {
  const folder = newFolder()
  const journal = startJournal(folder)
  onTestFinished(() => journal.close())
  for (let number = 1; number <= 3; number++) {
    await expect.poll(() => existsSync(join(folder, 'spare'))).toBe(true)
    const segment = journal.segment()
    const { size, blocks } = statSync(segment.path)
    expect(size).toBe(segmentBytes + lastTurnBytes)
    expect(blocks * 512).toBeGreaterThanOrEqual(size)
    segment.hold(1)
    journal.append(segment, [Buffer.alloc(segmentBytes, 1)], segmentBytes)
  }
  expect(readdirSync(folder).filter(found => found.startsWith('journal-'))).toHaveLength(3)
})

test('a burst that is faster than the next file is made gets one at once', () => {
  const folder = newFolder()
  const journal = startJournal(folder)
  onTestFinished(() => journal.close())
  const segment = journal.segment()
  expect(statSync(segment.path).size).toBe(segmentBytes + lastTurnBytes)
  expect(readFileSync(segment.path).subarray(0, journalPreambleBytes)).toEqual(journalPreamble())
})

test('the spare of an earlier process is taken only if it has its whole room', async () => {
  const folder = newFolder()
  const path = join(folder, 'spare')
  const hollow = openSync(path, 'w')
  ftruncateSync(hollow, 1_000_000)
  closeSync(hollow)
  expect(new ReservedFile(path, 1_000_000).isReady).toBe(false)
  const file = new ReservedFile(path, 1_000_000)
  await file.make(false)
  expect(file.isReady).toBe(true)
  expect(new ReservedFile(path, 1_000_000).isReady).toBe(true)
  expect(new ReservedFile(path, 2_000_000).isReady).toBe(false)
})

test('room that is given up while it is being made is not taken for room', async () => {
  const file = new ReservedFile(join(newFolder(), 'reserve'), 30_000_000)
  const making = file.make(false)
  expect(file.giveUp()).toBe(true)
  await making
  expect(file.isReady).toBe(false)
  expect(existsSync(file.path)).toBe(false)
  await file.make(false)
  expect(file.isReady).toBe(true)
})

test('a folder without room for the next segment says so, and the open one goes on', async () => {
  const folder = newFolder()
  mkdirSync(join(folder, 'spare')) // in place of a full disk, which root could not fill here
  const errors: unknown[] = []
  const journal = startJournal(folder, error => errors.push(error))
  onTestFinished(() => journal.close())
  await expect.poll(() => errors.length).toBeGreaterThan(0)
  const segment = journal.segment()
  journal.append(segment, [name, ...events], 1000)
  expect(read(segment.path).sequences).toEqual([1, 2, 3])
})
