import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeEnvironment,
  decodeExitSignal,
  decodeExitStatus,
  decodePtyRequest,
  decodeSignal,
  decodeSingleString,
  decodeWindowChange,
  expectBreak,
  expectFlowControl,
  expectNothing,
  isReplayable,
  maxTerminalSide,
  mayPassVariable,
} from '../../src/ssh/requests.ts'
import { sourceNetwork } from '../../src/identity/source-network.ts'
import { boolean, string, uint32 } from '../../src/wire.ts'

const size = [uint32(80), uint32(24), uint32(0), uint32(0)]

describe('refused as malformed is', () => {
  const decoders: [string, (fields: Buffer) => unknown, Buffer][] = [
    ['pty-req', fields => decodePtyRequest(0, fields), Buffer.concat([string('xterm'), ...size, string('')])],
    ['window-change', fields => decodeWindowChange(0, fields), Buffer.concat(size)],
    ['env', decodeEnvironment, Buffer.concat([string('LANG'), string('C')])],
    ['exec', decodeSingleString, string('id')],
    ['signal', fields => decodeSignal(0, fields), string('INT')],
    ['exit-status', fields => decodeExitStatus(0, fields), uint32(0)],
    [
      'exit-signal',
      fields => decodeExitSignal(0, fields),
      Buffer.concat([string('INT'), boolean(true), string(''), string('')]),
    ],
    ['break', expectBreak, uint32(100)],
    ['xon-xoff', expectFlowControl, boolean(true)],
    ['what carries nothing', expectNothing, Buffer.alloc(0)],
  ]
  for (const [name, decode, fields] of decoders) {
    test(`${name} with bytes behind its end`, () => {
      decode(fields)
      expect(() => decode(Buffer.concat([fields, Buffer.from([0])]))).toThrow('malformed')
    })
    if (fields.length > 0)
      test(`${name} cut anywhere`, () => {
        for (let end = 0; end < fields.length; end++)
          expect(() => decode(fields.subarray(0, end))).toThrow('malformed')
      })
  }
})

test('property: whatever the fields hold, the only thing thrown is a fault of the protocol', () => {
  const decode = [decodePtyRequest, decodeWindowChange, decodeSignal, decodeExitStatus, decodeExitSignal]
  fc.assert(
    fc.property(fc.constantFrom(...decode), fc.uint8Array({ maxLength: 80 }), (decoder, bytes) => {
      try {
        decoder(0, Buffer.from(bytes))
      } catch (error) {
        expect(error).toMatchObject({ code: 'SSH_PROTOCOL' })
      }
    }),
  )
})

test('a terminal is replayable only if both its sides and its cells are sane', () => {
  expect(isReplayable({ columns: 0, rows: 0 })).toBe(true)
  expect(isReplayable({ columns: 500, rows: 200 })).toBe(true)
  expect(isReplayable({ columns: 0, rows: maxTerminalSide + 1 })).toBe(false)
  expect(isReplayable({ columns: 0xffff_ffff, rows: 0 })).toBe(false)
  expect(isReplayable({ columns: 1001, rows: 1000 })).toBe(false)
})

test('variables that change what runs never pass, nor do lookalikes of those that may', () => {
  for (const name of [
    'LD_PRELOAD',
    'BASH_ENV',
    'PATH',
    'LC_ALL\n',
    'LC_ALL=x',
    'xLANG',
    'lang',
    'LC_',
    'LC_a',
    '',
    'IFS',
    'TERM',
  ])
    expect(mayPassVariable(name)).toBe(false)
  for (const name of ['LANG', 'LC_ALL', 'TZ', 'COLORTERM']) expect(mayPassVariable(name)).toBe(true)
})

describe('the source that limits count', () => {
  test('is an IPv4 address, mapped into IPv6 or not', () => {
    expect(sourceNetwork('::ffff:192.0.2.7')).toBe('192.0.2.7')
    expect(sourceNetwork('192.0.2.7')).toBe('192.0.2.7')
  })

  test('is the /64 of an IPv6 address, however it is written', () => {
    expect(sourceNetwork('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
    expect(sourceNetwork('2001:0DB8:1:2::9')).toBe('2001:db8:1:2::/64')
    expect(sourceNetwork('::1')).toBe('0:0:0:0::/64')
    expect(sourceNetwork('2001:db8::1:0:0:1')).toBe('2001:db8:0:0::/64')
    expect(sourceNetwork('fe80::1%eth0')).toBe('fe80:0:0:0::/64')
  })

  test('is some text, whatever a socket says', () => {
    expect(sourceNetwork('')).toBe('')
    expect(sourceNetwork('nonsense')).toBe('nonsense')
  })
})
