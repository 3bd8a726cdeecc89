import { isUtf8 } from 'node:buffer'
import type { LeaseKind } from '../model.ts'
import type { FileEvent } from './file-event.ts'
import type { ForwardEvent } from './forward-event.ts'
import type { SqlEvent } from './sql-event.ts'
import { sqlJson } from './sql-json.ts'

/** What happened in a session, as those who relay it tell the recorder. Data may be of any length; it is split. */
export type RecordedEvent = DataEvent | ToldEvent

/** Bytes as they passed. */
export type DataEvent = { readonly type: DataType; readonly channel: number; readonly data: Buffer }
export type DataType = 'output' | 'error-output' | 'input'

/** Everything else, stored as JSON. */
export type ToldEvent =
  | { readonly type: 'channel-open'; readonly channel: number; readonly kind: string }
  | {
      readonly type: 'pty'
      readonly channel: number
      readonly term: string
      readonly columns: number
      readonly rows: number
      readonly widthPx: number
      readonly heightPx: number
      /** Encoded terminal modes (RFC 4254, section 8) in hexadecimal. */
      readonly modes: string
    }
  | {
      readonly type: 'resize'
      readonly channel: number
      readonly columns: number
      readonly rows: number
      readonly widthPx: number
      readonly heightPx: number
    }
  | {
      readonly type: 'env'
      readonly channel: number
      readonly name: string
      readonly value: string
      readonly passed: boolean
    }
  | { readonly type: 'shell'; readonly channel: number }
  | { readonly type: 'exec'; readonly channel: number; readonly command: Buffer }
  | { readonly type: 'subsystem'; readonly channel: number; readonly name: string }
  /** Terminal input is counted as it passes and kept as text only when the screen has echoed it. */
  | { readonly type: 'input-count'; readonly channel: number; readonly bytes: number }
  | { readonly type: 'typed'; readonly channel: number; readonly text: string }
  | { readonly type: 'unechoed-line'; readonly channel: number; readonly characters: number }
  | { readonly type: 'signal'; readonly channel: number; readonly name: string }
  | {
      readonly type: 'request-refused'
      readonly channel: number
      readonly request: string
      readonly reason: string
    }
  | { readonly type: 'exit-status'; readonly channel: number; readonly status: number }
  | {
      readonly type: 'exit-signal'
      readonly channel: number
      readonly name: string
      readonly coreDumped: boolean
      readonly message: string
    }
  | { readonly type: 'end-of-input' | 'end-of-output' | 'channel-close'; readonly channel: number }
  | ProgressEvent
  | FileEvent
  | ForwardEvent
  | SqlEvent
  | CredentialEvent
  /** What the client of an SSH session calls itself (RFC 4253, section 4.2), as it came. A claim. */
  | { readonly type: 'client'; readonly software: string }
  | { readonly type: 'end'; readonly reason: string }

/** What the gateway minted for this session alone, told before it is used. Names and numbers: nothing that signs in. */
export type CredentialEvent = {
  readonly type: 'credential'
  readonly credential: LeaseKind
  /** Of a certificate: decimal for SSH, hexadecimal for X.509. */
  readonly serial?: string
  /** Of an SSH certificate: what sshd writes to its log. */
  readonly keyId?: string
  /** What it signs in as: of a minted role its name. */
  readonly user: string
  /** Of a certificate; Unix milliseconds. */
  readonly validFromMs?: number
  readonly validUntilMs?: number
  /** Of a role: its password is taken for so long, once; the role itself is removed when the session ends. */
  readonly passwordSeconds?: number
}

/**
 * A stream that is described and no longer kept: bytes so far, and the SHA-256 of those from `from` on, in hexadecimal. Each
 * is of all bytes so far, so that of those of one turn the last is enough.
 */
export type ProgressEvent = {
  readonly type: 'progress'
  readonly channel: number
  readonly stream: 'input' | 'output' | 'error-output'
  readonly bytes: number
  /** Where keeping ended: the offset of the first byte that the digest covers. */
  readonly from: number
  readonly sha256: string
}

/** One event of a recording: its place in the session, its time and what it says. */
export type EventRecord = {
  /** Counts from 1 without gaps. */
  readonly sequence: number
  /** Microseconds since the session's opening, by a clock that never steps. */
  readonly us: number
  readonly event: ReadEvent
}

/** An event as read: data types carry bytes, all others the fields of their JSON object. */
export type ReadEvent = DataEvent | TextEvent
export type TextEvent = { readonly type: string; readonly fields: Readonly<Record<string, unknown>> }

/** u8 type codes. JSON events carry their name in the object. */
export const eventType = { output: 1, 'error-output': 2, input: 3, json: 16 } as const

/** u32 length of what follows, u8 type, u48 microseconds. */
export const eventHeadBytes = 11
/** ... and u32 channel, before the bytes of a data event. */
export const dataHeadBytes = 15

