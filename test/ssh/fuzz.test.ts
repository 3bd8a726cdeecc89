/**
 * Both ends at their worst, in memory: whatever they send, only faults that are meant come of it, nothing goes on that was not
 * recorded before, no end is sent more than it granted, and what goes out decodes. `npm run soak -- fuzz` does the same to a running
 * gateway for as long as one likes (T33).
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import type { DataType } from '../../src/recorder/event.ts'
import { SshAuthentication } from '../../src/ssh/authentication.ts'
import { decodeConnectionMessage, encodeServiceRequest, messageNumber } from '../../src/ssh/messages.ts'
import { string } from '../../src/wire.ts'
import { confirm, exec, open, pty, request, success } from './channel-messages.ts'
import { FakeGround, person, policyOf, RelayWorld, settled } from './fakes.ts'
import { FuzzEnd } from './fuzz-end.ts'
import { hostileMessage, hostileSignIn } from './fuzz-messages.ts'

/** The same ones each time; fast-check prints it, and the shortest way to it, with whatever fails. */
const seed = 20_261_122
const numRuns = 1_500
const from = fc.constantFrom('client', 'target')
const step = fc.record({
  from,
  message: hostileMessage,
  pick: fc.nat(5),
  endsTurn: fc.boolean(),
  /** Whatever the order of the protocol says. */
  blunt: fc.nat(60).map(n => n === 0),
})
type Step = {
  from: 'client' | 'target'
  message: Buffer
  pick: number
  endsTurn: boolean
  blunt: boolean
}

type Start = 'command' | 'sftp' | 'terminal'

/** A session that is under way, so that there is something to break. */
async function underWay(start: Start): Promise<RelayWorld> {
  const ground = new FakeGround()
  ground.policy = policyOf({
    channels: ['shell', 'exec', 'sftp', 'forward', 'agent'],
    forward: {
      to: [{ kind: 'port', text: '127.0.0.1:*', host: '127.0.0.1', ports: { from: 1, to: 65_535 } }],
      from: [{ kind: 'port', text: 'localhost:*', host: 'localhost', ports: { from: 0, to: 65_535 } }],
    },
  })
  const keep = { keepOutputBytes: 1e9, keepForwardBytes: 1e9 }
  const world = await RelayWorld.start({ maxChannels: 4, ...keep }, ground)
  world.fromClient(open(0))
  world.fromTarget(confirm(0, 0))
  if (start === 'terminal') world.fromClient(pty(0))
  if (start === 'terminal') world.fromTarget(success(0))
  world.fromClient(start === 'sftp' ? request(0, 'subsystem', true, string('sftp')) : exec(0, 'cat'))
  world.fromTarget(success(0))
  return world
}

/** Says all that may be said, and now and then what may not; returns what each end granted. */
function play(world: RelayWorld, steps: readonly Step[]): Record<Step['from'], number> {
  const ends = { client: new FuzzEnd('client'), target: new FuzzEnd('target') }
  let grantedBluntly = 0
  const heard = { client: 0, target: 0 }
  const listen = (): void => {
    for (const end of ['client', 'target'] as const)
      for (const payload of world[end].raw.slice(heard[end])) {
        ends[end].heard(payload)
        heard[end]++
      }
  }
  listen()
  ends.target.say(confirm(0, 0), 0) // as underWay() did
  for (let n = 0; n < 2; n++) ends.target.say(success(0), 0)
  for (const { from, message, pick, endsTurn, blunt } of steps) {
    const said = blunt ? Buffer.from(message) : ends[from].say(message, pick)
    if (said === undefined) continue
    if (blunt) grantedBluntly = Number.POSITIVE_INFINITY
    if (from === 'client') world.relay.fromClient(said, 0)
    else world.relay.fromTarget(said, 0)
    if (endsTurn) world.recording.commit()
    listen()
  }
  world.recording.commit()
  const granted = (end: Step['from']): number => 100_000 + ends[end].grantedBytes + grantedBluntly
  return { client: granted('client'), target: granted('target') }
}

/** The data that one end was sent, one after the other. */
function dataTo(world: RelayWorld, end: Step['from']): Buffer {
  return Buffer.concat(world[end].sent.flatMap(message => (message.type === 'data' ? [message.data] : [])))
}

function recorded(world: RelayWorld, type: DataType): Buffer {
  return Buffer.concat(
    world.recording.committed.flatMap(event => ('data' in event && event.type === type ? [event.data] : [])),
  )
}

/** Terminals, files and agents are recorded by what they mean, not byte for byte; the rest is kept as it went. */
function isPlain(world: RelayWorld): boolean {
  return !world.recording.committed.some(
    event =>
      event.type === 'pty' ||
      event.type === 'subsystem' ||
      (event.type === 'channel-open' && event.kind === 'auth-agent@openssh.com'),
  )
}

describe('a relay between a hostile client and a hostile target', () => {
  test.each<Start>(['command', 'sftp', 'terminal'])('that runs a %s', async start => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async steps => {
        const world = await underWay(start)
        const granted = play(world, steps)
        for (const peer of [world.client, world.target]) {
          for (const payload of peer.raw) expectWellFormed(payload)
          expect(peer.goodbyes[0]?.text ?? '').not.toContain('could not handle')
        }
        for (const end of ['client', 'target'] as const)
          expect(dataTo(world, end).length).toBeLessThanOrEqual(granted[end])
        if (isPlain(world)) {
          expectPrefix(dataTo(world, 'target'), recorded(world, 'input'))
          expectPrefix(dataTo(world, 'client'), recorded(world, 'output'))
        }
        world.session.end({ reason: 'over', userText: '' })
        await settled()
      }),
      { seed, numRuns },
    )
  })
})

function expectWellFormed(payload: Buffer): void {
  if (payload[0] !== messageNumber.unimplemented) expect(decodeConnectionMessage(payload)).toBeDefined()
}

function expectPrefix(sent: Buffer, kept: Buffer): void {
  expect(kept.subarray(0, sent.length).equals(sent)).toBe(true)
}

test('a hostile client before it is in: only meant faults, no promise, and nobody gets in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(hostileSignIn, { minLength: 1, maxLength: 40 }), async messages => {
      const sent: Buffer[] = []
      let asked = 0
      const authentication = new SshAuthentication({
        send: payload => void sent.push(Buffer.from(payload)),
        disconnect: () => {},
        openSignIn: () => ({
          kind: 'waiting',
          signIn: {
            url: 'https://gw/sign-in/1',
            closed: false,
            ended: new Promise(() => {}),
            submit: () => ({ kind: 'wrong', triesLeft: 1, userText: 'Wrong.' }),
            cancel: () => {},
          },
        }),
        admit: () => {
          asked++
          return Promise.resolve({ kind: 'refused', userText: '' })
        },
        sessionId: () => Buffer.alloc(32),
        judgeKey: () => Promise.resolve({ kind: 'signed-in', principal: person(), proof: {} } as never),
        banner: '',
        maxAttempts: 6,
      })
      for (const message of [encodeServiceRequest('ssh-userauth'), ...messages]) {
        const fault = faultOf(() => authentication.message(Buffer.from(message)))
        if (fault !== undefined) expect(fault).toBeInstanceOf(Fault)
        if (fault !== undefined) break
        await Promise.resolve()
      }
      authentication.close()
      await settled()
      expect(asked).toBe(0)
      expect(sent.map(payload => payload[0])).not.toContain(messageNumber.authSuccess)
    }),
    { seed, numRuns },
  )
})

function faultOf(work: () => void): unknown {
  try {
    work()
    return undefined
  } catch (fault) {
    return fault
  }
}
