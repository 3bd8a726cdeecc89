import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { maxLineBytes } from './line.ts'

/** `audit-<sequence of its first line>.ndjson`. */
export function segmentName(firstSequence: number): string {
  return `audit-${String(firstSequence).padStart(12, '0')}.ndjson`
}

/** The log's files in their order. */
export function segmentsIn(folder: string): string[] {
  const names = readdirSync(folder).filter(name => /^audit-[0-9]{12,15}\.ndjson$/.test(name))
  return names.toSorted((a, b) => firstSequenceOf(a) - firstSequenceOf(b)).map(name => join(folder, name))
}

export function firstSequenceOf(path: string): number {
  return Number(/audit-([0-9]+)\.ndjson$/.exec(path)?.[1])
}

/** The end of a file: its last whole line, with the newline, and what stands after it. */
export type SegmentTail = { readonly line: Buffer; readonly torn: Buffer; readonly wholeBytes: number }

/** Reads a segment's end, however long the file. */
export function tailOf(path: string): SegmentTail {
  const fd = openSync(path, 'r')
  try {
    const size = fstatSync(fd).size
    const length = Math.min(size, 2 * maxLineBytes) // a last line, and one that is torn
    const bytes = Buffer.alloc(length)
    readSync(fd, bytes, 0, length, size - length)
    const end = bytes.lastIndexOf(0x0a) + 1
    const start = end < 2 ? 0 : bytes.lastIndexOf(0x0a, end - 2) + 1
    return { line: bytes.subarray(start, end), torn: bytes.subarray(end), wholeBytes: size - (length - end) }
  } finally {
    closeSync(fd)
  }
}

/** Whole lines at the end of the newest file, within so many bytes. */
export function lastLinesIn(folder: string, maxBytes: number): readonly Buffer[] {
  const last = existsSync(folder) ? segmentsIn(folder).at(-1) : undefined
  if (last === undefined) return []
  const fd = openSync(last, 'r')
  try {
    const { size } = fstatSync(fd)
    const bytes = Buffer.alloc(Math.min(size, maxBytes))
    readSync(fd, bytes, 0, bytes.length, size - bytes.length)
    const first = bytes.length === size ? 0 : bytes.indexOf(0x0a) + 1
    return linesWithin(bytes.subarray(first))
  } finally {
    closeSync(fd)
  }
}

function linesWithin(bytes: Buffer): readonly Buffer[] {
  const lines: Buffer[] = []
  for (let start = 0, end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    lines.push(bytes.subarray(start, end + 1))
    start = end + 1
  }
  return lines
}

const readBytes = 256 * 1024

export type StoredLine = { readonly offset: number; readonly bytes: Buffer; readonly isWhole: boolean }

/** The lines of a file with their newlines; the last may lack its own. A line beyond the limit comes as a piece that is not whole. */
export function* linesOf(path: string): Generator<StoredLine> {
  const fd = openSync(path, 'r')
  try {
    let rest = Buffer.alloc(0)
    let offset = 0
    for (;;) {
      const more = Buffer.allocUnsafe(readBytes)
      const read = readSync(fd, more, 0, readBytes, offset + rest.length)
      const bytes = Buffer.concat([rest, more.subarray(0, read)])
      const used = yield* wholeLines(bytes, offset)
      rest = bytes.subarray(used)
      offset += used
      if (read === 0 || rest.length > maxLineBytes) break
    }
    if (rest.length > 0) yield { offset, bytes: rest, isWhole: false }
  } finally {
    closeSync(fd)
  }
}

function* wholeLines(bytes: Buffer, offset: number): Generator<StoredLine, number> {
  let start = 0
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    yield { offset: offset + start, bytes: bytes.subarray(start, end + 1), isWhole: true }
    start = end + 1
  }
  return start
}

/** Brings the end of the log to the disk: the last file, and the one before, which may have been left a moment ago. */
export async function flushSegments(folder: string): Promise<void> {
  for (const path of segmentsIn(folder).slice(-2)) {
    const file = await open(path, 'r')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
}
