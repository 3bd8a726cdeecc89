import * as fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { type Principal, restorePrincipal } from '../../src/identity/principal.ts'
import {
  type SignInQuestion,
  type WaitingSignIn,
  WaitingSignIns,
} from '../../src/identity/waiting-sign-in.ts'
import { joinWaiting } from '../../src/identity/browser-half.ts'
import { FakeClock } from '../support/fake-clock.ts'

const minute = 60_000
const limits = { maxWaitingSignIns: 5, maxWaitingSignInsPerSource: 3, signInCodeLifetimeMs: 5 * minute }
const question: SignInQuestion = {
  protocol: 'ssh',
  userName: 'root@web1',
  target: 'web1',
  login: 'root',
  sourceAddress: '10.0.0.7',
}

let clock: FakeClock
let waiting: WaitingSignIns
beforeEach(() => {
  clock = new FakeClock()
  waiting = new WaitingSignIns({ clock, limits, webUrl: 'https://gw.example/' })
})

function person(subject: string): Principal {
  const principal = {
    issuer: 'i',
    subject,
    name: subject,
    email: undefined,
    emailVerified: false,
    groups: [],
    authenticatedAtMs: 0,
    expiresAtMs: 1e15,
  }
  return restorePrincipal({ tokenHash: '', principal, createdAtMs: 0, expiresAtMs: 1e15 })
}
const ada = person('ada')
const eve = person('eve')

function open(more: Partial<SignInQuestion> = {}): WaitingSignIn & { id: string } {
  const opened = waiting.open({ ...question, ...more })
  if (opened.kind !== 'waiting') throw new Error(opened.userText)
  return Object.assign(opened.signIn, { id: opened.signIn.url.split('/').at(-1) ?? '' })
}

function codeFor(signIn: { id: string }, principal = ada, browser = 'browser-of-ada'): string {
  waiting.bind(signIn.id, principal, browser)
  const confirmed = waiting.confirm(signIn.id, browser)
  if (confirmed.kind !== 'ok') throw new Error('not confirmed')
  return confirmed.code
}

describe('what gives nobody in', () => {
  test('any text before somebody confirmed: there is no code yet', () => {
    const signIn = open()
    waiting.bind(signIn.id, ada, 'b')
    for (const text of ['', '-', 'BCDF-GHJK']) expect(signIn.submit(text).kind).not.toBe('proven')
    expect(signIn.closed).toBe(true)
  })

  test('a wrong code; the third ends it, and the right one comes too late', () => {
    const signIn = open()
    const code = codeFor(signIn)
    expect(signIn.submit('AAAA-AAAA')).toMatchObject({ kind: 'wrong', triesLeft: 2 })
    expect(signIn.submit('')).toMatchObject({ kind: 'wrong', triesLeft: 1 })
    expect(signIn.submit('x'.repeat(100_000))).toMatchObject({ kind: 'over' })
    expect(signIn.submit(code)).toMatchObject({ kind: 'over' })
  })

  test("another connection's code, which reads like any wrong code (T40)", () => {
    const mine = open()
    const other = open({ userName: 'root@web2', target: 'web2' })
    const [code, otherCode] = [codeFor(mine), codeFor(other, eve, 'browser-of-eve')]
    expect(mine.submit(otherCode)).toEqual({ ...mine.submit('WRONG'), triesLeft: 2 })
    expect(mine.submit(code)).toMatchObject({ kind: 'proven' })
  })

  test('a code used before', () => {
    const signIn = open()
    const code = codeFor(signIn)
    expect(signIn.submit(code).kind).toBe('proven')
    expect(signIn.submit(code)).toMatchObject({
      kind: 'over',
      userText: expect.stringContaining('already used'),
    })
  })

  test('a code after its time, counted from when the connection asked', () => {
    const signIn = open()
    clock.advance(4 * minute)
    const code = codeFor(signIn)
    clock.advance(minute)
    expect(signIn.submit(code)).toMatchObject({ kind: 'over', userText: expect.stringContaining('time') })
  })

  test('a code of a connection that is gone, and a link to it', () => {
    const signIn = open()
    codeFor(signIn)
    signIn.cancel()
    expect([signIn.closed, waiting.find(signIn.id), waiting.confirm(signIn.id, 'browser-of-ada')]).toEqual([
      true,
      undefined,
      { kind: 'gone' },
    ])
  })

  test('a code that the person denied: the terminal is told', () => {
    const signIn = open()
    waiting.bind(signIn.id, ada, 'b')
    expect(waiting.deny(signIn.id, 'b').kind).toBe('ok')
    expect(signIn.submit('BCDF-GHJK')).toMatchObject({
      kind: 'over',
      userText: expect.stringContaining('denied'),
    })
  })
})

