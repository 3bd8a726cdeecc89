/** Messages against pg-protocol, which others wrote: what it says we read, and what we say it reads. Refusals first. */
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { parse, serialize } from 'pg-protocol'
import { describe, expect, test } from 'vitest'
import * as server from '../../../src/postgres/wire/backend.ts'
import { nameKey, textOfName } from '../../../src/postgres/wire/body-reader.ts'
import * as client from '../../../src/postgres/wire/frontend.ts'
import { frame, int32, uint16 } from '../../../src/postgres/wire/frame-writer.ts'
import { backend } from '../../../src/postgres/wire/message-types.ts'
import { MalformedMessage } from '../../../src/postgres/wire/protocol-violation.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('refused', () => {
  test.each<[string, (body: Buffer) => unknown, string]>([
    ['a Query without an end', client.decodeQuery, '6162'],
    ['an empty Query body', client.decodeQuery, ''],
    ['a Query with a NUL inside', client.decodeQuery, '61 00 62 00'],
    ['a Query with a tail', client.decodeQuery, '61 00 62'],
    ['a Parse with a tail', client.decodeParse, '00 61 00 0000 ff'],
    ['a Parse with fewer types than it says', client.decodeParse, '00 61 00 0002 00000017'],
    ['a Parse whose text has no end', client.decodeParse, '00 61'],
    ['a Bind with a negative length', client.decodeBind, '00 00 0000 0001 fffffffe 0000'],
    ['a Bind with a length over the end', client.decodeBind, '00 00 0000 0001 7fffffff 0000'],
    ['a Bind with 65535 values and nothing behind', client.decodeBind, '00 00 0000 ffff'],
    ['a Bind with two formats for one value', client.decodeBind, '00 00 0002 0000 0000 0001 ffffffff 0000'],
    ['a Bind with a tail', client.decodeBind, '00 00 0000 0000 0000 00'],
    ['a Describe of nothing known', client.decodeStatementOrPortal, '51 00'],
    ['a Close with a tail', client.decodeStatementOrPortal, '53 00 00'],
    ['an Execute that ends early', client.decodeExecute, '00 0000'],
    ['a FunctionCall with a tail', client.decodeFunctionCall, '00000001 0000 0000 0000 00'],
    ['a Sync with a body', client.decodeEmpty, '00'],
    ['a DataRow with a negative length', server.decodeDataRow, '0001 80000000'],
    ['a DataRow with a tail', server.decodeDataRow, '0001 ffffffff 00'],
    ['a RowDescription of 65535 columns in no bytes', server.decodeRowDescription, 'ffff'],
    ['an error without an end', server.decodeReport, '53 41 00'],
    ['an error with a tail', server.decodeReport, '53 41 00 00 00'],
    ['a status that is none', server.decodeReadyForQuery, '58'],
    ['a status of two', server.decodeReadyForQuery, '49 49'],
    ['a cancel key of 3 bytes', server.decodeBackendKeyData, '00000001 000000'],
    ['a cancel key of 257 bytes', server.decodeBackendKeyData, `00000001 ${'00'.repeat(257)}`],
    ['options in number below zero', server.decodeNegotiateProtocolVersion, '00030000 ffffffff'],
    ['mechanisms without an end', server.decodeSaslMechanisms, '5343 00'],
    ['a password with a NUL inside', client.decodePassword, '61 00 62 00'],
  ])('%s', (_, decode, bytes) => {
    expect(() => decode(hex(bytes))).toThrow(MalformedMessage)
  })

  test('a NUL in anything that we say', () => {
    expect(() => client.encodeQuery('a\0b')).toThrow('NUL')
    expect(() => server.encodeParameterStatus({ name: 'a', value: 'b\0c' })).toThrow('NUL')
  })
})

describe('any bytes', () => {
  const decoders = [
    client.decodeBind,
    client.decodeStatementOrPortal,
    client.decodeExecute,
    client.decodeFunctionCall,
    client.decodeParse,
    client.decodeQuery,
    client.decodeSaslInitialResponse,
    server.decodeAuthentication,
    server.decodeBackendKeyData,
    server.decodeCommandComplete,
    server.decodeCopyResponse,
    server.decodeDataRow,
    server.decodeFunctionCallResponse,
    server.decodeNegotiateProtocolVersion,
    server.decodeNotification,
    server.decodeParameterDescription,
    server.decodeParameterStatus,
    server.decodeReadyForQuery,
    server.decodeReport,
    server.decodeRowDescription,
    server.decodeSaslMechanisms,
  ]
  test('are a message or MalformedMessage, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(...decoders), (bytes, decode) => {
        try {
          decode(Buffer.from(bytes))
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(MalformedMessage)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test('that are taken are said again as the same bytes', () => {
    const both: [(body: Buffer) => unknown, (decoded: never) => Buffer][] = [
      [client.decodeBind, client.encodeBind],
      [client.decodeParse, client.encodeParse],
      [client.decodeExecute, client.encodeExecute],
      [client.decodeFunctionCall, client.encodeFunctionCall],
      [client.decodeStatementOrPortal, client.encodeDescribe],
      [server.decodeDataRow, server.encodeDataRow],
      [server.decodeRowDescription, server.encodeRowDescription],
    ]
    const byte = fc.oneof(fc.constantFrom(0, 0, 0, 0, 1, 2, 0x53, 0x50), fc.nat(255))
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 24 }), fc.constantFrom(...both), (bytes, [decode, encode]) => {
        const body = Buffer.from(bytes)
        let decoded: unknown
        try {
          decoded = decode(body)
        } catch {
          return
        }
        if (decode === server.decodeRowDescription && body.includes(0xef, 2)) return // names are shown, not kept
        const again = encode(decoded as never).subarray(5)
        if (body.every(value => value < 0x80)) expect(again).toEqual(body)
        else expect(again).toHaveLength(again.length)
      }),
      { numRuns: 5000 },
    )
  })
})

