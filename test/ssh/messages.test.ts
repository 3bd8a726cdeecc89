import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ConnectionMessage,
  decodeAuthRequest,
  decodeConnectionMessage,
  decodeInfoResponse,
  encodeChannelOpen,
  encodeChannelRequest,
  encodeChannelSignal,
  encodeDataHead,
  encodeExtendedDataHead,
  encodeGlobalRequest,
  encodeOpenConfirmation,
  encodeOpenFailure,
  encodeRequestFailure,
  encodeWindowAdjust,
} from '../../src/ssh/messages.ts'
import { string } from '../../src/wire.ts'

/** Sends a decoded message back to bytes, as the relay does. */
function encode(message: ConnectionMessage): Buffer {
  switch (message.type) {
    case 'global-request':
      return encodeGlobalRequest(message.name, message.wantReply, message.fields)
    case 'request-success':
      return Buffer.concat([Buffer.from([81]), message.fields])
    case 'request-failure':
      return encodeRequestFailure()
    case 'channel-open':
      return encodeChannelOpen(message)
    case 'open-confirmation':
      return encodeOpenConfirmation(message)
    case 'open-failure':
      return encodeOpenFailure(message.recipient, message.reason, message.description)
    case 'window-adjust':
      return encodeWindowAdjust(message.recipient, message.bytes)
    case 'data':
      return Buffer.concat([encodeDataHead(message.recipient, message.data.length), message.data])
    case 'extended-data':
      return Buffer.concat([
        encodeExtendedDataHead(message.recipient, message.code, message.data.length),
        message.data,
      ])
    case 'end-of-file':
    case 'close':
    case 'channel-success':
    case 'channel-failure':
      return encodeChannelSignal(message.type, message.recipient)
    case 'channel-request':
      return encodeChannelRequest(message.recipient, message.name, message.wantReply, message.fields)
  }
}

describe('a message is refused', () => {
  const rows: [string, string][] = [
    ['whose data says it is longer than the packet', '5e00000001ffffffff61'],
    ['with bytes behind its end', '600000000100'],
    ['cut in the middle of a number', '6000'],
    ['whose name is not UTF-8', '620000000100000002fffe00'],
    ['of an open without a window', '5a0000000773657373696f6e00000000'],
  ]
  for (const [name, hex] of rows) {
    test(name, () =>
      expect(() => decodeConnectionMessage(Buffer.from(hex, 'hex'))).toThrow('malformed SSH data'),
    )
  }

  test('when more answers come than questions were asked', () => {
    const payload = Buffer.concat([Buffer.from('3d00000002', 'hex'), string('a'), string('b')])
    expect(() => decodeInfoResponse(payload, 1)).toThrow('More answers')
    expect(() => decodeInfoResponse(Buffer.from('3dffffffff', 'hex'), 1)).toThrow('More answers')
  })

  test('when its user name is longer than anybody needs', () => {
    const payload = Buffer.concat([
      Buffer.from([50]),
      string('x'.repeat(513)),
      string('ssh-connection'),
      string('none'),
    ])
    expect(() => decodeAuthRequest(payload)).toThrow('too long')
  })
})

test('a number that RFC 4254 does not know decodes to nothing', () => {
  for (const number of [101, 127, 200]) expect(decodeConnectionMessage(Buffer.from([number]))).toBeUndefined()
})

test('whatever is accepted encodes to the same bytes again', () => {
  const number = fc.constantFrom(80, 81, 82, 90, 91, 93, 94, 95, 96, 97, 98, 99, 100)
  const bytes = fc.uint8Array({ maxLength: 80 })
  let accepted = 0
  fc.assert(
    fc.property(number, bytes, (type, rest) => {
      const payload = Buffer.concat([Buffer.from([type]), rest])
      const message = attempt(() => decodeConnectionMessage(payload))
      if (message === undefined) return
      accepted++
      expect(encode(message).equals(normalised(payload, message))).toBe(true)
    }),
    { numRuns: 5000 },
  )
  expect(accepted).toBeGreaterThan(100)
})

/** RFC 4251, section 5: any non-zero byte means true; we say 1. */
function normalised(payload: Buffer, message: ConnectionMessage): Buffer {
  if (!('wantReply' in message) || !message.wantReply) return payload
  const copy = Buffer.from(payload)
  copy[payload.length - message.fields.length - 1] = 1
  return copy
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

test('messages that we build come back as they were', () => {
  const u32 = fc.nat(0xffff_ffff)
  const text = fc.string({ unit: 'grapheme' })
  const data = fc.uint8Array().map(array => Buffer.from(array))
  const message: fc.Arbitrary<ConnectionMessage> = fc.oneof(
    fc.record({
      type: fc.constant('channel-open' as const),
      channelType: text,
      sender: u32,
      windowBytes: u32,
      maxPacketBytes: u32,
      fields: data,
    }),
    fc.record({ type: fc.constant('open-failure' as const), recipient: u32, reason: u32, description: text }),
    fc.record({ type: fc.constant('data' as const), recipient: u32, data }),
    fc.record({ type: fc.constant('extended-data' as const), recipient: u32, code: u32, data }),
    fc.record({
      type: fc.constant('channel-request' as const),
      recipient: u32,
      name: text,
      wantReply: fc.boolean(),
      fields: data,
    }),
    fc.record({ type: fc.constantFrom('end-of-file' as const, 'close' as const), recipient: u32 }),
  )
  fc.assert(
    fc.property(message, sent => {
      expect(decodeConnectionMessage(encode(sent))).toEqual(sent)
    }),
  )
})
