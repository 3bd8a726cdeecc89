/** The picker on a channel: what a client asks for, and one that does not read. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { LobbyChannel } from '../../../src/ssh/lobby/channel.ts'
import type { AskedFor } from '../../../src/ssh/lobby/handover.ts'
import type { Choice } from '../../../src/ssh/lobby/picker.ts'
import { PickerChannel } from '../../../src/ssh/lobby/picker-channel.ts'
import { string, uint32 } from '../../../src/wire.ts'
import { FakeTransport } from '../fakes.ts'

const size = (columns: number, rows: number) => Buffer.concat([columns, rows, 0, 0].map(uint32))
const pty = (term: string, columns = 80, rows = 24) =>
  Buffer.concat([string(term), size(columns, rows), string(Buffer.from([1, 0, 0, 0, 3, 0]))])
const noBytes: Buffer = Buffer.alloc(0)
const choices: readonly Choice[] = [{ target: 'web1', login: 'root', labels: '' }]

let client: FakeTransport
let channel: LobbyChannel
let picker: PickerChannel
let opened: {
  choice: Choice
  handOver: () => readonly AskedFor[] | undefined
  fail: (text?: string) => void
}[]

beforeEach(() => {
  vi.useFakeTimers()
  start(100_000)
})
afterEach(() => vi.useRealTimers())

function start(windowBytes: number): void {
  client = new FakeTransport()
  opened = []
  const open = { type: 'channel-open', channelType: 'session', sender: 7, fields: noBytes } as const
  channel = new LobbyChannel(
    0,
    { ...open, windowBytes, maxPacketBytes: 32_768 },
    { transport: client.asTransport, windowBytes: 4096, maxPacketBytes: 16_384, forget: () => {} },
  )
  picker = new PickerChannel(channel, {
    list: async () => ({ title: 'bastion', choices, missing: '' }),
    open: (choice, handOver) =>
      new Promise(resolve => opened.push({ choice, handOver, fail: text => resolve(text) })),
  })
  channel.confirm(picker)
}

const type = (text: string) => picker.data(Buffer.from(text, 'latin1'))
const shown = () =>
  client
    .take()
    .map(message => ('data' in message ? message.data.toString() : ''))
    .join('')
const isClosed = () => client.sent.some(message => message.type === 'close')
const turn = () => vi.advanceTimersByTimeAsync(0)

async function list(term = 'xterm'): Promise<void> {
  picker.request('pty-req', pty(term))
  picker.request('shell', noBytes)
  await turn()
}

describe('refused is', () => {
  test('a second terminal, one that is too large, and requests without end', () => {
    expect(picker.request('pty-req', pty('xterm', 1_000_000, 1_000_000))).toBe(false)
    expect(picker.request('pty-req', pty('xterm'))).toBe(true)
    expect(picker.request('pty-req', pty('xterm'))).toBe(false)
    expect(picker.request('env', Buffer.alloc(5000))).toBe(false)
    const granted = Array.from({ length: 100 }, () => picker.request('env', string('LANG')))
    expect(granted.filter(Boolean)).toHaveLength(64)
    expect(picker.request('x11-req', noBytes)).toBe(false)
  })

  test.each([
    ['has closed already', () => channel.closedByClient()],
    ['is gone already', () => channel.lost()],
  ])('a command, without a word to a client that %s', (_, leave) => {
    const later: (() => void)[] = []
    vi.stubGlobal('queueMicrotask', (task: () => void) => later.push(task))
    channel.channelRequest('exec', true, string('id'))
    vi.unstubAllGlobals()
    leave()
    client.take()
    // What is thrown there nobody catches: it would end the process.
    expect(later).toHaveLength(1)
    expect(later[0]).not.toThrow()
    expect(client.take()).toEqual([])
  })

  test('anything to start after something was started', async () => {
    await list()
    expect(picker.request('shell', noBytes)).toBe(false)
    expect(picker.request('exec', string('id'))).toBe(false)
    expect(picker.request('env', string('LANG'))).toBe(false)
  })
})

test('a client that reads nothing makes us keep one screen, or loses the list', async () => {
  start(0)
  await list()
  for (let count = 0; count < 5000; count++) type('a\x7f')
  expect([shown(), isClosed()]).toEqual(['', false])
  start(0)
  await list('dumb')
  for (let count = 0; count < 5000 && !isClosed(); count++) type('no such number\r')
  expect(isClosed()).toBe(true)
})

test('nobody at the list for ten minutes ends it', async () => {
  await list()
  vi.advanceTimersByTime(600_000)
  expect(shown()).toContain('Nothing was chosen.')
})

describe('a choice', () => {
  test('hands over what was asked for, with the size of the terminal by now', async () => {
    picker.request('env', string('LANG'))
    await list()
    picker.request('window-change', size(132, 50))
    type('\r')
    expect(opened[0]?.choice).toBe(choices[0])
    picker.request('window-change', size(133, 51))
    expect(opened[0]?.handOver()).toEqual([
      { name: 'pty-req', fields: pty('xterm', 133, 51) },
      { name: 'env', fields: string('LANG') },
      { name: 'shell', fields: noBytes },
    ])
  })

  test('is made once: more keys meanwhile choose nothing', async () => {
    await list()
    type('\r\r\r\x1b[Bq\r')
    expect(opened).toHaveLength(1)
  })

  test('that fails leads back to the list, and its reason cannot act on the terminal', async () => {
    await list()
    type('\r')
    client.take()
    opened[0]?.fail('no \x1b]0;way\x07')
    await turn()
    const text = shown()
    expect(text).toContain('no \\u{1b}]0;way\\u{7}')
    type('\r')
    expect(opened).toHaveLength(2)
  })

  test('that was given up is not handed over', async () => {
    await list()
    type('\r\x03')
    expect(isClosed()).toBe(true)
    expect(opened[0]?.handOver()).toBeUndefined()
  })
})
