/** Tampers with the files of a corpus and collects what was not found, or was not named rightly. */
import { writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { verifyAudit } from '../../../src/audit/verify.ts'
import type { VerifyResult } from '../../../src/audit/verify-result.ts'
import { verifyTree } from '../../../src/audit/tree/verify-tree.ts'
import { verifyRecording } from '../../../src/recorder/verify.ts'
import {
  type Change,
  cuts,
  everyBit,
  flips,
  moves,
  type Offsets,
  oneBit,
  recordAt,
  slips,
} from './changes.ts'
import { bytesOf, entryOffsets, frameOffsets, hashOffsets, lineOffsets, wrongIn } from './judge.ts'

/** `exhaustive`: every bit of every byte. Otherwise one bit of each, of long files of some. */
export type Effort = { readonly isExhaustive: boolean; readonly step: number }

export type Report = { tried: number; wrong: string[] }

function* changesOf(bytes: Buffer, offsets: Offsets, { isExhaustive, step }: Effort): Generator<Change> {
  yield* flips(bytes, isExhaustive ? everyBit : oneBit, step)
  yield* cuts(bytes, step)
  yield* slips(bytes, step)
  yield* moves(bytes, offsets, isExhaustive ? 1 : Math.ceil(offsets.length / 16))
}

/** Each change is written over the file itself, judged, and taken back. */
function judgeAll(
  file: string,
  changes: Iterable<Change>,
  judge: (change: Change) => string | undefined,
  report: Report,
): void {
  const whole = bytesOf(file)
  try {
    for (const change of changes) {
      if (change.bytes.equals(whole)) continue
      writeFileSync(file, change.bytes)
      report.tried++
      const wrong = judge(change)
      if (wrong !== undefined) report.wrong.push(`${basename(file)}: ${wrong}`)
    }
  } finally {
    writeFileSync(file, whole)
  }
}

/** A recording with the public keys that it is proven with. */
export function tamperWithRecording(file: string, keys: readonly string[], effort: Effort): Report {
  const report: Report = { tried: 0, wrong: [] }
  const bytes = bytesOf(file)
  const offsets = frameOffsets(bytes)
  const seal = offsets.findIndex(offset => bytes[offset + 4] === 4)
  judgeAll(
    file,
    changesOf(bytes, offsets, effort),
    change => {
      const result = verifyRecording(file, keys)
      if (isWithoutProofs(change, offsets, seal))
        return result.ok ? undefined : `${change.what}: ${result.reason}`
      if (isByAnotherKey(change, offsets, seal, result)) return undefined
      return wrongIn(change, result, offsets, frameOffsets)
    },
    report,
  )
  return report
}

/**
 * One character of a proof's signature holds bits of the key's id and of the signature. Changed, it is a signature by a key that nobody
 * gave: which is what the note says then.
 */
function isByAnotherKey({ at }: Change, offsets: Offsets, seal: number, result: VerifyResult): boolean {
  const isTold = result.ok && result.notes.some(note => note.includes('key was not given'))
  return isTold && recordAt(offsets, at) > seal
}

/** A recording is as whole without the proofs behind its seal: the log of sessions has what they say. */
function isWithoutProofs({ what, at }: Change, offsets: Offsets, seal: number): boolean {
  const isAtBorder = what.startsWith('cut') && offsets.includes(at) && at >= (offsets[seal + 1] ?? 0)
  return isAtBorder || (what.endsWith('taken out') && recordAt(offsets, at) > seal)
}

/** A file of an audit log that is a whole folder. */
export function tamperWithAudit(
  folder: string,
  files: readonly string[],
  file: string,
  keys: readonly string[],
  effort: Effort,
): Report {
  const report: Report = { tried: 0, wrong: [] }
  const bytes = bytesOf(file)
  const offsets = lineOffsets(bytes)
  const next = files[files.indexOf(file) + 1]
  const known = verifyAudit(folder, keys)
  const entered = new Map<number, string>()
  for (const each of files) for (const line of linesIn(each)) entered.set(line.upTo, line.link)
  if (!known.ok) throw new Error('the log was not whole before')
  judgeAll(
    file,
    changesOf(bytes, offsets, effort),
    change => {
      const result = verifyAudit(folder, keys, { entered })
      if (!result.ok && result.file === next && result.record === 0 && result.offset === 0)
        return mayShowInNext(change, offsets) ? undefined : `${change.what}: named in the next file`
      if (!result.ok && result.file !== file) return `${change.what}: named in ${basename(result.file)}`
      return wrongIn(change, result, offsets, lineOffsets)
    },
    report,
  )
  return report
}

/** What is missing at the end of a file, and what its last line says, shows where the next one should continue it. */
function mayShowInNext(change: Change, offsets: Offsets): boolean {
  return change.what.startsWith('cut') || recordAt(offsets, change.at) >= offsets.length - 2
}

function linesIn(file: string): readonly { upTo: number; link: string }[] {
  const lines = bytesOf(file).toString().trimEnd().split('\n')
  return lines
    .map(line => JSON.parse(line) as { kind: string; upTo: number; link: string })
    .filter(({ kind }) => kind === 'checkpoint')
}

/** A file of a log of sessions. */
export function tamperWithTree(folder: string, file: string, key: string, effort: Effort): Report {
  const report: Report = { tried: 0, wrong: [] }
  const bytes = bytesOf(file)
  const offsets = treeOffsets(file, bytes)
  judgeAll(
    file,
    changesOf(bytes, offsets, effort),
    change => {
      const { result } = verifyTree(folder, { keys: [key] })
      const isGone = change.bytes.length === 0 && file.includes('/tile/')
      if (isGone && isToldMissing(result, file)) return undefined
      if (result.ok && isOlderCheckpoint(change, file, offsets)) return undefined
      if (!result.ok && result.file !== file)
        return `${change.what}: named in ${result.file} (${result.reason})`
      return wrongIn(change, result, offsets, changed => treeOffsets(file, changed))
    },
    report,
  )
  return report
}

/** Checkpoints before the newest are kept for others: without one there is less proof, and the log is the same. */
function isOlderCheckpoint({ what, at }: Change, file: string, offsets: Offsets): boolean {
  return file.endsWith('.ndjson') && what.endsWith('taken out') && recordAt(offsets, at) < offsets.length - 2
}

function isToldMissing(result: VerifyResult, file: string): boolean {
  return (
    !result.ok ||
    result.notes.some(note => note.includes('missing') && file.endsWith(note.split(' ')[1] ?? '?'))
  )
}

function treeOffsets(file: string, bytes: Buffer): Offsets {
  if (file.endsWith('checkpoint')) return [0, bytes.length]
  if (file.endsWith('.ndjson')) return lineOffsets(bytes)
  return file.endsWith('growing') || file.includes('/entries/') ? entryOffsets(bytes) : hashOffsets(bytes)
}
