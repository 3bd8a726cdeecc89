import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { newSessionId, openSession } from '../../src/session/session.ts'
import { limitCheckIntervalMs } from '../../src/session/live.ts'
import { FakeGround, person, policyOf, settled } from '../ssh/fakes.ts'

let ground: FakeGround
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  ground = new FakeGround()
})
afterEach(() => void vi.useRealTimers())

const hour = 3_600_000
const kinds = (): string[] => ground.audited.map(event => event.kind)

describe('nothing is opened', () => {
  test('that policy denies: no row, no recording, and the reason is in the audit log', async () => {
    ground.policy = policyOf({ logins: ['nobody'] })
    expect((await openSession(ground.wish(), ground.parts)).kind).toBe('refused')
    expect([ground.rows, ground.recordings]).toEqual([[], []])
    expect(kinds()).toEqual(['refusal'])
  })

  test('by the door of another protocol, and only those who may reach the target learn why', async () => {
    const wish = { ...ground.wish(), protocol: 'postgres' } as const
    const opening = await openSession(wish, ground.parts)
    expect(opening).toEqual({ kind: 'refused', userText: 'The target web1 is reached with an SSH client.' })
    expect([ground.rows, ground.recordings]).toEqual([[], []])
    expect(ground.audited).toMatchObject([{ kind: 'refusal', code: 'other-protocol', target: 'web1' }])
  })

  test('when the audit log cannot be written, not even refused in silence', async () => {
    ground.auditFails = true
    const opening = await openSession(ground.wish(), ground.parts)
    expect(opening).toMatchObject({ kind: 'refused', userText: 'The audit log cannot be written.' })
    expect(ground.recordings).toEqual([])
  })

  test('when the recording cannot be opened, and the audit log says how that ended', async () => {
    ground.recorderFails = true
    expect((await openSession(ground.wish(), ground.parts)).kind).toBe('refused')
    expect(ground.rows).toEqual([])
    expect(kinds()).toEqual(['session-open', 'session-close'])
  })

  test('when the store does not answer: the recording is sealed, and nobody learns of inner matters', async () => {
    ground.insert = () => Promise.reject(new Error('SQLITE_IOERR /var/lib/secret'))
    const opening = await openSession(ground.wish(), ground.parts)
    expect(opening).toMatchObject({ kind: 'refused' })
    expect(JSON.stringify(opening)).not.toContain('secret')
    expect(ground.recordings[0]?.sealed).toEqual(['the session could not be stored'])
    expect(kinds()).toEqual(['session-open', 'session-close'])
    expect(ground.live.size).toBe(0)
  })

  test('past the limit of a person, even if all come at once while the store is slow', async () => {
    ground.maxSessions = 2
    const slow = Promise.withResolvers<void>()
    ground.insert = () => slow.promise
    const openings = [1, 2, 3, 4].map(() => openSession(ground.wish(), ground.parts))
    slow.resolve()
    const results = await Promise.all(openings)
    expect(results.filter(result => result.kind === 'opened').length).toBe(2)
    expect((await openSession(ground.wish(person({ subject: 'ben' })), ground.parts)).kind).toBe('opened')
  })

  test('and an opening that failed gives its place back', async () => {
    ground.maxSessions = 1
    ground.recorderFails = true
    await openSession(ground.wish(), ground.parts)
    ground.recorderFails = false
    expect((await openSession(ground.wish(), ground.parts)).kind).toBe('opened')
  })
})

describe('a session ends', () => {
  test('once: the first reason counts, the recording is sealed, the row closed, the audit log told', async () => {
    const { session, recording } = await ground.open()
    const heard: string[] = []
    session.onEnd(ending => heard.push(ending.reason))
    session.end({ reason: 'first', userText: '' })
    session.end({ reason: 'second', userText: '' })
    await session.close()
    expect([heard, recording.sealed, ground.ends]).toEqual([
      ['first'],
      ['first'],
      [{ id: session.id, endReason: 'first' }],
    ])
    expect(ground.audited.at(-1)).toMatchObject({ kind: 'session-close', reason: 'first', sealed: 'yes' })
    expect(ground.live.size).toBe(0)
  })

  test('for those who ask afterwards too', async () => {
    const { session } = await ground.open()
    session.end({ reason: 'over', userText: 'bye' })
    const heard: string[] = []
    session.onEnd(ending => heard.push(ending.userText))
    expect(heard).toEqual(['bye'])
  })

  test('for all who listen, if one of them fails', async () => {
    const { session, recording } = await ground.open()
    let heard = false
    session.onEnd(() => {
      throw new Error('a socket that is gone')
    })
    session.onEnd(() => (heard = true))
    session.end({ reason: 'over', userText: '' })
    await session.close()
    expect(heard).toBe(true)
    expect(recording.sealed).toEqual(['over'])
  })

  test('when its recording fails, with the sentence for its user', async () => {
    const { session, recording } = await ground.open()
    let told = ''
    session.onEnd(ending => (told = ending.userText))
    recording.fail()
    expect(told).toBe('The recording cannot be written.')
  })

  test('with its row left open if the recording could not be sealed: the next start finishes it', async () => {
    const { session, recording } = await ground.open()
    recording.sealing = Promise.reject(new Error('disk full'))
    session.end({ reason: 'over', userText: '' })
    await session.close()
    expect(ground.ends).toEqual([])
    expect(ground.audited.at(-1)).toMatchObject({ sealed: 'no' })
  })

  test('without a rejection that nobody handles when the audit log fails', async () => {
    const { session } = await ground.open()
    ground.auditFails = true
    session.end({ reason: 'over', userText: '' })
    await settled()
    expect(ground.live.size).toBe(0)
  })
})

