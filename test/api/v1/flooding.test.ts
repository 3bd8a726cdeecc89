/** One who says so much that what others said is not shown any more: a thousand comments are, and two hundred verdicts. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Comment, SessionDetail, SessionPage } from '../../../src/api/schema.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

const verdict = { verdict: 'escalate', rationale: 'look at 00:10' } as const
let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())
beforeEach(() => (world.knobs.aheadMs += 3_600_000))

async function flood(path: string, body: object, times: number): Promise<readonly number[]> {
  const statuses: number[] = []
  for (let said = 0; said < times; said++)
    statuses.push((await world.ask('reviewer', 'POST', path, body)).status)
  return statuses
}

test('nobody gives so many verdicts that another one is not shown', async () => {
  const at = `/sessions/${sessions.ssh}`
  expect((await world.ask('second', 'POST', `${at}/verdict`, verdict)).status).toBe(200)
  const statuses = await flood(`${at}/verdict`, { verdict: 'expected', rationale: 'nothing to see' }, 12)
  expect([statuses[0], statuses.at(-1)]).toEqual([200, 409])
  const { verdicts } = (await world.ask('second', 'GET', at)).json as SessionDetail
  expect(verdicts.map(({ by }) => by)).toContain('second@example.com')
})

test('nor so many comments that those of others are gone', async () => {
  const at = `/sessions/${sessions.ssh}/comments`
  expect((await world.ask('second', 'POST', at, { text: 'Look here.' })).status).toBe(200)
  const statuses = await flood(at, { text: 'nothing to see' }, 102)
  expect([statuses[0], statuses.at(-1)]).toEqual([200, 409])
  const { items } = (await world.ask('second', 'GET', at)).json as { items: Comment[] }
  expect(items.map(({ text }) => text)).toContain('Look here.')
})

test('many verdicts on one session take nothing from the others of a list', async () => {
  await world.ask('second', 'POST', `/sessions/${sessions.sql}/verdict`, verdict)
  const { issuer } = world.person('second')
  for (let at = 0; at < 1000; at++)
    await world.store.reviews.judge({
      id: `v-${at}`,
      session: sessions.ssh,
      issuer,
      subject: `subject-${at}`,
      name: `reviewer ${at}`,
      atMs: Date.now() + world.knobs.aheadMs,
      verdict: 'expected',
      rationale: 'many',
    })
  const { items } = (await world.ask('reviewer', 'GET', '/sessions')).json as SessionPage
  expect(items.find(({ id }) => id === sessions.sql)?.reviewedBy).toEqual(['second@example.com'])
})
