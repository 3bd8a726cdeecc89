/** The channel of the picker becomes the channel of the session: what relay and client see of it, whatever the target does. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Handover, type LeftChannel } from '../../../src/ssh/lobby/handover.ts'
import {
  decodeConnectionMessage,
  encodeChannelSignal,
  encodeDataHead,
  encodeOpenConfirmation,
  encodeOpenFailure,
  encodeWindowAdjust,
} from '../../../src/ssh/messages.ts'
import type { Passage } from '../../../src/ssh/passage.ts'
import { string } from '../../../src/wire.ts'
import { FakeTransport } from '../fakes.ts'

const left: LeftChannel = {
  number: 7,
  clientAllowanceBytes: 4000,
  clientMaxPacketBytes: 16_384,
  windowBytes: 90_000,
  maxPacketBytes: 32_768,
}
const requests = [
  { name: 'pty-req', fields: string('xterm') },
  { name: 'env', fields: string('LANG') },
  { name: 'shell', fields: Buffer.alloc(0) },
]
const confirmed = (windowBytes: number, maxPacketBytes = 32_768) =>
  encodeOpenConfirmation({ recipient: 7, sender: 0, windowBytes, maxPacketBytes, fields: Buffer.alloc(0) })

let client: FakeTransport
let toRelay: ReturnType<typeof decodeConnectionMessage>[]
let failures: string[]
let handover: Handover

beforeEach(() => {
  vi.useFakeTimers()
  client = new FakeTransport()
  toRelay = []
  failures = []
  handover = new Handover(client.asTransport, text => failures.push(text))
})
afterEach(() => vi.useRealTimers())

function start(noMoreSessions = false): void {
  const fromClient = (payload: Buffer) => toRelay.push(decodeConnectionMessage(payload))
  handover.start({ fromClient } as unknown as Passage, left, requests, noMoreSessions)
}

/** What the relay would send to the client. */
async function relaySends(...payloads: Buffer[]): Promise<void> {
  for (const payload of payloads) handover.client.send(payload)
  await vi.advanceTimersByTimeAsync(0)
}

describe('a target that', () => {
  test('opens no channel, or starts no shell, ends the session with a sentence', async () => {
    start()
    await relaySends(encodeOpenFailure(7, 1, 'no'))
    expect(failures).toEqual(['The target opened no channel.'])
    await relaySends(confirmed(4000), encodeChannelSignal('channel-failure', 7))
    expect(failures.at(-1)).toBe('The target started no shell.')
    expect(client.take()).toEqual([])
  })

  test('takes smaller messages than the client may send already is refused', async () => {
    start()
    await relaySends(confirmed(4000, 16_383))
    expect(failures).toHaveLength(1)
  })

  test('never says whether there is a shell, or never takes what the client may send, has 15 seconds', async () => {
    start()
    await relaySends(confirmed(3999), encodeChannelSignal('channel-success', 7))
    vi.advanceTimersByTime(15_000)
    expect(failures).toEqual(['The target started no shell in time.'])
    expect(client.paused).toBe(true)
  })
})

test('the relay sees a client that opens a channel and asks for terminal, variables and shell, in this order', async () => {
  start(true)
  expect(toRelay).toMatchObject([
    { type: 'channel-open', channelType: 'session', sender: 7, windowBytes: 90_000, maxPacketBytes: 32_768 },
    { type: 'global-request', name: 'no-more-sessions@openssh.com', wantReply: false },
  ])
  await relaySends(confirmed(4000))
  expect(toRelay.slice(2)).toMatchObject([
    { type: 'channel-request', recipient: 0, name: 'pty-req', wantReply: false },
    { type: 'channel-request', recipient: 0, name: 'env', wantReply: false },
    { type: 'channel-request', recipient: 0, name: 'shell', wantReply: true },
  ])
})

test('the client hears of the wider window only, and is read once the target takes all that it may send', async () => {
  start()
  expect(client.paused).toBe(true)
  handover.client.resumeReading() // the relay steers its flow meanwhile
  expect(client.paused).toBe(true)
  await relaySends(confirmed(0), encodeWindowAdjust(7, 3000))
  expect([client.paused, client.take()]).toEqual([true, []])
  await relaySends(encodeChannelSignal('channel-success', 7))
  expect(client.paused).toBe(true)
  await relaySends(encodeWindowAdjust(7, 50_000))
  expect(client.paused).toBe(false)
  expect(client.take()).toEqual([{ type: 'window-adjust', recipient: 7, bytes: 49_000 }])
  vi.advanceTimersByTime(60_000)
  expect(failures).toEqual([])
})

test('from then on everything passes as it is', async () => {
  start()
  await relaySends(confirmed(10_000), encodeChannelSignal('channel-success', 7))
  client.take()
  await relaySends(encodeChannelSignal('channel-success', 7), encodeWindowAdjust(7, 1), confirmed(5))
  expect(client.take().map(message => message.type)).toEqual([
    'channel-success',
    'window-adjust',
    'open-confirmation',
  ])
  handover.client.pauseReading()
  expect(client.paused).toBe(true)
  handover.client.sendParts(encodeDataHead(7, 1), Buffer.from('x'))
  expect(client.take().map(message => message.type)).toEqual(['data'])
})