describe('which browser may answer', () => {
  test('none that did not sign in here (session fixation): another session neither confirms nor denies', () => {
    const signIn = open()
    expect(waiting.confirm(signIn.id, 'b')).toEqual({ kind: 'gone' })
    waiting.bind(signIn.id, ada, 'browser-of-ada')
    for (const other of ['', 'browser-of-eve', 'browser-of-adaa'])
      expect([waiting.confirm(signIn.id, other).kind, waiting.deny(signIn.id, other).kind]).toEqual([
        'gone',
        'gone',
      ])
    expect(signIn.closed).toBe(false)
  })

  test('after somebody confirmed, nobody else gets in, sees the code or changes who it is', () => {
    const signIn = open()
    const code = codeFor(signIn)
    expect([
      waiting.bind(signIn.id, eve, 'browser-of-eve').kind,
      waiting.confirm(signIn.id, 'browser-of-eve').kind,
    ]).toEqual(['gone', 'gone'])
    expect(signIn.submit(code)).toMatchObject({ kind: 'proven', principal: ada })
  })

  test('before that, the one who looked last: whoever confirms is who it will be', () => {
    const signIn = open()
    waiting.bind(signIn.id, eve, 'browser-of-eve')
    const code = codeFor(signIn)
    expect(waiting.confirm(signIn.id, 'browser-of-eve').kind).toBe('gone')
    expect(signIn.submit(code)).toMatchObject({ kind: 'proven', principal: ada })
  })

  test('ids that we did not make find nothing', () => {
    open()
    fc.assert(fc.property(fc.string(), text => waiting.find(text) === undefined))
  })

  test('what the browser sees never has the code in it', () => {
    const signIn = open()
    const code = codeFor(signIn)
    expect(JSON.stringify(waiting.find(signIn.id))).not.toContain(code)
    expect(JSON.stringify(waiting.bind(signIn.id, ada, 'browser-of-ada'))).not.toContain(code)
  })
})

describe('limits', () => {
  test('one source has its own, however its address is spelt', () => {
    for (const sourceAddress of ['10.0.0.7', '::ffff:10.0.0.7', '10.0.0.7']) open({ sourceAddress })
    expect(waiting.open(question)).toMatchObject({
      kind: 'refused',
      userText: expect.stringContaining('Too many'),
    })
    expect(waiting.open({ ...question, sourceAddress: '10.0.0.8' }).kind).toBe('waiting')
  })

  test('an IPv6 network is one source: whoever has one of its addresses has them all', () => {
    for (const host of ['1', '2', 'dead:beef:0:1'])
      open({ sourceAddress: `2001:db8:0:7:${host.includes(':') ? host : `:${host}`}` })
    expect(waiting.open({ ...question, sourceAddress: '2001:db8:0:7::9' }).kind).toBe('refused')
    expect(waiting.open({ ...question, sourceAddress: '2001:db8:0:8::9' }).kind).toBe('waiting')
  })

  test('the gateway has one, and whatever ends makes room', () => {
    const signIns = Array.from({ length: 5 }, (_, i) => open({ sourceAddress: `10.0.1.${i}` }))
    expect(waiting.open(question).kind).toBe('refused')
    signIns[0]?.cancel()
    signIns[0]?.cancel()
    expect([waiting.size, waiting.open(question).kind, waiting.open(question).kind]).toEqual([
      4,
      'waiting',
      'refused',
    ])
  })

  test('time ends what nobody answers, and makes room', () => {
    const signIns = [open(), open(), open()]
    expect(waiting.open(question).kind).toBe('refused')
    clock.advance(5 * minute)
    expect([signIns.map(one => one.closed), waiting.open(question).kind, waiting.size]).toEqual([
      [true, true, true],
      'waiting',
      1,
    ])
  })

  test('room is what opened minus what ended, whatever happens in between', () => {
    const step = fc.oneof(fc.constant('open' as const), fc.nat(10), fc.constant('wait' as const))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const all = new WaitingSignIns({ clock, limits, webUrl: 'https://gw.example' })
        const open: WaitingSignIn[] = []
        for (const one of steps) {
          if (one === 'wait') clock.advance(minute)
          else if (typeof one === 'number') open[one]?.cancel()
          else {
            const opened = all.open(question)
            if (opened.kind === 'waiting') open.push(opened.signIn)
          }
          const live = open.filter(signIn => !signIn.closed).length
          expect(all.size).toBe(live)
          expect(live).toBeLessThanOrEqual(limits.maxWaitingSignInsPerSource)
        }
      }),
    )
  })
})

