import { expect, test } from 'vitest'
import type { WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import type { Entry } from '../../../src/analysis/entry.ts'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'
import { PersonWindows } from '../../../src/analysis/rules/person-windows.ts'

const catalogue = readCatalogue()
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
function visit(windows: PersonWindows, day: number, subject = 'ada', isAgain = false): string[] {
  const session = sessionOf(day, subject)
  const drafts = [...windows.opened(session, isAgain)]
  for (let page = 0; page < 4; page++) {
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
  return [...drafts, ...windows.sealed(session)].map(({ group }) => group)
}

const week = [0, 1, 2, 3, 4]

test('a little in each of many sessions of one person adds up', () => {
  const windows = new PersonWindows(catalogue, [])
  expect(week.flatMap(day => visit(windows, day))).toEqual([])
  expect(new Set(visit(windows, 5))).toEqual(new Set(['B-04']))
})

test('and that of several people does not', () => {
  const windows = new PersonWindows(catalogue, [])
  const all = [...week, 5, 6].flatMap(day => visit(windows, day, `person${day % 2}`))
  expect(all).toEqual([])
})

test('a session that is analysed again does not count twice', () => {
  const windows = new PersonWindows(catalogue, [])
  for (const day of week) visit(windows, day)
  expect(visit(windows, 4, 'ada', true)).toEqual([])
  expect(visit(windows, 5)).toContain('B-04')
})

test('a rule that is off makes no finding', () => {
  const windows = new PersonWindows(catalogue, ['B-04'])
  expect([...week, 5, 6].flatMap(day => visit(windows, day))).toEqual([])
})
