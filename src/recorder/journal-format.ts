import { crc32 } from 'node:zlib'

/**
 * The journal holds the events of all open recordings of a process until they are in their own files. Only this program
 * reads it, at its next start, so unlike the recordings it is no format for others. All numbers are big-endian.
 */

export const journalMagic: Buffer = Buffer.from('SPJRNL\r\n', 'latin1')
export const journalVersion = 1
/** Magic and u32 version. */
export const journalPreambleBytes: number = journalMagic.length + 4

/** u32 length of what follows the checksum, u32 CRC-32 of it. A length of zero ends the journal: the rest of its file is room that was reserved. */
export const checkedBytes = 8
/** ... u8 kind, u8 flags, u16 reserved, u32 recording number, u64 sequence; then the payload. */
export const journalHeadBytes: number = checkedBytes + 16

/**
 * declare: says which session and path a recording number stands for in this segment. event: the bytes of one event as
 * they will be in a chunk. sealed: u48 microseconds, u8 1 if the session ends with it, and the event's tag and ciphertext, which
 * recovery copies as they are: its key was in the process alone.
 */
export const journalKind = { declare: 1, event: 2, sealed: 3 } as const
/** What stands before the ciphertext: time, end, tag. */
export const sealedHeadBytes = 7 + 16

/** A segment is left for the next one at this size, and deleted when all its events are in their recordings. */
export const segmentBytes: number = 16 * 1024 * 1024
/** What the last turn of a segment may need beyond that: a batch that is just not full, and its largest event. */
export const lastTurnBytes: number = 2 * 1024 * 1024

export function journalPreamble(): Buffer {
  const bytes = Buffer.alloc(journalPreambleBytes)
  journalMagic.copy(bytes)
  bytes.writeUInt32BE(journalVersion, journalMagic.length)
  return bytes
}

export function segmentName(number: number): string {
  return `journal-${String(number).padStart(10, '0')}`
}

/** The number in a segment's file name, or undefined if it is no segment. */
export function segmentNumber(name: string): number | undefined {
  const match = /^journal-([0-9]{10,15})$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** Fills the head at `at`, whose record ends at `end` of the same buffer and goes on in `rest`. */
export function writeJournalHead(
  into: Buffer,
  at: number,
  end: number,
  rest: Buffer | undefined,
  kind: number,
  recording: number,
  sequence: number,
): void {
  into.writeUInt32BE(end - at - checkedBytes + (rest?.length ?? 0), at)
  into.writeUInt8(kind, at + 8)
  into.writeUInt8(0, at + 9)
  into.writeUInt16BE(0, at + 10)
  into.writeUInt32BE(recording, at + 12)
  into.writeUInt32BE(Math.floor(sequence / 2 ** 32), at + 16)
  into.writeUInt32BE(sequence >>> 0, at + 20)
  const sum = crc32(into.subarray(at + checkedBytes, end))
  into.writeUInt32BE(rest === undefined ? sum : crc32(rest, sum), at + 4)
}
