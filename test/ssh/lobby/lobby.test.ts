/** What a client that named no target can do to us, and what it gets. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultSshLimits } from '../../../src/config/ssh-limits.ts'
import { Lobby, type LobbyParts, maxRefusals, namesNoTarget } from '../../../src/ssh/lobby/lobby.ts'
import { LobbyPlaces } from '../../../src/ssh/lobby/places.ts'
import {
  encodeChannelOpen,
  encodeChannelRequest,
  encodeChannelSignal,
  encodeDataHead,
  encodeExtendedDataHead,
  encodeGlobalRequest,
  encodeOpenConfirmation,
  encodeRequestFailure,
  encodeWindowAdjust,
} from '../../../src/ssh/messages.ts'
import { string, uint32 } from '../../../src/wire.ts'
import { FakeGround, FakeTransport, person, policyOf, quiet } from '../fakes.ts'

const noBytes: Buffer = Buffer.alloc(0)
let ground: FakeGround
let client: FakeTransport
let lobby: Lobby
let sequence = 0

beforeEach(() => {
  vi.useFakeTimers()
  ground = new FakeGround()
  client = new FakeTransport()
  lobby = start()
})
afterEach(() => {
  lobby.close({ kind: 'peer', reason: undefined, text: '' })
  vi.useRealTimers()
})

function partsOf(limits: Partial<typeof defaultSshLimits> = {}): LobbyParts {
  return {
    session: ground.parts,
    clock: ground.clock,
    audit: ground.audit,
    log: quiet,
    gatewayName: 'bastion',
    limits: () => ({ ...defaultSshLimits, maxChannelsPerConnection: 4, ...limits }),
    keepOutputBytes: () => 1000,
    targetHostKeys: { identityOf: () => new Promise(() => {}) },
  } as unknown as LobbyParts
}

function start(principal = person()): Lobby {
  return new Lobby(partsOf(), { principal, sourceAddress: '192.0.2.1', transport: client.asTransport })
}

function send(...payloads: Buffer[]): void {
  for (const payload of payloads) lobby.fromClient(payload, sequence++)
}

const open = (channelType: string, fields = noBytes, sender = 7) =>
  encodeChannelOpen({ channelType, sender, windowBytes: 100_000, maxPacketBytes: 32_768, fields })
const jumpTo = (host: string, port = 22) =>
  open('direct-tcpip', Buffer.concat([string(host), uint32(port), string('::1'), uint32(1)]))
const types = () => client.take().map(message => message.type)
const ended = () => client.goodbyes.length > 0

describe('a message that nobody asked for ends the connection:', () => {
  test.each([
    ['data on a channel that is not open', Buffer.concat([encodeDataHead(0, 1), Buffer.from('x')])],
    ['the end of one', encodeChannelSignal('close', 3)],
    [
      'a confirmation',
      encodeOpenConfirmation({ recipient: 0, sender: 0, windowBytes: 1, maxPacketBytes: 1, fields: noBytes }),
    ],
    ['a reply to a request', encodeChannelSignal('channel-success', 0)],
    ['a reply to a global request', encodeRequestFailure()],
    ['half a jump', open('direct-tcpip', string('web1'))],
    ['more than a message', Buffer.concat([encodeWindowAdjust(0, 1), noBytes, Buffer.from('x')])],
  ])('%s', (_, payload) => {
    send(payload)
    expect(ended()).toBe(true)
  })

  test('more data than the window of a list holds', () => {
    send(open('session'))
    expect(client.take()).toMatchObject([
      { type: 'open-confirmation', windowBytes: 4096, maxPacketBytes: 16_384 },
    ])
    send(Buffer.concat([encodeDataHead(0, 4096), Buffer.alloc(4096)]))
    expect(ended()).toBe(false) // and given back
    for (let sent = 0; sent < 3 && !ended(); sent++)
      send(Buffer.concat([encodeDataHead(0, 4097), Buffer.alloc(4097)]))
    expect(ended()).toBe(true)
  })

  test('extended data, which only servers send', () => {
    send(open('session'), Buffer.concat([encodeExtendedDataHead(0, 1, 1), Buffer.from('x')]))
    expect(ended()).toBe(true)
  })

  test('anything on a channel after its end', () => {
    send(open('session'), encodeChannelSignal('end-of-file', 0), encodeChannelSignal('end-of-file', 0))
    expect(ended()).toBe(true)
  })

  test('anything on a jump that is not confirmed yet', () => {
    send(jumpTo('web1'), Buffer.concat([encodeDataHead(0x4000_0000, 1), Buffer.from('x')]))
    expect(ended()).toBe(true)
  })
})

test('whatever bytes come, nothing is thrown and no session is opened', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 80 }), { maxLength: 20 }), payloads => {
      client = new FakeTransport()
      lobby.close({ kind: 'peer', reason: undefined, text: '' })
      lobby = start()
      send(...payloads.map(bytes => Buffer.from(bytes)))
    }),
  )
  expect(ground.rows).toEqual([])
})

describe('refused, and the connection stays:', () => {
  test('a jump to no target and one to a target of others, in the same words, and noted', () => {
    ground.policy = {
      ...policyOf(),
      targets: [...policyOf().targets, { ...policyOf({}, { name: 'others' }).targets[0]! }],
    }
    send(jumpTo('others'), jumpTo('nowhere'), jumpTo('web1', 80))
    const texts = client.take().map(message => 'description' in message && message.description)
    expect(new Set(texts)).toEqual(
      new Set(['sallyport: There is no such target, or you have no access to it.']),
    )
    expect(ground.audited.map(event => [event.kind, event['code'], event['target']])).toEqual([
      ['refusal', 'jump', 'others:22'],
      ['refusal', 'jump', 'nowhere:22'],
      ['refusal', 'jump', 'web1:80'],
    ])
    expect(ended()).toBe(false)
  })

  test('a jump to a target that is closed at this hour or from here', () => {
    ground.policy = policyOf({ when: { from: ['10.0.0.0/8'] } })
    send(jumpTo('web1'))
    expect(types()).toEqual(['open-failure'])
  })

  test('other channels, forwards, and more channels than there may be', () => {
    send(open('x11'), encodeGlobalRequest('tcpip-forward', true, noBytes))
    expect(types()).toEqual(['open-failure', 'request-failure'])
    send(...Array.from({ length: 5 }, () => open('session')))
    expect(types()).toEqual([...Array<string>(4).fill('open-confirmation'), 'open-failure'])
  })

  test('a session after the client asked for no more', () => {
    send(encodeGlobalRequest('no-more-sessions@openssh.com', false, noBytes), open('session'))
    expect(types()).toEqual(['open-failure'])
  })

  test('a command, with a sentence and exit status 1', async () => {
    send(open('session'), encodeChannelRequest(0, 'exec', true, string('id')))
    await vi.advanceTimersByTimeAsync(0)
    expect(types()).toEqual([
      'open-confirmation',
      'channel-success',
      'extended-data',
      'channel-request',
      'end-of-file',
      'close',
    ])
  })
})

describe('the connection ends', () => {
  test('when too much had to be refused, and with it what fills the audit log', () => {
    for (let count = 0; count < maxRefusals + 50; count++) send(jumpTo('nowhere'))
    expect(ended()).toBe(true)
    expect(ground.audited.length).toBe(maxRefusals + 1)
  })

  test('when a refusal cannot be noted', () => {
    ground.auditFails = true
    send(jumpTo('nowhere'))
    expect(ended()).toBe(true)
    expect(types()).toEqual([])
  })

  test('when the sign-in expires', () => {
    ground.clock.advance(86_400_000)
    vi.advanceTimersByTime(defaultSshLimits.keepAliveIntervalMs)
    expect(client.goodbyes[0]?.text).toBe('Your sign-in has expired. Connect again.')
  })

  test('when nothing is open for ten minutes, and not while something is', () => {
    send(open('session'))
    ground.clock.advance(600_000)
    vi.advanceTimersByTime(defaultSshLimits.keepAliveIntervalMs)
    expect(ended()).toBe(false)
    send(encodeChannelSignal('close', 0))
    ground.clock.advance(600_000)
    vi.advanceTimersByTime(defaultSshLimits.keepAliveIntervalMs)
    expect(ended()).toBe(true)
  })

  test('when the client answers no keep-alive; one that answers stays', () => {
    for (let count = 0; count < 5; count++) {
      vi.advanceTimersByTime(defaultSshLimits.keepAliveIntervalMs)
      send(encodeRequestFailure())
    }
    expect(ended()).toBe(false)
    vi.advanceTimersByTime(4 * defaultSshLimits.keepAliveIntervalMs)
    expect(client.goodbyes[0]?.text).toBe('The client no longer answers.')
  })
})

describe('who gets in', () => {
  test('is not whoever may reach nothing: they are refused at the door', () => {
    const wish = { ...ground.wish(person({ groups: [] })), target: undefined, bare: 'ada' }
    expect(namesNoTarget(wish, partsOf())).toBe(false)
  })

  test('is whoever left open what, and nobody who named something', () => {
    const { principal, sourceAddress, protocol } = ground.wish()
    const wish = { principal, sourceAddress, protocol }
    expect(namesNoTarget({ ...wish, bare: 'ada' }, partsOf())).toBe(true)
    expect(namesNoTarget({ ...wish, bare: 'web1' }, partsOf())).toBe(false)
    expect(namesNoTarget({ ...wish, target: 'nowhere', login: 'root' }, partsOf())).toBe(false)
  })

  test('has only so many places, each given back once', () => {
    const places = new LobbyPlaces()
    const leave = places.take('ada', 2)
    expect(places.take('ada', 2)).toBeDefined()
    expect(places.take('ada', 2)).toBeUndefined()
    expect(places.take('bob', 2)).toBeDefined()
    leave?.()
    leave?.()
    expect(places.take('ada', 2)).toBeDefined()
    expect(places.take('ada', 2)).toBeUndefined()
  })
})
