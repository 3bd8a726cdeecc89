/** Checks a recording as `sallyport verify` does, with the keys that the gateway knows, and hashes its file. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import type { Revocation } from '../../../audit/revocation.ts'
import { headerOf } from '../../../recorder/reader.ts'
import { verifyRecording } from '../../../recorder/verify.ts'
import type { RecordingCheck } from './reading-thread.ts'

/** Bytes that are read at a time. */
const pieceBytes = 1024 * 1024

export function checkRecording(
  file: string,
  keys: readonly string[],
  revoked: readonly Revocation[],
): RecordingCheck {
  const result = verifyRecording(file, keys, { revoked })
  return {
    ...hashOf(file),
    isWhole: result.ok,
    isSealed: result.ok && result.sealed,
    isEncrypted: isEncrypted(file),
    problem: result.ok ? undefined : `record ${result.record} at byte ${result.offset}: ${result.reason}`,
  }
}

function isEncrypted(file: string): boolean {
  try {
    return headerOf(file).encryption !== null
  } catch {
    return false // there is no head that says so
  }
}

function hashOf(file: string): { readonly bytes: number; readonly sha256: string } {
  const hash = createHash('sha256')
  const piece = Buffer.allocUnsafe(pieceBytes)
  const fd = openSync(file, 'r')
  try {
    let bytes = 0
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) {
      hash.update(piece.subarray(0, read))
      bytes += read
    }
    return { bytes, sha256: hash.digest('hex') }
  } finally {
    closeSync(fd)
  }
}