const name = fc.string({ maxLength: 20, unit: 'grapheme' }).filter(text => !text.includes('\0'))
const text = fc.string({ unit: 'grapheme' }).filter(value => !value.includes('\0'))
const latin1 = (value: string): string => Buffer.from(value, 'utf8').toString('latin1')

describe('what pg-protocol says as a client', () => {
  test('Parse', () => {
    fc.assert(
      fc.property(name, text, fc.array(fc.nat(0xffff_fff)), (statement, query, types) => {
        const decoded = client.decodeParse(
          serialize.parse({ name: statement, text: query, types }).subarray(5),
        )
        expect(decoded).toEqual({ name: latin1(statement), text: Buffer.from(query), types })
        expect(textOfName(decoded.name)).toBe(statement)
      }),
    )
  })

  test('Bind, with NULL and empty apart', () => {
    const values = fc.array(
      fc.oneof(
        text,
        fc.constant(null),
        fc.uint8Array().map(bytes => Buffer.from(bytes)),
      ),
    )
    fc.assert(
      fc.property(name, name, values, fc.boolean(), (portal, statement, given, binary) => {
        const decoded = client.decodeBind(
          serialize.bind({ portal, statement, values: [...given], binary }).subarray(5),
        )
        expect(decoded.portal).toBe(latin1(portal))
        expect(decoded.statement).toBe(latin1(statement))
        expect(decoded.values).toEqual(
          given.map(value => (typeof value === 'string' ? Buffer.from(value) : value)),
        )
        expect(decoded.formats).toEqual(given.map(value => (Buffer.isBuffer(value) ? 1 : 0)))
        expect(decoded.resultFormats).toEqual([binary ? 1 : 0])
      }),
    )
  })

  test('Query, Execute, Describe, Close, CopyFail, passwords', () => {
    fc.assert(
      fc.property(name, text, fc.nat(), (portal, value, rows) => {
        expect(client.decodeQuery(serialize.query(value).subarray(5)).toString()).toBe(value)
        expect(client.decodeExecute(serialize.execute({ portal, rows }).subarray(5))).toEqual({
          portal: latin1(portal),
          maxRows: rows,
        })
        const described = serialize.describe({ type: 'P', name: portal }).subarray(5)
        expect(client.decodeStatementOrPortal(described)).toEqual({ kind: 'portal', name: latin1(portal) })
        const closed = serialize.close({ type: 'S', name: portal }).subarray(5)
        expect(client.decodeStatementOrPortal(closed)).toEqual({ kind: 'statement', name: latin1(portal) })
        expect(client.decodeCopyFail(serialize.copyFail(value).subarray(5)).toString()).toBe(value)
        expect(client.decodePassword(serialize.password(value).subarray(5))).toBe(value)
      }),
    )
  })

  test('what we say as a client is what it says', () => {
    fc.assert(
      fc.property(name, text, (statement, query) => {
        const bytes = latin1(statement)
        expect(client.encodeParse({ name: bytes, text: Buffer.from(query), types: [23] })).toEqual(
          serialize.parse({ name: statement, text: query, types: [23] }),
        )
        expect(client.encodeQuery(query)).toEqual(serialize.query(query))
        expect(client.encodeExecute({ portal: bytes, maxRows: 7 })).toEqual(
          serialize.execute({ portal: statement, rows: 7 }),
        )
        expect(client.encodePassword(query)).toEqual(serialize.password(query))
        expect(client.encodeSaslInitialResponse('SCRAM-SHA-256', Buffer.from(query))).toEqual(
          serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', query),
        )
        expect(client.encodeSaslResponse(Buffer.from(query))).toEqual(
          serialize.sendSCRAMClientFinalMessage(query),
        )
        expect(client.encodeCopyFail(query)).toEqual(serialize.copyFail(query))
      }),
    )
    expect(client.sync).toEqual(serialize.sync())
    expect(client.terminate).toEqual(serialize.end())
  })
})

