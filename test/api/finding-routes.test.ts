import { Hono } from 'hono'
import { afterEach, expect, test } from 'vitest'
import { addFindingRoutes } from '../../src/api/finding-routes.ts'
import { fairnessReport } from '../../src/analysis/findings/fairness.ts'
import { closeDesks, deskWith } from '../analysis/findings/desk-world.ts'
import { NOON } from '../policy/people.ts'

afterEach(closeDesks)

async function socket() {
  const world = await deskWith()
  const { store, clock } = world
  const app = new Hono()
  const fairness = (days: number) => fairnessReport(store, days, clock.nowMs())
  const release = async (session: string) => session === 's1'
  const pauses: string[] = []
  const pause = async (session: string, who: string, reason: string) => {
    if (session !== 's1') return 'not-open' as const
    return pauses.push(`${who}: ${reason}`) > 1 ? ('paused-already' as const) : ('held' as const)
  }
  addFindingRoutes(app, { desk: world.desk, fairness, pause, release }, c => c.req.json())
  const post = async (path: string, body: object) => {
    const answer = await app.request(path, { method: 'POST', body: JSON.stringify(body) })
    return { status: answer.status, body: (await answer.json().catch(() => ({}))) as Record<string, unknown> }
  }
  return { ...world, app, post, pauses }
}
const by = 'local user 0 (root)'

test('who does not say who it is decides nothing', async () => {
  const { post, find } = await socket()
  const id = await find()
  expect((await post(`/findings/${id}/acknowledge`, {})).status).not.toBe(200)
  expect((await post(`/findings/${id}/show`, { by })).body).toMatchObject({ state: 'new' })
})

test('refusals have their status and a sentence', async () => {
  const { post, find } = await socket()
  const id = await find()
  expect((await post('/findings/none/show', { by })).status).toBe(404)
  expect((await post(`/findings/${id}/reopen`, { by, rationale: 'x' })).status).toBe(409)
  const past = { by, scope: 'rule', untilMs: NOON - 1, rationale: 'x' }
  expect(await post(`/findings/${id}/suppress`, past)).toMatchObject({
    status: 400,
    body: { detail: 'Say until when: an instant that is still to come.' },
  })
  expect((await post(`/findings/${id}/unmask`, { by, caseId: 'C-1', reason: 'x' })).status).toBe(409)
})

test('a session is paused with a reason, once, and only where it is open', async () => {
  const { post, pauses } = await socket()
  expect((await post('/sessions/s1/pause', { by })).status).not.toBe(200)
  expect((await post('/sessions/s1/pause', { by, reason: 'a\u202eb' })).status).not.toBe(200)
  expect((await post('/sessions/s2/pause', { by, reason: 'look' })).status).toBe(404)
  expect((await post('/sessions/s1/pause', { by, reason: 'look' })).status).toBe(200)
  expect((await post('/sessions/s1/pause', { by, reason: 'look' })).status).toBe(409)
  expect(pauses[0]).toBe(`${by}: look`)
})

test('a finding is put off over the socket, two weeks at most', async () => {
  const { post, find } = await socket()
  const id = await find()
  const day = 86_400_000
  expect((await post(`/findings/${id}/snooze`, { by, untilMs: NOON + 15 * day })).status).toBe(400)
  const snoozed = await post(`/findings/${id}/snooze`, { by, untilMs: NOON + day })
  expect(snoozed.body).toMatchObject({ snoozedUntilMs: NOON + day })
  expect((await post('/findings', { by, place: 'queue' })).body['items']).toEqual([])
})

test('a finding is listed, acknowledged and closed, and the report counts it without a name', async () => {
  const { post, find, app } = await socket()
  const id = await find()
  expect((await post('/findings', { by, severity: ['high'] })).body['items']).toMatchObject([{ id }])
  expect((await post(`/findings/${id}/acknowledge`, { by })).body).toMatchObject({ assignee: by })
  const closing = { by, reason: 'benign-expected', rationale: 'a drill' }
  expect((await post(`/findings/${id}/close`, closing)).body).toMatchObject({ state: 'closed' })
  expect((await post('/sessions/s1/resume', { by })).status).toBe(200)
  expect((await post('/sessions/s2/resume', { by })).status).toBe(409)
  const report = await (await app.request('/fairness')).text()
  expect(JSON.parse(report)).toMatchObject({ findings: 1, closed: 1, benignShare: 1, byRole: [] })
  expect(report).not.toContain('bob')
})
