/** Screens in the evidence report. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { draftOf } from '../../analysis/findings/desk-world.ts'
import { purgedView, unlimitedView } from '../world.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())
beforeEach(() => Object.assign(world.knobs, { kept: unlimitedView, auditFails: false }))

async function reportOf(session: string, query = ''): Promise<string> {
  const { status, text } = await world.ask('reviewer', 'GET', `/sessions/${session}/report${query}`)
  expect(status, text).toBe(200)
  return text
}

test.each([
  ['many', `?${'frames=1&'.repeat(21)}`],
  ['before the opening', '?frames=-1'],
  ['no numbers', '?frames=now'],
])('moments that are %s are refused, with what is wrong', async (_, query) => {
  const answer = await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/report${query}`)
  expect(answer.status).toBe(400)
  expect(answer.text).toContain('frames')
})

test.each([
  ['nobody', 401],
  ['plain', 404],
  ['elsewhere', 404],
  ['watched', 404],
] as const)('%s gets no screen (%i)', async (who, status) => {
  const answer = await world.ask(who, 'GET', `/sessions/${sessions.ssh}/report?frames=60000`)
  expect(answer.status).toBe(status)
  expect(answer.text).not.toContain('file ')
})

test('without the audit log there is no screen', async () => {
  world.knobs.auditFails = true
  const answer = await world.ask('reviewer', 'GET', `/sessions/${sessions.ssh}/report?frames=60000`)
  expect(answer.status).toBe(503)
  expect(answer.text).not.toContain('file ')
})

test('a report without findings and wishes has none', async () => {
  expect(await reportOf(sessions.ssh)).not.toContain('<h2>Screens</h2>')
  expect(await reportOf(sessions.sql)).not.toContain('<h2>Screens</h2>')
})

test('a chosen moment has its screen as text: nothing of it is markup, and what hides is marked', async () => {
  const text = await reportOf(sessions.ssh, '?frames=60000')
  expect(text).toContain('At the moments that whoever made this report chose.')
  expect(text).toContain('60.0 s into the session')
  expect(text).toContain('file &lt;script&gt;alert(1)&lt;/script&gt; <mark>')
  expect(text).not.toContain('\u202e')
  expect(text).not.toContain('<script')
  const open = await reportOf(sessions.open, '?frames=60000&frames=0')
  expect(open).toContain('so far')
})

test('of a database, and of a recording that was removed, it says why there is none', async () => {
  expect(await reportOf(sessions.sql, '?frames=0')).toContain('Sessions of databases have no screen.')
  world.knobs.kept = purgedView
  expect(await reportOf(sessions.ssh, '?frames=0')).toContain('There is no recording to take them from.')
})

test('nobody having chosen, the moments are those of findings, near ones once', async () => {
  const row = await world.store.sessions.get(sessions.ssh)
  const openedAtMs = row?.openedAtMs ?? 0
  for (const [group, afterMs] of [
    ['reading', 5000],
    ['writing', 5400],
    ['leaving', 90_000],
  ] as const)
    await world.desk.take(draftOf({ session: sessions.ssh, group, atMs: openedAtMs + afterMs }))
  const text = await reportOf(sessions.ssh)
  expect(text.match(/s into the session/g)).toHaveLength(2)
  expect(text).toContain('5.0 s into the session')
  expect(text.match(/<p>Finding: /g)).toHaveLength(3)
  expect(text).toContain('file &lt;script&gt;')
})
