/** The pages without scripts beside the interface: a reading is a reading, wherever it is done. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { OwnData } from '../../../src/api/schema.ts'
import { sessionRow } from '../world.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

const read = async (more: Record<string, string> = {}, method = 'GET'): Promise<number> => {
  const { Cookie = '' } = await world.headers('reviewer')
  const answer = await fetch(`${world.url}/sessions/${sessions.ssh}`, {
    method,
    headers: { Cookie, ...more },
  })
  await answer.text()
  return answer.status
}

test('what pages of others ask for is not read, and no log says that it was; a link of theirs works', async () => {
  for (const site of ['cross-site', 'same-site'])
    for (const dest of ['empty', 'image', 'iframe'])
      expect(await read({ 'Sec-Fetch-Site': site, 'Sec-Fetch-Dest': dest })).toBe(403)
  expect(world.audit.filter(({ kind }) => kind === 'recording-read')).toEqual([])
  expect(await read({ 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Dest': 'document' })).toBe(200)
})

test('whoever reads a transcript on a page without scripts is among those whom the person concerned sees', async () => {
  expect(await read()).toBe(200)
  const { views } = (await world.ask('watched', 'GET', '/me/data')).json as OwnData
  expect(views).toContainEqual(
    expect.objectContaining({ by: 'reviewer@example.com', session: sessions.ssh, purpose: 'web transcript' }),
  )
})

test('the list leads on from what its reader sees, and says nothing of the many that they do not', async () => {
  const hidden = Array.from({ length: 2050 }, (_, at) =>
    sessionRow({ id: `hidden-${at}`, target: 'lab1', openedAtMs: Date.now() - at, subject: 'eve' }),
  )
  for (const row of hidden) await world.store.sessions.insert(row)
  const { Cookie = '' } = await world.headers('reviewer')
  const page = await (await fetch(`${world.url}/sessions`, { headers: { Cookie } })).text()
  expect(page).not.toContain('hidden-')
  expect(page).toContain(sessions.sql)
  expect(page).not.toContain('before=')
})
