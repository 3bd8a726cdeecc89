/** Reads the audit log behind its writer, a piece at a time: in order, each line once, in bounded memory. */
import { existsSync } from 'node:fs'
import { access, type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { maxLineBytes } from '../audit/line.ts'
import { firstSequenceOf, segmentName, segmentsIn, tailOf } from '../audit/segments.ts'
import { linkOf } from '../chain.ts'
import type { FeedEvent } from './event.ts'
import type { Position } from './position.ts'

/** So much of a file is read at once; a line that is longer is read alone. */
const readBytes = 256 * 1024
/** Most lines are much shorter than the longest. */
const tailBytes = 16 * 1024
/** More lines than this are left for the next piece. */
const maxEvents = 256

/** A line, and where reading goes on behind it. */
export type FeedLine = { readonly event: FeedEvent; readonly after: Position }

export type Piece = {
  readonly lines: readonly FeedLine[]
  /** Where reading goes on. The same as before where there is nothing new. */
  readonly end: Position
  /** Lines that are no JSON objects. `sallyport verify` says what is wrong with them. */
  readonly unreadable: number
}

/** Behind the last whole line of the log in that folder, at this very moment. For starts: it may read some megabytes. */
export function endOfLog(folder: string): Position {
  for (const path of existsSync(folder) ? segmentsIn(folder).toReversed() : []) {
    const { line, wholeBytes } = tailOf(path)
    const segment = firstSequenceOf(path)
    const sequence = eventOf(line)?.sequence ?? segment - 1
    if (line.length > 0) return { segment, offset: wholeBytes, sequence, link: hexOf(line) }
  }
  return { segment: 1, offset: 0, sequence: 0, link: '' }
}

export class AuditFeed {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Behind the last whole line that is there now. */
  async end(): Promise<Position> {
    for (const segment of (await this.#segments()).toReversed()) {
      const last = await this.#lastIn(segment)
      if (last !== undefined) return last
    }
    return { segment: 1, offset: 0, sequence: 0, link: '' }
  }

  /** Changes whenever the log has grown: asked often, so it reads nothing. */
  async mark(): Promise<string> {
    const last = (await this.#segments()).at(-1)
    if (last === undefined) return ''
    const { size } = await stat(join(this.#folder, segmentName(last)))
    return `${last}:${size}`
  }

  /**
   * The position if the log still has that line there. A log that lost its end (a power cut) or was begun anew has another: then
   * reading begins again with the file, since a line that is sent twice has one uid and a line that is not sent is missing.
   */
  async resume(position: Position): Promise<{ readonly position: Position; readonly isLost: boolean }> {
    const { segment, offset, link } = position
    if (offset === 0) return { position: await this.#existing(position), isLost: false }
    const line = await this.#lineBefore(segment, offset).catch(() => undefined)
    if (line !== undefined && linkOf(line).toString('hex') === link) return { position, isLost: false }
    return { position: await this.#existing(startOf(segment)), isLost: true }
  }

  /** The lines from there on, as many as one piece holds. */
  async read(from: Position): Promise<Piece> {
    const file = await this.#open(from.segment)
    if (file === undefined) return { lines: [], end: await this.#existing(from), unreadable: 0 }
    try {
      const bytes = await wholeLines(file, from.offset)
      if (bytes.length > 0) return decode(bytes, from)
    } finally {
      await file.close()
    }
    return { lines: [], end: await this.#next(from), unreadable: 0 }
  }

  /** One line again, or undefined if it is not there any more. */
  async lineAt(position: Position): Promise<FeedEvent | undefined> {
    const line = await this.#lineBefore(position.segment, position.offset).catch(() => undefined)
    if (line === undefined || linkOf(line).toString('hex') !== position.link) return undefined
    return eventOf(line)
  }

  async #segments(): Promise<number[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const segments = names.filter(name => /^audit-[0-9]{12,15}\.ndjson$/.test(name)).map(firstSequenceOf)
    return segments.toSorted((a, b) => a - b)
  }

  #open(segment: number): Promise<FileHandle | undefined> {
    return open(join(this.#folder, segmentName(segment)), 'r').catch(() => undefined)
  }

  /** Behind the last file's last line, the next file begins. */
  async #next(from: Position): Promise<Position> {
    const following = from.sequence + 1
    if (following === from.segment) return from
    const isThere = await access(join(this.#folder, segmentName(following))).then(
      () => true,
      () => false,
    )
    return isThere ? { segment: following, offset: 0, sequence: from.sequence, link: '' } : from
  }

  /** Somebody may have taken old files away. */
  async #existing(position: Position): Promise<Position> {
    const segments = await this.#segments()
    if (segments.length === 0 || segments.includes(position.segment)) return position
    return startOf(segments.find(segment => segment > position.segment) ?? segments[0] ?? 1)
  }

  async #lastIn(segment: number): Promise<Position | undefined> {
    const file = await this.#open(segment)
    if (file === undefined) return undefined
    try {
      const { size } = await file.stat()
      return (
        (await lastWithin(file, segment, size, tailBytes)) ??
        (await lastWithin(file, segment, size, 2 * maxLineBytes))
      )
    } finally {
      await file.close()
    }
  }

  async #lineBefore(segment: number, offset: number): Promise<Buffer> {
    const file = await open(join(this.#folder, segmentName(segment)), 'r')
    try {
      const short = await lineEndingAt(file, offset, tailBytes)
      return short.length < Math.min(tailBytes, offset)
        ? short
        : await lineEndingAt(file, offset, maxLineBytes)
    } finally {
      await file.close()
    }
  }
}

/** The line that ends there, or as much of it as these bytes hold. */
async function lineEndingAt(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const start = Math.max(0, offset - bytes)
  const read = await readAt(file, start, offset - start)
  if (read.length < offset - start) throw new Error('the file is shorter')
  return lastLine(read)
}

/** The last whole line of a file, if it begins within its last bytes. */
async function lastWithin(
  file: FileHandle,
  segment: number,
  size: number,
  bytes: number,
): Promise<Position | undefined> {
  const tail = await readAt(file, Math.max(0, size - bytes), Math.min(size, bytes))
  const whole = tail.subarray(0, tail.lastIndexOf(10) + 1)
  const line = lastLine(whole)
  if (whole.length === 0 || (line.length === whole.length && size > bytes)) return undefined
  const sequence = eventOf(line)?.sequence ?? segment - 1
  return { segment, offset: size - tail.length + whole.length, sequence, link: hexOf(line) }
}

function startOf(segment: number): Position {
  return { segment, offset: 0, sequence: segment - 1, link: '' }
}

/** The last of whole lines, with its newline. */
function lastLine(bytes: Buffer): Buffer {
  return bytes.subarray(bytes.length < 2 ? 0 : bytes.lastIndexOf(10, bytes.length - 2) + 1)
}

function hexOf(line: Buffer): string {
  return linkOf(line).toString('hex')
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return buffer.subarray(0, filled)
}

/** Whole lines from there on; none at the end, and none where the last one is still being written. */
async function wholeLines(file: FileHandle, offset: number): Promise<Buffer> {
  const piece = await readAt(file, offset, readBytes)
  const end = piece.lastIndexOf(10) + 1
  if (end > 0 || piece.length < readBytes) return piece.subarray(0, end)
  const long = await readAt(file, offset, maxLineBytes)
  return long.subarray(0, long.indexOf(10) + 1)
}

function decode(bytes: Buffer, from: Position): Piece {
  const lines: FeedLine[] = []
  let { offset, sequence, link } = from
  let unreadable = 0
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0 && lines.length < maxEvents; end = bytes.indexOf(10, start)) {
    const line = bytes.subarray(start, end + 1)
    const event = eventOf(line)
    start = end + 1
    offset += line.length
    sequence = event?.sequence ?? sequence + 1
    link = event?.uid ?? hexOf(line)
    if (event === undefined) unreadable++
    else lines.push({ event, after: { segment: from.segment, offset, sequence, link } })
  }
  return { lines, end: { segment: from.segment, offset, sequence, link }, unreadable }
}

/** Undefined for what the log does not write. */
function eventOf(line: Buffer): FeedEvent | undefined {
  try {
    const value = JSON.parse(line.toString()) as Record<string, unknown>
    const { sequence, at, previous, kind, ...fields } = value
    const atMs = typeof at === 'string' ? Date.parse(at) : Number.NaN
    if (!Number.isSafeInteger(sequence) || Number.isNaN(atMs) || typeof kind !== 'string') return undefined
    if (typeof previous !== 'string') return undefined
    return { sequence: sequence as number, uid: hexOf(line), atMs, kind, fields }
  } catch {
    return undefined
  }
}
