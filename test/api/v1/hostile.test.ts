import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApiParts } from '../../../src/api/v1/deps.ts'
import { allRoutes } from '../../../src/api/v1/routes.ts'
import { problem } from '../../../src/api/v1/shapes.ts'
import { type ApiWorld, openApiWorld, sessions } from './api-world.ts'

const routes = allRoutes({ findings: {}, integrity: {}, index: {} } as unknown as ApiParts)

let world: ApiWorld
beforeAll(async () => {
  world = await openApiWorld()
})
afterAll(() => world.close())

const words = [
  '',
  ' ',
  '0',
  '-1',
  '1e9',
  '999999999999999999999',
  'NaN',
  'null',
  '*',
  '%',
  "'; drop table sessions; --",
  '../../etc/passwd',
  '\u0000',
  '\u202e',
  '\ud800',
  '"AND" (',
  '__proto__',
  'constructor',
  sessions.ssh,
  sessions.sql,
  'x'.repeat(500),
]
const word = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 40, unit: 'binary' }))
const keys = [
  'limit',
  'cursor',
  'from',
  'to',
  'q',
  'kind',
  'session',
  'principal',
  'target',
  'state',
  'severity',
  'channel',
  'count',
  'finding',
  'place',
  '__proto__',
]
const query = fc.array(fc.tuple(fc.oneof(fc.constantFrom(...keys), word), word), { maxLength: 5 })
const fields = [
  'text',
  'offsetMs',
  'stretches',
  'verdict',
  'rationale',
  'reason',
  'to',
  'name',
  'page',
  'query',
  'principal',
  'groups',
  'target',
  'login',
  'untilMs',
  'scope',
  'approve',
  'caseId',
]
const body = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.dictionary(fc.constantFrom(...fields), fc.oneof(fc.jsonValue({ maxDepth: 2 }), word), { maxKeys: 6 }),
)

/** A text that an address can hold. */
function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}

describe('whatever is asked is an answer or a problem, and never a fault of ours:', () => {
  const one = fc.constantFrom(...routes)
  test('queries, bodies and names', async () => {
    await fc.assert(
      fc.asyncProperty(
        one,
        query,
        body,
        fc.array(word, { minLength: 3, maxLength: 3 }),
        fc.boolean(),
        async (route, pairs, given, names, isKnown) => {
          world.knobs.aheadMs += 1000
          let at = 0
          const path = route.path.replaceAll(/:(\w+)/g, (_, name: string) =>
            name === 'id' && isKnown ? sessions.ssh : encoded(names[at++ % 3] ?? '') || 'x',
          )
          const search = pairs.map(([key, value]) => `${encoded(key)}=${encoded(value)}`).join('&')
          const sent = route.method === 'GET' || route.method === 'DELETE' ? undefined : given
          const answer = await world.ask('reviewer', route.method, `${path}?${search}`, sent)
          expect(
            answer.status,
            `${route.method} ${path}?${search} ${JSON.stringify(sent)}: ${answer.text}`,
          ).toBeLessThan(500)
          if (answer.status >= 400 && answer.json !== undefined) problem.parse(answer.json)
        },
      ),
      { numRuns: 1500 },
    )
  }, 120_000)
})

test('all that is wrong is named at once', async () => {
  const query = await world.ask('reviewer', 'GET', '/sessions?limit=0&from=x&state=dead&colour=red')
  expect(query.status).toBe(400)
  const { problems } = problem.parse(query.json)
  expect(problems?.map(({ where }) => where).toSorted()).toEqual(['from', 'limit', 'request', 'state.0'])
  const body = await world.ask('reviewer', 'POST', `/sessions/${sessions.ssh}/verdict`, { verdict: 'guilty' })
  expect(problem.parse(body.json).problems?.map(({ where }) => where)).toEqual(['verdict', 'rationale'])
})

test('what is no JSON, says another type, is too long or comes in pieces is refused', async () => {
  const path = `/sessions/${sessions.ssh}/comments`
  expect((await world.ask('reviewer', 'POST', path, '{"text":')).status).toBe(400)
  const headers = await world.headers('reviewer')
  const url = `${world.url}/api/v1${path}`
  const form = new URLSearchParams({ text: 'x' })
  expect((await fetch(url, { method: 'POST', headers, body: form })).status).toBe(400)
  const long = await world.ask('reviewer', 'POST', path, { text: 'x'.repeat(20_000) })
  expect(long.status).toBe(413)
  const body = new Blob(['{"text":"x"}']).stream()
  const pieces = await fetch(url, { method: 'POST', headers, body, duplex: 'half' } as RequestInit)
  expect(pieces.status).toBe(411)
  expect(pieces.headers.get('content-type')).toBe('application/problem+json')
})

test('characters that hide or reorder what others read are refused', async () => {
  for (const text of ['\u202eevil', 'a\u0000b', 'zero\u200bwidth', '\u{e0041}tag'])
    expect((await world.ask('reviewer', 'POST', `/sessions/${sessions.ssh}/comments`, { text })).status).toBe(
      400,
    )
  const family = await world.ask('reviewer', 'POST', `/sessions/${sessions.ssh}/comments`, {
    text: '👩\u200d💻 did it,\nساعت\u200cها',
  })
  expect(family.status).toBe(200)
})

test('one person asks so often, and the others go on', async () => {
  const narrow = await openApiWorld({ perMinute: { light: 5, heavy: 5 } })
  try {
    for (let asked = 0; asked < 4; asked++)
      expect((await narrow.ask('second', 'GET', '/me')).status).toBe(200)
    expect((await narrow.ask('second', 'GET', '/me')).status).toBe(429)
    expect((await narrow.ask('reviewer', 'GET', '/me')).status).toBe(200)
    narrow.knobs.aheadMs += 60_000
    expect((await narrow.ask('second', 'GET', '/me')).status).toBe(200)
  } finally {
    await narrow.close()
  }
})

test('addresses that are not there are problem documents, too', async () => {
  const answer = await world.ask('nobody', 'GET', '/nothing/here')
  expect(answer.status).toBe(404)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
})
