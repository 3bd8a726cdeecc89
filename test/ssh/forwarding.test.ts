/** Forwards and the agent through the relay, message by message. Refusals first. */
import { createHash, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { AllowRule } from '../../src/config/config.ts'
import { type ForwardRule, parseForwardRule } from '../../src/config/forward-rule.ts'
import { maxListeners } from '../../src/ssh/forwarding/listeners.ts'
import { encodeGlobalRequest, encodeRequestFailure, encodeRequestSuccess } from '../../src/ssh/messages.ts'
import { boolean, byte, string, uint32 } from '../../src/wire.ts'
import {
  adjust,
  close,
  confirm,
  data,
  eof,
  exec,
  failure,
  open,
  openFailed,
  request,
  shell,
  stderr,
  success,
} from './channel-messages.ts'
import { FakeGround, policyOf, RelayWorld } from './fakes.ts'

const [atClient, atTarget] = [7, 42]

function rules(...texts: string[]): ForwardRule[] {
  return texts.map(text => {
    const rule = parseForwardRule(text)
    if (!rule.ok) throw new Error(rule.message)
    return rule.value
  })
}

let world: RelayWorld
async function start(rule: Partial<AllowRule> = {}, limits = {}): Promise<void> {
  const ground = new FakeGround()
  ground.policy = policyOf({ channels: ['shell', 'exec', 'forward', 'agent'], ...rule })
  world = await RelayWorld.start(limits, ground)
}
afterEach(() => world.session.end({ reason: 'the test is over', userText: '' }))

const port = (host: string, number: number, from = '192.0.2.9', fromPort = 5555): Buffer =>
  Buffer.concat([string(host), uint32(number), string(from), uint32(fromPort)])
const directTcp = (host: string, number: number, sender = atClient): Buffer =>
  open(sender, { type: 'direct-tcpip', fields: port(host, number) })
const directSocket = (path: string): Buffer =>
  open(atClient, {
    type: 'direct-streamlocal@openssh.com',
    fields: Buffer.concat([string(path), string(''), uint32(0)]),
  })
const forwardedTcp = (host: string, number: number): Buffer =>
  open(atTarget, { type: 'forwarded-tcpip', fields: port(host, number) })
const forwardedSocket = (path: string): Buffer =>
  open(atTarget, {
    type: 'forwarded-streamlocal@openssh.com',
    fields: Buffer.concat([string(path), string('')]),
  })
const listen = (host: string, number: number, wantReply = true, name = 'tcpip-forward'): Buffer =>
  encodeGlobalRequest(name, wantReply, Buffer.concat([string(host), uint32(number)]))
const keepAlive = encodeGlobalRequest('keepalive@openssh.com', true, Buffer.alloc(0))

const refused = [{ type: 'open-failure', recipient: atClient, reason: 1 }]
const types = (messages: readonly { type: string }[]): string[] => messages.map(message => message.type)

/** A stream that both ends have opened; its number. */
function openStream(sender = atClient): number {
  world.fromClient(directTcp('localhost', 8080, sender))
  const sent = world.target.take().at(-1)
  const id = sent?.type === 'channel-open' ? sent.sender : -1
  world.fromTarget(confirm(id, atTarget + id))
  world.client.take()
  return id
}

describe('without forward in the grant', () => {
  test('no stream is opened, and the client is told why', async () => {
    await start({ channels: ['shell'] })
    for (const opening of [directTcp('localhost', 80), directSocket('/run/x')]) {
      world.fromClient(opening)
      expect(world.client.take()).toMatchObject([
        { ...refused[0], description: 'sallyport: Policy does not allow forward here, only shell.' },
      ])
    }
    expect(world.target.sent).toEqual([])
    expect(world.recording.events('request-refused')).toHaveLength(2)
  })

  test('the target listens nowhere', async () => {
    await start({ channels: ['shell'] })
    world.fromClient(listen('localhost', 8000))
    expect(world.client.take()).toEqual([{ type: 'request-failure' }])
    expect(world.target.sent).toEqual([])
    expect(world.recording.events('request-refused')[0]).toMatchObject({ request: 'tcpip-forward' })
  })
})

describe('opening a stream', () => {
  test('elsewhere than to the loopback of the target is refused unless a rule says so', async () => {
    await start()
    world.fromClient(directTcp('10.0.0.9', 80))
    expect(world.client.take()).toMatchObject([
      {
        ...refused[0],
        description: 'sallyport: Policy does not allow forwards to 10.0.0.9:80 here, only localhost:*.',
      },
    ])
    expect(world.target.sent).toEqual([])
  })

  test('is decided by the policy of this instant', async () => {
    await start()
    openStream()
    world.ground.policy = policyOf({ channels: ['shell'] })
    world.fromClient(directTcp('localhost', 80, 8))
    expect(world.endReason).toBe('policy no longer allows what runs')
  })

  test('is refused when the grant is over, and the session ends', async () => {
    await start()
    openStream()
    world.ground.clock.advance(3_600_000)
    world.fromClient(directTcp('localhost', 80, 8))
    expect(world.target.sent).toEqual([])
    expect(world.endReason).toBe('grant ended')
  })

  test('counts as a channel', async () => {
    await start({}, { maxChannels: 1 })
    openStream()
    world.fromClient(directTcp('localhost', 80, 8))
    expect(types(world.client.take())).toEqual(['open-failure'])
  })

  test('with fields that do not decode ends the session', async () => {
    await start()
    world.fromClient(open(atClient, { type: 'direct-tcpip', fields: Buffer.from('x') }))
    expect(world.endReason).toMatch(/^protocol error from the client/)
  })

  test('goes on as it was decoded, once it is recorded', async () => {
    await start()
    world.fromClient(directTcp('127.0.0.1', 8080))
    expect(world.target.take()).toMatchObject([
      { type: 'channel-open', channelType: 'direct-tcpip', sender: 0, fields: port('127.0.0.1', 8080) },
    ])
    expect(world.recording.events('forward-open')).toEqual([
      {
        type: 'forward-open',
        channel: 0,
        kind: 'direct-tcpip',
        destination: '127.0.0.1:8080',
        originator: '192.0.2.9:5555',
      },
    ])
  })

  test('to a socket needs a rule for its path', async () => {
    await start({ forward: { to: rules('/run/postgresql/*'), from: [] } })
    world.fromClient(directSocket('/run/docker.sock'))
    expect(world.client.take()).toMatchObject(refused)
    world.fromClient(directSocket('/run/postgresql/.s.PGSQL.5432'))
    expect(world.target.take()).toMatchObject([{ channelType: 'direct-streamlocal@openssh.com' }])
  })

  test('that the target refuses is refused with its reason', async () => {
    await start()
    world.fromClient(directTcp('localhost', 1))
    world.fromTarget(openFailed(0, 2))
    expect(world.client.take()).toMatchObject([
      { type: 'open-failure', recipient: atClient, reason: 2, description: 'no room' },
    ])
    expect(world.recording.events('request-refused')).toMatchObject([{ request: 'channel direct-tcpip' }])
  })
})

describe('a stream', () => {
  test('is passed on as it came and described by size and digest', async () => {
    await start()
    const id = openStream()
    world.fromClient(data(id, 'hello '), data(id, 'there'))
    expect(world.target.take()).toMatchObject([
      { data: Buffer.from('hello ') },
      { data: Buffer.from('there') },
    ])
    world.fromTarget(data(id, 'hi'))
    expect(world.client.take()).toMatchObject([{ data: Buffer.from('hi') }])
    const sha256 = createHash('sha256').update('hello there').digest('hex')
    expect(world.recording.events('progress').at(1)).toMatchObject({
      stream: 'input',
      bytes: 11,
      from: 0,
      sha256,
    })
    expect(world.recording.events('input')).toEqual([])
    world.fromClient(close(id))
    world.fromTarget(close(id))
    expect(world.recording.events('forward-close')).toEqual([
      { type: 'forward-close', channel: id, inputBytes: 11, outputBytes: 2 },
    ])
  })

  test('is kept where the configuration says so, up to the limit', async () => {
    await start({}, { keepForwardBytes: 4 })
    const id = openStream()
    world.fromClient(data(id, 'abcd'), data(id, 'ef'))
    expect(world.recording.events('input')).toMatchObject([{ data: Buffer.from('abcd') }])
    expect(world.recording.events('progress')).toMatchObject([{ bytes: 6, from: 4 }])
  })

  test('that never ends is told when the session does', async () => {
    await start()
    const id = openStream()
    world.fromClient(data(id, 'x'))
    world.session.end({ reason: 'over', userText: '' })
    world.recording.commit()
    expect(world.recording.events('forward-close')).toMatchObject([{ inputBytes: 1, outputBytes: 0 }])
  })

  test('whose one direction ends goes on in the other, whichever it is', async () => {
    await start()
    const first = openStream()
    world.fromTarget(eof(first))
    world.fromClient(data(first, 'still'), data(first, 'here'))
    expect(types(world.target.take())).toEqual(['data', 'data'])
    const second = openStream(8)
    world.fromClient(eof(second))
    world.fromTarget(data(second, 'still'))
    expect(types(world.client.take())).toContain('data')
    expect(world.endReason).toBeUndefined()
  })

  test('is held to its windows, in both directions', async () => {
    await start()
    const id = openStream()
    world.fromClient(adjust(id, 10))
    expect(world.target.take()).toMatchObject([
      { type: 'window-adjust', recipient: atTarget + id, bytes: 10 },
    ])
    world.fromTarget(...Array.from({ length: 5 }, () => data(id, Buffer.alloc(30_000))))
    expect(world.endReason).toMatch(/^protocol error from the target/)
  })

  test('runs nothing, and takes no requests', async () => {
    await start()
    const id = openStream()
    world.fromClient(shell(id), exec(id, 'id'))
    expect(types(world.client.take())).toEqual(['channel-failure', 'channel-failure'])
    world.fromTarget(request(id, 'exit-status', true, uint32(0)))
    expect(types(world.target.take())).toEqual(['channel-failure'])
    expect(world.client.take()).toEqual([])
    world.fromClient(request(id, 'winadj@putty.projects.tartarus.org', true))
    expect(types(world.target.take())).toEqual(['channel-request'])
  })

  test('has no second stream', async () => {
    await start()
    world.fromTarget(stderr(openStream(), 'x'))
    expect(world.endReason).toMatch(/^protocol error from the target/)
  })

  const beginnings: [string, Buffer, string | undefined][] = [
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.9\r\n'), 'ssh'],
    ['the PROXY protocol', Buffer.from('PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n'), 'proxy-header'],
    ['its second version', Buffer.from('\r\n\r\n\0\r\nQUIT\n!'), 'proxy-header'],
    ['something else', Buffer.from('GET / HTTP/1.1\r\nX: SSH-2.0\r\n'), undefined],
  ]
  for (const [name, bytes, looksLike] of beginnings)
    test(`that starts like ${name} is noted and not changed, however it is cut`, async () => {
      await start()
      const id = openStream()
      for (const piece of bytes) world.fromClient(data(id, Buffer.from([piece])))
      const passed = world.target.take().flatMap(message => (message.type === 'data' ? [message.data] : []))
      expect(Buffer.concat(passed)).toEqual(bytes)
      expect(world.recording.events('forward-note').map(event => event.looksLike)).toEqual(
        looksLike === undefined ? [] : [looksLike],
      )
    })
})

describe('a target', () => {
  test('opens nothing that the client did not ask it to listen for', async () => {
    await start({ forward: { to: [], from: rules('*:*', '/tmp/*') } })
    const tries = [
      forwardedTcp('localhost', 8000),
      forwardedSocket('/tmp/x'),
      open(atTarget, { type: 'x11' }),
      open(atTarget, { type: 'auth-agent@openssh.com' }),
      directTcp('localhost', 1),
      open(atTarget),
    ]
    world.fromTarget(...tries)
    expect(types(world.target.take())).toEqual(tries.map(() => 'open-failure'))
    world.fromClient(listen('localhost', 8000))
    world.fromTarget(...tries) // asked, but not granted by itself yet
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)))
    world.target.take()
    world.fromTarget(
      forwardedTcp('localhost', 8001),
      forwardedTcp('127.0.0.1', 8000),
      forwardedSocket('/tmp/x'),
    )
    expect(types(world.target.take())).toEqual(['open-failure', 'open-failure', 'open-failure'])
    expect(types(world.client.take())).toEqual(['request-success'])
  })

  test('opens what it was asked to, and the client answers', async () => {
    await start({ forward: { to: [], from: rules('localhost:8000-8999') } })
    world.fromClient(listen('localhost', 8000))
    expect(world.target.take()).toMatchObject([{ name: 'tcpip-forward', wantReply: true }])
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)), forwardedTcp('localhost', 8000))
    const [reply, opened] = world.client.take()
    expect(reply).toEqual({ type: 'request-success', fields: Buffer.alloc(0) })
    expect(opened).toMatchObject({ type: 'channel-open', channelType: 'forwarded-tcpip' })
    const id = opened?.type === 'channel-open' ? opened.sender : -1
    world.fromClient(confirm(id, atClient), data(id, 'from the client'))
    expect(types(world.target.take())).toEqual(['open-confirmation', 'data'])
    world.fromTarget(data(id, 'from the target'))
    expect(world.client.take()).toMatchObject([{ type: 'data', recipient: atClient }])
    expect(world.recording.events('forward-listening')).toMatchObject([{ place: 'localhost:8000' }])
    expect(world.recording.events('forward-open')).toMatchObject([{ kind: 'forwarded-tcpip' }])
  })

  test('does not confirm its own channel', async () => {
    await start({ forward: { to: [], from: rules('localhost:*') } })
    world.fromClient(listen('localhost', 8000))
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)), forwardedTcp('localhost', 8000), confirm(1, 9))
    expect(world.endReason).toMatch(/^protocol error from the target/)
  })

  test('says which free port it took, and that one counts', async () => {
    await start({ forward: { to: [], from: rules('localhost:*') } })
    world.fromClient(listen('localhost', 0))
    world.fromTarget(encodeRequestSuccess(uint32(40_001)))
    expect(world.client.take()).toEqual([{ type: 'request-success', fields: uint32(40_001) }])
    world.fromTarget(forwardedTcp('localhost', 0))
    expect(types(world.target.take())).toContain('open-failure')
    world.fromTarget(forwardedTcp('localhost', 40_001))
    expect(types(world.client.take())).toEqual(['channel-open'])
  })

  test('that listens elsewhere than it was asked to ends the session', async () => {
    await start({ forward: { to: [], from: rules('localhost:*') } })
    world.fromClient(listen('localhost', 8000))
    world.fromTarget(encodeRequestSuccess(uint32(22)))
    expect(world.endReason).toMatch(/^protocol error from the target/)
  })

  test('opens nothing more once the client took its wish back', async () => {
    await start({ forward: { to: [], from: rules('localhost:*', '/tmp/*') } })
    world.fromClient(listen('localhost', 8000), listen('localhost', 8000, false, 'cancel-tcpip-forward'))
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)))
    world.fromClient(listen('localhost', 8000, false, 'cancel-tcpip-forward'))
    world.target.take()
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)), forwardedTcp('localhost', 8000))
    expect(types(world.target.take())).toEqual(['open-failure'])
    expect(world.recording.events('forward-unlisten')).toHaveLength(1)
    expect(world.endReason).toBeUndefined()
  })

  test('listens on sockets by path', async () => {
    await start({ forward: { to: [], from: rules('/tmp/*') } })
    const ask = (path: string): Buffer =>
      encodeGlobalRequest('streamlocal-forward@openssh.com', true, string(path))
    world.fromClient(ask('/run/x'))
    expect(types(world.client.take())).toEqual(['request-failure'])
    world.fromClient(ask('/tmp/x'))
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)), forwardedSocket('/tmp/x'))
    expect(types(world.client.take())).toEqual(['request-success', 'channel-open'])
  })

  test('listens in so many places and no more', async () => {
    await start({ forward: { to: [], from: rules('localhost:*') } })
    for (let number = 1; number <= maxListeners; number++) {
      world.fromClient(listen('localhost', number))
      world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)))
    }
    world.client.take()
    world.fromClient(listen('localhost', 9999))
    expect(types(world.client.take())).toEqual(['request-failure'])
  })

  test('loses the session its listeners when policy changes', async () => {
    await start({ forward: { to: [], from: rules('localhost:*') } })
    world.fromClient(listen('localhost', 8000))
    world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)))
    world.ground.policy = policyOf({ channels: ['shell', 'forward'] })
    world.session.decideAgain()
    expect(world.endReason).toBe('policy no longer allows what runs')
  })
})

