import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { IndexReader } from '../../../src/analysis/index/index-reader.ts'
import { IndexWriter } from '../../../src/analysis/index/index-writer.ts'
import { openIndexToRead } from '../../../src/analysis/index/schema.ts'
import type { FoundPage, SearchScope, SearchWish } from '../../../src/analysis/index/search-types.ts'
import { command, hit, openedAtMs, watched } from './sessions.ts'

const all: SearchScope = { targets: 'all' }
let folder: string
let writer: IndexWriter
let reader: IndexReader

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-index-'))
  writer = new IndexWriter(folder)
  reader = openReader()
})

afterEach(() => {
  reader.close()
  writer.close()
  rmSync(folder, { recursive: true })
})

function openReader(): IndexReader {
  const database = openIndexToRead(folder)
  if (database === undefined) throw new Error('there is no index')
  return new IndexReader(database)
}

function add(id: string, texts: readonly string[], more: Parameters<typeof watched>[1] = {}): void {
  writer.know([{ session: watched(id, more), isOver: false }])
  writer.write(
    id,
    texts.map((text, number) => command(id, number, text)),
    [],
  )
}

function page(text: string, more: Partial<SearchWish> = {}): FoundPage {
  const answer = reader.search({ text, scope: all, ...more }, openedAtMs + 86_400_000)
  if (!answer.ok) throw new Error(answer.problem)
  return answer.page
}

const found = (text: string, more: Partial<SearchWish> = {}): string[] =>
  page(text, more).items.map(item => item.text)

function problem(text: string): string {
  const answer = reader.search({ text, scope: all }, openedAtMs)
  return answer.ok ? '' : answer.problem
}

test('what a reviewer may not see is not found and does not count', () => {
  add('s1', ['cat secrets'], { target: 'web1', subject: 'ada' })
  add('s2', ['cat secrets'], { target: 'web2', subject: 'ada' })
  add('s3', ['cat secrets'], { target: 'web1', subject: 'eve', principal: 'eve' })
  add('s4', ['cat secrets'], { target: 'orders', protocol: 'postgres' })
  const targets = [{ protocol: 'ssh', name: 'web1' }] as const
  const seen = page('secrets', { scope: { targets } })
  expect(seen).toMatchObject({ total: 2, isTotalExact: true })
  expect(seen.items.map(({ session }) => session).toSorted()).toEqual(['s1', 's3'])
  const issuer = 'https://issuer.example.com'
  const own = page('secrets', { scope: { targets, except: [{ issuer, subject: 'ada' }] } })
  expect(own.items.map(({ session }) => session)).toEqual(['s3'])
  expect(own.total).toBe(1)
  expect(page('secrets', { scope: { targets: [] } })).toMatchObject({ total: 0, items: [] })
  expect(page('secrets session:s2', { scope: { targets } }).total).toBe(0)
  expect(page('secrets', { scope: { targets }, session: 's2' }).total).toBe(0)
  expect(page('-nothing target:web2', { scope: { targets } }).total).toBe(0)
  const most = [...targets, { protocol: 'ssh', name: 'web2' } as const]
  expect(page('secrets', { scope: { targets: most } }).total).toBe(3)
})

test('nothing that is typed is an error of the database', () => {
  add('s1', ['ls -la', 'select * from "x"'])
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), text => {
      const answer = reader.search({ text, scope: all }, openedAtMs)
      if (!answer.ok) expect(answer.problem).not.toMatch(/fts5|sql|syntax|malformed/i)
    }),
    { numRuns: 2000 },
  )
  const parts = fc.constantFrom(
    '"',
    '*',
    '-',
    ' ',
    'OR',
    'NOT',
    'NEAR(',
    ')',
    'a',
    '^',
    ':',
    '+',
    'kind:',
    'tags:',
    'e',
    '{',
    'AND',
    '\0',
    '😀',
  )
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), pieces => {
      reader.search({ text: pieces.join(''), scope: all }, openedAtMs)
      reader.search({ text: pieces.join(' '), scope: all }, openedAtMs)
    }),
    { numRuns: 2000 },
  )
})

