/**
 * What servers say: decoders of message bodies and encoders for what the gateway says as a server. In the order of
 * "Message Formats". A target is a peer like any other: lengths are checked, what follows the last field is refused.
 * Decoders throw MalformedMessage; buffers that they return are views of the body.
 */
import { BodyReader } from './body-reader.ts'
import { cstring, frame, int16, int32, uint16, uint32, value } from './frame-writer.ts'
import { decodeMany } from './frontend.ts'
import { backend } from './message-types.ts'
import { MalformedMessage } from './protocol-violation.ts'

export const authenticationCode = {
  ok: 0,
  cleartextPassword: 3,
  md5Password: 5,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const

export type Authentication = { readonly code: number; readonly data: Buffer }

export type BackendKeyData = {
  readonly pid: number
  /** 4 bytes in protocol 3.0, up to 256 in 3.2. */
  readonly key: Buffer
}

export type CopyResponse = { readonly format: number; readonly columnFormats: readonly number[] }

/** The fields that people and programs look at, by the letters of "Error and Notice Message Fields". */
export type Report = {
  readonly severity: string
  readonly code: string
  readonly message: string
  readonly detail?: string
  readonly hint?: string
}

/** All fields of an error or a notice by their letter, for reading. */
export type ReportFields = ReadonlyMap<string, string>

export type ParameterStatus = { readonly name: string; readonly value: string }
export type TransactionStatus = 'I' | 'T' | 'E'

export type Column = {
  readonly name: string
  /** OID of the table and number of its column, 0 if the column is none of a table. */
  readonly table: number
  readonly attribute: number
  readonly type: number
  readonly typeBytes: number
  readonly modifier: number
  readonly format: number
}

/** libpq refuses a longer key ("lost synchronization"); the protocol names the same bounds. */
const keyBytes = { least: 4, most: 256 }

export function decodeAuthentication(body: Buffer): Authentication {
  const reader = new BodyReader(body)
  return { code: reader.int32(), data: reader.rest() }
}

/** The mechanisms of an AuthenticationSASL, from `data`. */
export function decodeSaslMechanisms(data: Buffer): readonly string[] {
  const reader = new BodyReader(data)
  const names: string[] = []
  for (let name = reader.name(); name !== ''; name = reader.name()) names.push(name)
  reader.end()
  return names
}

export function decodeBackendKeyData(body: Buffer): BackendKeyData {
  const reader = new BodyReader(body)
  const pid = reader.int32()
  const key = reader.rest()
  if (key.length < keyBytes.least || key.length > keyBytes.most) {
    throw new MalformedMessage(`a cancel key of ${key.length} bytes`)
  }
  return { pid, key }
}

/** The tag as it came, such as `INSERT 0 5`. */
export function decodeCommandComplete(body: Buffer): string {
  const last = body.length - 1
  if (last < 0 || body.indexOf(0) !== last) throw new MalformedMessage('its string does not end at its end')
  return body.toString('utf8', 0, last)
}

/** CopyInResponse, CopyOutResponse, CopyBothResponse. */
export function decodeCopyResponse(body: Buffer): CopyResponse {
  const reader = new BodyReader(body)
  const format = reader.byte()
  const columnFormats = decodeMany(reader, 2, () => reader.int16())
  reader.end()
  return { format, columnFormats }
}

export function decodeDataRow(body: Buffer): readonly (Buffer | null)[] {
  const reader = new BodyReader(body)
  const values = decodeMany(reader, 4, () => reader.value())
  reader.end()
  return values
}

/** ErrorResponse and NoticeResponse. Of a field that comes twice the last one counts, as in libpq. */
export function decodeReport(body: Buffer): ReportFields {
  const reader = new BodyReader(body)
  const fields = new Map<string, string>()
  for (let field = reader.byte(); field !== 0; field = reader.byte()) {
    fields.set(String.fromCharCode(field), reader.text())
  }
  reader.end()
  return fields
}

export function decodeFunctionCallResponse(body: Buffer): Buffer | null {
  const reader = new BodyReader(body)
  const result = reader.value()
  reader.end()
  return result
}

export function decodeNegotiateProtocolVersion(body: Buffer): {
  version: number
  options: readonly string[]
} {
  const reader = new BodyReader(body)
  const version = reader.int32()
  const count = reader.int32()
  if (count < 0 || count > reader.remaining) throw new MalformedMessage(`${count} options do not fit`)
  const options = Array.from({ length: count }, () => reader.text())
  reader.end()
  return { version, options }
}

export function decodeNotification(body: Buffer): { pid: number; channel: string; payload: string } {
  const reader = new BodyReader(body)
  const notification = { pid: reader.int32(), channel: reader.text(), payload: reader.text() }
  reader.end()
  return notification
}

export function decodeParameterDescription(body: Buffer): readonly number[] {
  const reader = new BodyReader(body)
  const types = decodeMany(reader, 4, () => reader.uint32())
  reader.end()
  return types
}

export function decodeParameterStatus(body: Buffer): ParameterStatus {
  const reader = new BodyReader(body)
  const status = { name: reader.text(), value: reader.text() }
  reader.end()
  return status
}

export function decodeReadyForQuery(body: Buffer): TransactionStatus {
  if (body.length === 1) {
    const [status] = body
    if (status === 0x49) return 'I'
    if (status === 0x54) return 'T'
    if (status === 0x45) return 'E'
  }
  throw new MalformedMessage('an unknown transaction status')
}

/** The bytes of one column's description without its name. */
const columnBytes = 18

export function decodeRowDescription(body: Buffer): readonly Column[] {
  const reader = new BodyReader(body)
  const columns = decodeMany(reader, columnBytes + 1, () => ({
    name: reader.text(),
    table: reader.uint32(),
    attribute: reader.int16(),
    type: reader.uint32(),
    typeBytes: reader.int16(),
    modifier: reader.int32(),
    format: reader.int16(),
  }))
  reader.end()
  return columns
}

export const authenticationOk: Buffer = encodeAuthentication(authenticationCode.ok)
export const authenticationCleartextPassword: Buffer = encodeAuthentication(
  authenticationCode.cleartextPassword,
)

export function encodeAuthentication(code: number, data: Buffer = Buffer.alloc(0)): Buffer {
  return frame(backend.authentication, int32(code), data)
}

export function encodeSasl(mechanisms: readonly string[]): Buffer {
  return encodeAuthentication(
    authenticationCode.sasl,
    Buffer.concat([...mechanisms.map(name => cstring(name)), Buffer.alloc(1)]),
  )
}

export function encodeBackendKeyData({ pid, key }: BackendKeyData): Buffer {
  return frame(backend.backendKeyData, int32(pid), key)
}

export function encodeCommandComplete(tag: string): Buffer {
  return frame(backend.commandComplete, cstring(tag))
}

export function encodeDataRow(values: readonly (Uint8Array | null)[]): Buffer {
  return frame(backend.dataRow, uint16(values.length), ...values.map(value))
}

/**
 * Longest text of one field of what we say. libpq takes 30,000 bytes of error before sign-in; texts quote what peers sent, so
 * they are cut.
 */
const maxFieldBytes = 4000

export function encodeErrorResponse(report: Report): Buffer {
  return frame(backend.errorResponse, ...reportFields(report))
}

export function encodeNoticeResponse(report: Report): Buffer {
  return frame(backend.noticeResponse, ...reportFields(report))
}

function reportFields({ severity, code, message, detail, hint }: Report): Buffer[] {
  const field = (letter: string, text: string | undefined): Buffer[] =>
    text === undefined ? [] : [Buffer.from(letter), cstring(cut(text))]
  return [
    ...field('S', severity),
    ...field('V', severity),
    ...field('C', code),
    ...field('M', message),
    ...field('D', detail),
    ...field('H', hint),
    Buffer.alloc(1),
  ]
}

/** No NUL, and no more than the limit, without half a character at the end. */
function cut(text: string): string {
  const bytes = Buffer.from(text.replaceAll('\0', '\u{fffd}'), 'utf8')
  if (bytes.length <= maxFieldBytes) return bytes.toString('utf8')
  return `${bytes.toString('utf8', 0, maxFieldBytes).replace(/\u{fffd}+$/u, '')}…`
}

export function encodeNegotiateProtocolVersion(version: number, options: readonly string[]): Buffer {
  return frame(
    backend.negotiateProtocolVersion,
    int32(version),
    int32(options.length),
    ...options.map(name => cstring(name)),
  )
}

export function encodeParameterStatus({ name, value: text }: ParameterStatus): Buffer {
  return frame(backend.parameterStatus, cstring(name), cstring(text))
}

export function encodeReadyForQuery(status: TransactionStatus): Buffer {
  return frame(backend.readyForQuery, Buffer.from(status))
}

export function encodeRowDescription(columns: readonly Column[]): Buffer {
  const encode = (column: Column): Buffer =>
    Buffer.concat([
      cstring(column.name),
      uint32(column.table),
      int16(column.attribute),
      uint32(column.type),
      int16(column.typeBytes),
      int32(column.modifier),
      int16(column.format),
    ])
  return frame(backend.rowDescription, uint16(columns.length), ...columns.map(encode))
}