test('the code works once, in any spelling, for the connection that asked', () => {
  for (const spell of [
    (code: string) => code,
    (code: string) => code.toLowerCase(),
    (code: string) => code.replace('-', ''),
    (code: string) => ` ${code.replace('-', ' ')}\r\n`,
  ]) {
    const signIn = open()
    expect(signIn.submit(spell(codeFor(signIn)))).toMatchObject({ kind: 'proven', principal: ada })
  }
})

test('asking again in the same browser shows the same code, so that a reload does not shut the terminal out', () => {
  const signIn = open()
  const code = codeFor(signIn)
  expect(waiting.confirm(signIn.id, 'browser-of-ada')).toMatchObject({ kind: 'ok', code })
  expect(code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
})

test('the link has 256 random bits and nothing else', () => {
  expect(open().url).toMatch(/^https:\/\/gw\.example\/sign-in\/[A-Za-z0-9_-]{22}$/)
})

test('the same words for targets that exist and that do not (T37)', () => {
  const [known, unknown] = [open(), open({ userName: 'x@nowhere', target: 'nowhere', login: 'x' })]
  expect(known.submit('A')).toEqual(unknown.submit('A'))
})

describe('a confirmation without a code', () => {
  const asks = { protocol: 'postgres', answer: 'confirmation' } as const

  test('from another address than the connection signs nobody in', () => {
    const signIn = open(asks)
    waiting.bind(signIn.id, ada, 'b')
    expect(waiting.approve(signIn.id, 'b', '10.0.0.8')).toEqual({ kind: 'elsewhere' })
    expect(signIn.closed).toBe(false)
  })

  test('from a browser that did not look, or after another one looked, is gone', () => {
    const signIn = open(asks)
    expect(waiting.approve(signIn.id, 'b', '10.0.0.7').kind).toBe('gone')
    waiting.bind(signIn.id, ada, 'b')
    waiting.bind(signIn.id, eve, 'of eve')
    expect(waiting.approve(signIn.id, 'b', '10.0.0.7').kind).toBe('gone')
  })

  test('is never asked of a connection that has a prompt, and the other way round', () => {
    const withPrompt = open()
    waiting.bind(withPrompt.id, ada, 'b')
    expect(waiting.approve(withPrompt.id, 'b', '10.0.0.7').kind).toBe('gone')
    const without = open(asks)
    waiting.bind(without.id, ada, 'b')
    expect(waiting.confirm(without.id, 'b').kind).toBe('gone')
  })

  test('of the connection’s own address, in any spelling, signs it in once', async () => {
    const signIn = open(asks)
    waiting.bind(signIn.id, ada, 'b')
    expect(waiting.approve(signIn.id, 'b', '::ffff:10.0.0.7')).toMatchObject({ kind: 'ok', principal: ada })
    expect(await signIn.ended).toMatchObject({ kind: 'proven', principal: ada })
    expect(waiting.approve(signIn.id, 'b', '10.0.0.7').kind).toBe('gone')
  })

  test('that is denied, cancelled or too late tells the connection', async () => {
    const denied = open(asks)
    waiting.bind(denied.id, ada, 'b')
    waiting.deny(denied.id, 'b')
    expect(await denied.ended).toMatchObject({ kind: 'over', userText: expect.stringContaining('denied') })
    const cancelled = open(asks)
    cancelled.cancel()
    expect(await cancelled.ended).toMatchObject({ kind: 'over' })
    const late = open(asks)
    waiting.bind(late.id, ada, 'b')
    clock.advance(5 * minute)
    expect(waiting.approve(late.id, 'b', '10.0.0.7').kind).toBe('gone')
    expect(await late.ended).toMatchObject({ kind: 'over', userText: expect.stringContaining('time') })
  })
})

test('two listeners’ sign-ins are found at one page and never share places', () => {
  const other = new WaitingSignIns({ clock, limits, webUrl: 'https://gw.example/' })
  const joined = joinWaiting(waiting, other)
  while (waiting.open(question).kind === 'waiting');
  const opened = other.open({ ...question, protocol: 'postgres', answer: 'confirmation' })
  if (opened.kind !== 'waiting') throw new Error('the other listener has its own places')
  const id = opened.signIn.url.split('/').at(-1) ?? ''
  expect(joined.find(id)?.protocol).toBe('postgres')
  expect(joined.bind(id, ada, 'b').kind).toBe('ok')
  expect(joined.approve(id, 'b', '10.0.0.7').kind).toBe('ok')
  expect([joined.find('x'), joined.deny('x', 'b').kind]).toEqual([undefined, 'gone'])
})
