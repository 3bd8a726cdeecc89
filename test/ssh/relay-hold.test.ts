/** A session that waits: nothing of its client goes on, its user is told, and the recording holds neither. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeGlobalRequest } from '../../src/ssh/messages.ts'
import { type HoldWish, maxWaitingInputBytes } from '../../src/session/hold.ts'
import {
  adjust,
  close,
  confirm,
  data,
  eof,
  exec,
  open,
  pty,
  shell,
  stderr,
  success,
} from './channel-messages.ts'
import { inEachWorld, RelayWorld } from './fakes.ts'

const [atClient, at, atTarget] = [7, 0, 42]
const none = Buffer.alloc(0)
const wish: HoldWish = { kind: 'pause', waitMs: 600_000, userText: 'A reviewer has paused it: case 9.' }

let world: RelayWorld
inEachWorld(next => (world = next))

function openChannel(window = 100_000): void {
  world.fromClient(open(atClient, { window }))
  world.fromTarget(confirm(at, atTarget, { window: 1_000_000 }))
}

function openTerminal(window?: number): void {
  openChannel(window)
  world.fromClient(pty(at), shell(at))
  world.fromTarget(success(at), success(at))
  world.forgetSent()
}

function hold(more: Partial<HoldWish> = {}): void {
  world.session.hold({ ...wish, ...more })
  world.recording.commit()
}

function release(): void {
  world.session.release()
  world.recording.commit()
}

/** What the client was shown, by the message that carried it. */
function shown(): readonly (readonly [string, string])[] {
  return world.client
    .take()
    .flatMap(message => ('data' in message ? [[message.type, message.data.toString()] as const] : []))
}

test('nothing of what somebody does while it is held reaches the target, and all of it does afterwards, in order', () => {
  openTerminal()
  hold()
  const recorded = world.recording.committed.length
  world.fromClient(data(at, 'rm -rf /\r'), open(8), eof(at))
  world.fromClient(close(at))
  expect(world.target.take()).toEqual([])
  expect(world.recording.committed.length).toBe(recorded)
  release()
  expect(world.target.take().map(message => message.type)).toEqual([
    'data',
    'channel-open',
    'end-of-file',
    'close',
  ])
})

test('its user reads on the terminal why nothing happens, and when it goes on; the recording holds what the target said and no more', () => {
  openTerminal()
  world.fromTarget(data(at, '$ '))
  world.client.take()
  const recorded = world.recording.committed.length
  hold()
  expect(shown()).toEqual([
    [
      'data',
      '\r\nsallyport: This session is held. A reviewer has paused it: case 9. What you send now waits, and is passed on when it goes on. If it does not within 10 minutes, it ends, and what waits is dropped.\r\n',
    ],
  ])
  world.fromClient(data(at, 'x'))
  release()
  expect(shown()).toEqual([
    ['data', '\r\nsallyport: This session goes on. What you sent meanwhile is passed on now.\r\n'],
  ])
  hold()
  release()
  expect(shown()[1]).toEqual(['data', '\r\nsallyport: This session goes on.\r\n'])
  const told = world.recording.committed.slice(recorded).map(({ type }) => type)
  expect(told.filter(type => type === 'output')).toEqual([])
})

test('where there is no terminal it is said on stderr, once, and not on a channel that runs nothing', () => {
  openChannel()
  hold()
  expect(shown()).toEqual([])
  release()
  world.fromClient(exec(at, 'make'))
  world.fromTarget(success(at))
  world.client.take()
  hold()
  hold({ waitMs: 60_000 })
  expect(shown()).toMatchObject([['extended-data', expect.stringContaining('This session is held.')]])
})

test('a pause of a session that waits for a sign-in is said anew', () => {
  openTerminal()
  world.session.hold({ kind: 'step-up', waitMs: 600_000, userText: 'Sign in again.' })
  world.recording.commit()
  hold()
  expect(shown().map(([, text]) => text.includes('case 9'))).toEqual([false, true])
})

