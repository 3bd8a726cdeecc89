import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Principal } from '../../src/identity/principal.ts'
import type { SubmitResult, WaitingSignIn } from '../../src/identity/waiting-sign-in.ts'
import { type Admission, SshAuthentication } from '../../src/ssh/authentication.ts'
import { encodeServiceRequest, messageNumber } from '../../src/ssh/messages.ts'
import { boolean, byte, string, uint32, WireReader } from '../../src/wire.ts'
import { open } from './channel-messages.ts'
import { person, settled } from './fakes.ts'

const maxAttempts = 6

class FakeSignIn implements WaitingSignIn {
  readonly url: string
  closed = false
  readonly ended = new Promise<never>(() => {})
  cancelled = 0
  results: SubmitResult[] = []
  constructor(number: number) {
    this.url = `https://gw/sign-in/${number}`
  }
  submit(code: string): SubmitResult {
    if (code === 'GOOD') return { kind: 'proven', principal: person(), enrolKey: false }
    return this.results.shift() ?? { kind: 'wrong', triesLeft: 1, userText: 'Wrong.' }
  }
  cancel(): void {
    this.cancelled++
  }
}

let sent: Buffer[]
let goodbyes: { reason: number; text: string }[]
let signIns: FakeSignIn[]
let asked: { userName: string; principal: Principal }[]
let admission: PromiseWithResolvers<Admission>
let authentication: SshAuthentication
let started: number

beforeEach(() => {
  sent = []
  goodbyes = []
  signIns = []
  asked = []
  started = 0
  admission = Promise.withResolvers()
  authentication = new SshAuthentication({
    send: payload => void sent.push(Buffer.from(payload)),
    disconnect: (reason, text) => void goodbyes.push({ reason, text }),
    openSignIn: () => {
      const signIn = new FakeSignIn(signIns.length)
      signIns.push(signIn)
      return { kind: 'waiting', signIn }
    },
    admit: (principal, userName) => {
      asked.push({ userName, principal })
      return admission.promise
    },
    sessionId: () => Buffer.alloc(32),
    judgeKey: () => Promise.resolve({ kind: 'unknown' }),
    banner: 'hello',
    maxAttempts,
  })
})

const say = (payload: Uint8Array): void => authentication.message(Buffer.from(payload))
const userauth = encodeServiceRequest('ssh-userauth')
const authRequest = (method: string, o: { user?: string; service?: string } = {}): Buffer =>
  Buffer.concat([
    byte(50),
    string(o.user ?? 'root@web1'),
    string(o.service ?? 'ssh-connection'),
    string(method),
    string(''),
    string(''),
  ])
const none = authRequest('none')
const interactive = authRequest('keyboard-interactive')
const answer = (...codes: string[]): Buffer =>
  Buffer.concat([byte(61), uint32(codes.length), ...codes.map(code => string(code))])
const numbers = (): number[] => sent.splice(0).map(payload => payload[0] ?? 0)
const admitted: Admission = { kind: 'admitted', start: () => void started++ }

/** To the prompt. */
function prompted(): void {
  say(userauth)
  say(interactive)
  numbers()
}

