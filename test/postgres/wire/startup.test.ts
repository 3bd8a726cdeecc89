/** The packets before the first frame: what is refused, what is understood, and that any bytes are one or the other. */
import fc from 'fast-check'
import { serialize } from 'pg-protocol'
import { describe, expect, test } from 'vitest'
import { cstring, int32, untypedFrame } from '../../../src/postgres/wire/frame-writer.ts'
import { firstPhase, step } from '../../../src/postgres/wire/negotiation.ts'
import { readSettings, settingsForRules } from '../../../src/postgres/wire/settings.ts'
import {
  encodeCancelRequest,
  encodeStartup,
  packetLength,
  protocol,
  readPacket,
  sslRequest,
} from '../../../src/postgres/wire/startup.ts'

type Pairs = readonly (readonly [string, string])[]

function startup(pairs: Pairs, version: number = protocol.v3_0): Buffer {
  return encodeStartup(
    version,
    pairs.map(([name, value]) => ({ name, value })),
  )
}

function read(pairs: Pairs, version?: number) {
  return readPacket(startup(pairs, version))
}

function settingsOf(options: string) {
  const packet = read([
    ['user', 'a'],
    ['options', options],
  ])
  return packet.kind === 'startup'
    ? packet.startup.settings.map(({ name, value }) => `${name}=${value}`)
    : packet
}

describe('refused', () => {
  test.each([0, 7, -1, 10_005, 0x7fff_ffff, Buffer.from('GET ').readInt32BE()])(
    'a length of %d, before anything is kept of it',
    length => {
      expect(packetLength(int32(length))).toBeUndefined()
    },
  )

  test.each([
    ['no user', [['database', 'x']], '28000'],
    ['an empty user', [['user', '']], '28000'],
    [
      'a replication that is none',
      [
        ['user', 'a'],
        ['replication', 'maybe'],
      ],
      '22023',
    ],
    [
      'a role of its own choice',
      [
        ['user', 'a'],
        ['role', 'postgres'],
      ],
      '42501',
    ],
    [
      'another session user',
      [
        ['user', 'a'],
        ['session_authorization', 'postgres'],
      ],
      '42501',
    ],
    [
      'a library',
      [
        ['user', 'a'],
        ['local_preload_libraries', 'x'],
      ],
      '42501',
    ],
    [
      'a role in capitals',
      [
        ['user', 'a'],
        ['ROLE', 'postgres'],
      ],
      '42501',
    ],
    [
      'a role in options',
      [
        ['user', 'a'],
        ['options', '-c role=postgres'],
      ],
      '42501',
    ],
    [
      'a role in options without a space',
      [
        ['user', 'a'],
        ['options', '-crole=postgres'],
      ],
      '42501',
    ],
    [
      'a role in long options',
      [
        ['user', 'a'],
        ['options', '--role=postgres'],
      ],
      '42501',
    ],
    [
      'a role with an escaped letter',
      [
        ['user', 'a'],
        ['options', '-c ro\\le=postgres'],
      ],
      '42501',
    ],
    [
      'a dash for an underscore',
      [
        ['user', 'a'],
        ['options', '--session-authorization=x'],
      ],
      '42501',
    ],
    [
      'a switch',
      [
        ['user', 'a'],
        ['options', '-d 5'],
      ],
      '42601',
    ],
    [
      'a -c without a value',
      [
        ['user', 'a'],
        ['options', '-c'],
      ],
      '42601',
    ],
    [
      'a -c without a name',
      [
        ['user', 'a'],
        ['options', '-c =x'],
      ],
      '42601',
    ],
  ] as const)('%s', (_, pairs, code) => {
    const packet = read(pairs)
    expect(packet).toMatchObject({ kind: 'refused', error: { severity: 'FATAL', code } })
  })

  test.each([
    ['no end', Buffer.from('user\0a\0')],
    ['a tail', Buffer.from('user\0a\0\0x')],
    ['a pair after the end', Buffer.from('user\0a\0\0user\0b\0\0')],
    ['a name without a value', Buffer.from('user\0a\0x\0\0')],
    ['bytes that are no text', Buffer.from('user\0\xff\0\0', 'latin1')],
  ])('a layout with %s', (_, body) => {
    expect(readPacket(untypedFrame(int32(protocol.v3_0), body))).toMatchObject({
      kind: 'refused',
      error: { code: '08P01' },
    })
  })

  test('protocol 2 and 4, in words; what is no version, silently', () => {
    expect(readPacket(untypedFrame(int32(2 << 16), Buffer.alloc(4)))).toMatchObject({
      error: { code: '0A000' },
    })
    expect(readPacket(untypedFrame(int32(4 << 16), Buffer.alloc(4)))).toMatchObject({
      error: { code: '0A000' },
    })
    expect(readPacket(untypedFrame(Buffer.from('HTTP'), Buffer.alloc(4)))).toEqual({ kind: 'garbage' })
  })

  test('an SSLRequest with a tail, a CancelRequest without a key or with a giant one', () => {
    expect(readPacket(untypedFrame(int32(80_877_103), Buffer.alloc(1)))).toEqual({ kind: 'garbage' })
    expect(readPacket(encodeCancelRequest(1, Buffer.alloc(0)))).toEqual({ kind: 'garbage' })
    expect(readPacket(encodeCancelRequest(1, Buffer.alloc(257)))).toEqual({ kind: 'garbage' })
  })

  test.each(['SJIS', 'BIG5', 'latin1', 'EUC_JP', 'GB18030'])('%s where rules for statements apply', value => {
    expect(settingsForRules([{ name: 'client_encoding', value }])).toMatchObject({ kind: 'refused' })
  })

  test('strings that are not standard where rules for statements apply', () => {
    const off = [{ name: 'standard_conforming_strings', value: 'off' }]
    expect(settingsForRules(off)).toMatchObject({ kind: 'refused' })
  })

  test('encryption asked for twice, or inside TLS', () => {
    const offered = { tlsOffered: true }
    const [ssl, gss] = [{ kind: 'ssl' }, { kind: 'gss' }] as const
    expect(step({ ...firstPhase, tls: 'asked', sslAsked: true }, ssl, offered)).toEqual({ do: 'close' })
    expect(step({ ...firstPhase, tls: 'direct' }, ssl, offered)).toEqual({ do: 'close' })
    expect(step({ ...firstPhase, tls: 'direct' }, gss, offered)).toEqual({ do: 'close' })
    expect(step({ ...firstPhase, gssAsked: true }, gss, offered)).toEqual({ do: 'close' })
    expect(step({ ...firstPhase, sslAsked: true }, ssl, { tlsOffered: false })).toEqual({ do: 'close' })
  })
})

