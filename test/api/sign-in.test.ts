import { afterAll, beforeAll, expect, test } from 'vitest'
import { Browser } from '../support/browser.ts'
import { people } from '../support/issuer.ts'
import { ask, openWorld, type World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

test('a person who signs in and confirms gets a code that opens the connection that asked', async () => {
  const waiting = ask(world)
  const code = await new Browser().signInAndGetCode(waiting.url, people.ada)
  expect(code).toMatch(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/)
  const proven = waiting.submit(code)
  expect(proven.kind === 'proven' && proven.principal.fields).toMatchObject({
    email: 'ada@example.com',
    groups: ['admins'],
  })
})