test('property: global requests are answered one by one, in order, whoever answers', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('ours', 'granted', 'refused'), { maxLength: 20 }),
      async kinds => {
        await start({ forward: { to: [], from: rules('localhost:*') } })
        for (const [index, kind] of kinds.entries())
          world.fromClient(kind === 'ours' ? keepAlive : listen('localhost', 1000 + index))
        for (const kind of kinds) {
          if (kind === 'granted') world.fromTarget(encodeRequestSuccess(Buffer.alloc(0)))
          if (kind === 'refused') world.fromTarget(encodeRequestFailure())
        }
        expect(types(world.client.take())).toEqual(
          kinds.map(kind => (kind === 'granted' ? 'request-success' : 'request-failure')),
        )
        world.session.end({ reason: 'done', userText: '' })
      },
    ),
    { numRuns: 40 },
  )
})

describe('the agent', () => {
  const message = (type: number, ...fields: Buffer[]): Buffer =>
    string(Buffer.concat([byte(type), ...fields]))
  const list = message(11)
  const keys = message(12, uint32(1), string('blob'), string('comment'))
  const sign = (signed: Buffer): Buffer => message(13, string('blob'), string(signed), uint32(0))
  const signIn = Buffer.concat([
    string(Buffer.alloc(32, 7)),
    byte(50),
    string('root'),
    string('ssh-connection'),
    string('publickey'),
    boolean(true),
    string('ssh-ed25519'),
    string('blob'),
  ])

  /** A session, and the agent's channel that the target opened; its number. */
  async function openAgent(rule: Partial<AllowRule> = {}, packet = 32_768): Promise<number> {
    await start(rule)
    world.fromClient(open(1))
    world.fromTarget(confirm(0, 2))
    world.fromClient(request(0, 'auth-agent-req@openssh.com', true))
    if (world.target.take().some(sent => sent.type === 'channel-request')) world.fromTarget(success(0))
    world.fromTarget(open(atTarget, { type: 'auth-agent@openssh.com' }))
    const opened = world.client.take().at(-1)
    const id = opened?.type === 'channel-open' ? opened.sender : -1
    if (id >= 0) world.fromClient(confirm(id, atClient, { packet }))
    world.target.take()
    world.client.take()
    return id
  }

  test('is not offered where policy does not say so, and the target does not reach it', async () => {
    expect(await openAgent({ channels: ['shell', 'exec', 'forward'] })).toBe(-1)
    expect(world.recording.events('request-refused')).toMatchObject([
      {
        request: 'auth-agent-req@openssh.com',
        reason: 'Policy does not allow agent here, only shell, exec, forward.',
      },
      { request: 'channel auth-agent@openssh.com' },
    ])
  })

  test('is not reached by a target that refused it', async () => {
    await start()
    world.fromClient(open(1))
    world.fromTarget(confirm(0, 2))
    world.fromClient(request(0, 'auth-agent-req@openssh.com', true))
    world.target.take()
    world.fromTarget(failure(0), open(atTarget, { type: 'auth-agent@openssh.com' }))
    expect(types(world.target.take())).toEqual(['open-failure'])
  })

  const attacks: [string, Buffer][] = [
    ['adds a key', message(17, string('ssh-ed25519'), string('x'))],
    ['removes all keys', message(19)],
    ['locks the agent', message(22, string('x'))],
    ['sends nothing', uint32(0)],
    ['sends too much', uint32(1_000_000)],
    ['sends more than the message needs', message(11, byte(1))],
    ['sends less than the message needs', message(13, string('blob'))],
    ['uses an extension that nobody knows', message(27, string('x@example.com'))],
  ]
  for (const [name, bytes] of attacks)
    test(`is out of reach for a target that ${name}`, async () => {
      const id = await openAgent()
      world.fromTarget(data(id, bytes))
      expect(types(world.client.take())).toEqual(['close'])
      expect(types(world.target.take())).toEqual(['close'])
      expect(world.recording.events('request-refused').at(-1)?.reason).toMatch(
        /^Ended, because of what the target/,
      )
      expect(world.endReason).toBeUndefined()
    })

  test('does not answer what nobody asked', async () => {
    const id = await openAgent()
    world.fromClient(data(id, keys))
    expect(types(world.target.take())).toEqual(['close'])
  })

  test('does not answer one thing with another', async () => {
    const id = await openAgent()
    world.fromTarget(data(id, sign(signIn)))
    world.fromClient(data(id, keys))
    expect(types(world.target.take())).toEqual(['close'])
  })

  test('lists and signs, and the recording says which key, for whom and where', async () => {
    const id = await openAgent()
    world.fromTarget(data(id, list))
    world.fromClient(data(id, keys))
    world.fromTarget(
      data(id, sign(signIn)),
      data(id, sign(Buffer.from('SSHSIG\0\0\0\x04file'))),
      data(id, sign(Buffer.from('?'))),
    )
    expect(world.recording.events('agent-request')).toMatchObject([
      { request: 'list' },
      {
        request: 'sign',
        fingerprint: expect.stringMatching(/^SHA256:/),
        purpose: 'sign-in',
        user: 'root',
        sshSession: '07'.repeat(32),
      },
      { request: 'sign', purpose: 'file', namespace: 'file' },
      { request: 'sign', purpose: 'other', bytes: 1 },
    ])
    expect(world.recording.events('agent-reply')).toMatchObject([{ reply: 'keys', keys: 1 }])
    expect(types(world.client.take())).toEqual(['data', 'data', 'data', 'data'])
  })

  test('a message that comes byte by byte is held as one, and leaves in packets that the other end takes', async () => {
    const id = await openAgent()
    const all = sign(randomBytes(20_000))
    for (const byte of all.subarray(0, -1)) world.fromTarget(data(id, Buffer.of(byte)))
    expect(world.client.take()).toEqual([])
    world.fromTarget(data(id, all.subarray(-1)))
    const passed = world.client.take().flatMap(sent => (sent.type === 'data' ? [sent.data] : []))
    expect(Buffer.concat(passed)).toEqual(all)
    expect(passed).toHaveLength(1)
  })

  test('messages that go on together are cut to the packets that the other end takes', async () => {
    const id = await openAgent({}, 1000)
    const all = sign(randomBytes(2000))
    for (let at = 0; at < all.length; at += 1000) world.fromTarget(data(id, all.subarray(at, at + 1000)))
    const passed = world.client.take().flatMap(sent => (sent.type === 'data' ? [sent.data] : []))
    expect(Buffer.concat(passed)).toEqual(all)
    expect(Math.max(...passed.map(piece => piece.length))).toBe(1000)
  })

  test('property: what arrives in any pieces leaves complete and in order, and never a message that is not whole', async () => {
    const all = Buffer.concat([list, sign(signIn), sign(randomBytes(3000)), list])
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 40 }),
        async cuts => {
          const id = await openAgent()
          let at = 0
          for (const cut of [...cuts, all.length]) {
            const piece = all.subarray(at, at + cut)
            at += piece.length
            if (piece.length > 0) world.fromTarget(data(id, piece))
          }
          const passed = world.client.take().flatMap(sent => (sent.type === 'data' ? [sent.data] : []))
          expect(Buffer.concat(passed)).toEqual(all)
          expect(world.recording.events('agent-request')).toHaveLength(4)
          world.session.end({ reason: 'done', userText: '' })
        },
      ),
      { numRuns: 30 },
    )
  })
})

