import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { allRoutes } from '../../../src/api/v1/routes.ts'
import type { ApiParts } from '../../../src/api/v1/deps.ts'
import type { Route } from '../../../src/api/v1/route.ts'
import { problem } from '../../../src/api/v1/shapes.ts'
import { type ApiWorld, everybody, openApiWorld, sessions, type Who } from './api-world.ts'
import { type Sample, samples } from './samples.ts'

/** What a route is does not depend on what it works with. */
const routes = allRoutes({ findings: {}, integrity: {}, index: {} } as unknown as ApiParts)
const nameOf = ({ method, path }: Route): string => `${method} ${path}`

let world: ApiWorld
let finding: string
beforeAll(async () => {
  world = await openApiWorld()
  finding = await makeFinding(sessions.ssh)
})
afterAll(() => world.close())
// A minute later nobody has asked too much.
beforeEach(() => void (world.knobs.aheadMs += 60_000))

async function makeFinding(session: string): Promise<string> {
  await world.desk.take({
    session,
    group: `rule-${session}`,
    kind: 'rule',
    severity: 'high',
    rules: ['shell.rm-root'],
    atMs: Date.now(),
    body: {
      sentence: 'Something was removed.',
      why: [{ observed: 'rm -rf /' }],
      quotes: [],
      techniques: [],
      benign: [],
      quality: [],
      versions: {},
    },
  })
  const [row] = await world.store.findings.ofSession(session)
  if (row === undefined) throw new Error('the finding is not there')
  return row.id
}

function pathOf({ path }: Sample): string {
  return path.replace(':finding', finding)
}

test('every route has a sample, and every sample a route', () => {
  expect(Object.keys(samples).toSorted()).toEqual(routes.map(nameOf).toSorted())
})

describe('whoever is not signed in, or not any more,', () => {
  test.each(routes.map(route => [nameOf(route), route] as const))(
    'gets nothing of %s',
    async (name, route) => {
      for (const who of ['nobody', 'expired'] as const)
        for (const sample of samples[name] ?? []) {
          const answer = await world.ask(who, route.method, pathOf(sample), sample.body)
          expect(answer.status).toBe(401)
          expect(problem.parse(answer.json)).toMatchObject({ title: 'Not signed in' })
        }
    },
  )
})

const reviewers = routes.filter(({ access }) => access === 'reviewer')
describe('whoever has no role that reviews', () => {
  test.each(reviewers.map(route => [nameOf(route), route] as const))(
    'gets nothing of %s',
    async (name, route) => {
      for (const sample of samples[name] ?? []) {
        const answer = await world.ask('plain', route.method, pathOf(sample), sample.body)
        expect(answer.status).toBe(403)
        expect(problem.parse(answer.json)).toMatchObject({ title: 'No role that reviews' })
      }
    },
  )
})

/** T52: objects of others. Forbidden is the same as unknown, byte for byte. */
const ofObjects = routes.filter(({ path }) => path.includes(':id') || path.includes(':finding'))
const strangers: readonly Who[] = ['plain', 'elsewhere', 'watched']
describe('whoever may not see it, their own included,', () => {
  test.each(ofObjects.map(route => [nameOf(route), route] as const))(
    'learns nothing of %s',
    async (name, route) => {
      for (const sample of samples[name] ?? [])
        for (const who of strangers) {
          const path = pathOf(sample)
          const foreign = await world.ask(who, route.method, path, sample.body)
          const unknown = path.replace(/s-(ssh|sql|open)/, 's-unknown').replace(finding, 'f-unknown')
          const missing = await world.ask(who, route.method, unknown, sample.body)
          if (who !== 'plain' || route.access === 'session')
            expect(foreign.status, `${who} ${path}`).toBe(404)
          expect(foreign.status).toBe(missing.status)
          expect(foreign.text).toBe(missing.text)
        }
    },
  )

  test('finds none of it in lists, totals and histograms', async () => {
    for (const who of strangers) {
      const list = await world.ask(who, 'GET', '/sessions')
      const histogram = await world.ask(who, 'GET', '/sessions/histogram')
      const findings = await world.ask(who, 'GET', '/findings?place=all')
      if (who === 'plain') expect([list.status, histogram.status, findings.status]).toEqual([403, 403, 403])
      else {
        const expected = who === 'elsewhere' ? [sessions.lab] : []
        const { items, total } = list.json as { items: { id: string }[]; total: number }
        expect(items.map(({ id }) => id)).toEqual(expected)
        expect(total).toBe(expected.length)
        const { buckets } = histogram.json as { buckets: { sessions: number }[] }
        expect(buckets.reduce((sum, bucket) => sum + bucket.sessions, 0)).toBe(expected.length)
        expect(findings.json).toEqual({ items: [] })
      }
    }
  })
})

describe('a reviewer gets what the route says that it answers:', () => {
  test.each(routes.map(route => [nameOf(route), route] as const))('%s', async (name, route) => {
    for (const sample of samples[name] ?? []) {
      const answer = await world.ask('reviewer', route.method, pathOf(sample), sample.body)
      expect(answer.status, `${sample.path}: ${answer.text.slice(0, 300)}`).toBe(sample.status)
      if (answer.status >= 400) problem.parse(answer.json)
      else if (route.answer === undefined) expect(answer.text).toBe('')
      else if ('contentType' in route.answer) expect(answer.text).not.toBe('')
      else route.answer.parse(answer.json)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
    }
  })
})

describe('changes by a cookie', () => {
  const changes = routes.filter(({ method }) => method !== 'GET')
  test.each(changes.map(route => [nameOf(route), route] as const))(
    'need the token of our page: %s',
    async (name, route) => {
      for (const sample of samples[name] ?? []) {
        const given = await world.headers('reviewer')
        for (const hostile of [
          { ...given, 'X-Sallyport-Token': 'another' },
          { Cookie: given['Cookie'] ?? '' },
          { ...given, 'Sec-Fetch-Site': 'cross-site' },
          { ...given, Origin: 'https://evil.example' },
        ]) {
          const answer = await fetch(`${world.url}/api/v1${pathOf(sample)}`, {
            method: route.method,
            headers: { ...hostile, 'Content-Type': 'application/json' },
            body: JSON.stringify(sample.body ?? {}),
          })
          expect(answer.status).toBe(403)
        }
      }
    },
  )
})

test('nobody else is forgotten in these tests', () => {
  expect(
    everybody.filter(who => !['nobody', 'expired', ...strangers, 'reviewer', 'second'].includes(who)),
  ).toEqual([])
})
