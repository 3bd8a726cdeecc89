/** The messages of RFC 4254, short to write. */
import {
  encodeChannelOpen,
  encodeChannelRequest,
  encodeChannelSignal,
  encodeDataHead,
  encodeExtendedDataHead,
  encodeOpenConfirmation,
  encodeOpenFailure,
  encodeWindowAdjust,
} from '../../src/ssh/messages.ts'
import { boolean, string, uint32 } from '../../src/wire.ts'

const none = Buffer.alloc(0)

export const open = (
  sender: number,
  o: { type?: string; window?: number; packet?: number; fields?: Buffer } = {},
): Buffer =>
  encodeChannelOpen({
    channelType: o.type ?? 'session',
    sender,
    windowBytes: o.window ?? 100_000,
    maxPacketBytes: o.packet ?? 32_768,
    fields: o.fields ?? none,
  })

export const confirm = (
  recipient: number,
  sender: number,
  o: { window?: number; packet?: number; fields?: Buffer } = {},
): Buffer =>
  encodeOpenConfirmation({
    recipient,
    sender,
    windowBytes: o.window ?? 100_000,
    maxPacketBytes: o.packet ?? 32_768,
    fields: o.fields ?? none,
  })

export const openFailed = (recipient: number, reason = 2): Buffer =>
  encodeOpenFailure(recipient, reason, 'no room')
export const adjust = (recipient: number, bytes: number): Buffer => encodeWindowAdjust(recipient, bytes)
export const success = (recipient: number): Buffer => encodeChannelSignal('channel-success', recipient)
export const failure = (recipient: number): Buffer => encodeChannelSignal('channel-failure', recipient)
export const eof = (recipient: number): Buffer => encodeChannelSignal('end-of-file', recipient)
export const close = (recipient: number): Buffer => encodeChannelSignal('close', recipient)

export function data(recipient: number, bytes: string | Buffer): Buffer {
  const content = Buffer.from(bytes as string)
  return Buffer.concat([encodeDataHead(recipient, content.length), content])
}

export function stderr(recipient: number, bytes: string | Buffer, code = 1): Buffer {
  const content = Buffer.from(bytes as string)
  return Buffer.concat([encodeExtendedDataHead(recipient, code, content.length), content])
}

export const request = (
  recipient: number,
  name: string,
  wantReply: boolean,
  fields: Uint8Array = none,
): Buffer => encodeChannelRequest(recipient, name, wantReply, fields)

export const exec = (recipient: number, command: string | Buffer, wantReply = true): Buffer =>
  request(recipient, 'exec', wantReply, string(command))

export const shell = (recipient: number): Buffer => request(recipient, 'shell', true)

export const pty = (
  recipient: number,
  o: { columns?: number; rows?: number; modes?: Buffer; wantReply?: boolean; term?: string } = {},
): Buffer =>
  request(
    recipient,
    'pty-req',
    o.wantReply ?? true,
    Buffer.concat([
      string(o.term ?? 'xterm'),
      uint32(o.columns ?? 80),
      uint32(o.rows ?? 24),
      uint32(0),
      uint32(0),
      string(o.modes ?? Buffer.from([0])),
    ]),
  )

export const resize = (recipient: number, columns: number, rows: number): Buffer =>
  request(
    recipient,
    'window-change',
    false,
    Buffer.concat([uint32(columns), uint32(rows), uint32(0), uint32(0)]),
  )

export const env = (recipient: number, name: string, value: string | Buffer, wantReply = false): Buffer =>
  request(recipient, 'env', wantReply, Buffer.concat([string(name), string(value)]))

export const exitSignal = (recipient: number, name: string, message = 'gone', language = ''): Buffer =>
  request(
    recipient,
    'exit-signal',
    false,
    Buffer.concat([string(name), boolean(true), string(message), string(language)]),
  )