describe('before sign-in the connection ends at', () => {
  const messages: [string, Buffer][] = [
    ['a failure that only servers send (51)', Buffer.concat([byte(51), string('x'), boolean(false)])],
    ['a success that only servers send (52)', byte(52)],
    ['a banner that only servers send (53)', Buffer.concat([byte(53), string('x'), string('')])],
    ['a question that only servers ask (60)', byte(60)],
    ['the opening of a channel', open(0)],
    ...[80, 81, 82, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 127, 192, 255].map(
      (number): [string, Buffer] => [`message ${number}`, byte(number)],
    ),
  ]
  for (const [name, payload] of messages) {
    test(`${name}, at every moment`, () => {
      expect(() => say(payload)).toThrow('before authentication')
      say(userauth)
      expect(() => say(payload)).toThrow('before authentication')
      say(interactive)
      expect(() => say(payload)).toThrow('before authentication')
      say(answer('GOOD'))
      expect(() => say(payload)).toThrow('before authentication')
      expect(started).toBe(0)
    })
  }

  test('a sign-in without the service, and a service twice or unknown', () => {
    expect(() => say(none)).toThrow('Not the time')
    expect(() => say(encodeServiceRequest('ssh-connection'))).toThrow('not available')
    say(userauth)
    expect(() => say(userauth)).toThrow('not available')
  })

  test('an answer that nobody asked for', () => {
    expect(() => say(answer('GOOD'))).toThrow('Nobody asked')
    say(userauth)
    expect(() => say(answer('GOOD'))).toThrow('Nobody asked')
    say(none)
    expect(() => say(answer('GOOD'))).toThrow('Nobody asked')
    expect(asked).toEqual([])
  })

  test('fewer answers than questions, and more', () => {
    prompted()
    expect(() => say(answer())).toThrow('Nobody asked')
    expect(() => say(answer('GOOD', 'GOOD'))).toThrow('More answers')
    expect(() => say(Buffer.concat([byte(61), uint32(0xffff_ffff)]))).toThrow('More answers')
    expect(asked).toEqual([])
  })

  test('another user name, also after another method, and the sign-in of the first is not used', () => {
    prompted()
    expect(() => say(authRequest('keyboard-interactive', { user: 'root@db1' }))).toThrow('must not change')
    expect(signIns.length).toBe(1)
  })

  test('another service behind the sign-in', () => {
    say(userauth)
    expect(() => say(authRequest('none', { service: 'ssh-userauth' }))).toThrow('not available')
  })

  test('a user name that is too long, or no UTF-8', () => {
    say(userauth)
    expect(() => say(authRequest('none', { user: 'x'.repeat(513) }))).toThrow('too long')
    expect(() =>
      say(Buffer.concat([byte(50), string(Buffer.from([0xff])), string('ssh-connection'), string('none')])),
    ).toThrow('malformed')
  })
})

describe('while it is decided', () => {
  beforeEach(() => {
    prompted()
    say(answer('GOOD'))
  })

  test('a second request or answer ends the connection, and what comes of the decision is not said', async () => {
    expect(() => say(interactive)).toThrow('Not the time')
    expect(() => say(answer('GOOD'))).toThrow('Nobody asked')
    expect(() => say(userauth)).toThrow('not available')
    authentication.close()
    admission.resolve(admitted)
    await settled()
    expect([numbers(), started, asked.length]).toEqual([[], 0, 1])
  })

  test('a client that leaves is not told that it is in, and nothing starts', async () => {
    authentication.close()
    admission.resolve(admitted)
    await settled()
    expect([numbers(), goodbyes, started]).toEqual([[], [], 0])
  })

  test('success comes first, then the relay', async () => {
    const order: string[] = []
    admission.resolve({ kind: 'admitted', start: () => void order.push(String(sent.length)) })
    await settled()
    expect([numbers(), order]).toEqual([[messageNumber.authSuccess], ['1']])
    expect(authentication.over).toBe(true)
  })

  test('a refusal is said and ends the connection', async () => {
    admission.resolve({ kind: 'refused', userText: 'Not today.' })
    await settled()
    expect([numbers(), goodbyes]).toEqual([[], [{ reason: 14, text: 'Not today.' }]])
  })

  test('a decision that fails refuses, and says nothing of why', async () => {
    admission.reject(new Error('password=hunter2'))
    await settled()
    expect(numbers()).toEqual([])
    expect(goodbyes.length).toBe(1)
    expect(goodbyes[0]?.text).not.toContain('hunter2')
  })

  test('a relay that cannot start ends the connection instead of the process', async () => {
    admission.resolve({
      kind: 'admitted',
      start: () => {
        throw new Error('no')
      },
    })
    await settled()
    expect(goodbyes.length).toBe(1)
  })
})

