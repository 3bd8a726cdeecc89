/** How usual an entry is, out of the index. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Entry } from '../../../src/analysis/entry.ts'
import { IndexReader } from '../../../src/analysis/index/index-reader.ts'
import { IndexWriter } from '../../../src/analysis/index/index-writer.ts'
import { openIndexToRead } from '../../../src/analysis/index/schema.ts'
import { shapesOf } from '../../../src/analysis/index/shape.ts'
import type { EntryUsage } from '../../../src/analysis/index/usage.ts'
import { command, openedAtMs, watched } from './sessions.ts'

const dayMs = 86_400_000
let folder: string
let writer: IndexWriter
let reader: IndexReader
let sessions = 0

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-usage-'))
  writer = new IndexWriter(folder)
  const database = openIndexToRead(folder)
  if (database === undefined) throw new Error('there is no index')
  reader = new IndexReader(database)
})

afterEach(() => {
  reader.close()
  writer.close()
  rmSync(folder, { recursive: true })
})

type Ran = { by?: string; on?: string; day?: number; more?: Partial<Entry> }

/** Of a session of its own, so many days later. */
function ran(text: string, { by = 'ada', on = 'web1', day = 0, more = {} }: Ran = {}): string {
  const id = `s${++sessions}`
  const at = { openedAtMs: openedAtMs + day * dayMs }
  writer.know([{ session: watched(id, { subject: by, target: on, ...at }), isOver: false }])
  writer.write(id, [command(id, 0, text, { ...more, atMs: at.openedAtMs })], [])
  return id
}

function usage(session: string): EntryUsage | undefined {
  const wish = { session, kinds: ['command', 'statement'], limit: 10, withUsage: true } as const
  return reader.entries(wish).items[0]?.usage
}

test('what has no shape has no usage, and nobody gets it unasked', () => {
  const session = ran('x=1')
  expect(usage(session)).toBeUndefined()
  const other = ran('uptime')
  expect(reader.entries({ session: other, kinds: ['command'], limit: 10 }).items[0]?.usage).toBeUndefined()
})

test('the first of its kind is new, and the next is not', () => {
  const first = ran('nc -l 4444')
  const next = ran('nc -l 5555', { day: 1 })
  expect(usage(first)).toMatchObject({
    program: 'nc',
    isNewForPerson: true,
    isNewForTarget: true,
    ownTimes: 1,
  })
  expect(usage(next)).toMatchObject({ isNewForPerson: false, isNewForTarget: false, ownTimes: 2 })
})

test('new for a person and new on a target are two things', () => {
  ran('nc -l 4444')
  expect(usage(ran('nc -z db1 22', { by: 'bob', day: 1 }))).toMatchObject({
    isNewForPerson: true,
    isNewForTarget: false,
  })
  expect(usage(ran('nc -z db1 22', { on: 'web2', day: 1 }))).toMatchObject({
    isNewForPerson: false,
    isNewForTarget: true,
  })
})

test('what was recorded later makes nothing old, in whatever order it was read', () => {
  ran('nc -l 4444', { day: 3 })
  expect(usage(ran('nc -l 4444', { day: 1 }))).toMatchObject({ isNewForPerson: true, ownTimes: 1 })
})

test('fewer than five people are not counted out', () => {
  for (const by of ['ada', 'bob', 'cleo', 'dan']) ran('htop', { by })
  expect(usage(ran('htop', { by: 'ada', day: 1 }))?.everybody).toBeUndefined()
  const fifth = ran('htop', { by: 'eve', day: 1 })
  expect(usage(fifth)?.everybody).toEqual({ times: 6, people: 5, isLowerBound: false })
})

test('what everybody does every day is not said to be done by few', () => {
  fill(50, 250, 8)
  expect(usage(ran('ls', { day: 249 }))?.everybody).toEqual({
    times: expect.any(Number),
    people: 51,
    isLowerBound: true,
  })
})

test('that few did it lately is not said where not all were asked', () => {
  fill(1100, 1, 1)
  expect(usage(ran('ls', { day: 90 }))).toMatchObject({ isUncounted: true })
  expect(usage(ran('ls', { day: 90 }))?.everybody).toBeUndefined()
})

/** `ls`, of so many people on so many days on each of so many targets; sessions without entries, since the counts are what matters. */
function fill(people: number, days: number, targets: number): void {
  const database = new Database(join(folder, 'index.db'))
  const [{ key: shape } = { key: 0 }] = shapesOf('command', 'ls', null)
  const add = database.prepare(
    'insert into uses (shape, person, day, target, first, times) values (?, ?, ?, ?, 1, 1)',
  )
  const firstDay = Math.floor(openedAtMs / dayMs)
  database.transaction(() => {
    for (let at = 0; at < people * days * targets; at++)
      add.run(
        shape,
        1000 + (at % people),
        firstDay + (Math.floor(at / people) % days),
        1000 + Math.floor(at / people / days),
      )
  })()
  database.close()
}

test('only the last thirty days are added up, and what is older still makes it known', () => {
  for (const by of ['ada', 'bob', 'cleo', 'dan', 'eve']) ran('htop', { by })
  expect(usage(ran('htop', { day: 31 }))).toMatchObject({ isNewForPerson: false, ownTimes: 1 })
  expect(usage(ran('htop', { day: 31, on: 'web2' }))?.everybody).toBeUndefined()
})

test('of several programs in a line, the new one is told', () => {
  ran('cat /etc/hosts')
  expect(usage(ran('cat /etc/hosts | base64', { day: 1 }))).toMatchObject({
    program: 'base64',
    isNewForPerson: true,
  })
})

test('statements count by their fingerprint', () => {
  const statement = (fingerprint: string): Partial<Entry> => ({
    kind: 'statement',
    statement: { statement: 1, class: 'read', fingerprint, tables: [] },
  })
  ran('select * from a where id = 1', { more: statement('f1') })
  const again = ran('select * from a where id = 2', { day: 1, more: statement('f1') })
  const other = ran('select * from b', { day: 1, more: statement('f2') })
  expect(usage(again)).toEqual({ isNewForPerson: false, isNewForTarget: false, ownTimes: 2 })
  expect(usage(other)).toEqual({ isNewForPerson: true, isNewForTarget: true, ownTimes: 1 })
})

test('a session that is forgotten leaves no count', () => {
  const gone = ran('nc -l 4444')
  writer.forget(gone)
  expect(usage(ran('nc -l 4444', { day: 1 }))).toMatchObject({ isNewForPerson: true, ownTimes: 1 })
})

test('reading a recording again counts nothing twice', () => {
  const session = ran('nc -l 4444')
  writer.write(session, [{ ...command(session, 0, 'nc -l 4444 -v'), atMs: openedAtMs }], [])
  writer.write(session, [{ ...command(session, 0, 'nc -l 4444 -v'), atMs: openedAtMs }], [])
  expect(usage(session)).toMatchObject({ isNewForPerson: true, ownTimes: 1 })
})
