import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { IndexWriter } from '../../../src/analysis/index/index-writer.ts'
import { SearchThread } from '../../../src/analysis/index/search-thread.ts'
import type { SearchAnswer } from '../../../src/analysis/index/search-types.ts'
import { command, watched } from './sessions.ts'

let folder: string
let search: SearchThread
let writer: IndexWriter | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-search-'))
  search = new SearchThread(folder)
})

afterEach(async () => {
  await search.close()
  writer?.close()
  writer = undefined
  rmSync(folder, { recursive: true })
})

function write(text: string): void {
  writer ??= new IndexWriter(folder)
  writer.know([{ session: watched('s1'), isOver: false }])
  writer.write('s1', [command('s1', 0, text)], [])
}

function ask(text: string): Promise<SearchAnswer> {
  return search.search({ text, scope: { targets: 'all' } })
}

function textsOf(answer: SearchAnswer): readonly string[] {
  return answer.ok ? answer.page.items.map(item => item.text) : [answer.problem]
}

test('more questions than may wait are refused with a text for who asked', async () => {
  const answers = await Promise.all(Array.from({ length: 80 }, () => ask('cat')))
  const refused = answers.filter(answer => !answer.ok)
  expect(refused).toHaveLength(16)
  expect(textsOf(refused[0] ?? { ok: false, problem: '' })[0]).toContain('Try again in a moment')
  expect(await search.progress()).toEqual({ entries: 0 })
})

test('without an index nothing is found, and as soon as there is one something is', async () => {
  expect(await ask('cat')).toMatchObject({ ok: true, page: { items: [], total: 0, isTotalExact: true } })
  expect((await search.sessions(['s1'])).size).toBe(0)
  write('cat notes')
  expect(textsOf(await ask('cat'))).toEqual(['cat notes'])
  expect(await search.entry('s1', 0)).toMatchObject({ entry: { text: 'cat notes' }, hits: [] })
  expect(await search.targets()).toEqual([{ protocol: 'ssh', name: 'web1' }])
})

test('an index that was made anew is the one that is searched once it is opened again', async () => {
  write('cat old')
  expect(textsOf(await ask('cat'))).toEqual(['cat old'])
  writer?.startAnew()
  write('cat new')
  search.reopen()
  expect(textsOf(await ask('cat'))).toEqual(['cat new'])
})

test('who asked when it is closed hears that, and nothing is left running', async () => {
  const asked = ask('cat')
  await search.close()
  expect(textsOf(await asked)).toEqual(['The gateway stops.'])
})