export function isData(event: RecordedEvent): event is DataEvent {
  return event.type === 'output' || event.type === 'error-output' || event.type === 'input'
}

/**
 * The JSON object of an event. Commands are bytes: text where they are valid UTF-8, otherwise base64 under another name,
 * so that a reader always gets back the bytes that went upstream.
 */
export function jsonOf(event: ToldEvent): string {
  if (event.type !== 'exec') return sqlJson(event) ?? JSON.stringify(event)
  const { type, channel, command } = event
  const said = isUtf8(command)
    ? { command: command.toString() }
    : { commandBase64: command.toString('base64') }
  return JSON.stringify({ type, channel, ...said })
}

/** Whether an event as read carries bytes. */
export function carriesData(event: ReadEvent): event is DataEvent {
  return 'data' in event
}

/** The bytes of an exec event's command, or undefined if this is none. */
export function commandOf(event: ReadEvent): Buffer | undefined {
  if (event.type !== 'exec' || !('fields' in event)) return undefined
  const { command, commandBase64 } = event.fields
  if (typeof command === 'string') return Buffer.from(command)
  return typeof commandBase64 === 'string' ? Buffer.from(commandBase64, 'base64') : undefined
}

/** Writes the head of a data event at `at`; returns where its bytes belong. */
export function writeDataHead(
  into: Buffer,
  at: number,
  event: DataEvent,
  dataBytes: number,
  us: number,
): number {
  into.writeUInt32BE(7 + 4 + dataBytes, at)
  into.writeUInt8(eventType[event.type], at + 4)
  into.writeUIntBE(us, at + 5, 6)
  into.writeUInt32BE(event.channel, at + 11)
  return at + dataHeadBytes
}

/** Writes the head of a JSON event at `at`; returns where its text belongs. */
export function writeJsonHead(into: Buffer, at: number, jsonBytes: number, us: number): number {
  into.writeUInt32BE(7 + jsonBytes, at)
  into.writeUInt8(eventType.json, at + 4)
  into.writeUIntBE(us, at + 5, 6)
  return at + eventHeadBytes
}

/** What stands before the bytes of a data event. */
export function dataEventHead(event: DataEvent, us: number): Buffer {
  const head = Buffer.allocUnsafe(dataHeadBytes)
  writeDataHead(head, 0, event, event.data.length, us)
  return head
}

/** All bytes of a JSON event. */
export function toldEventBytes(json: string, us: number): Buffer {
  const length = Buffer.byteLength(json)
  const bytes = Buffer.allocUnsafe(eventHeadBytes + length)
  bytes.write(json, writeJsonHead(bytes, 0, length, us))
  return bytes
}

/** What is wrong with the bytes of an event. */
export class EventProblem extends Error {}

/** Decodes the events of a chunk. Throws EventProblem on bytes that no recorder writes. */
export function* decodeEvents(bytes: Buffer, firstSequence: number): Generator<EventRecord> {
  let at = 0
  for (let sequence = firstSequence; at < bytes.length; sequence++) {
    if (bytes.length - at < eventHeadBytes) throw new EventProblem('an event is cut')
    const length = bytes.readUInt32BE(at)
    if (length < 7 || length > bytes.length - at - 4)
      throw new EventProblem(`an event's length of ${length} leads out of its chunk`)
    yield decodeEvent(bytes.subarray(at + 4, at + 4 + length), sequence)
    at += 4 + length
  }
}

function decodeEvent(bytes: Buffer, sequence: number): EventRecord {
  const code = bytes.readUInt8(0)
  const us = bytes.readUIntBE(1, 6)
  const body = bytes.subarray(7)
  return { sequence, us, event: code === eventType.json ? decodeJson(body) : decodeData(code, body) }
}

function decodeData(code: number, body: Buffer): DataEvent {
  const type = dataTypeOf(code)
  if (type === undefined)
    throw new EventProblem(`event type ${code} is unknown: use a newer version of Sallyport`)
  if (body.length < 4) throw new EventProblem('a data event names no channel')
  return { type, channel: body.readUInt32BE(0), data: body.subarray(4) }
}

function dataTypeOf(code: number): DataType | undefined {
  if (code === eventType.output) return 'output'
  if (code === eventType['error-output']) return 'error-output'
  return code === eventType.input ? 'input' : undefined
}

function decodeJson(body: Buffer): TextEvent {
  let fields: unknown
  try {
    fields = JSON.parse(body.toString())
  } catch {
    throw new EventProblem('an event is not valid JSON')
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw new EventProblem('an event is not a JSON object')
  const type = (fields as Record<string, unknown>)['type']
  if (typeof type !== 'string') throw new EventProblem('an event has no type')
  if (Object.hasOwn(eventType, type)) throw new EventProblem(`a ${type} event is told as text`)
  return { type, fields: fields as Record<string, unknown> }
}
