/** Streams of server messages, cut anywhere, read by our scanner and by pg-protocol, which others wrote: both must read the same. */
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { parse } from 'pg-protocol'
import { expect, test } from 'vitest'
import * as server from '../../../src/postgres/wire/backend.ts'
import { FrameScanner, type FrameSink } from '../../../src/postgres/wire/frame-scanner.ts'
import { cstring, frame, int16, int32 } from '../../../src/postgres/wire/frame-writer.ts'
import { backend } from '../../../src/postgres/wire/message-types.ts'

/** One message: its bytes, and what pg-protocol should make of it. */
type Said = { readonly bytes: Buffer; readonly read: Readonly<Record<string, unknown>> }

const text = fc.string({ unit: 'grapheme', maxLength: 30 }).filter(value => !value.includes('\0'))
const value = fc.option(text, { nil: null })
const oid = fc.nat(0x7fff_ffff)

const row: fc.Arbitrary<Said> = fc.array(value, { maxLength: 6 }).map(values => ({
  bytes: server.encodeDataRow(values.map(one => (one === null ? null : Buffer.from(one)))),
  read: { name: 'dataRow', fields: values },
}))
const description: fc.Arbitrary<Said> = fc
  .array(fc.record({ name: text, table: oid, attribute: fc.nat(1600), type: oid }), { maxLength: 5 })
  .map(columns => ({
    bytes: server.encodeRowDescription(
      columns.map(column => ({ ...column, typeBytes: -1, modifier: -1, format: 0 })),
    ),
    read: {
      name: 'rowDescription',
      fields: columns.map(({ name, table, attribute, type }) => ({
        name,
        tableID: table,
        columnID: attribute,
        dataTypeID: type,
      })),
    },
  }))
const complete = text.map(tag => ({
  bytes: server.encodeCommandComplete(tag),
  read: { name: 'commandComplete', text: tag },
}))
const notice = fc.record({ message: text, hint: text }).map(({ message, hint }) => ({
  bytes: server.encodeNoticeResponse({ severity: 'NOTICE', code: '00000', message, hint }),
  read: { name: 'notice', code: '00000', message, hint },
}))
const parameter = fc.record({ name: text, value: text }).map(status => ({
  bytes: server.encodeParameterStatus(status),
  read: { name: 'parameterStatus', parameterName: status.name, parameterValue: status.value },
}))
const ready = fc.constantFrom('I', 'T', 'E').map(status => ({
  bytes: server.encodeReadyForQuery(status as 'I'),
  read: { name: 'readyForQuery', status },
}))
const notification = fc
  .record({ pid: oid, channel: text, payload: text })
  .map(({ pid, channel, payload }) => ({
    bytes: frame(backend.notificationResponse, int32(pid), cstring(channel), cstring(payload)),
    read: { name: 'notification', processId: pid, channel, payload },
  }))
const copy = fc.uint8Array({ maxLength: 3000 }).map(bytes => ({
  bytes: frame(backend.copyData, bytes),
  read: { name: 'copyData', chunk: Buffer.from(bytes) },
}))
const copyOut = fc.array(fc.constantFrom(0, 1), { maxLength: 5 }).map(columnTypes => ({
  bytes: frame(backend.copyOutResponse, Buffer.of(0), int16(columnTypes.length), ...columnTypes.map(int16)),
  read: { name: 'copyOutResponse', binary: false, columnTypes },
}))
const empty = fc
  .constantFrom(
    ['parseComplete', backend.parseComplete],
    ['bindComplete', backend.bindComplete],
    ['closeComplete', backend.closeComplete],
    ['noData', backend.noData],
    ['portalSuspended', backend.portalSuspended],
    ['emptyQuery', backend.emptyQueryResponse],
    ['copyDone', backend.copyDone],
  )
  .map(([name, type]) => ({ bytes: frame(type as number), read: { name } }))
const said = fc.oneof(
  row,
  description,
  complete,
  notice,
  parameter,
  ready,
  notification,
  copy,
  copyOut,
  empty,
)

function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const edges = [0, ...cuts.map(cut => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
}

async function byOracle(chunks: readonly Buffer[]): Promise<unknown[]> {
  const messages: unknown[] = []
  const stream = new PassThrough()
  const done = parse(stream, message => {
    const { chunk } = message as { chunk?: Buffer }
    // Its chunk is a view of a buffer that it writes the next messages into.
    messages.push(chunk === undefined ? message : { ...message, chunk: Buffer.from(chunk) })
  })
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  await done
  return messages
}

/** What our decoders make of a frame, in pg-protocol's words. */
function decode(type: number, body: Buffer): Record<string, unknown> {
  switch (type) {
    case backend.dataRow:
      return { name: 'dataRow', fields: server.decodeDataRow(body).map(one => one?.toString() ?? null) }
    case backend.rowDescription:
      return {
        name: 'rowDescription',
        fields: server.decodeRowDescription(body).map(column => ({
          name: column.name,
          tableID: column.table,
          columnID: column.attribute,
          dataTypeID: column.type,
        })),
      }
    case backend.commandComplete:
      return { name: 'commandComplete', text: server.decodeCommandComplete(body) }
    case backend.noticeResponse: {
      const fields = server.decodeReport(body)
      return { name: 'notice', code: fields.get('C'), message: fields.get('M'), hint: fields.get('H') }
    }
    case backend.parameterStatus: {
      const status = server.decodeParameterStatus(body)
      return { name: 'parameterStatus', parameterName: status.name, parameterValue: status.value }
    }
    case backend.readyForQuery:
      return { name: 'readyForQuery', status: server.decodeReadyForQuery(body) }
    case backend.notificationResponse: {
      const { pid, channel, payload } = server.decodeNotification(body)
      return { name: 'notification', processId: pid, channel, payload }
    }
    case backend.copyData:
      return { name: 'copyData', chunk: Buffer.from(body) }
    case backend.copyOutResponse: {
      const { format, columnFormats } = server.decodeCopyResponse(body)
      return { name: 'copyOutResponse', binary: format === 1, columnTypes: [...columnFormats] }
    }
    default: {
      const [name] = Object.entries(backend).find(([, byte]) => byte === type) ?? ['unknown']
      return { name: name.replace('emptyQueryResponse', 'emptyQuery') }
    }
  }
}

function byUs(chunks: readonly Buffer[]): unknown[] {
  const scanner = new FrameScanner('backend', { maxMessageBytes: 1 << 20 })
  const seen: unknown[] = []
  const sink: FrameSink = {
    begin: () => 'body',
    part: () => {},
    body: (type, body) => seen.push(decode(type, body)),
  }
  for (const chunk of chunks) expect(scanner.scan(chunk, sink)).toBeUndefined()
  expect(scanner.atBoundary).toBe(true)
  return seen
}

test('our scanner and pg-protocol read the same out of any stream, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(said, { maxLength: 15 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      async (messages, cuts) => {
        const chunks = pieces(Buffer.concat(messages.map(({ bytes }) => bytes)), cuts)
        const expected = messages.map(({ read }) => read)
        expect(byUs(chunks)).toEqual(expected)
        expect(await byOracle(chunks.filter(({ length }) => length > 0))).toMatchObject(expected)
      },
    ),
    { numRuns: 300 },
  )
})