test.each([
  ['kind:commando', 'kind: is one of'],
  ['before:yesterday', 'before: wants a day'],
  ['-after:2026-01-01', 'no minus'],
  ['///', 'no letter and no digit'],
  ['ab*', 'at least 3'],
  ['OR cat', 'OR stands between'],
  ['cat OR -dog1', 'OR cannot stand beside'],
  ['cat OR kind:file', 'give it several values'],
  ['cat NOT', 'NOT stands before'],
  ['x '.repeat(40), 'at most 32 terms'],
  ['a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t '.repeat(4), 'at most 64 words'],
  ['a'.repeat(1001), 'at most 1000 characters'],
])('%s is answered with what to do', (text, says) => {
  expect(problem(text)).toContain(says)
})

test('words, phrases, beginnings, what is not wanted, and one of several', () => {
  add('s1', [
    'rm -rf /var/log/x.log',
    'rm -r /tmp/y',
    'systemctl restart nginx',
    'Ls -la Übersicht',
    'select app_readonly',
  ])
  expect(found('rm -rf /var/log/x.log')).toEqual(['rm -rf /var/log/x.log'])
  expect(found('/var/log')).toEqual(['rm -rf /var/log/x.log'])
  expect(found('log var')).toEqual(['rm -rf /var/log/x.log'])
  expect(found('"log var"')).toEqual([])
  expect(found('rm')).toEqual(['rm -r /tmp/y', 'rm -rf /var/log/x.log'])
  expect(found('rm NOT tmp')).toEqual(['rm -rf /var/log/x.log'])
  expect(found('rm -"tmp/y"')).toEqual(['rm -rf /var/log/x.log'])
  expect(found('restart -nginx')).toEqual([])
  expect(found('system*')).toEqual(['systemctl restart nginx'])
  expect(found('"restart ngi"*')).toEqual(['systemctl restart nginx'])
  expect(found('nginx OR tmp')).toEqual(['systemctl restart nginx', 'rm -r /tmp/y'])
  expect(found('rm nginx OR tmp')).toEqual(['rm -r /tmp/y'])
  expect(found('ubersicht')).toEqual(['Ls -la Übersicht'])
  expect(found('app_readonly')).toEqual(['select app_readonly'])
  expect(found('-nginx1')).toHaveLength(5)
})

test('filters', () => {
  add('s1', ['cat a'], { target: 'web1' })
  add('s2', ['cat b'], { target: 'db1', principal: 'Eve Adams', subject: 'eve' })
  writer.write(
    's2',
    [command('s2', 1, 'cat c', { kind: 'file', file: { operation: 'open' } })],
    [hit('s2', 1, 'FILE-7')],
  )
  expect(found('cat target:web1')).toEqual(['cat a'])
  expect(found('cat target:web*,d*1')).toHaveLength(3)
  expect(found('cat -target:web1')).toEqual(['cat c', 'cat b'])
  expect(found('user:eve')).toEqual(['cat c', 'cat b'])
  expect(found('user:"eve adams" kind:file')).toEqual(['cat c'])
  expect(found('-kind:commands')).toEqual(['cat c'])
  expect(found('session:s1')).toEqual(['cat a'])
  expect(found('cat', { session: 's1' })).toEqual(['cat a'])
  expect(found('rule:FILE-7')).toEqual(['cat c'])
  expect(found('rule:FILE-*')).toEqual(['cat c'])
  expect(found('rule:SHELL-1')).toEqual([])
  expect(found('cat after:2026-11-22T09:00:01')).toEqual(['cat c'])
  expect(found('cat before:2026-11-22T09:00:01Z')).toHaveLength(2)
  expect(found('cat before:2026-11-22')).toEqual([])
  expect(found('cat after:2d')).toHaveLength(3)
  expect(found('t1')).toEqual([])
})

test('pages follow each other without gaps, newest first', () => {
  add(
    's1',
    Array.from({ length: 30 }, (_, n) => `echo ${n}`),
  )
  const texts: string[] = []
  for (let cursor: string | undefined, pages = 0; pages < 10; pages++) {
    const { items, next, total } = page('echo', { limit: 7, ...(cursor === undefined ? {} : { cursor }) })
    expect(total).toBe(30)
    texts.push(...items.map(({ text }) => text))
    cursor = next
    if (next === undefined) break
  }
  expect(texts).toEqual(Array.from({ length: 30 }, (_, n) => `echo ${29 - n}`))
})

