/**
 * The messages of SSH user authentication (RFC 4252, RFC 4256) and connections (RFC 4254), in the order of the RFCs.
 * What the gateway passes on is what was decoded here: a message that does not decode ends the session.
 */
import { Fault } from '../errors.ts'
import { boolean, byte, nameList, string, uint32, WireReader } from '../wire.ts'

/** RFC 4250, section 4.1. */
export const messageNumber = {
  unimplemented: 3,
  serviceRequest: 5,
  serviceAccept: 6,
  authRequest: 50,
  authFailure: 51,
  authSuccess: 52,
  authBanner: 53,
  infoRequest: 60,
  infoResponse: 61,
  globalRequest: 80,
  requestSuccess: 81,
  requestFailure: 82,
  channelOpen: 90,
  openConfirmation: 91,
  openFailure: 92,
  windowAdjust: 93,
  data: 94,
  extendedData: 95,
  endOfFile: 96,
  close: 97,
  channelRequest: 98,
  channelSuccess: 99,
  channelFailure: 100,
} as const

/** RFC 4250, section 4.2.2, and RFC 4253, section 11.1. */
export const disconnectReason = {
  protocolError: 2,
  serviceNotAvailable: 7,
  connectionLost: 10,
  byApplication: 11,
  tooManyConnections: 12,
  noMoreAuthMethods: 14,
} as const

/** RFC 4254, section 5.1. */
export const openFailureReason = {
  administrativelyProhibited: 1,
  connectFailed: 2,
  unknownChannelType: 3,
  resourceShortage: 4,
} as const

/** RFC 4254, section 5.2: the only extended data there is. */
export const stderrCode = 1

// ── User authentication (RFC 4252) ────────────────────────────────────────────────────────────────────────────────

/** RFC 4252, section 5; `fields` are the method's own. */
export type AuthRequest = {
  readonly userName: string
  readonly service: string
  readonly method: string
  readonly fields: WireReader
}

/** RFC 4251, section 6: names of requests and channel types are no longer. */
export const maxNameBytes = 64

function readName(reader: WireReader): string {
  const name = reader.text()
  if (Buffer.byteLength(name) > maxNameBytes)
    throw new Fault('SSH_PROTOCOL', 'The name of a request is too long.')
  return name
}

/** Longer user names are refused: nobody's login and target need more, and they end up in records. */
export const maxUserNameBytes = 512

export function decodeServiceRequest(payload: Buffer): string {
  const reader = new WireReader(payload, 1)
  const service = reader.text()
  reader.end()
  return service
}

export function decodeAuthRequest(payload: Buffer): AuthRequest {
  const reader = new WireReader(payload, 1)
  const userName = reader.text()
  if (Buffer.byteLength(userName) > maxUserNameBytes) {
    throw new Fault('SSH_PROTOCOL', 'The user name is too long.')
  }
  return { userName, service: readName(reader), method: readName(reader), fields: reader }
}

/** RFC 4256, section 3.4. A client answers as many prompts as it was asked, so the count is the caller's to check. */
export function decodeInfoResponse(payload: Buffer, maxResponses: number): string[] {
  const reader = new WireReader(payload, 1)
  const count = reader.uint32()
  if (count > maxResponses) throw new Fault('SSH_PROTOCOL', 'More answers than questions were sent.')
  const responses = Array.from({ length: count }, () => reader.string().toString('utf8'))
  reader.end()
  return responses
}

export function encodeServiceRequest(service: string): Buffer {
  return Buffer.concat([byte(messageNumber.serviceRequest), string(service)])
}

export function encodeServiceAccept(service: string): Buffer {
  return Buffer.concat([byte(messageNumber.serviceAccept), string(service)])
}

export function encodeAuthFailure(methods: readonly string[]): Buffer {
  return Buffer.concat([byte(messageNumber.authFailure), nameList(methods), boolean(false)])
}

export function encodeAuthSuccess(): Buffer {
  return byte(messageNumber.authSuccess)
}

export function encodeBanner(text: string): Buffer {
  return Buffer.concat([byte(messageNumber.authBanner), string(text), string('')])
}

