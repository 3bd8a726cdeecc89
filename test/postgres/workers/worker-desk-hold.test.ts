/** A session that another process relays is held when that process says so, and else it ends: nobody is taken for held who is not. */
import { expect, test, vi } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import type { SessionRow } from '../../../src/model.ts'
import type { Held } from '../../../src/session/hold.ts'
import { type DeskParts, WorkerDesk } from '../../../src/postgres/workers/worker-desk.ts'
import type { GatewayLink } from '../../../src/postgres/workers/ports.ts'
import { LiveSessions } from '../../../src/session/live.ts'

const wish = { kind: 'pause', waitMs: 60_000, userText: 'Because.' } as const
const held: Held = { kind: 'step-up', sinceMs: 5000, untilMs: 65_000, userText: 'Sign in.' }
const row = { id: 's1', owner: 'w1', issuer: 'https://login', subject: 'ada' } as SessionRow

/** A desk with one session, and what its worker is asked and told; `answer` is the worker's. */
async function openDesk(answer: (name: string) => unknown) {
  const said: string[] = []
  const link = {
    ask: async (name: string) => {
      said.push(`asked ${name}`)
      return await answer(name)
    },
    tell: (name: string, { reason }: { reason?: string }) => {
      said.push(`told ${name}${reason === undefined ? '' : `: ${reason}`}`)
      return true
    },
  } as unknown as GatewayLink
  const store = { sessions: { insert: async () => {} } }
  const parts = { store } as unknown as DeskParts
  const desk = new WorkerDesk(parts, { owner: () => 'w1', takeover: () => ({}) as never, link: () => link })
  await desk.calls.insertSession(row)
  return { desk, said }
}

const silent = (): never => {
  throw new Fault('STORE_UNAVAILABLE', 'The gateway is busy.', { log: 'it is late' })
}

test('a worker that does not say in time that a session is held is told to end it', async () => {
  const { desk, said } = await openDesk(silent)
  expect(await desk.hold('s1', wish)).toBe('ended')
  expect(said).toEqual([
    'asked hold',
    'told endSession: was to be held, and its process did not say that it is',
  ])
  expect(await desk.hold('s1', wish)).toBe('not-open')
})

test('what is not open there is not held, and what is not held is not released', async () => {
  const { desk, said } = await openDesk(() => ({ isHeld: false }))
  expect(await desk.hold('s2', wish)).toBe('not-open')
  expect(await desk.hold('s1', wish)).toBe('not-open')
  expect(await desk.release('s1')).toBe(false)
  expect(said).toEqual(['asked hold'])
})

test('a session counts as held from the worker’s word to its word, or to its end', async () => {
  const { desk } = await openDesk(name => (name === 'hold' ? { isHeld: true } : { goesOn: true }))
  expect(await desk.hold('s1', wish)).toBe('held')
  expect(desk.heldOf('s1')).toBeUndefined()
  desk.tells.holdChanged({ id: 's1', held }, undefined)
  expect(desk.heldOf('s1')).toEqual(held)
  expect(await desk.release('s1')).toBe(true)
  desk.tells.holdChanged({ id: 's1' }, undefined)
  expect(desk.heldOf('s1')).toBeUndefined()
  desk.tells.holdChanged({ id: 's1', held }, undefined)
  desk.tells.sessionOver({ id: 's1' }, undefined)
  expect(desk.heldOf('s1')).toBeUndefined()
  desk.tells.holdChanged({ id: 'of-nobody', held }, undefined)
  expect(desk.heldOf('of-nobody')).toBeUndefined()
})

test('a release that the worker does not confirm is none', async () => {
  const { desk } = await openDesk(silent)
  desk.tells.holdChanged({ id: 's1', held }, undefined)
  expect(await desk.release('s1')).toBe(false)
  expect(desk.heldOf('s1')).toEqual(held)
})

test('a new sign-in finds what waits for it in other processes, too', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { desk } = await openDesk(() => undefined)
  desk.tells.holdChanged({ id: 's1', held }, undefined)
  const live = new LiveSessions()
  live.join({ rows: () => desk.rows, heldOf: (id: string) => desk.heldOf(id) } as never)
  expect(live.waitingForSignIn('https://login\nada', 4000)).toEqual([])
  expect(live.waitingForSignIn('https://login\neve', 6000)).toEqual([])
  expect(live.waitingForSignIn('https://login\nada', 6000)).toEqual(['s1'])
  vi.useRealTimers()
})