describe('attempts', () => {
  test('without end are not taken, whatever the method', () => {
    say(userauth)
    for (const method of [
      'none',
      'password',
      'hostbased',
      'gssapi-with-mic',
      'nonsense',
      'none',
      'none',
      'none',
    ]) {
      if (goodbyes.length > 0) break
      say(authRequest(method))
    }
    expect(goodbyes).toMatchObject([{ reason: 14 }])
    expect(numbers().filter(number => number === messageNumber.authFailure).length).toBeLessThanOrEqual(
      maxAttempts + 1,
    )
  })

  test('of new sign-ins end too, and each new one forgets the one before', () => {
    say(userauth)
    for (let n = 0; n < maxAttempts + 1; n++) say(interactive)
    expect(goodbyes).toMatchObject([{ reason: 14 }])
    expect(signIns.length).toBe(maxAttempts)
    expect(signIns.every(signIn => signIn.cancelled === 1)).toBe(true)
  })

  test('with empty answers are not endless', () => {
    prompted()
    for (let n = 0; n < 13 && goodbyes.length === 0; n++) say(answer(''))
    expect(goodbyes).toMatchObject([{ text: 'Too many answers. Connect again.' }])
  })

  test('tell nothing about the user name: the same methods for all, and the banner once', () => {
    say(userauth)
    say(none)
    say(none)
    const [, banner, first, second] = sent
    expect(banner?.[0]).toBe(messageNumber.authBanner)
    expect(first).toEqual(second)
    expect(new WireReader(first as Buffer, 1).text()).toBe('publickey,keyboard-interactive')
  })

  test('with a wrong code are asked again, and told when it is over', () => {
    prompted()
    ;(signIns[0] as FakeSignIn).results = [
      { kind: 'wrong', triesLeft: 1, userText: 'Wrong.' },
      { kind: 'over', userText: 'Too many.' },
    ]
    say(answer('BAD'))
    expect(numbers()).toEqual([messageNumber.infoRequest])
    say(answer('BAD'))
    expect(goodbyes).toMatchObject([{ text: 'Too many.' }])
    expect(asked).toEqual([])
  })
})

test('a connection that goes away forgets the sign-in that waits', () => {
  prompted()
  authentication.close()
  expect(signIns[0]?.cancelled).toBe(1)
})

test('property: only a right code admits, and in no order of messages is success said before the decision', () => {
  const message = fc.constantFrom(
    userauth,
    none,
    interactive,
    answer('GOOD'),
    answer('BAD'),
    answer(''),
    answer(),
    byte(52),
    open(0),
    authRequest('keyboard-interactive', { user: 'x' }),
  )
  fc.assert(
    fc.property(fc.array(message, { maxLength: 15 }), messages => {
      authentication.close()
      const world: { sent: number[]; asked: number } = { sent: [], asked: 0 }
      let proven = 0
      const one = new SshAuthentication({
        send: payload => void world.sent.push(payload[0] ?? 0),
        disconnect: () => {},
        openSignIn: () => ({ kind: 'waiting', signIn: new FakeSignIn(0) }),
        admit: () => {
          world.asked++
          return new Promise(() => {})
        },
        sessionId: () => Buffer.alloc(32),
        judgeKey: () => Promise.resolve({ kind: 'unknown' }),
        banner: '',
        maxAttempts,
      })
      for (const payload of messages) {
        try {
          if (payload[0] === 61 && payload.includes('GOOD')) proven++
          one.message(payload)
        } catch (error) {
          expect(error).toMatchObject({ code: 'SSH_PROTOCOL' })
          break
        }
      }
      expect(world.asked).toBeLessThanOrEqual(Math.min(1, proven))
      expect(world.sent).not.toContain(messageNumber.authSuccess)
      one.close()
    }),
    { numRuns: 500 },
  )
})