test('X11 is refused, and the recording says so', async () => {
  await start()
  world.fromClient(open(1))
  world.fromTarget(confirm(0, 2))
  world.client.take()
  world.fromClient(request(0, 'x11-req', true, Buffer.from('x')))
  expect(types(world.client.take())).toEqual(['channel-failure'])
  expect(world.recording.events('request-refused')).toMatchObject([
    { request: 'x11-req', reason: 'X11 is not forwarded through this gateway.' },
  ])
})

describe('every kind of channel and of listening is decided on its own:', () => {
  const kinds = ['shell', 'forward', 'agent'] as const
  const asks: [string, (typeof kinds)[number] | 'never', () => Buffer][] = [
    ['direct-tcpip', 'forward', () => directTcp('localhost', 80)],
    ['direct-streamlocal', 'forward', () => directSocket('/run/x')],
    ['tcpip-forward', 'forward', () => listen('localhost', 80)],
    ['x11', 'never', () => open(atClient, { type: 'x11' })],
    ['tun', 'never', () => open(atClient, { type: 'tun@openssh.com', fields: Buffer.alloc(8) })],
    [
      'forwarded-tcpip of a client',
      'never',
      () => open(atClient, { type: 'forwarded-tcpip', fields: port('localhost', 80) }),
    ],
    ['auth-agent of a client', 'never', () => open(atClient, { type: 'auth-agent@openssh.com' })],
  ]
  for (const [name, needs, ask] of asks)
    for (const kind of kinds)
      test(`${name} with ${kind} in the grant ${kind === needs ? 'goes on' : 'is refused'}`, async () => {
        await start({
          channels: [kind],
          forward: { to: rules('localhost:*', '/run/*'), from: rules('localhost:*') },
        })
        world.fromClient(ask())
        expect(world.target.sent).toHaveLength(kind === needs ? 1 : 0)
        expect(world.client.sent).toHaveLength(kind === needs ? 0 : 1)
        expect(world.recording.events('request-refused')).toHaveLength(kind === needs ? 0 : 1)
      })
})

