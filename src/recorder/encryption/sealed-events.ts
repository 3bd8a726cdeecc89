import { tagBytes } from './content-keys.ts'
import type { Opener } from './opener.ts'

/**
 * Events that were sealed one by one, one after the other: u32 length, then so many bytes of ciphertext and tag. It is what recovery
 * makes of a journal, which holds them sealed already and whose key is gone.
 */
export const recordOverheadBytes: number = 4 + tagBytes

/** One record of such a payload. */
export function sealedRecord(sealed: Buffer): Buffer {
  const record = Buffer.allocUnsafe(4 + sealed.length)
  record.writeUInt32BE(sealed.length, 0)
  sealed.copy(record, 4)
  return record
}

/** The sealed events of a payload, in order. Throws if it is none. */
export function* sealedIn(payload: Buffer): Generator<Buffer> {
  for (let at = 0; at < payload.length; ) {
    const length = payload.length - at < recordOverheadBytes ? 0 : payload.readUInt32BE(at)
    if (length < tagBytes || length > payload.length - at - 4) throw new Error('a sealed event is cut')
    yield payload.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
}

/** The bytes of all events of a payload; the first has this number. */
export function openSealed(payload: Buffer, firstSequence: number, opener: Opener): Buffer {
  return Buffer.concat(
    Array.from(sealedIn(payload), (sealed, index) => opener.event(firstSequence + index, sealed)),
  )
}

/** What can be told without a key: how many events, and how many bytes they have. */
export function measureSealed(payload: Buffer): { readonly events: number; readonly bytes: number } {
  let [events, bytes] = [0, 0]
  for (const sealed of sealedIn(payload)) {
    events++
    bytes += sealed.length - tagBytes
  }
  return { events, bytes }
}
