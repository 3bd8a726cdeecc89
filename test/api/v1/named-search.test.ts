/** A search for plain words also finds sessions by the names of their people and targets. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SearchPage, SessionPage } from '../../../src/api/schema.ts'
import { type ApiWorld, openApiWorld, sessions, type Who } from './api-world.ts'

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

async function named(who: Who, search: string): Promise<SearchPage['named']> {
  const { json } = await world.ask(who, 'GET', `/search?${search}`)
  return (json as SearchPage).named
}
const ids = (found: SearchPage['named']): readonly string[] =>
  (found?.items ?? []).map(({ id }) => id).toSorted()

test('what somebody may not see is not found by its names either, and does not count', async () => {
  expect(await named('reviewer', 'q=lab1')).toMatchObject({ items: [], total: 0 })
  expect(await named('elsewhere', 'q=lab1')).toMatchObject({ total: 1 })
  expect(await named('elsewhere', 'q=orders')).toMatchObject({ items: [], total: 0 })
  expect(await named('watched', 'q=watched')).toMatchObject({ items: [], total: 0 })
})

test('a word finds sessions by person, target and login, and several words all of these', async () => {
  const own = [sessions.open, sessions.sql, sessions.ssh].toSorted()
  expect(ids(await named('reviewer', 'q=watched'))).toEqual(own)
  expect(ids(await named('reviewer', 'q=ORDERS'))).toEqual([sessions.sql])
  expect(ids(await named('reviewer', 'q=watched+orders'))).toEqual([sessions.sql])
  expect(ids(await named('reviewer', 'q=watched+payroll'))).toEqual([])
})

test('who looks for entries is not told of sessions', async () => {
  for (const search of [
    'q=kind:command+watched',
    'q=watched+OR+orders',
    'q=watched+-orders',
    'q=watched&kind=command',
    `q=watched&session=${sessions.ssh}`,
  ])
    expect(await named('reviewer', search)).toBeUndefined()
})

test('the list has all that the search names', async () => {
  const { json } = await world.ask('reviewer', 'GET', '/sessions?named=watched&named=-orders')
  expect((json as SessionPage).items.map(({ id }) => id).toSorted()).toEqual(
    [sessions.open, sessions.ssh].toSorted(),
  )
})
