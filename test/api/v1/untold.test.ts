/** What answers, filters and counts must not tell: what somebody may not see. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SessionHistogram } from '../../../src/store/session-query.ts'
import type { SessionPage } from '../../../src/api/schema.ts'
import { draftOf } from '../../analysis/findings/desk-world.ts'
import { type ApiWorld, openApiWorld, sessions, type Who } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
  const { issuer, subject, name } = world.person('reviewer')
  const person = { issuer, subject, name }
  const about = { group: 'reviewing', kind: 'baseline', severity: 'critical', person } as const
  await world.desk.take(draftOf({ session: sessions.ssh, ...about }))
})
afterAll(() => world.close())
beforeEach(() => Object.assign(world.knobs, { fourEyes: () => [] }))

async function listed(who: Who, query: string): Promise<readonly string[]> {
  const { items, total } = (await world.ask(who, 'GET', `/sessions?${query}`)).json as SessionPage
  expect(total).toBe(items.length)
  return items.map(({ id }) => id)
}

test.each(['finding=1', 'severity=critical'])(
  'no filter (%s) tells a reviewer of a finding that is about themselves',
  async query => {
    expect(await listed('second', query)).toEqual([sessions.ssh])
    expect(await listed('reviewer', query)).toEqual([])
  },
)

test('nor does a histogram, nor how many people it takes to review', async () => {
  const withFindings = async (who: Who): Promise<number> =>
    ((await world.ask(who, 'GET', '/sessions/histogram')).json as SessionHistogram).buckets.reduce(
      (sum, bucket) => sum + bucket.withFindings,
      0,
    )
  expect([await withFindings('second'), await withFindings('reviewer')]).toEqual([1, 0])
  Object.assign(world.knobs, { fourEyes: () => ['critical'] })
  await world.ask('reviewer', 'POST', `/sessions/${sessions.ssh}/verdict`, {
    verdict: 'expected',
    rationale: 'a drill',
  })
  expect(await listed('second', 'reviewed=1')).toEqual([])
  expect(await listed('reviewer', 'reviewed=1')).toEqual([sessions.ssh])
})

test('a page of somebody else makes no browser read anything, and no log say that its person did', async () => {
  const { Cookie = '' } = await world.headers('reviewer')
  world.audit.length = 0
  for (const site of ['cross-site', 'same-site'])
    for (const path of [
      `sessions/${sessions.ssh}/replay`,
      `sessions/${sessions.ssh}/recording`,
      'search?q=ls',
    ]) {
      const headers = { Cookie, 'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': 'no-cors' }
      const answer = await fetch(`${world.url}/api/v1/${path}`, { headers })
      expect([path, site, answer.status]).toEqual([path, site, 403])
    }
  expect(world.audit).toEqual([])
  const typed = { Cookie, 'Sec-Fetch-Site': 'none' }
  expect((await fetch(`${world.url}/api/v1/me`, { headers: typed })).status).toBe(200)
})

test('who is watched says what they have to say, and not thousands of times', async () => {
  const statuses: number[] = []
  for (let said = 0; said < 60; said++)
    statuses.push(
      (
        await world.ask('watched', 'POST', '/me/contest', {
          session: sessions.ssh,
          text: `once more ${said}`,
        })
      ).status,
    )
  expect(statuses[0]).toBe(204)
  expect(statuses.at(-1)).toBe(429)
})
