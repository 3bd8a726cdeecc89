/** What the list says of sessions whose content only auditors read. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { IndexWriter } from '../../../src/analysis/index/index-writer.ts'
import type { Page, SessionSummary } from '../../../src/api/schema.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

test('one that is sealed to auditors is called encrypted before anybody has checked its recording', async () => {
  const row = await world.store.sessions.get(sessions.sql)
  const writer = new IndexWriter(world.config.gateway.data)
  writer.know([{ session: { ...row!, principal: 'watched', labels: {} }, isOver: true }])
  writer.setState(sessions.sql, 'sealed', 'only auditors read it')
  writer.close()
  const { items } = (await world.ask('reviewer', 'GET', '/sessions')).json as Page<SessionSummary>
  const encrypted = items.filter(item => item.encrypted).map(({ id }) => id)
  expect(encrypted).toEqual([sessions.sql])
  expect(items.find(({ id }) => id === sessions.sql)?.counts).toBeUndefined()
})
