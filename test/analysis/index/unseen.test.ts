/** Limits of a search count what the asker may see, and nothing else: ids of sessions begin with their time, so prefixes are times. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { IndexReader } from '../../../src/analysis/index/index-reader.ts'
import { IndexWriter } from '../../../src/analysis/index/index-writer.ts'
import { openIndexToRead } from '../../../src/analysis/index/schema.ts'
import type { SearchAnswer, SearchScope } from '../../../src/analysis/index/search-types.ts'
import { command, openedAtMs, watched } from './sessions.ts'

const seen: SearchScope = { targets: [{ protocol: 'ssh', name: 'web1' }] }
let folder: string
let writer: IndexWriter
let reader: IndexReader

/** More of each than a filter may stand for, of which one may see none; and one session that they may. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-index-'))
  writer = new IndexWriter(folder)
  const hidden = Array.from({ length: 501 }, (_, at) => ({
    session: watched(`1m${at}`, { target: `web-${at}`, subject: `ops-${at}`, principal: `ops ${at}` }),
    isOver: false,
  }))
  const shown = watched('0a1', { target: 'web1', subject: 'ops', principal: 'ops' })
  writer.know([...hidden, { session: shown, isOver: false }])
  writer.write('0a1', [command('0a1', 0, 'uptime')], [])
  const database = openIndexToRead(folder)
  if (database === undefined) throw new Error('there is no index')
  reader = new IndexReader(database)
})
afterAll(() => {
  reader.close()
  writer.close()
  rmSync(folder, { recursive: true })
})

function total(text: string, scope: SearchScope): number | string {
  const answer: SearchAnswer = reader.search({ text, scope }, openedAtMs + 86_400_000)
  return answer.ok ? answer.page.total : answer.problem
}

test.each([
  ['uptime session:1m', 0],
  ['uptime user:ops', 1],
  ['uptime target:web*', 1],
  ['uptime -session:1m', 1],
  ['ops uptime', 1],
  ['web1 uptime', 1],
])('%s says nothing of what the asker may not see', (text, wanted) => {
  expect(total(text, seen)).toBe(wanted)
})

/** The connection, on which `then` is called after each reading of targets. */
function onTargets(database: Database.Database, then: () => void): Database.Database {
  const prepare = database.prepare.bind(database)
  database.prepare = ((sql: string) => {
    const statement = prepare(sql)
    if (!sql.endsWith('from targets')) return statement
    const all = statement.all.bind(statement)
    statement.all = (...values: unknown[]) => {
      const rows = all(...values)
      then()
      return rows
    }
    return statement
  }) as typeof database.prepare
  return database
}

test.each([1, 2])('what is written of a new target while a search runs is not found by it (%d)', turn => {
  const own = mkdtempSync(join(tmpdir(), 'sallyport-index-'))
  const beside = new IndexWriter(own)
  const add = (id: string, target: string): void => {
    beside.know([{ session: watched(id, { target }), isOver: false }])
    beside.write(id, [command(id, 0, 'cat secrets')], [])
  }
  add('s1', 'web1')
  const database = openIndexToRead(own)
  if (database === undefined) throw new Error('there is no index')
  let turns = 0
  const search = new IndexReader(
    onTargets(database, () => {
      turns++
      if (turns === turn) add('s2', 'web2')
    }),
  )
  const find = () => search.search({ text: 'secrets', scope: seen }, openedAtMs + 86_400_000)
  expect(find()).toMatchObject({ page: { items: [{ session: 's1' }], total: 1 } })
  expect(turns).toBeGreaterThanOrEqual(turn)
  expect(find()).toMatchObject({ page: { items: [{ session: 's1' }], total: 1 } })
  search.close()
  beside.close()
  rmSync(own, { recursive: true })
})

test('a search that was too much keeps nobody from what is written after it', () => {
  expect(total('uptime session:1m', { targets: 'all' })).toMatch(/stands for more/)
  writer.write('0a1', [command('0a1', 1, 'hostnamectl')], [])
  expect(total('hostnamectl', { targets: 'all' })).toBe(1)
})

test.each(['uptime session:1m', 'uptime user:ops', 'uptime target:web*'])(
  '%s is too much for whoever sees all',
  text => expect(total(text, { targets: 'all' })).toMatch(/stands for more than 500/),
)

test('nor does it say anything of sessions of one’s own', () => {
  const own = { issuer: 'https://issuer.example.com', subject: 'ops' }
  expect(total('uptime session:0', { ...seen, except: [own] })).toBe(0)
})
