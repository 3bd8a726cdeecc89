import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import type { Entry } from '../../../src/analysis/entry.ts'
import type { FindingDraft } from '../../../src/analysis/findings/finding.ts'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'
import { PersonWindows } from '../../../src/analysis/rules/person-windows.ts'
import { WindowKeeper } from '../../../src/analysis/rules/window-keeper.ts'
import { newFolder } from '../../support/scratch.ts'

const catalogue = readCatalogue()
const emptyFolder = (): string => newFolder('windows')
const windowsIn = (folder: string, off: readonly string[] = []): PersonWindows =>
  new PersonWindows(catalogue, off, new WindowKeeper(folder))
const dayMs = 86_400_000

function sessionOf(day: number, subject: string): WatchedSession {
  return {
    id: `${subject} ${day}`,
    protocol: 'postgres',
    issuer: 'https://issuer.example',
    subject,
    principal: subject,
    target: 'shop',
    login: 'app',
    role: 'analyst',
    sourceAddress: '192.0.2.1',
    openedAtMs: day * dayMs,
    recording: '',
    labels: {},
  }
}

/** Four pages a day; answers with the groups of what was found in that session. */
function visit(windows: PersonWindows, day: number, subject = 'ada', pages = 4): string[] {
  const session = sessionOf(day, subject)
  const drafts = [...windows.opened(session), ...look(windows, day, subject, 0, pages)]
  return [...drafts, ...windows.sealed(session)].map(({ group }) => group)
}

function look(
  windows: PersonWindows,
  day: number,
  subject: string,
  from: number,
  to: number,
): FindingDraft[] {
  const session = sessionOf(day, subject)
  const drafts: FindingDraft[] = []
  for (let page = from; page < to; page++) {
    const atMs = session.openedAtMs + page * 1000
    const text = `SELECT * FROM customers ORDER BY id LIMIT 1000 OFFSET ${(day * 4 + page) * 1000}`
    const entry: Entry = {
      session: session.id,
      number: page,
      kind: 'statement',
      atMs,
      offsetMs: page * 1000,
      text,
      statement: { statement: page, class: 'read', tables: ['customers'], rows: 1000 },
    }
    drafts.push(...windows.took(entry, []))
  }
  return drafts
}

const week = [0, 1, 2, 3, 4]

test('a little in each of many sessions of one person adds up', () => {
  const windows = windowsIn(emptyFolder())
  expect(week.flatMap(day => visit(windows, day))).toEqual([])
  expect(new Set(visit(windows, 5))).toEqual(new Set(['B-04']))
})

test('and that of several people does not', () => {
  const windows = windowsIn(emptyFolder())
  const all = [...week, 5, 6].flatMap(day => visit(windows, day, `person${day % 2}`))
  expect(all).toEqual([])
})

test('a session that is analysed again does not count twice', () => {
  const windows = windowsIn(emptyFolder())
  for (const day of week) visit(windows, day)
  expect(visit(windows, 4)).toEqual([])
  expect(visit(windows, 5)).toContain('B-04')
})

test('a rule that is off makes no finding', () => {
  const windows = windowsIn(emptyFolder(), ['B-04'])
  expect([...week, 5, 6].flatMap(day => visit(windows, day))).toEqual([])
})

describe('a restart', () => {
  test('between two sessions forgets nothing', () => {
    const folder = emptyFolder()
    for (const day of week) expect(visit(windowsIn(folder), day)).toEqual([])
    expect(visit(windowsIn(folder), 5)).toContain('B-04')
  })

  test('within a session, which is read again from its start, counts what is new and nothing twice', () => {
    const folder = emptyFolder()
    for (const day of week) visit(windowsIn(folder), day)
    const before = windowsIn(folder)
    before.opened(sessionOf(5, 'ada'))
    look(before, 5, 'ada', 0, 3)
    // The gateway dies: what was counted of a session that is open is not on disk, and is read again.
    const after = windowsIn(folder)
    after.opened(sessionOf(5, 'ada'))
    expect(look(after, 5, 'ada', 0, 3)).toEqual([])
    expect(look(after, 5, 'ada', 3, 4).map(({ group }) => group)).toEqual(['B-04'])
  })

  test('and a session that was put aside goes on where it was', () => {
    const folder = emptyFolder()
    for (const day of week) visit(windowsIn(folder), day)
    const before = windowsIn(folder)
    before.opened(sessionOf(5, 'ada'))
    look(before, 5, 'ada', 0, 3)
    before.dropped('ada 5')
    expect(visit(windowsIn(folder), 5, 'ada', 3)).toEqual([])
    expect(visit(windowsIn(folder), 5)).toContain('B-04')
  })

  test('with all recordings read again, counts none of them twice, nor those that are older than what it looks back', () => {
    const folder = emptyFolder()
    for (const day of week) visit(windowsIn(folder), day + 100)
    const again = windowsIn(folder)
    for (const day of [0, 1, 2]) expect(visit(again, day)).toEqual([])
    for (const day of week) expect(visit(again, day + 100)).toEqual([])
    expect(visit(again, 105)).toContain('B-04')
  })

  test('with a file that is damaged, or of another rule, begins again', () => {
    for (const damage of ['no zstd', '']) {
      const folder = emptyFolder()
      for (const day of week) visit(windowsIn(folder), day)
      for (const name of readdirSync(folder)) writeFileSync(join(folder, name), damage)
      expect([5, 6, 7, 8, 9].flatMap(day => visit(windowsIn(folder), day))).toEqual([])
    }
  })
})

test('what is on disk is bounded, of the owner alone, and goes with the person or when it is old', () => {
  const folder = emptyFolder()
  const windows = windowsIn(folder)
  for (const day of week) visit(windows, day)
  visit(windows, 0, 'bob')
  const files = readdirSync(folder)
  expect(files).toHaveLength(2)
  for (const name of files) {
    expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
    expect(zstdDecompressSync(readFileSync(join(folder, name))).toString()).not.toContain('issuer.example')
  }
  windows.forget('https://issuer.example\nada')
  expect(readdirSync(folder)).toHaveLength(1)
  expect(visit(windows, 5)).toEqual([])
  const old = new Date(Date.now() - 32 * dayMs)
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), old, old)
  new WindowKeeper(folder).trim(Date.now())
  expect(readdirSync(folder)).toEqual([])
})