test('property: whatever the fields are, the relay answers, passes on what it recorded, or ends the session', async () => {
  const names = [
    'direct-tcpip',
    'direct-streamlocal@openssh.com',
    'forwarded-tcpip',
    'auth-agent@openssh.com',
    'tcpip-forward',
    'streamlocal-forward@openssh.com',
    'cancel-tcpip-forward',
  ]
  const fields = fc.oneof(
    fc.uint8Array({ maxLength: 80 }).map(bytes => Buffer.from(bytes)),
    fc
      .tuple(fc.string(), fc.nat(70_000), fc.string())
      .map(([host, number, from]) => port(host, number, from)),
    fc.string({ unit: 'binary' }).map(path => Buffer.concat([string(path), string(''), uint32(0)])),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(...names), fields), { maxLength: 8 }), async asked => {
      await start({ forward: { to: rules('*:*', '/**'), from: rules('*:*', '/**') } })
      for (const [name, bytes] of asked) {
        if (world.endReason !== undefined) break
        const isGlobal = name.includes('forward') && !name.startsWith('forwarded')
        world.fromClient(
          isGlobal ? encodeGlobalRequest(name, true, bytes) : open(atClient, { type: name, fields: bytes }),
        )
      }
      const told = ['forward-open', 'forward-listen', 'forward-unlisten'] as const
      expect(world.target.sent.length).toBe(told.flatMap(type => world.recording.events(type)).length)
      world.session.end({ reason: 'done', userText: '' })
    }),
    { numRuns: 100 },
  )
})
