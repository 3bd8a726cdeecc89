/** Values of parameters and rows as the recording keeps them: decoded where we know how, cut where they are long, never silently. */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { SqlValue } from '../../recorder/sql-event.ts'
import { typeName } from './value-types.ts'
import { binaryText } from './value-text.ts'

/** Of one value: enough to see what it is. The rest is told by length and digest. */
export const keptValueBytes: number = 4 * 1024
/** Of all values of one statement or one result; after that each is told by length and digest alone. */
export const keptValuesBytes: number = 128 * 1024
/** Values told in one event: what follows goes on in the next. 512 of them with digests stay far below an event's limit. */
export const maxValuesPerEvent = 512

/** Counts what the values of one statement or result have used of `keptValuesBytes`. */
export type ValueBudget = { left: number }

/** `oid` 0: not known. Binary values of unknown types stay bytes. */
export function recordedValue(
  bytes: Buffer | null,
  oid: number,
  format: number,
  budget: ValueBudget,
): SqlValue {
  const type = oid === 0 ? undefined : typeName(oid)
  if (bytes === null) return type === undefined ? { null: true } : { type, null: true }
  const room = Math.min(keptValueBytes, budget.left)
  if (bytes.length > room) return cutValue(bytes, type, format, room, budget)
  budget.left -= bytes.length
  const text = format === 0 ? decodedText(bytes) : binaryText(bytes, oid)
  if (text === undefined) return withType(type, { base64: bytes.toString('base64') })
  return type === undefined ? { text } : { type, text }
}

function cutValue(
  bytes: Buffer,
  type: string | number | undefined,
  format: number,
  room: number,
  budget: ValueBudget,
): SqlValue {
  const kept = Math.max(0, room)
  budget.left -= kept
  const text = format === 0 ? decodedText(bytes.subarray(0, wholeCharacters(bytes, kept))) : undefined
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const shown = text === undefined ? { base64: bytes.toString('base64', 0, kept) } : { text }
  return withType(type, { ...shown, bytes: bytes.length, sha256 })
}

function withType(type: string | number | undefined, value: SqlValue): SqlValue {
  return type === undefined ? value : { type, ...value }
}

/** What stands in a decoded text where its bytes are no UTF-8, or where they say so themselves. */
const replacement = '\ufffd'

/** The text of bytes that are UTF-8. */
export function decodedText(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8')
  return !text.includes(replacement) || isUtf8(bytes) ? text : undefined
}

/** The largest end of at most `end` that does not cut a UTF-8 character; `end` if the bytes are none. */
export function wholeCharacters(bytes: Buffer, end: number): number {
  let at = end
  while (at > 0 && end - at < 4 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at--
  return ((bytes[at] ?? 0) & 0xc0) === 0x80 ? end : at
}

/** The format of value `index`: none given means text, one is for all. */
export function formatOf(formats: readonly number[], index: number): number {
  return formats.length === 1 ? (formats[0] ?? 0) : (formats[index] ?? 0)
}