test('a total beyond what is counted is told as a lower bound', () => {
  add(
    's1',
    Array.from({ length: 1200 }, (_, n) => `echo ${n}`),
  )
  expect(page('echo')).toMatchObject({ total: 1000, isTotalExact: false })
})

test('marks say where the match is, also in a long text', () => {
  add('s1', [`${'x '.repeat(500)}rm -rf /var/log${' y'.repeat(500)}`])
  const [item] = page('rm "var log" xy OR y').items
  const marked = item?.marks.map(([start, end]) => item.text.slice(start, end))
  expect(marked?.slice(0, 3)).toEqual(['rm', 'var/log', 'y'])
  expect(item?.text.length).toBeLessThan(400)
})

test('an entry that is told again replaces itself, also in what is found and counted', () => {
  add('s1', ['sleep 10'])
  const statement = { statement: 1, class: 'read', tables: [], rows: 5, bytes: 100 }
  writer.write('s1', [command('s1', 1, 'select oldtext', { kind: 'statement', statement })], [])
  writer.write(
    's1',
    [command('s1', 1, 'select newtext', { kind: 'statement', statement: { ...statement, rows: 7 } })],
    [],
  )
  writer.write(
    's1',
    [command('s1', 1, 'select newtext', { kind: 'statement', statement: { ...statement, rows: 7 } })],
    [],
  )
  expect(found('oldtext')).toEqual([])
  expect(found('newtext')).toEqual(['select newtext'])
  expect(reader.sessions(['s1', 'unknown']).get('s1')?.counts).toEqual({
    commands: 1,
    statements: 1,
    files: 0,
    rows: 7,
    bytes: 100,
    activeMs: 0,
  })
})

test('a hit on an entry that was stored before is found by its rule', () => {
  add('s1', ['wget x', 'chmod +x x', './x'])
  writer.write('s1', [], [hit('s1', 0, 'SESSION-1')])
  expect(found('rule:SESSION-1')).toEqual(['wget x'])
  expect(reader.entries({ session: 's1', kinds: ['command'], limit: 1 }).items[0]?.hits).toMatchObject([
    { rule: 'SESSION-1', severity: 'high', technique: ['T1000'] },
  ])
})

test('entries of a session come in order, some kinds or all, page by page', () => {
  add('s1', ['a1', 'a2', 'a3'])
  writer.write('s1', [command('s1', 3, 'shown', { kind: 'screen' }), command('s1', 4, 'a4')], [])
  const first = reader.entries({ session: 's1', kinds: ['command'], limit: 3 })
  expect(first.items.map(({ entry }) => entry.text)).toEqual(['a1', 'a2', 'a3'])
  const rest = reader.entries({ session: 's1', kinds: ['command'], limit: 3, cursor: first.next ?? '' })
  expect(rest.items.map(({ entry }) => entry.text)).toEqual(['a4'])
  expect(rest.next).toBeUndefined()
  const both = reader.entries({ session: 's1', kinds: ['screen', 'command'], limit: 100 })
  expect(both.items.map(({ entry }) => entry.number)).toEqual([0, 1, 2, 3, 4])
  expect(reader.entry('s1', 3)?.entry).toEqual({
    session: 's1',
    number: 3,
    kind: 'screen',
    atMs: openedAtMs + 3000,
    offsetMs: 3000,
    text: 'shown',
  })
  expect(reader.entry('s1', 9)).toBeUndefined()
})

