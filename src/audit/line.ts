/** What an event of the audit log may say besides its kind. Undefined fields are left out. */
export type AuditValue = string | number | boolean | readonly string[] | undefined

/** A longer text is cut and says so: one event is one line of bounded length. In UTF-16 units. */
export const maxTextLength = 4096
/** More values than this are left out, in lists and in events. */
const maxValues = 64
/** No line is longer: 64 values of 4,096 units, each six bytes at worst, would be more than any event has. */
export const maxLineBytes: number = 2 * 1024 * 1024

/** Fields that the log itself writes; an event cannot. */
const reserved: ReadonlySet<string> = new Set(['sequence', 'at', 'previous', 'kind'])

/** An event's own fields as they are stored: texts capped, reserved names prefixed, the unsaid left out. */
export function storedFields(fields: Readonly<Record<string, AuditValue>>): Record<string, AuditValue> {
  const stored: Record<string, AuditValue> = {}
  for (const [name, value] of Object.entries(fields).slice(0, maxValues)) {
    if (value !== undefined)
      stored[reserved.has(name) ? `event_${name}` : name.slice(0, maxValues)] = storedValue(value)
  }
  return stored
}

function storedValue(value: Exclude<AuditValue, undefined>): AuditValue {
  if (typeof value === 'string') return capped(value)
  if (typeof value !== 'object') return value
  return value.slice(0, maxValues).map(capped)
}

function capped(text: string): string {
  if (text.length <= maxTextLength) return text
  return `${text.slice(0, maxTextLength)}… (${text.length - maxTextLength} more)`
}

/** Controls of the second kind, separators, and what reorders or hides text: JSON allows them raw, a terminal obeys them. */
const unprintable =
  /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

/** One line, its newline included, that is safe to print as it is. The same value always gives the same bytes. */
export function encodeLine(value: Readonly<Record<string, unknown>> | readonly unknown[]): Buffer {
  const json = JSON.stringify(value).replace(unprintable, escaped)
  return Buffer.from(`${json}\n`)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** A stored line: its place, when, what, and what else it says. */
export type AuditLine = {
  readonly sequence: number
  /** ISO 8601, UTC, milliseconds. */
  readonly at: string
  /** SHA-256 of the line before, its newline included, in hexadecimal. */
  readonly previous: string
  readonly kind: string
  readonly [field: string]: unknown
}

/** Decodes a stored line, or says what is wrong with it. Only what `encodeLine` writes is accepted, byte for byte. */
export function decodeLine(stored: Buffer): AuditLine | string {
  let value: unknown
  try {
    value = JSON.parse(stored.toString())
  } catch {
    return 'it is not valid JSON'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is not a JSON object'
  const line = value as Record<string, unknown>
  if (!Number.isSafeInteger(line['sequence'])) return 'it has no sequence number'
  if (
    typeof line['at'] !== 'string' ||
    typeof line['previous'] !== 'string' ||
    typeof line['kind'] !== 'string'
  )
    return 'it lacks a field'
  if (!encodeLine(line).equals(stored)) return 'it is not written as this log writes'
  return line as AuditLine
}