describe('deciding again', () => {
  const cases: [string, (ground: FakeGround) => void, RegExp][] = [
    ['the rule is gone', g => (g.policy = policyOf({ logins: ['nobody'] })), /no longer allowed/],
    ['the target moved', g => (g.policy = policyOf({}, { host: '10.0.0.9' })), /target changed/],
    ['the port changed', g => (g.policy = policyOf({}, { port: 2222 })), /target changed/],
    [
      'its host keys changed',
      g => (g.policy = policyOf({}, { hostKeys: ['ssh-ed25519 AAAA'] })),
      /target changed/,
    ],
    [
      'its host authorities changed',
      g => (g.policy = policyOf({}, { hostAuthorities: ['ssh-ed25519 AAAA'] })),
      /target changed/,
    ],
    ['its time is over', g => g.clock.advance(hour), /grant ended/],
    ['the sign-in has run out', g => g.clock.advance(25 * hour), /no longer allowed/],
  ]
  for (const [name, change, reason] of cases) {
    test(`ends the session when ${name}`, async () => {
      const { session, recording } = await ground.open()
      change(ground)
      session.decideAgain()
      expect(recording.sealed[0]).toMatch(reason)
    })
  }

  test('keeps it while nothing changed, and never moves its end', async () => {
    const { session } = await ground.open()
    const { validUntilMs } = session.grant.fields
    ground.clock.advance(hour / 2)
    session.decideAgain()
    expect(session.ended).toBe(false)
    expect(session.grant.fields.validUntilMs).toBe(validUntilMs)
  })

  test('ends it in time though somebody sets the wall clock back', async () => {
    const { session } = await ground.open()
    const start = ground.clock.nowMs()
    ground.clock.advance(hour)
    Object.assign(ground.clock, { nowMs: () => start - hour })
    expect(session.expired).toBe(true)
    ground.live.checkLimits()
    expect(session.ended).toBe(true)
  })
})

describe('the list of live sessions', () => {
  test('ends what is past its time, or idle, at its next look', async () => {
    const { session, recording } = await ground.open()
    ground.clock.advance(599_999)
    ground.live.checkLimits()
    expect(session.ended).toBe(false)
    ground.clock.advance(1)
    vi.advanceTimersByTime(limitCheckIntervalMs)
    expect(recording.sealed).toEqual(['idle'])
  })

  test('does not take the used for the idle', async () => {
    const { session } = await ground.open()
    ground.clock.advance(599_000)
    session.touch()
    ground.clock.advance(599_000)
    ground.live.checkLimits()
    expect(session.ended).toBe(false)
  })

  test('ends one by its id, and says if there is none, or none any more', async () => {
    const { session, recording } = await ground.open()
    expect(ground.live.end('nobody', 'x')).toBe(false)
    expect(ground.live.end(session.id, 'maintenance')).toBe(true)
    expect(ground.live.end(session.id, 'again')).toBe(false)
    expect(recording.sealed).toEqual(['maintenance'])
  })

  test('closes all and waits for the seals, of those too that were ending already', async () => {
    const { session, recording } = await ground.open()
    const seal = Promise.withResolvers<void>()
    recording.sealing = seal.promise
    session.end({ reason: 'its user left', userText: '' })
    let closed = false
    const closing = ground.live.close('stop').then(() => (closed = true))
    await settled()
    expect(closed).toBe(false)
    seal.resolve()
    await closing
    expect(ground.ends).toEqual([{ id: session.id, endReason: 'its user left' }])
  })

  test('counts how many a change of policy ended', async () => {
    await ground.open()
    await ground.open()
    expect(ground.live.decideAgain()).toBe(0)
    ground.policy = policyOf({ logins: ['nobody'] })
    expect(ground.live.decideAgain()).toBe(2)
    expect(ground.live.decideAgain()).toBe(0)
  })
})

test('session ids sort by time and differ within one instant', () => {
  const ids = [1, 2, 1_700_000_000_000, 1_700_000_000_001].map(newSessionId)
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(Array.from({ length: 1000 }, () => newSessionId(5))).size).toBe(1000)
  expect(ids[0]).toMatch(/^[0-9a-hjkmnp-tv-z]{20}$/)
})
