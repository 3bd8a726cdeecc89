/** What has to be said of a file that somebody changed: that it is not whole, and which record is the first that shows it. */
import { readFileSync } from 'node:fs'
import type { VerifyResult } from '../../../src/audit/verify-result.ts'
import { frameHeadBytes, preambleBytes } from '../../../src/recorder/format.ts'
import { type Change, type Offsets, recordAt } from './changes.ts'

export function frameOffsets(bytes: Buffer): Offsets {
  const offsets = [preambleBytes]
  for (let at = preambleBytes; at < bytes.length; )
    offsets.push((at += frameHeadBytes + bytes.readUInt32BE(at)))
  return offsets
}

export function lineOffsets(bytes: Buffer): Offsets {
  const offsets = [0]
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) offsets.push(at + 1)
  return offsets
}

/** Bundles of entries: each after its length in two bytes. */
export function entryOffsets(bytes: Buffer): Offsets {
  const offsets = [0]
  for (let at = 0; at < bytes.length; ) offsets.push((at += 2 + bytes.readUInt16BE(at)))
  return offsets
}

/** Hashes of a tile. */
export function hashOffsets(bytes: Buffer): Offsets {
  return Array.from({ length: bytes.length / 32 + 1 }, (_, at) => at * 32)
}

/**
 * Undefined if all is as it should be, or what is wrong. A changed record is named, or the one behind it, which no longer continues it; with the
 * place where that record begins (in a whole file: where it began). What was cut may also be told as not sealed, and that is all that a file can
 * say of its own end.
 */
export function wrongIn(
  change: Change,
  result: VerifyResult,
  offsets: Offsets,
  offsetsOf: (bytes: Buffer) => Offsets,
): string | undefined {
  if (result.ok) {
    const isCut =
      change.what.startsWith('cut') || change.what.includes('missing') || change.what.includes('taken out')
    const lastRecord = recordAt(offsets, change.at) >= offsets.length - 2
    return !result.sealed && (isCut || lastRecord) ? undefined : `${change.what}: not found`
  }
  const record = recordAt(offsets, change.at)
  if (result.record !== record && result.record !== record + 1)
    return `${change.what}: record ${result.record} was named instead of ${record} (${result.reason})`
  const start = result.record === 0 && offsets[0] !== 0 ? [0, 8] : []
  const wanted = [...start, offsets[result.record], placeIn(change, result.record, offsetsOf)]
  if (!wanted.includes(result.offset))
    return `${change.what}: offset ${result.offset} was named instead of ${wanted.join(' or ')} (${result.reason})`
  return undefined
}

/** Where a record begins in the file as it is now, if it can be told. */
function placeIn(
  { bytes }: Change,
  record: number,
  offsetsOf: (bytes: Buffer) => Offsets,
): number | undefined {
  try {
    return offsetsOf(bytes)[record]
  } catch {
    return undefined
  }
}

export function bytesOf(file: string): Buffer {
  return readFileSync(file)
}