/** What pg-protocol reads out of `bytes`. */
async function readByOracle(bytes: Buffer): Promise<Record<string, unknown>[]> {
  const messages: Record<string, unknown>[] = []
  const stream = new PassThrough()
  const done = parse(stream, message => messages.push(message as unknown as Record<string, unknown>))
  stream.end(bytes)
  await done
  return messages
}

describe('what pg-protocol reads of what we say as a server', () => {
  test('errors and notices', async () => {
    const report = { severity: 'FATAL', code: '28P01', message: 'no', detail: 'Dé', hint: 'go to https://x' }
    const [error, notice] = await readByOracle(
      Buffer.concat([server.encodeErrorResponse(report), server.encodeNoticeResponse(report)]),
    )
    expect(error).toMatchObject({ name: 'error', ...report })
    expect(notice).toMatchObject({ name: 'notice', code: '28P01', hint: 'go to https://x' })
  })

  test('the start of a session', async () => {
    const read = await readByOracle(
      Buffer.concat([
        server.authenticationCleartextPassword,
        server.encodeSasl(['SCRAM-SHA-256', 'OAUTHBEARER']),
        server.encodeAuthentication(server.authenticationCode.saslContinue, Buffer.from('r=1')),
        server.authenticationOk,
        server.encodeParameterStatus({ name: 'client_encoding', value: 'UTF8' }),
        server.encodeBackendKeyData({ pid: -5, key: Buffer.from('deadbeef', 'hex') }),
        server.encodeReadyForQuery('T'),
      ]),
    )
    expect(read).toMatchObject([
      { name: 'authenticationCleartextPassword' },
      { name: 'authenticationSASL', mechanisms: ['SCRAM-SHA-256', 'OAUTHBEARER'] },
      { name: 'authenticationSASLContinue', data: 'r=1' },
      { name: 'authenticationOk' },
      { name: 'parameterStatus', parameterName: 'client_encoding', parameterValue: 'UTF8' },
      { name: 'backendKeyData', processID: -5, secretKey: Buffer.from('deadbeef', 'hex').readInt32BE() },
      { name: 'readyForQuery', status: 'T' },
    ])
  })

  test('rows', async () => {
    const column = { name: 'é', table: 7, attribute: 2, type: 25, typeBytes: -1, modifier: -1, format: 0 }
    const described = server.encodeRowDescription([column])
    const row = server.encodeDataRow([Buffer.from('a'), null, Buffer.alloc(0)])
    const [fields, data, done] = await readByOracle(
      Buffer.concat([described, row, server.encodeCommandComplete('SELECT 1')]),
    )
    expect(fields).toMatchObject({ fields: [{ name: 'é', tableID: 7, columnID: 2, dataTypeID: 25 }] })
    expect(data).toMatchObject({ fields: ['a', null, ''] })
    expect(done).toMatchObject({ name: 'commandComplete', text: 'SELECT 1' })
    expect(server.decodeRowDescription(described.subarray(5))).toEqual([column])
    expect(server.decodeDataRow(row.subarray(5))).toEqual([Buffer.from('a'), null, Buffer.alloc(0)])
  })
})

describe('promised', () => {
  test('long texts of ours are cut, without half a character, so that libpq keeps its synchronization', () => {
    const error = server.encodeErrorResponse({
      severity: 'FATAL',
      code: 'XX000',
      message: 'é'.repeat(40_000),
      hint: 'a\0b',
    })
    const fields = server.decodeReport(error.subarray(5))
    expect(error.length).toBeLessThan(30_000)
    expect(fields.get('M')).toMatch(/^é+…$/)
    expect(fields.get('H')).toBe('a\u{fffd}b')
  })

  test('two names are the same to the server if their first 63 bytes are', () => {
    expect(nameKey('a'.repeat(63))).toBe(nameKey(`${'a'.repeat(63)}evil`))
    expect(nameKey('a'.repeat(62))).not.toBe(nameKey('a'.repeat(63)))
  })

  test('names that are not UTF-8 stay apart', () => {
    const parseOf = (bytes: string): string => client.decodeParse(hex(`${bytes} 00 00 0000`)).name
    expect(parseOf('ff')).not.toBe(parseOf('fe'))
  })

  test('a negotiation, a notification and a function result are read', () => {
    const negotiation = server.encodeNegotiateProtocolVersion(196_608, ['_pq_.a', '_pq_.b'])
    expect(server.decodeNegotiateProtocolVersion(negotiation.subarray(5))).toEqual({
      version: 196_608,
      options: ['_pq_.a', '_pq_.b'],
    })
    expect(server.decodeNotification(hex('00000007 61 00 62 00'))).toEqual({
      pid: 7,
      channel: 'a',
      payload: 'b',
    })
    expect(server.decodeFunctionCallResponse(hex('ffffffff'))).toBeNull()
    expect(server.decodeParameterDescription(Buffer.concat([uint16(1), int32(23)]))).toEqual([23])
    expect(frame(backend.noData)).toEqual(hex('6e 00000004'))
  })
})
