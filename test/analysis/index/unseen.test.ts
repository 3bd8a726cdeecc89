/** Limits of a search count what the asker may see, and nothing else: ids of sessions begin with their time, so prefixes are times. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

test.each(['uptime session:1m', 'uptime user:ops', 'uptime target:web*'])(
  '%s is too much for whoever sees all',
  text => expect(total(text, { targets: 'all' })).toMatch(/stands for more than 500/),
)

test('nor does it say anything of sessions of one’s own', () => {
  const own = { issuer: 'https://issuer.example.com', subject: 'ops' }
  expect(total('uptime session:0', { ...seen, except: [own] })).toBe(0)
})
