/** Strangers who send tokens: each that is looked at may cost the identity provider a question. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import type { Principal } from '../../../src/identity/principal.ts'
import { personWith } from '../../policy/people.ts'
import { type ApiWorld, openApiWorld } from './api-world.ts'

const good: Principal = personWith({ groups: ['audit'] })
const asked: string[] = []
let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld({
    bearer: async token => {
      asked.push(token)
      if (token.startsWith('good')) return good
      throw new Fault('TOKEN_REFUSED', 'This access token is not one that the gateway takes.')
    },
  })
})
afterAll(() => world.close())

const me = async (token: string): Promise<number> =>
  (await fetch(`${world.url}/api/v1/me`, { headers: { Authorization: `Bearer ${token}` } })).status

test('who guesses tokens is stopped before anybody is asked, and takes nothing from those who have one', async () => {
  expect(await me('good-before')).toBe(200)
  const statuses: number[] = []
  for (let guess = 0; guess < 300; guess++) statuses.push(await me(`guess-${guess}`))
  expect(statuses[0]).toBe(401)
  expect(statuses.at(-1)).toBe(429)
  expect(asked.filter(token => token.startsWith('guess')).length).toBeLessThan(200)
  expect(await me('good-before')).toBe(200)
})
