/** Strangers who send tokens: each that is looked at may cost the identity provider a question. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TokenGuesses } from '../../../src/api/v1/token-guesses.ts'
import { Fault } from '../../../src/errors.ts'
import type { Principal } from '../../../src/identity/principal.ts'
import { personWith } from '../../policy/people.ts'
import { FakeClock } from '../../support/fake-clock.ts'
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

test('who guesses from all addresses of a network of IPv6 guesses no oftener', () => {
  const guesses = new TokenGuesses(5, new FakeClock())
  for (let guess = 0; guess < 5; guess++) guesses.refused(`2001:db8:0:1::${guess}`)
  expect(guesses.mayTry('2001:db8:0:1:ffff::1', 'Bearer guess')).toBe(false)
  expect(guesses.refused('2001:db8:0:1:ffff::2')).toBe(false)
  expect(guesses.mayTry('2001:db8:0:2::1', 'Bearer guess')).toBe(true)
})
