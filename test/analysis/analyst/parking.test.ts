/** Terminals that nobody writes to are put aside, and nobody can tell afterwards. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EntryReader } from '../../../src/analysis/analyst/entry-reader.ts'
import type { Told } from '../../../src/analysis/analyst/teller.ts'
import type { EventRecord } from '../../../src/recorder/event.ts'
import { isParked, park } from '../../../src/recorder/park.ts'
import { newTerminal, type Terminal, write } from '../../../src/recorder/terminal.ts'
import { inPieces } from '../../corpus/cuts.ts'
import { readCorpus, readHeldOut, recordsOf, type Stream } from '../../corpus/stream.ts'

const small = 30_000
/** One run of each shell and class: everything that shells do. */
const streams = [
  ...Map.groupBy([...readCorpus(), ...readHeldOut()], ({ shell, class: kind }) => `${shell} ${kind}`),
]
  .flatMap(([, [stream]]) => stream ?? [])
  .filter(stream => JSON.stringify(stream.events).length < small)

function read(records: readonly EventRecord[], parks: (index: number) => boolean): unknown[] {
  const reader = new EntryReader('ssh')
  const told: Told[] = []
  for (const [index, record] of records.entries()) {
    told.push(...reader.take(record))
    if (parks(index)) reader.park()
  }
  told.push(...reader.end())
  const known = new Map(told.map(({ number, draft, isOver }) => [number, { ...draft, isOver }]))
  return [...known.entries()].toSorted(([a], [b]) => a - b)
}

test('parking at any instant gives the same commands and the same screens', () => {
  expect(streams.length).toBeGreaterThan(60)
  fc.assert(
    fc.property(
      fc.constantFrom(...streams),
      fc.nat(),
      fc.integer({ min: 1, max: 200 }),
      fc.array(fc.nat(400), { maxLength: 6 }),
      (stream: Stream, seed, longest, places) => {
        const records = inPieces(seed, longest)(recordsOf(stream))
        const at = new Set(places.map(place => place % records.length))
        expect(read(records, index => at.has(index))).toEqual(read(records, () => false))
      },
    ),
    { numRuns: 60 },
  )
})

test('and so does parking after each event of a whole session', () => {
  const [stream] = streams.filter(({ class: kind }) => kind === 'tmux' || kind === 'full-screen')
  const records = stream === undefined ? [] : recordsOf(stream)
  expect(records.length).toBeGreaterThan(10)
  expect(read(records, () => true)).toEqual(read(records, () => false))
})

const everything =
  'plain \x1b[1;38;5;202mbold\x1b[0m \x1b[4:3;58:2::255:0:0mcurly\x1b[m é e\u0301 漢字 👩‍👩‍👧 ' +
  '\x1b]8;;https://example.com\x07link\x1b]8;;\x07 \x1b(0lqqk\x1b(B\x1b[3;10r\x1b[?6h\x1b7\x1b[?1049h\x1b[5;5Hother\x1b[?1049l\x1b8'

function cellsOf(terminal: Terminal): unknown[] {
  const { normal, alternate } = terminal.buffer
  return [normal, alternate].map(buffer => ({
    at: [buffer.cursorX, buffer.cursorY, buffer.baseY, buffer.length],
    rows: Array.from({ length: buffer.length }, (_, row) => {
      const line = buffer.getLine(row)
      return [line?.isWrapped, Array.from({ length: terminal.cols }, (__, x) => cellOf(line?.getCell(x)))]
    }),
  }))
}

function cellOf(
  cell: ReturnType<NonNullable<ReturnType<Terminal['buffer']['normal']['getLine']>>['getCell']>,
) {
  return [cell?.getChars(), cell?.getWidth(), cell?.getFgColor(), cell?.getBgColor(), cell?.isBold()]
}

test('a parked terminal is the same cell by cell, wherever its output was cut, and whatever is asked of it first', () => {
  const output = Buffer.from(`${everything}\r\n`.repeat(8) + 'x'.repeat(200))
  fc.assert(
    fc.property(fc.array(fc.nat(output.length), { maxLength: 8 }), fc.boolean(), (cuts, resizes) => {
      const [plain, parking] = [1, 2].map(() => newTerminal({ columns: 40, rows: 6 }, 20)) as [
        Terminal,
        Terminal,
      ]
      let from = 0
      for (const cut of [...cuts.toSorted((a, b) => a - b), output.length]) {
        for (const terminal of [plain, parking]) write(terminal, output.subarray(from, cut))
        park(parking)
        expect(isParked(parking)).toBe(true)
        if (resizes) for (const terminal of [plain, parking]) terminal.resize(30 + (cut % 30), 5)
        from = cut
      }
      expect(cellsOf(parking)).toEqual(cellsOf(plain))
      expect(isParked(parking)).toBe(false)
    }),
    { numRuns: 60 },
  )
})

test('a parked terminal takes a fraction of what it took, and parking it again costs nothing', () => {
  const terminal = newTerminal({ columns: 200, rows: 50 }, 1000)
  for (let row = 0; row < 1200; row++) write(terminal, Buffer.from(`row ${row} of what was printed\r\n`))
  const bytes = park(terminal)
  expect(bytes).toBeLessThan((200 * 1050 * 12) / 8)
  expect(park(terminal)).toBe(bytes)
})
