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

/** With how often its readers stopped or went on. */
async function open() {
  const { session, recording } = await ground.open()
  const heard: boolean[] = []
  session.onHold(() => heard.push(session.held !== undefined))
  return { session, recording, heard }
}

test('what is not open is not held, and what is not held is not released', async () => {
  const { session } = await open()
  expect(ground.live.hold('nobody', { kind: 'pause', waitMs: minute })).toBe(false)
  expect(ground.live.release(session.id)).toBe(false)
  session.end({ reason: 'over', userText: '' })
  expect(ground.live.hold(session.id, { kind: 'pause', waitMs: minute })).toBe(false)
})

test('a session that nobody lets go on ends when its wait is over, not by being idle', async () => {
  const { session, recording } = await open()
  ground.live.hold(session.id, { kind: 'pause', waitMs: 20 * minute })
  ground.clock.advance(20 * minute - 1)
  ground.live.checkLimits()
  expect(session.ended).toBe(false)
  ground.clock.advance(1)
  ground.live.checkLimits()
  expect(recording.sealed).toEqual(['held, and nobody let it go on'])
})

test('asking again does not make the wait longer, and a pause stays one', async () => {
  const { session } = await open()
  ground.live.hold(session.id, { kind: 'pause', waitMs: minute })
  ground.live.hold(session.id, { kind: 'step-up', waitMs: 10 * minute })
  expect(session.held?.kind).toBe('pause')
  ground.clock.advance(minute)
  ground.live.checkLimits()
  expect(session.ended).toBe(true)
})

test('a paused session does not go on because its person signs in', async () => {
  const { session } = await open()
  ground.live.hold(session.id, { kind: 'pause', waitMs: minute })
  const { principal } = session.grant.fields
  expect(ground.live.provenAnew(principalKey(principal), ground.clock.nowMs() + 1000)).toEqual([])
  expect(session.held).toBeDefined()
})

test('a sign-in from before, and one of somebody else, prove nothing', async () => {
  const { session } = await open()
  ground.clock.advance(5000)
  ground.live.hold(session.id, { kind: 'step-up', waitMs: minute })
  const key = principalKey(session.grant.fields.principal)
  expect(ground.live.provenAnew(key, ground.clock.nowMs() - 2000)).toEqual([])
  expect(ground.live.provenAnew('somebody else', ground.clock.nowMs() + 1000)).toEqual([])
  expect(ground.live.provenAnew(key, ground.clock.nowMs() + 1000)).toEqual([session.id])
  expect(session.held).toBeUndefined()
})

test('readers stop when it is held and go on when it is released', async () => {
  const { session, heard } = await open()
  ground.live.hold(session.id, { kind: 'pause', waitMs: minute })
  const late: boolean[] = []
  session.onHold(() => late.push(session.held !== undefined))
  expect(ground.live.release(session.id)).toBe(true)
  expect(ground.live.release(session.id)).toBe(false)
  expect([heard, late]).toEqual([
    [true, false],
    [true, false],
  ])
  ground.clock.advance(minute)
  ground.live.checkLimits()
  expect(session.ended).toBe(false)
})