/** RFC 4256, section 3.2, with one question whose answer is echoed. */
export function encodeInfoRequest(name: string, instruction: string, prompt: string): Buffer {
  return Buffer.concat([
    byte(messageNumber.infoRequest),
    string(name),
    string(instruction),
    string(''),
    uint32(1),
    string(prompt),
    boolean(true),
  ])
}

// ── Connection protocol (RFC 4254) ────────────────────────────────────────────────────────────────────────────────

export type GlobalRequest = { type: 'global-request'; name: string; wantReply: boolean; fields: Buffer }
export type ChannelOpen = {
  type: 'channel-open'
  channelType: string
  sender: number
  windowBytes: number
  maxPacketBytes: number
  fields: Buffer
}
export type OpenConfirmation = {
  type: 'open-confirmation'
  recipient: number
  sender: number
  windowBytes: number
  maxPacketBytes: number
  fields: Buffer
}
export type OpenFailure = { type: 'open-failure'; recipient: number; reason: number; description: string }
export type WindowAdjust = { type: 'window-adjust'; recipient: number; bytes: number }
export type ChannelData = { type: 'data'; recipient: number; data: Buffer }
export type ExtendedData = { type: 'extended-data'; recipient: number; code: number; data: Buffer }
export type ChannelRequest = {
  type: 'channel-request'
  recipient: number
  name: string
  wantReply: boolean
  fields: Buffer
}
export type ConnectionMessage =
  | GlobalRequest
  | { type: 'request-success'; fields: Buffer }
  | { type: 'request-failure' }
  | ChannelOpen
  | OpenConfirmation
  | OpenFailure
  | WindowAdjust
  | ChannelData
  | ExtendedData
  | { type: 'end-of-file' | 'close' | 'channel-success' | 'channel-failure'; recipient: number }
  | ChannelRequest

/**
 * Decodes one message of the connection protocol. Data and fields are views of `payload`.
 * Returns undefined for a message number that RFC 4254 does not know; throws Fault SSH_PROTOCOL for malformed bytes.
 */
export function decodeConnectionMessage(payload: Buffer): ConnectionMessage | undefined {
  const reader = new WireReader(payload, 1)
  const message = decodeFields(payload[0] ?? 0, reader)
  if (message !== undefined) reader.end()
  return message
}

function decodeFields(number: number, reader: WireReader): ConnectionMessage | undefined {
  switch (number) {
    case messageNumber.globalRequest:
      return {
        type: 'global-request',
        name: readName(reader),
        wantReply: reader.boolean(),
        fields: reader.rest(),
      }
    case messageNumber.requestSuccess:
      return { type: 'request-success', fields: reader.rest() }
    case messageNumber.requestFailure:
      return { type: 'request-failure' }
    case messageNumber.channelOpen:
      return { type: 'channel-open', channelType: readName(reader), ...decodeChannelLimits(reader) }
    case messageNumber.openConfirmation:
      return { type: 'open-confirmation', recipient: reader.uint32(), ...decodeChannelLimits(reader) }
    case messageNumber.openFailure:
      return decodeOpenFailure(reader)
    case messageNumber.windowAdjust:
      return { type: 'window-adjust', recipient: reader.uint32(), bytes: reader.uint32() }
    case messageNumber.data:
      return { type: 'data', recipient: reader.uint32(), data: reader.string() }
    case messageNumber.extendedData:
      return {
        type: 'extended-data',
        recipient: reader.uint32(),
        code: reader.uint32(),
        data: reader.string(),
      }
    case messageNumber.endOfFile:
      return { type: 'end-of-file', recipient: reader.uint32() }
    case messageNumber.close:
      return { type: 'close', recipient: reader.uint32() }
    case messageNumber.channelRequest:
      return {
        type: 'channel-request',
        recipient: reader.uint32(),
        name: readName(reader),
        wantReply: reader.boolean(),
        fields: reader.rest(),
      }
    case messageNumber.channelSuccess:
      return { type: 'channel-success', recipient: reader.uint32() }
    case messageNumber.channelFailure:
      return { type: 'channel-failure', recipient: reader.uint32() }
    default:
      return undefined
  }
}

