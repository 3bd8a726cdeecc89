/**
 * What clients say: decoders of message bodies, as strict as the server (a string ends where its field ends, nothing
 * follows the last field), and encoders for what the gateway says as a client. In the order of "Message Formats".
 * Decoders throw MalformedMessage; buffers that they return are views of the body.
 */
import { BodyReader } from './body-reader.ts'
import { cstring, frame, int16, int32, uint16, uint32, value } from './frame-writer.ts'
import { frontend } from './message-types.ts'
import { MalformedMessage } from './protocol-violation.ts'

/** Names have one character a byte (`textOfName` shows them); empty means unnamed. Format codes: 0 text, 1 binary. */
export type Bind = {
  readonly portal: string
  readonly statement: string
  /** None (all text), one for all, or one for each. */
  readonly formats: readonly number[]
  readonly values: readonly (Buffer | null)[]
  readonly resultFormats: readonly number[]
}

export type StatementOrPortal = { readonly kind: 'statement' | 'portal'; readonly name: string }

export type Execute = {
  readonly portal: string
  /** 0: no limit. Negative numbers mean the same to the server. */
  readonly maxRows: number
}

export type FunctionCall = {
  readonly function: number
  readonly formats: readonly number[]
  readonly values: readonly (Buffer | null)[]
  readonly resultFormat: number
}

export type Parse = {
  readonly name: string
  /** Bytes in the client's encoding. */
  readonly text: Buffer
  /** Type OIDs; 0 leaves it to the server. May be fewer than there are parameters. */
  readonly types: readonly number[]
}

export function decodeBind(body: Buffer): Bind {
  const reader = new BodyReader(body)
  const portal = reader.name()
  const statement = reader.name()
  const { formats, values } = decodeArguments(reader)
  const resultFormats = decodeFormats(reader)
  reader.end()
  return { portal, statement, formats, values, resultFormats }
}

/** Close and Describe look alike. */
export function decodeStatementOrPortal(body: Buffer): StatementOrPortal {
  const reader = new BodyReader(body)
  const kind = reader.byte()
  if (kind !== 0x53 && kind !== 0x50) throw new MalformedMessage('neither a statement nor a portal')
  const name = reader.name()
  reader.end()
  return { kind: kind === 0x53 ? 'statement' : 'portal', name }
}

/** The reason, in the client's encoding. */
export function decodeCopyFail(body: Buffer): Buffer {
  return decodeOnlyString(body)
}

/** CopyDone, Flush, Sync, Terminate. */
export function decodeEmpty(body: Buffer): void {
  new BodyReader(body).end()
}

export function decodeExecute(body: Buffer): Execute {
  const reader = new BodyReader(body)
  const portal = reader.name()
  const maxRows = reader.int32()
  reader.end()
  return { portal, maxRows }
}

export function decodeFunctionCall(body: Buffer): FunctionCall {
  const reader = new BodyReader(body)
  const oid = reader.uint32()
  const { formats, values } = decodeArguments(reader)
  const resultFormat = reader.int16()
  reader.end()
  return { function: oid, formats, values, resultFormat }
}

export function decodeParse(body: Buffer): Parse {
  const reader = new BodyReader(body)
  const name = reader.name()
  const text = reader.stringBytes()
  const types = decodeMany(reader, 4, () => reader.uint32())
  reader.end()
  return { name, text, types }
}

/** The value of a PasswordMessage. */
export function decodePassword(body: Buffer): string {
  return decodeOnlyString(body).toString('utf8')
}

/** The text in the client's encoding. */
export function decodeQuery(body: Buffer): Buffer {
  return decodeOnlyString(body)
}

export function decodeSaslInitialResponse(body: Buffer): { mechanism: string; response: Buffer | null } {
  const reader = new BodyReader(body)
  const mechanism = reader.name()
  const response = reader.value()
  reader.end()
  return { mechanism, response }
}

function decodeOnlyString(body: Buffer): Buffer {
  const last = body.length - 1
  if (body.indexOf(0) !== last || last < 0) throw new MalformedMessage('its string does not end at its end')
  return body.subarray(0, last)
}

function decodeArguments(reader: BodyReader): Pick<Bind, 'formats' | 'values'> {
  const formats = decodeFormats(reader)
  const values = decodeMany(reader, 4, () => reader.value())
  if (formats.length > 1 && formats.length !== values.length) {
    throw new MalformedMessage(`${formats.length} formats for ${values.length} values`)
  }
  return { formats, values }
}

function decodeFormats(reader: BodyReader): readonly number[] {
  return decodeMany(reader, 2, () => reader.int16())
}

const none: readonly never[] = []

/** A count and so many items of at least `itemBytes`: a count that cannot be true allocates nothing. */
export function decodeMany<Item>(reader: BodyReader, itemBytes: number, item: () => Item): readonly Item[] {
  const count = reader.uint16()
  if (count === 0) return none
  if (count * itemBytes > reader.remaining) throw new MalformedMessage(`${count} items do not fit`)
  const items: Item[] = []
  for (let i = 0; i < count; i++) items.push(item())
  return items
}

export const terminate: Buffer = frame(frontend.terminate)
export const sync: Buffer = frame(frontend.sync)

export function encodeBind(bind: Bind): Buffer {
  const { portal, statement, formats, values, resultFormats } = bind
  return frame(
    frontend.bind,
    cstring(latin1(portal)),
    cstring(latin1(statement)),
    encodeFormats(formats),
    uint16(values.length),
    ...values.map(value),
    encodeFormats(resultFormats),
  )
}

export function encodeClose(what: StatementOrPortal): Buffer {
  return frame(frontend.close, encodeStatementOrPortal(what))
}

export function encodeDescribe(what: StatementOrPortal): Buffer {
  return frame(frontend.describe, encodeStatementOrPortal(what))
}

export function encodeCopyFail(reason: string): Buffer {
  return frame(frontend.copyFail, cstring(reason))
}

export function encodeExecute({ portal, maxRows }: Execute): Buffer {
  return frame(frontend.execute, cstring(latin1(portal)), int32(maxRows))
}

export function encodeFunctionCall(call: FunctionCall): Buffer {
  return frame(
    frontend.functionCall,
    uint32(call.function),
    encodeFormats(call.formats),
    uint16(call.values.length),
    ...call.values.map(value),
    int16(call.resultFormat),
  )
}

export function encodeParse({ name, text, types }: Parse): Buffer {
  return frame(
    frontend.parse,
    cstring(latin1(name)),
    cstring(text),
    uint16(types.length),
    ...types.map(uint32),
  )
}

export function encodePassword(password: string | Buffer): Buffer {
  return frame(frontend.password, cstring(password))
}

export function encodeQuery(text: string | Buffer): Buffer {
  return frame(frontend.query, cstring(text))
}

export function encodeSaslInitialResponse(mechanism: string, response: Buffer | null): Buffer {
  return frame(frontend.password, cstring(mechanism), value(response))
}

export function encodeSaslResponse(response: Buffer): Buffer {
  return frame(frontend.password, response)
}

function encodeFormats(formats: readonly number[]): Buffer {
  return Buffer.concat([uint16(formats.length), ...formats.map(int16)])
}

function encodeStatementOrPortal({ kind, name }: StatementOrPortal): Buffer {
  return Buffer.concat([Buffer.from(kind === 'statement' ? 'S' : 'P'), cstring(latin1(name))])
}

function latin1(name: string): Buffer {
  return Buffer.from(name, 'latin1')
}
