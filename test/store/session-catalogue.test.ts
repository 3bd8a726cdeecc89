import Database from 'better-sqlite3'
import * as fc from 'fast-check'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SessionRow } from '../../src/model.ts'
import { openSessionCatalogue, type SessionCatalogue } from '../../src/store/session-catalogue.ts'
import { type SessionFilter, SessionQueries } from '../../src/store/session-query.ts'
import { openStore } from '../../src/store/sqlite-store.ts'
import type { Store } from '../../src/store/store.ts'
import { sessionRow } from '../api/world.ts'
import { scratchFolder } from '../support/openssh.ts'

const scratch = scratchFolder()
let store: Store
let catalogue: SessionCatalogue
const rows: SessionRow[] = []
const own = { issuer: 'https://issuer.example', subject: 'p-0' }
const all: SessionFilter['visible'] = {
  kind: 'reviewed',
  targets: { ssh: ['web1', 'web2', 'db_1'], postgres: ['web1', 'web2', 'db_1'] },
  butNotOf: { issuer: 'nobody', subject: 'nobody' },
}

beforeAll(async () => {
  store = await openStore(scratch.path)
  for (let i = 0; i < 300; i++) {
    const row = sessionRow({
      id: `s-${String(i).padStart(3, '0')}`,
      subject: `p-${i % 5}`,
      principalName: `person${i % 5}@example.com`,
      target: ['web1', 'web2', 'db_1'][i % 3] ?? '',
      protocol: i % 3 === 2 ? 'postgres' : 'ssh',
      login: i % 2 === 0 ? 'root' : 'deploy',
      openedAtMs: 1_000_000_000_000 + Math.floor(i / 7) * 60_000,
      state: i % 11 === 0 ? 'open' : 'ended',
      endedAtMs: i % 11 === 0 ? undefined : 1_000_000_000_000 + Math.floor(i / 7) * 60_000 + i * 1000,
      endReason: i % 13 === 0 ? 'a reviewer ended it: enough' : 'closed: a reviewer ended it: no',
    })
    rows.push(row)
    await store.sessions.insert(row)
  }
  catalogue = openSessionCatalogue(scratch.path)
})
afterAll(async () => {
  await catalogue.close()
  await store.close()
  scratch.remove()
})

const value = fc.constantFrom('web1', 'web2', 'web*', 'db_1', 'db*1', '%', '*')
const among = fc.record({ is: fc.array(value, { maxLength: 2 }), not: fc.array(value, { maxLength: 2 }) })
const parts = fc.array(fc.constantFrom('son1', 'web', '_', 'oot', '%', 'WEB2'), { maxLength: 2 })
const filters = fc.record({
  target: fc.option(among, { nil: undefined }),
  states: fc.option(fc.subarray(['open', 'ended', 'interrupted'] as const), { nil: undefined }),
  fromMs: fc.option(
    fc.integer({ min: 0, max: 50 }).map(minutes => 1_000_000_000_000 + minutes * 60_000),
    {
      nil: undefined,
    },
  ),
  named: fc.option(fc.record({ is: parts, not: parts }), { nil: undefined }),
  isOwn: fc.boolean(),
  isAll: fc.boolean(),
})

/** `*` stands for any text, and nothing else does. */
function matches(text: string, pattern: string): boolean {
  const parts = pattern.split('*').map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`).test(text)
}

function isNamed({ principalName, target, login }: SessionRow, part: string): boolean {
  return [principalName, target, login].some(name => name.includes(part.toLowerCase()))
}

test('pages, totals and histograms hold what the filter says, each session once', () => {
  const database = new Database(join(scratch.path, 'state.db'), { readonly: true })
  const queries = new SessionQueries(database)
  fc.assert(
    fc.property(filters, ({ target, states, fromMs, named, isOwn, isAll }) => {
      const filter: SessionFilter = {
        visible: isOwn ? { kind: 'own', of: own } : isAll ? { kind: 'all' } : all,
        among: { target },
        named,
        states,
        fromMs,
      }
      const expected = rows
        .filter(row => !isOwn || row.subject === 'p-0')
        .filter(row => fromMs === undefined || row.openedAtMs >= fromMs)
        .filter(row => named?.is.every(part => isNamed(row, part)) ?? true)
        .filter(row => named?.not.every(part => !isNamed(row, part)) ?? true)
        .filter(row => states === undefined || states.some(state => state === row.state))
        .filter(
          row => (target?.is ?? []).length === 0 || target?.is.some(one => matches(row.target, one)) === true,
        )
        .filter(row => target?.not.every(one => !matches(row.target, one)) ?? true)
        .map(({ id }) => id)
        .toSorted()
        .toReversed()
      const found: string[] = []
      let before: ReturnType<SessionQueries['page']>['next']
      do {
        const page = queries.page({ filter, limit: 37, before })
        expect(page.total).toBe(expected.length)
        expect(page.isTotalExact).toBe(true)
        found.push(...page.rows.map(({ id }) => id))
        before = page.next
      } while (before !== undefined)
      expect(found.toSorted().toReversed()).toEqual(expected)
      const { buckets } = queries.histogram(filter)
      expect(buckets.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(expected.length)
    }),
    { numRuns: 150 },
  )
  database.close()
})

test('what nobody may see on a target, and what is of the asker, is not counted', async () => {
  const visible: SessionFilter['visible'] = {
    kind: 'reviewed',
    targets: { ssh: ['web1'], postgres: ['web1'] },
    butNotOf: own,
  }
  const { total } = await catalogue.page({ filter: { visible, among: {} }, limit: 1 })
  expect(total).toBe(rows.filter(row => row.target === 'web1' && row.subject !== 'p-0').length)
})

test('how long a session lasted is until now where it goes on, and not known where nobody knows its end', async () => {
  const nowMs = 1_000_000_000_000 + 60_000_000
  const idsOf = async (lasted: object): Promise<readonly string[]> => {
    const filter = { visible: all, among: {}, lasted: { ...lasted, nowMs } }
    return (await catalogue.page({ filter, limit: 300 })).rows.map(({ id }) => id).toSorted()
  }
  const lastedMs = ({ state, openedAtMs, endedAtMs = 0 }: SessionRow): number =>
    (state === 'open' ? nowMs : endedAtMs) - openedAtMs
  const expected = rows.filter(row => lastedMs(row) >= 100_000 && lastedMs(row) < 200_000)
  expect(await idsOf({ fromMs: 100_000, toMs: 200_000 })).toEqual(expected.map(({ id }) => id).toSorted())
  expect(expected.length).toBeGreaterThan(50)
  const open = rows.filter(({ state }) => state === 'open').map(({ id }) => id)
  expect(await idsOf({ fromMs: 10_000_000 })).toEqual(open)
})

test('sessions that somebody ended by hand are found as such, whatever others say of their end', async () => {
  const wish = { filter: { visible: all, among: {}, states: ['terminated'] }, limit: 300 } as const
  const found = (await catalogue.page(wish)).rows
  expect(found.length).toBeGreaterThan(10)
  expect(found.every(({ endReason = '' }) => endReason.startsWith('a reviewer'))).toBe(true)
})

test('every target that a session was on is known', async () => {
  expect((await catalogue.targets()).toSorted()).toEqual(['db_1', 'web1', 'web2'])
})

test('a thread that cannot read the store is a fault, and the next one starts anew', async () => {
  const nowhere = openSessionCatalogue(join(scratch.path, 'nowhere'))
  for (let i = 0; i < 2; i++)
    await expect(nowhere.targets()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await nowhere.close()
})
