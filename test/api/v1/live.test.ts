/** Pausing a session and letting it go on, and who wants one reviewed: what is told to whom. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SessionDetail, SessionPage, SessionSummary } from '../../../src/api/schema.ts'
import { unlimitedView } from '../world.ts'
import { type ApiWorld, openApiWorld, sessions, type Who } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())
beforeEach(() => {
  world.audit.length = 0
  world.knobs.aheadMs += 60_000
  Object.assign(world.knobs, { auditFails: false, kept: unlimitedView, fourEyes: () => [] })
})

const act = async (who: Who, what: 'pause' | 'resume', body: object, session = sessions.open) =>
  (await world.ask(who, 'POST', `/sessions/${session}/${what}`, body)).status

async function listed(who: Who, path = '/sessions'): Promise<readonly SessionSummary[]> {
  return ((await world.ask(who, 'GET', path)).json as SessionPage).items
}
const isHeld = async (): Promise<boolean> => {
  const { json } = await world.ask('reviewer', 'GET', `/sessions/${sessions.open}`)
  return (json as SessionDetail).held !== undefined
}

test('without a reason that can be shown in one line nothing is paused', async () => {
  for (const body of [{}, { reason: '' }, { reason: ' ' }, { reason: 'a\nb' }, { reason: 'x'.repeat(201) }])
    expect(await act('reviewer', 'pause', body)).toBe(400)
  expect(await isHeld()).toBe(false)
})

test('what the audit log does not take is not done', async () => {
  world.knobs.auditFails = true
  expect(await act('reviewer', 'pause', { reason: 'case 9' })).toBe(503)
  world.knobs.auditFails = false
  expect(await isHeld()).toBe(false)
  await act('reviewer', 'pause', { reason: 'case 9' })
  world.knobs.auditFails = true
  expect(await act('reviewer', 'resume', { reason: 'case 9' })).toBe(503)
  world.knobs.auditFails = false
  expect(await isHeld()).toBe(true)
  await act('reviewer', 'resume', { reason: 'case 9' })
})

test('a paused session says so in lists and on its page, until somebody lets it go on', async () => {
  expect(await act('reviewer', 'pause', { reason: 'case 9' })).toBe(204)
  const row = (await listed('second')).find(({ id }) => id === sessions.open)
  expect(row?.held?.kind).toBe('pause')
  expect((row?.held?.untilMs ?? 0) - (row?.held?.sinceMs ?? 0)).toBe(600_000)
  expect(JSON.stringify(row)).not.toContain('case 9')
  expect(await act('second', 'resume', { reason: 'looked at it' })).toBe(204)
  expect(await isHeld()).toBe(false)
  expect(world.audit.filter(({ kind }) => kind.startsWith('session-'))).toEqual([
    expect.objectContaining({
      kind: 'session-held',
      do: 'pause',
      reason: 'case 9',
      name: 'reviewer@example.com',
      session: sessions.open,
    }),
    expect.objectContaining({
      kind: 'session-released',
      by: 'second@example.com',
      reason: 'looked at it',
      session: sessions.open,
    }),
  ])
})

test('a refused pause or release is not in the audit log as one', async () => {
  expect(await act('reviewer', 'resume', { reason: 'nothing waits' })).toBe(409)
  expect(await act('reviewer', 'pause', { reason: 'it is over' }, sessions.ssh)).toBe(409)
  for (const who of ['watched', 'elsewhere', 'plain'] as const)
    expect(await act(who, 'pause', { reason: 'not mine' })).toBe(404)
  expect(world.audit.filter(({ kind }) => kind.startsWith('session-'))).toEqual([])
})

test('a session is given to who has looked at one, never to its own person, and found as theirs', async () => {
  const give = async (to: string) =>
    (await world.ask('reviewer', 'POST', `/sessions/${sessions.ssh}/assign`, { to })).status
  const mine = async (): Promise<string[]> =>
    (await listed('reviewer', '/sessions?assignee=me')).map(({ id }) => id)
  expect(await give('who-is-that')).toBe(409)
  const own = (await listed('reviewer', `/sessions?id=${sessions.ssh}`))[0]?.principal ?? ''
  expect(await give(own)).toBe(409)
  expect(world.audit.filter(({ kind }) => kind === 'session-assigned')).toEqual([])
  expect(await mine()).toEqual([])
  expect(await give('me')).toBe(204)
  expect(await mine()).toEqual([sessions.ssh])
  expect((await listed('watched', '/me/sessions')).every(one => one.assignee === undefined)).toBe(true)
  const filtered = await listed('watched', '/me/sessions?assignee=me')
  expect(filtered.length).toBe((await listed('watched', '/me/sessions')).length)
  expect(await give('nobody')).toBe(204)
  expect(await mine()).toEqual([])
  expect((await listed('reviewer', '/sessions?assignee=nobody')).map(({ id }) => id)).toContain(sessions.ssh)
  expect(world.audit.filter(({ kind }) => kind === 'session-assigned').map(({ to }) => to)).toHaveLength(2)
})

test('that somebody wants a session reviewed is told to those who review it, and not to its person', async () => {
  const wish = { session: sessions.ssh, by: 'soc', reason: 'case 9', atMs: 5 }
  expect(await world.store.reviews.wishReview(wish)).toBe(true)
  expect(await world.store.reviews.wishReview({ ...wish, reason: 'again', atMs: 6 })).toBe(false)
  expect(await world.store.reviews.reviewWishesOf([sessions.ssh, sessions.sql])).toEqual([wish])
  const wanted = await listed('reviewer', '/sessions?wanted=1&reviewed=0')
  expect(wanted.map(({ id, reviewWantedBy }) => [id, reviewWantedBy])).toEqual([[sessions.ssh, ['soc']]])
  const others = await listed('reviewer', '/sessions?wanted=0')
  expect(others.map(({ id }) => id)).not.toContain(sessions.ssh)
  const own = await listed('watched', '/me/sessions')
  expect(own.map(({ id }) => id)).toContain(sessions.ssh)
  expect(own.flatMap(({ reviewWantedBy }) => reviewWantedBy)).toEqual([])
  const filtered = await listed('watched', '/me/sessions?wanted=1')
  expect(filtered.map(({ id }) => id)).toEqual(own.map(({ id }) => id))
  const verdict = { verdict: 'expected', rationale: 'Looked at.' }
  expect((await world.ask('reviewer', 'POST', `/sessions/${sessions.ssh}/verdict`, verdict)).status).toBe(200)
  expect(await listed('reviewer', '/sessions?wanted=1&reviewed=0')).toEqual([])
})
