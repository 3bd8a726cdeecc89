/** Finds where a damaged recording can be read again. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { linkOf } from '../chain.ts'
import { readAt } from './file-part.ts'
import { type FrameHead, FormatProblem, frameHeadBytes, readFrameHead } from './format.ts'

/** What stands between a damaged record and the next one that is whole. */
export type Gap = {
  /** The record that cannot be read: its number and its offset. */
  readonly record: number
  readonly offset: number
  readonly reason: string
  /** Where the next good record begins; undefined if there is none. */
  readonly nextOffset: number | undefined
}

/** Bytes that are searched at a time. */
const windowBytes = 1024 * 1024

/**
 * The offset of the first frame at or after `from` that is whole: its head has its check sum, and the frame behind it names its hash, or
 * it is the last one. What a target printed cannot pass for a frame like that: it is compressed, and knows no hash.
 */
export function nextGoodFrame(file: string, from: number): number | undefined {
  const fd = openSync(file, 'r')
  try {
    const { size } = fstatSync(fd)
    for (let at = from; at + frameHeadBytes <= size; at += windowBytes) {
      const found = search(fd, at, size)
      if (found !== undefined) return found
    }
    return undefined
  } finally {
    closeSync(fd)
  }
}

/** Among the frames that begin in one window. */
function search(fd: number, at: number, size: number): number | undefined {
  const window = readAt(fd, at, Math.min(windowBytes + frameHeadBytes, size - at))
  const last = Math.min(windowBytes - 1, window.length - frameHeadBytes)
  for (let offset = 0; offset <= last; offset++) {
    if (window[offset + 5] !== 0 || (window[offset + 4] ?? 0) > 5) continue // flags are 0, kinds few
    const head = headAt(window.subarray(offset, offset + frameHeadBytes))
    if (head !== undefined && isContinued(fd, at + offset, head, size)) return at + offset
  }
  return undefined
}

function headAt(bytes: Buffer): FrameHead | undefined {
  try {
    return readFrameHead(bytes, 0, 0)
  } catch (error) {
    if (error instanceof FormatProblem) return undefined
    throw error
  }
}

function isContinued(fd: number, at: number, { bodyBytes, kind }: FrameHead, size: number): boolean {
  const end = at + frameHeadBytes + bodyBytes
  if (kind === 'header' || end > size) return false
  if (end === size) return true
  const next = readAt(fd, end, Math.min(frameHeadBytes, size - end))
  if (next.length < frameHeadBytes) return true // the end is cut
  const link = linkOf(readAt(fd, at, frameHeadBytes + bodyBytes))
  return next.subarray(8).equals(link)
}