describe('understood', () => {
  test('what pg-protocol sends', () => {
    expect(sslRequest).toEqual(serialize.requestSsl())
    expect(encodeCancelRequest(7, int32(-2))).toEqual(serialize.cancel(7, -2))
    const packet = readPacket(
      serialize.startup({ user: 'reader@orders', database: 'shop', application_name: 'x' }),
    )
    expect(packet).toMatchObject({
      kind: 'startup',
      startup: {
        user: 'reader@orders',
        database: 'shop',
        replication: 'no',
        version: protocol.v3_0,
        negotiate: false,
      },
    })
  })

  test('of a name that comes twice, the last value; without a database, the user', () => {
    const packet = read([
      ['user', 'a'],
      ['user', 'b'],
    ])
    expect(packet).toMatchObject({ startup: { user: 'b', database: 'b' } })
  })

  test.each([
    ['database', 'logical'],
    ['true', 'physical'],
    ['ON', 'physical'],
    ['1', 'physical'],
    ['y', 'physical'],
    ['off', 'no'],
    ['f', 'no'],
    ['0', 'no'],
  ])('replication=%s as %s', (value, replication) => {
    expect(
      read([
        ['user', 'a'],
        ['replication', value],
      ]),
    ).toMatchObject({ startup: { replication } })
  })

  test('options as the server splits them', () => {
    expect(settingsOf('-c work_mem=1MB   --search-path=a,b')).toEqual(['work_mem=1MB', 'search_path=a,b'])
    expect(settingsOf('-cgeqo=off')).toEqual(['geqo=off'])
    expect(settingsOf('-c search_path=a\\ b\\\\c')).toEqual(['search_path=a b\\c'])
    expect(settingsOf('-c app.tenant=7')).toEqual(['app.tenant=7'])
    expect(settingsOf('')).toEqual([])
  })

  test('a parameter beats the same in options, since it comes later', () => {
    const packet = read([
      ['user', 'a'],
      ['TimeZone', 'UTC'],
      ['options', '-c timezone=Asia/Tokyo'],
    ])
    expect(packet).toMatchObject({
      startup: {
        settings: [
          { name: 'timezone', value: 'Asia/Tokyo' },
          { name: 'timezone', value: 'UTC' },
        ],
      },
    })
  })

  test.each([
    [protocol.v3_0, [], protocol.v3_0, false],
    [196_609, [], 196_609, false],
    [protocol.v3_2, [], protocol.v3_2, false],
    [196_608 + 9999, ['_pq_.test_protocol_negotiation'], protocol.v3_2, true],
    [protocol.v3_0, ['_pq_.command_compression'], protocol.v3_0, true],
  ])('version %d with options %j: speaks %d, says so: %s', (asked, options, version, negotiate) => {
    const packet = read([['user', 'a'], ...options.map(name => [name, ''] as const)], asked)
    expect(packet).toMatchObject({ startup: { version, negotiate, unknownOptions: options, settings: [] } })
  })

  test.each(['UTF8', 'utf-8', 'Unicode', 'SQL_ASCII'])(
    'client_encoding %s becomes UTF8 where rules apply',
    value => {
      expect(settingsForRules([{ name: 'client_encoding', value }])).toEqual({
        kind: 'settings',
        settings: [
          { name: 'client_encoding', value: 'UTF8' },
          { name: 'standard_conforming_strings', value: 'on' },
        ],
      })
    },
  )

  test.each(['SJIS', 'shift_jis_2004', 'Big5', 'GBK', 'GB18030', 'UHC', 'JOHAB'])(
    'client_encoding %s, in which a backslash may be half of a character, is refused for everybody',
    value => {
      expect(readSettings(new Map([['client_encoding', value]]))).toMatchObject({ kind: 'refused' })
      expect(readSettings(new Map([['options', `-c client_encoding=${value}`]]))).toMatchObject({
        kind: 'refused',
      })
    },
  )

  test('standard_conforming_strings stays on for everybody', () => {
    expect(readSettings(new Map([['standard_conforming_strings', 'off']]))).toMatchObject({ kind: 'refused' })
    expect(readSettings(new Map([['standard_conforming_strings', 'on']]))).toMatchObject({ kind: 'settings' })
  })

  test('both encryptions are asked for, in either order', () => {
    const afterGss = step(firstPhase, { kind: 'gss' }, { tlsOffered: true })
    expect(afterGss).toMatchObject({ do: 'say-no' })
    const next = afterGss.do === 'say-no' ? afterGss.next : firstPhase
    expect(step(next, { kind: 'ssl' }, { tlsOffered: true })).toMatchObject({ do: 'begin-tls' })
    expect(step(firstPhase, { kind: 'ssl' }, { tlsOffered: false })).toMatchObject({ do: 'say-no' })
  })
})

describe('any bytes', () => {
  test('are read without a throw', () => {
    const some = fc.constantFrom(196_608, 196_610, 80_877_102, 80_877_103, 80_877_104)
    fc.assert(
      fc.property(
        fc.oneof(some, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
        fc.uint8Array(),
        (code, bytes) => {
          const packet = readPacket(untypedFrame(int32(code), bytes))
          expect(['ssl', 'gss', 'cancel', 'startup', 'refused', 'garbage']).toContain(packet.kind)
        },
      ),
    )
  })

  test('in options never smuggle a role', () => {
    const piece = fc.constantFrom(
      '-c',
      '--',
      'role=x',
      'ROLE=x',
      'ro\\le=x',
      ' ',
      '\\',
      '=',
      'geqo=on',
      '\t',
      '-',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
        const settings = settingsOf(pieces.join(''))
        if (Array.isArray(settings))
          expect(settings.filter(setting => setting.startsWith('role='))).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })

  test('a NUL in what the gateway asks for adds no parameter', () => {
    expect(() => startup([['user', 'a\0role\0postgres']])).toThrow('NUL')
    expect(cstring('a')).toHaveLength(2)
  })
})