test('whoever has ended its output, or has no window for a line, is told nothing', () => {
  openTerminal()
  world.fromTarget(eof(at))
  world.client.take()
  hold()
  expect(shown()).toEqual([])
})

test('a small window is left to the target', () => {
  openTerminal(1000)
  hold()
  expect(shown()).toEqual([])
})

test('what is said of ours is paid for out of the next window, so that the target never sends too much', () => {
  openTerminal()
  hold()
  const bytes = shown()[0]?.[1].length ?? 0
  world.fromClient(adjust(at, bytes + 10))
  expect(world.target.take()).toMatchObject([{ type: 'window-adjust', bytes: 10 }])
})

test('output still goes on, and signs of life are answered', () => {
  openTerminal()
  hold()
  world.client.take()
  world.fromTarget(data(at, 'tick'), stderr(at, 'tock'))
  expect(shown()).toEqual([
    ['data', 'tick'],
    ['extended-data', 'tock'],
  ])
  world.fromClient(adjust(at, 10_000), encodeGlobalRequest('keepalive@openssh.com', true, none))
  expect(world.client.take()).toMatchObject([{ type: 'request-failure' }])
})

test('a sign of life behind a request that waits is answered behind it', () => {
  openTerminal()
  hold()
  world.client.take()
  world.fromClient(
    encodeGlobalRequest('no-more-sessions@openssh.com', true, none),
    encodeGlobalRequest('keepalive@openssh.com', true, none),
  )
  expect(world.client.take()).toEqual([])
  release()
  expect(world.client.take().filter(({ type }) => type === 'request-failure')).toHaveLength(2)
})

test('of what is sent meanwhile only so much is read, however small its messages; then the client waits', () => {
  openTerminal()
  hold()
  let sent = 0
  while (!world.client.paused && sent < 1_000_000) {
    world.fromClient(data(at, 'x'))
    sent++
  }
  expect(sent).toBeGreaterThan(500)
  expect(sent).toBeLessThanOrEqual(maxWaitingInputBytes / 64)
  release()
  expect(world.client.paused).toBe(false)
  expect(world.target.take().filter(({ type }) => type === 'data')).toHaveLength(sent)
})

test('a session that ends while it is held drops what waits, and says so', () => {
  openTerminal()
  hold()
  world.fromClient(data(at, 'rm -rf /\r'))
  world.session.end({ reason: 'enough', userText: 'This session was ended: enough.' })
  expect(world.client.goodbyes).toEqual([
    {
      reason: 11,
      text: 'This session was ended: enough. What you sent while it was held was not passed on.',
    },
  ])
  expect(world.target.take()).toEqual([])
})

test('a client that leaves while it is held ends the session', () => {
  openTerminal()
  hold()
  world.fromClient(data(at, 'x'))
  world.relay.clientClosed({ kind: 'peer' } as never)
  world.recording.commit()
  expect(world.endReason).toBe('the client closed the connection')
})

test('whatever is held and released when, the target gets all that was typed, once, in order', () => {
  const act = fc.oneof(
    fc.constant('hold' as const),
    fc.constant('release' as const),
    fc.string({ minLength: 1, maxLength: 5 }).map(text => ({ text })),
  )
  openTerminal()
  fc.assert(
    fc.property(fc.array(act, { maxLength: 30 }), acts => {
      let typed = ''
      for (const one of acts) {
        if (one === 'hold') hold()
        else if (one === 'release') release()
        else {
          typed += one.text
          world.fromClient(data(at, one.text))
        }
      }
      release()
      world.fromClient(adjust(at, 20_000))
      world.fromTarget(adjust(at, 5000))
      const got = world.target.take().flatMap(message => ('data' in message ? [message.data.toString()] : []))
      world.client.take()
      return got.join('') === typed
    }),
    { numRuns: 100 },
  )
  expect(world.endReason).toBeUndefined()
})
