/** A channel as a stream: windows hold both sides back, and its end is said once. */
import { beforeEach, describe, expect, test } from 'vitest'
import { LobbyChannel } from '../../../src/ssh/lobby/channel.ts'
import { ChannelStream } from '../../../src/ssh/lobby/channel-stream.ts'
import { FakeTransport, settled } from '../fakes.ts'

let client: FakeTransport
let channel: LobbyChannel
let stream: ChannelStream
let forgotten: number

beforeEach(() => {
  client = new FakeTransport()
  forgotten = 0
  const open = {
    type: 'channel-open',
    channelType: 'direct-tcpip',
    sender: 7,
    windowBytes: 10,
    maxPacketBytes: 4,
    fields: Buffer.alloc(0),
  } as const
  channel = new LobbyChannel(3, open, {
    transport: client.asTransport,
    windowBytes: 400_000,
    maxPacketBytes: 32_768,
    forget: () => forgotten++,
  })
  stream = new ChannelStream(channel)
  channel.confirm(stream.owner)
  client.take()
})

const sent = () => client.take().map(message => ('data' in message ? message.data.toString() : message.type))

describe('writing', () => {
  test('sends as much as the client takes, in messages of its size, and waits for more room', async () => {
    const done: number[] = []
    stream.write('0123456789abc', () => done.push(1))
    await settled()
    expect([sent(), done]).toEqual([['0123', '4567', '89'], []])
    channel.windowAdjust(100)
    await settled()
    expect([sent(), done]).toEqual([['abc'], [1]])
  })

  test('waits for a connection that is behind', async () => {
    client.congested = true
    stream.write('0123')
    await settled()
    expect(sent()).toEqual([])
    client.drain()
    expect(sent()).toEqual(['0123'])
  })

  test('ends with the last byte, once', async () => {
    stream.end('0123456789abc')
    await settled()
    expect(sent()).toEqual(['0123', '4567', '89'])
    channel.windowAdjust(3)
    await settled()
    expect(sent()).toEqual(['abc', 'end-of-file', 'close'])
    stream.destroy()
    await settled()
    channel.closedByClient()
    expect([sent(), forgotten]).toEqual([[], 1])
  })

  test('that the client never takes is dropped when the stream is destroyed', async () => {
    stream.on('error', () => {})
    stream.write('0123456789abc')
    stream.destroy()
    await settled()
    channel.windowAdjust(1000)
    expect(sent()).toEqual(['0123', '4567', '89', 'end-of-file', 'close'])
  })
})

describe('reading', () => {
  test('gives the window back only for what was read', async () => {
    for (let count = 0; count < 12; count++) channel.data(Buffer.alloc(32_768))
    await settled()
    const before = client.take()
    expect(before.length).toBeLessThanOrEqual(1)
    expect(() => channel.data(Buffer.alloc(32_768))).toThrow('window')
    let bytes = 0
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
    await settled()
    expect(bytes).toBe(12 * 32_768)
    const back = [...before, ...client.take()].map(message => ('bytes' in message ? message.bytes : 0))
    expect(back.reduce((sum, more) => sum + more, 0)).toBeGreaterThan(290_000)
  })

  test('ends with the client, and with the connection', async () => {
    let ends = 0
    stream.on('end', () => ends++).resume()
    channel.endOfFile()
    await settled()
    expect(ends).toBe(1)
    channel.lost()
    await settled()
    expect(stream.destroyed).toBe(true)
    expect(sent()).toEqual([])
  })
})