function decodeChannelLimits(reader: WireReader) {
  return {
    sender: reader.uint32(),
    windowBytes: reader.uint32(),
    maxPacketBytes: reader.uint32(),
    fields: reader.rest(),
  }
}

/** Some servers leave out the language tag, which nobody reads. */
function decodeOpenFailure(reader: WireReader): OpenFailure {
  const failure = { recipient: reader.uint32(), reason: reader.uint32() }
  const description = reader.string().toString('utf8')
  if (reader.remaining > 0) reader.string()
  return { type: 'open-failure', ...failure, description }
}

export function encodeGlobalRequest(name: string, wantReply: boolean, fields: Uint8Array): Buffer {
  return Buffer.concat([byte(messageNumber.globalRequest), string(name), boolean(wantReply), fields])
}

export function encodeRequestSuccess(fields: Uint8Array): Buffer {
  return Buffer.concat([byte(messageNumber.requestSuccess), fields])
}

export function encodeRequestFailure(): Buffer {
  return byte(messageNumber.requestFailure)
}

export function encodeChannelOpen(open: Omit<ChannelOpen, 'type'>): Buffer {
  return Buffer.concat([
    byte(messageNumber.channelOpen),
    string(open.channelType),
    uint32(open.sender),
    uint32(open.windowBytes),
    uint32(open.maxPacketBytes),
    open.fields,
  ])
}

export function encodeOpenConfirmation(confirmation: Omit<OpenConfirmation, 'type'>): Buffer {
  return Buffer.concat([
    byte(messageNumber.openConfirmation),
    uint32(confirmation.recipient),
    uint32(confirmation.sender),
    uint32(confirmation.windowBytes),
    uint32(confirmation.maxPacketBytes),
    confirmation.fields,
  ])
}

export function encodeOpenFailure(recipient: number, reason: number, description: string): Buffer {
  return Buffer.concat([
    byte(messageNumber.openFailure),
    uint32(recipient),
    uint32(reason),
    string(description),
    string(''),
  ])
}

export function encodeWindowAdjust(recipient: number, bytes: number): Buffer {
  return Buffer.concat([byte(messageNumber.windowAdjust), uint32(recipient), uint32(bytes)])
}

/** The head of a data message; the data itself follows and is not copied here. */
export function encodeDataHead(recipient: number, dataBytes: number): Buffer {
  const head = Buffer.allocUnsafe(9)
  head[0] = messageNumber.data
  head.writeUInt32BE(recipient, 1)
  head.writeUInt32BE(dataBytes, 5)
  return head
}

export function encodeExtendedDataHead(recipient: number, code: number, dataBytes: number): Buffer {
  const head = Buffer.allocUnsafe(13)
  head[0] = messageNumber.extendedData
  head.writeUInt32BE(recipient, 1)
  head.writeUInt32BE(code, 5)
  head.writeUInt32BE(dataBytes, 9)
  return head
}

export function encodeChannelSignal(
  type: 'end-of-file' | 'close' | 'channel-success' | 'channel-failure',
  recipient: number,
): Buffer {
  const numbers = {
    'end-of-file': messageNumber.endOfFile,
    close: messageNumber.close,
    'channel-success': messageNumber.channelSuccess,
    'channel-failure': messageNumber.channelFailure,
  }
  return Buffer.concat([byte(numbers[type]), uint32(recipient)])
}

export function encodeChannelRequest(
  recipient: number,
  name: string,
  wantReply: boolean,
  fields: Uint8Array,
): Buffer {
  return Buffer.concat([
    byte(messageNumber.channelRequest),
    uint32(recipient),
    string(name),
    boolean(wantReply),
    fields,
  ])
}

/** RFC 4253, section 11.4: the answer to a message that we do not know. */
export function encodeUnimplemented(sequence: number): Buffer {
  return Buffer.concat([byte(messageNumber.unimplemented), uint32(sequence)])
}