test('pages go through all kinds, newest first, each entry once; some kinds are found alone', () => {
  const kinds = ['command', 'statement', 'file', 'screen', 'forward'] as const
  const kindOf = (number: number): (typeof kinds)[number] =>
    kinds[number < 900 ? 3 : (number * 7) % kinds.length] ?? 'screen'
  writer.know([{ session: watched('s1'), isOver: false }])
  const texts = Array.from({ length: 1500 }, (_, number) =>
    command('s1', number, `word${number} common`, { kind: kindOf(number) }),
  )
  writer.write('s1', texts, [])
  const seen: number[] = []
  let cursor: string | undefined
  do {
    const next = page('common', { limit: 70, ...(cursor === undefined ? {} : { cursor }) })
    expect(next).toMatchObject({ total: 1000, isTotalExact: false })
    seen.push(...next.items.map(({ entry }) => entry))
    cursor = next.next
  } while (cursor !== undefined)
  expect(seen).toEqual(texts.map(({ number }) => number).toReversed())
  const some = (text: string, chosen?: readonly (typeof kinds)[number][]): number[] =>
    page(text, { limit: 200, ...(chosen === undefined ? {} : { kinds: chosen }) }).items.map(
      ({ entry }) => entry,
    )
  const newest = (...wanted: readonly string[]): number[] =>
    seen.filter(number => wanted.includes(kindOf(number))).slice(0, 200)
  expect(some('common kind:command,file')).toEqual(newest('command', 'file'))
  expect(some('common -kind:screen kind:screen,forward')).toEqual(newest('forward'))
  expect(some('-word3 -kind:screen', ['screen', 'statement'])).toEqual(newest('statement'))
  expect(some('common kind:command', ['file'])).toEqual([])
  expect(some('common', [])).toEqual([])
})

test('a session that is forgotten leaves no word in the file', () => {
  add('s1', ['cat zanzibar-plans', 'scp zanzibar-plans'], { subject: 'z', principal: 'zanzibar@example.com' })
  const others = (['statement', 'file', 'screen', 'forward'] as const).map((kind, number) =>
    command('s1', 10 + number, `zanzibar ${kind}`, { kind }),
  )
  writer.write('s1', others, [])
  expect(found('zanzibar')).toHaveLength(6)
  add('s2', ['cat other'])
  writer.write('s1', [], [hit('s1', 0, 'SHELL-1')])
  writer.forget('s1')
  expect(found('zanzibar*')).toEqual([])
  expect(found('other')).toEqual(['cat other'])
  expect(reader.sessions(['s1']).size).toBe(0)
  reader.close()
  writer.close()
  for (const name of readdirSync(folder))
    expect(readFileSync(join(folder, name)).includes('zanzibar')).toBe(false)
  writer = new IndexWriter(folder)
  reader = openReader()
})

test('an index that is no database is made anew', () => {
  reader.close()
  writer.close()
  writeFileSync(join(folder, 'index.db'), 'x'.repeat(10_000))
  writer = new IndexWriter(folder)
  add('s1', ['cat a'])
  reader = openReader()
  expect(found('cat')).toEqual(['cat a'])
})

test('sessions that are finished are not given back to be analysed', () => {
  const both = ['s1', 's2'].map(id => ({ session: watched(id), isOver: true }))
  expect(writer.know(both)).toHaveLength(2)
  writer.setState('s1', 'done')
  expect(writer.know(both).map(({ id }) => id)).toEqual(['s2'])
  expect(reader.progress()).toMatchObject({ done: 1, waiting: 1, entries: 0 })
})

test('a word beside others may be the name of a person or a target, and one of them has to be in the text', () => {
  add('s1', ['tail app.log', 'uptime'], { principal: 'ada@example.com', subject: 'ada', target: 'web1' })
  add('s2', ['tail app.log'], { principal: 'bob@example.com', subject: 'bob', target: 'orders-db' })
  add('s3', ['cat ada.txt web1'], { principal: 'bob@example.com', subject: 'bob', target: 'orders-db' })
  expect(found('ada tail')).toEqual(['tail app.log'])
  expect(page('tail orders-db').items.map(({ session }) => session)).toEqual(['s2'])
  expect(page('ada web1').items.map(({ session }) => session)).toEqual(['s3'])
  expect(found('ada')).toEqual(['cat ada.txt web1'])
  expect(found('example tail')).toEqual([])
})

test('names that a reviewer may not see stand for nothing that they may', () => {
  add('s1', ['tail app.log'], { principal: 'ada@example.com', subject: 'ada', target: 'web1' })
  add('s2', ['tail app.log'], { principal: 'bob@example.com', subject: 'bob', target: 'web2' })
  const scope: SearchScope = { targets: [{ protocol: 'ssh', name: 'web2' }] }
  expect(page('ada tail', { scope })).toMatchObject({ items: [], total: 0 })
  expect(page('bob tail', { scope })).toMatchObject({ total: 1 })
})
