/** Opening a session that goes on: what comes between the first connection and the first picture. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Replay } from '../../../src/api/schema.ts'
import { type LiveEnd, LiveSource } from '../../../web/app/player/live.ts'

const replay: Pick<Replay, 'chunks' | 'channels' | 'durationMs'> = { chunks: [], channels: [], durationMs: 0 }
let answer: () => Response
let socket: Socket

class Socket extends EventTarget {
  isClosed = false
  say(line: object): void {
    this.dispatchEvent(new MessageEvent('message', { data: `${JSON.stringify(line)}\n` }))
  }
  close(): void {
    this.isClosed = true
    this.dispatchEvent(new Event('close'))
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('location', { origin: 'http://gateway.test' })
  vi.stubGlobal('Worker', EventTarget)
  vi.stubGlobal('WebSocket', function connect() {
    socket = new Socket()
    queueMicrotask(() => socket.dispatchEvent(new Event('open')))
    return socket
  })
  answer = () => Response.json(replay)
  vi.stubGlobal('fetch', async () => answer())
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test.each([
  ['says so', () => socket.say({ end: { reason: 'ended', text: 'It is over.' } }), 'It is over.'],
  ['is cut', () => socket.close(), 'The connection to the gateway is lost.'],
])('a session that %s before its first picture has ended for who asks later', async (_, end, text) => {
  const opening = LiveSource.open('s1')
  await vi.advanceTimersByTimeAsync(1)
  end()
  await vi.runAllTimersAsync()
  const source = await opening
  const ends: LiveEnd[] = []
  source.onEnd = one => void ends.push(one)
  expect(ends.map(one => one.text)).toEqual([text])
  socket.close()
  expect(ends).toHaveLength(1)
})

test('who cannot be shown what is stored does not go on watching', async () => {
  answer = () => Response.json({ title: 'Too many', status: 429, detail: 'Wait.' }, { status: 429 })
  const opening = expect(LiveSource.open('s1')).rejects.toThrow()
  await vi.runAllTimersAsync()
  await opening
  expect(socket.isClosed).toBe(true)
})
