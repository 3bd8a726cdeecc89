import { beforeEach, expect, test, vi } from 'vitest'
import { principalKey } from '../../src/identity/principal.ts'
import { FakeGround } from '../ssh/fakes.ts'

let ground: FakeGround
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  ground = new FakeGround()
  return () => vi.useRealTimers()
})

const minute = 60_000
const userText = 'Because.'

/** With how often its readers stopped or went on. */
async function open() {
  const { session, recording } = await ground.open()
  const heard: boolean[] = []
  session.onHold(() => heard.push(session.held !== undefined))
  return { session, recording, heard }
}

test('what is not open is not held, and what is not held is not released', async () => {
  const { session } = await open()
  expect(await ground.live.hold('nobody', { kind: 'pause', waitMs: minute, userText })).toBe('not-open')
  expect(await ground.live.release(session.id)).toBe(false)
  session.end({ reason: 'over', userText: '' })
  expect(await ground.live.hold(session.id, { kind: 'pause', waitMs: minute, userText })).toBe('not-open')
})

test('a session that nobody lets go on ends when its wait is over, not by being idle', async () => {
  const { session, recording } = await open()
  await ground.live.hold(session.id, { kind: 'pause', waitMs: 20 * minute, userText })
  ground.clock.advance(20 * minute - 1)
  ground.live.checkLimits()
  expect(session.ended).toBe(false)
  ground.clock.advance(1)
  ground.live.checkLimits()
  expect(recording.sealed).toEqual(['held, and nobody let it go on'])
})

test('asking again does not make the wait longer, and a pause stays one', async () => {
  const { session } = await open()
  await ground.live.hold(session.id, { kind: 'pause', waitMs: minute, userText })
  await ground.live.hold(session.id, { kind: 'step-up', waitMs: 10 * minute, userText })
  expect(session.held?.kind).toBe('pause')
  ground.clock.advance(minute)
  ground.live.checkLimits()
  expect(session.ended).toBe(true)
})

test('a paused session does not go on because its person signs in', async () => {
  const { session } = await open()
  await ground.live.hold(session.id, { kind: 'pause', waitMs: minute, userText })
  const { principal } = session.grant.fields
  expect(ground.live.waitingForSignIn(principalKey(principal), ground.clock.nowMs() + 1000)).toEqual([])
  expect(session.held).toBeDefined()
})

test('a sign-in from before, and one of somebody else, prove nothing', async () => {
  const { session } = await open()
  ground.clock.advance(5000)
  await ground.live.hold(session.id, { kind: 'step-up', waitMs: minute, userText })
  const key = principalKey(session.grant.fields.principal)
  expect(ground.live.waitingForSignIn(key, ground.clock.nowMs() - 2000)).toEqual([])
  expect(ground.live.waitingForSignIn('somebody else', ground.clock.nowMs() + 1000)).toEqual([])
  expect(ground.live.waitingForSignIn(key, ground.clock.nowMs() + 1000)).toEqual([session.id])
})

test('readers stop when it is held and go on when it is released', async () => {
  const { session, heard } = await open()
  await ground.live.hold(session.id, { kind: 'pause', waitMs: minute, userText })
  const late: boolean[] = []
  session.onHold(() => late.push(session.held !== undefined))
  expect(await ground.live.release(session.id)).toBe(true)
  expect(await ground.live.release(session.id)).toBe(false)
  expect([heard, late]).toEqual([
    [true, false],
    [true, false],
  ])
  ground.clock.advance(minute)
  ground.live.checkLimits()
  expect(session.ended).toBe(false)
})
