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

function ask(text: string, asker = 'ada'): Promise<SearchAnswer> {
  return search.search({ text, scope: { targets: 'all' } }, asker)
}

function textsOf(answer: SearchAnswer): readonly string[] {
  return answer.ok ? answer.page.items.map(item => item.text) : [answer.problem]
}

test('more questions than may wait are refused with a text for who asked, of one person or of all', async () => {
  const refused = async (asks: readonly Promise<unknown>[]): Promise<unknown[]> =>
    (await Promise.allSettled(asks)).flatMap(one => (one.status === 'rejected' ? [one.reason] : []))
  const tooMany = expect.objectContaining({
    code: 'SEARCH_UNAVAILABLE',
    userText: expect.stringContaining('Try again in a moment'),
  })
  // One is asked, and eight wait.
  expect(await refused(Array.from({ length: 11 }, () => ask('cat')))).toEqual([tooMany, tooMany])
  expect(await refused(Array.from({ length: 67 }, (_, n) => ask('cat', `p${n}`)))).toEqual([tooMany, tooMany])
  expect(await search.progress()).toEqual({ entries: 0 })
})

test('people take turns with their searches, and what draws a page goes before all of them', async () => {
  const order: string[] = []
  const noted = async (name: string, asked: Promise<unknown>): Promise<void> => {
    await asked
    order.push(name)
  }
  await Promise.all([
    ...[1, 2, 3, 4].map(n => noted(`mallory ${n}`, ask('cat', 'mallory'))),
    noted('ada', ask('cat', 'ada')),
    noted('rows', search.sessions(['s1'])),
  ])
  expect(order).toEqual(['mallory 1', 'rows', 'mallory 2', 'ada', 'mallory 3', 'mallory 4'])
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
  const asked = [ask('cat'), ask('dog')].map(one => expect(one).rejects.toThrow('The gateway stops.'))
  await search.close()
  await Promise.all(asked)
})
