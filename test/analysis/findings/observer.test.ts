import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Entry, EntryHit } from '../../../src/analysis/entry.ts'
import { compareSession } from '../../../src/analysis/findings/comparison.ts'
import type { FindingDraft } from '../../../src/analysis/findings/finding.ts'
import { FindingObserver } from '../../../src/analysis/findings/observer.ts'
import { ProfileKeeper, wishOf, wordsOf } from '../../../src/analysis/findings/profile-keeper.ts'
import { SessionView } from '../../../src/analysis/findings/session-view.ts'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import type { WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import type { AnalysisConfig } from '../../../src/config/config.ts'
import { NOON, policyWith } from '../../policy/people.ts'
import { newFolder } from '../../support/scratch.ts'

const { analysis } = policyWith(
  'ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }',
)
const dayMs = 86_400_000
const issuer = 'https://login.example.com'

function folder(): string {
  return newFolder('profiles')
}

type Told = {
  readonly person: string
  readonly id?: string
  readonly atMs?: number
  readonly target?: string
  readonly role?: string
  readonly from?: string
  readonly rows?: number
  readonly tables?: readonly string[]
  readonly texts?: readonly string[]
}

let sessions = 0

function sessionOf({
  person,
  id,
  atMs = NOON,
  target = 'orders',
  role = 'dba',
  from = '10.1.1.1',
}: Told): WatchedSession {
  return {
    id: id ?? `s${++sessions}`,
    protocol: 'postgres',
    issuer,
    subject: person,
    principal: `${person}@example.com`,
    target,
    login: 'app',
    role,
    sourceAddress: from,
    openedAtMs: atMs,
    recording: 'x',
    labels: {},
  }
}

function entriesOf(
  session: WatchedSession,
  { rows = 100, tables = ['orders'], texts = usual }: Told,
): Entry[] {
  return texts.map((text, number) => ({
    session: session.id,
    number,
    kind: 'statement',
    atMs: session.openedAtMs + number * 1000,
    offsetMs: number * 1000,
    text,
    statement: {
      statement: number,
      class: 'read',
      tables: [...tables],
      rows: Math.round(rows / texts.length),
      bytes: rows * 10,
    },
  }))
}

const usual = Array.from({ length: 20 }, (_, at) => `SELECT id, total FROM orders WHERE id = ${at}`)

function observe(observer: FindingObserver, told: Told): readonly FindingDraft[] {
  const session = sessionOf(told)
  const drafts = [...observer.opened(session, false)]
  const hits: EntryHit[] = []
  for (const entry of entriesOf(session, told)) drafts.push(...observer.took(entry, hits))
  return [...drafts, ...observer.sealed(session)]
}

function observerIn(
  where: string,
  change: Partial<AnalysisConfig> = {},
  onTrouble: (cause: unknown) => void = () => {},
): FindingObserver {
  return new FindingObserver({ analysis: { ...analysis, ...change }, folder: where }, [], { onTrouble })
}

/** Six people of one role, forty ordinary sessions each. */
function company(
  where = folder(),
  change: Partial<AnalysisConfig> = {},
  onTrouble?: (cause: unknown) => void,
): { observer: FindingObserver; where: string } {
  const observer = observerIn(where, change, onTrouble)
  for (let day = 0; day < 40; day++)
    for (const person of ['ann', 'bob', 'carl', 'dora', 'eve', 'fred'])
      expect(
        observe(observer, { person, atMs: NOON + day * dayMs, rows: 80 + ((day * 7) % 40) }).filter(
          ({ kind }) => kind === 'baseline',
        ),
      ).toEqual([])
  return { observer, where }
}
const later = NOON + 50 * dayMs

test('with nobody to compare with, nothing is unusual', () => {
  const observer = observerIn(folder())
  for (let at = 0; at < 8; at++) expect(observe(observer, { person: 'ann', rows: 10 ** at })).toEqual([])
})

test('a few peers are not enough to judge a newcomer by', () => {
  const observer = observerIn(folder())
  for (let at = 0; at < 40; at++)
    for (const person of ['ann', 'bob']) observe(observer, { person, atMs: NOON + at * dayMs })
  expect(observe(observer, { person: 'new', atMs: later, rows: 5_000_000 })).toEqual([])
})

test('many rows are a finding, told with the numbers of the person and of their peers', () => {
  const { observer } = company()
  const [draft, ...others] = observe(observer, { person: 'bob', atMs: later, rows: 412_000 })
  expect(others).toEqual([])
  expect(draft).toMatchObject({ kind: 'baseline', group: 'baseline', severity: 'medium', rules: [] })
  expect(draft?.unusualness).toBeGreaterThan(4)
  expect(draft?.body.sentence).toBe(
    '412,000 rows in this session exceed what is usual, and 1 difference besides.',
  )
  const rows = draft?.body.why.find(({ observed }) => observed.includes('rows'))
  expect(rows?.observed).toBe('412,000 rows in this session exceed what is usual')
  expect(rows?.own).toMatch(/^median \d+ rows, largest \d+ rows; 40 sessions in 39 days$/)
  expect(rows?.peers).toMatch(
    /^median \d+ rows, 99 of 100 up to \d+ rows, in 200 sessions of 5 people with the role dba$/,
  )
  expect(draft?.body.benign).toContain('a migration or a backup')
  expect(draft?.body.versions).toMatchObject({
    baseline: '1',
    profile: expect.stringMatching(/^[0-9a-f]{16}$/),
  })
  expect(JSON.stringify(draft)).not.toMatch(forbiddenWords)
  expect(JSON.stringify(draft)).not.toContain('bob')
})

test('who is new is compared with peers alone', () => {
  const { observer } = company()
  const [draft] = observe(observer, { person: 'new', atMs: later, rows: 412_000 })
  expect(draft?.kind).toBe('baseline')
  const rows = draft?.body.why.find(({ observed }) => observed.includes('rows'))
  expect(rows?.own).toBe('no session before this one')
  expect(observe(observer, { person: 'newer', atMs: later })).toEqual([])
})

test('signals add up: new tables, a new network and two places at once', () => {
  const { observer } = company()
  const open = sessionOf({ person: 'bob', atMs: later, from: '10.1.1.1' })
  observer.opened(open, false)
  const told: Told = {
    person: 'bob',
    atMs: later,
    from: '198.51.100.7',
    tables: Array.from({ length: 40 }, (_, at) => `hr.t${at}`),
  }
  const [draft] = observe(observer, told)
  const observed = draft?.body.why.map(reason => reason.observed).join('\n') ?? ''
  expect(observed).toContain('40 different tables in this session exceed what is usual')
  expect(observed).toContain('first use of the source network 198.51.100.7 by this person')
  expect(observed).toContain('a session from another source network was open at the same time')
  const adds = draft?.body.why.map(({ adds: nats }) => nats ?? 0) ?? []
  expect(adds).toEqual(adds.toSorted((a, b) => b - a))
})

describe('a session that stays open', () => {
  const told: Told = { person: 'bob', atMs: later, id: 'long' }
  const session = sessionOf(told)
  const hourMs = 3_600_000
  const at = (number: number, hours: number, rows: number): Entry => ({
    session: 'long',
    number,
    kind: 'statement',
    atMs: later + hours * hourMs,
    offsetMs: hours * hourMs,
    text: usual[number % usual.length] ?? '',
    statement: { statement: number, class: 'read', tables: ['orders'], rows, bytes: rows * 10 },
  })

  test('is looked at each hour, and says that it is not over; at its end it is compared as a whole, and held back once', () => {
    const { observer } = company()
    observer.opened(session, false)
    expect(observer.took(at(0, 0.1, 412_000), [])).toEqual([])
    const [first, ...more] = observer.took(at(1, 1.1, 100), [])
    expect(more).toEqual([])
    expect(first).toMatchObject({ kind: 'baseline', group: 'baseline', session: 'long' })
    expect(first?.body.sentence).toMatch(
      /^In its first 66 minutes: 412,100 rows in this session exceed what is usual/,
    )
    expect(first?.body.quality.join(' ')).toContain('Looked at while the session was open.')
    expect(observer.took(at(2, 1.2, 100), [])).toEqual([])
    expect(observer.took(at(3, 5, 100), [])).toHaveLength(1)
    expect(observer.took(at(4, 5.5, 100), [])).toEqual([])
    const [last] = observer.sealed(session)
    expect(last?.body.sentence).toMatch(/^412,400 rows/)
    expect(last?.body.quality.join(' ')).not.toContain('while the session was open')
  })

  test('and does nothing unusual but last makes no finding in between', () => {
    const baselines = { ...analysis.baselines, off: ['volume', 'hour'] as const }
    const { observer } = company(folder(), { baselines })
    observer.opened(session, false)
    expect([1, 2, 3].flatMap(hours => observer.took(at(hours, hours, 10), []))).toEqual([])
  })

  test('is not looked at more often than it may last in hours', () => {
    const { observer } = company()
    observer.opened(session, false)
    const drafts = Array.from({ length: 400 }, (_, hour) => observer.took(at(hour, hour, 412_000), []))
    expect(drafts.flat().length).toBeLessThanOrEqual(168)
    expect(drafts.flat().length).toBeGreaterThan(100)
  })
})

test('a signal that is switched off says nothing', () => {
  const baselines = { ...analysis.baselines, off: ['volume'] as const }
  const { observer } = company(folder(), { baselines })
  expect(observe(observer, { person: 'bob', atMs: later, rows: 412_000 })).toEqual([])
})

test('baselines that are switched off know nobody', () => {
  const where = folder()
  const { observer } = company(where, { baselines: { ...analysis.baselines, enabled: false } })
  observer.attend(later)
  expect(wordsOf(where, `${issuer}\nbob`)).toBeUndefined()
})

test('what differs is not learned: trying again does not make it usual', () => {
  const { observer } = company()
  const scores = [0, 1, 2, 3, 4].map(at => {
    const [draft] = observe(observer, { person: 'bob', atMs: later + at * dayMs, rows: 412_000 })
    return draft?.unusualness ?? 0
  })
  for (const score of scores) expect(score).toBeGreaterThan(4)
  expect(Math.min(...scores)).toBeGreaterThan(Math.max(...scores) * 0.95)
})

test('a flood of sessions in one day does not move what is usual by more than a day’s share', () => {
  const { observer } = company()
  for (let at = 0; at < 300; at++)
    observe(observer, { person: 'bob', atMs: later + at * 1000, rows: 100 + at * 30 }) // drip by drip
  const [draft] = observe(observer, { person: 'bob', atMs: later + dayMs, rows: 412_000 })
  expect(draft?.kind).toBe('baseline')
})

test('once a reviewer has said that it was expected, the like of it is more usual', () => {
  const { observer, where } = company()
  const [first] = observe(observer, { person: 'bob', id: 'held', atMs: later, rows: 4500 })
  expect(first?.kind).toBe('baseline')
  for (let at = 0; at < 12; at++) {
    const id = `held-${at}`
    observe(observer, { person: 'bob', id, atMs: later + at * 1000, rows: 4500 })
    wishOf(where, { do: 'teach', session: id }, later + at)
  }
  observer.attend(later)
  expect(observe(observer, { person: 'bob', atMs: later + dayMs, rows: 4500 })).toEqual([])
  // Peers still tell something that is far beyond all of them.
  expect(observe(observer, { person: 'bob', atMs: later + dayMs, rows: 4_000_000 })).toHaveLength(1)
})

test('commands that are more like those of others count only once the profile is large', () => {
  const people = ['ann', 'bob', 'carl', 'dora', 'eve', 'fred']
  const seen = (observer: FindingObserver): string[] => {
    for (let day = 0; day < 40; day++)
      for (const person of people)
        observe(observer, { person, atMs: NOON + day * dayMs, texts: workOf(person, day) })
    return observe(observer, { person: 'bob', atMs: later, texts: workOf('carl', 7) }).flatMap(({ body }) =>
      body.why.map(({ observed }) => observed),
    )
  }
  const baselines = { ...analysis.baselines, score: 1 }
  expect(seen(observerIn(folder(), { baselines })).join()).not.toContain('more like those of others')
  const [told] = seen(observerIn(folder(), { baselines: { ...baselines, profile: 500 } }))
  expect(told).toMatch(
    /^40 commands and statements differ from this person’s history and are more like those of others: `/,
  )
})

/** What somebody does on a day: half of it like everybody, half of it their own. */
function workOf(person: string, day: number): string[] {
  return Array.from({ length: 40 }, (_, at) =>
    at % 2 === 0
      ? `SELECT count(*) FROM orders WHERE day = ${day}`
      : `UPDATE ${person}_table_${(at * 7 + day) % 9} SET state = ${at} WHERE ${person}_key = ${day}`,
  )
}

test('a session that is analysed again is not learned again, and makes no second finding', () => {
  const { observer, where } = company()
  expect(observe(observer, { person: 'bob', id: 'once', atMs: later, rows: 412_000 })).toHaveLength(1)
  expect(observe(observer, { person: 'bob', id: 'once', atMs: later, rows: 412_000 })).toEqual([])
  const before = wordsOf(where, `${issuer}\nann`)?.events
  observe(observer, { person: 'ann', id: 'twice', atMs: later })
  observe(observer, { person: 'ann', id: 'twice', atMs: later })
  expect(wordsOf(where, `${issuer}\nann`)?.events).toBe((before ?? 0) + usual.length)
})

test('a restart forgets nothing that was written', () => {
  const { where, observer } = company()
  wishOf(where, { do: 'teach', session: 'none' }, NOON) // attending writes
  observer.attend(later)
  const [draft] = observe(observerIn(where), { person: 'bob', atMs: later, rows: 412_000 })
  const [same] = observe(observer, { person: 'bob', atMs: later, rows: 412_000 })
  expect(draft?.unusualness).toBe(same?.unusualness)
})

test('a finding can be computed again from the snapshot that it names', () => {
  const { where, observer } = company()
  const told: Told = { person: 'bob', id: 'again', atMs: later, rows: 412_000 }
  const [draft] = observe(observer, told)
  const known = new ProfileKeeper(where).restore(draft?.body.versions['profile'] ?? '')
  if (known === undefined) throw new Error('the snapshot is gone')
  const session = sessionOf(told)
  const view = new SessionView(session)
  for (const entry of entriesOf(session, told)) view.take(entry)
  const { total } = compareSession(view.facts, view.events, { ...known, config: analysis.baselines })
  expect(Math.round(total * 100) / 100).toBe(draft?.unusualness)
})

test('a person who is forgotten is nowhere, neither in words nor in snapshots', () => {
  const { where, observer } = company()
  observe(observer, { person: 'bob', atMs: later, rows: 412_000 })
  wishOf(where, { do: 'forget', person: `${issuer}\nbob` }, later)
  observer.attend(later)
  expect(wordsOf(where, `${issuer}\nbob`)).toBeUndefined()
  expect(readdirSync(join(where, 'snapshots'))).toEqual([])
  const { known } = new ProfileKeeper(where).load()
  expect(known.baseline.eventsOf(`${issuer}\nbob`)).toBe(0)
  expect(JSON.stringify([known.baseline.state, known.habits.state, [...known.held]])).not.toContain('\\nbob')
  expect(known.baseline.eventsOf(`${issuer}\nann`)).toBeGreaterThan(0)
})

describe('what was to be done and cannot be read', () => {
  const broken = [
    '',
    '{"do":"forget"',
    'null',
    '7',
    '{"do":"forget","person":7}',
    '{"do":"sing","session":"x"}',
  ]

  test.each(broken)('keeps nobody from being forgotten, and is told once: %s', text => {
    const told: unknown[] = []
    const { where, observer } = company(folder(), {}, cause => void told.push(cause))
    const inbox = join(where, 'inbox')
    writeFileSync(join(inbox, '000-cut.json'), text)
    wishOf(where, { do: 'forget', person: `${issuer}\nbob` }, later)
    observer.attend(later)
    observer.attend(later)
    expect(wordsOf(where, `${issuer}\nbob`)).toBeUndefined()
    expect(readdirSync(inbox)).toEqual([])
    expect(told).toEqual([expect.objectContaining({ message: expect.stringContaining('cannot be read') })])
  })

  test('keeps no session from being compared', () => {
    const { where, observer } = company()
    mkdirSync(join(where, 'inbox', '000-folder.json'))
    expect(observe(observer, { person: 'bob', atMs: later, rows: 412_000 })).toHaveLength(1)
    expect(readdirSync(join(where, 'inbox'))).toEqual([])
  })
})

test('a disk that takes nothing undoes no wish, and no session is without its comparison', () => {
  const told: unknown[] = []
  const { where, observer } = company(folder(), {}, cause => void told.push(cause))
  wishOf(where, { do: 'forget', person: `${issuer}\nann` }, later)
  mkdirSync(join(where, 'profiles.zst.new')) // in the way of what is written
  expect(observe(observer, { person: 'bob', atMs: later, rows: 412_000 })).toHaveLength(1)
  expect(told).not.toEqual([])
  expect(readdirSync(join(where, 'inbox'))).toHaveLength(1)
})

test('profiles of people who have not been seen for long go by themselves', () => {
  const { where, observer } = company()
  observer.attend(NOON + 40 * dayMs + analysis.retention.profilesMs + dayMs)
  expect(readdirSync(join(where, 'people'))).toEqual([])
})

test('a damaged file of profiles is said, and profiles grow again', () => {
  const where = folder()
  const keeper = new ProfileKeeper(where)
  keeper.save(keeper.load().known)
  const file = join(where, 'profiles.zst')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readFileSync(file).length).toBeGreaterThan(0)
  expect(keeper.load().problem).toBeUndefined()
  keeper.snapshot(keeper.load().known)
  writeFileSync(file, 'damaged')
  expect(keeper.load().problem).toContain('cannot be read')
})

test('people read what is known of them in words', () => {
  const { where } = company()
  const { events, sinceMs, text } = wordsOf(where, `${issuer}\nbob`) ?? { events: 0, sinceMs: 0, text: [] }
  expect(events).toBe(800)
  expect(sinceMs).toBe(NOON)
  expect(text.join('\n')).toContain('40 sessions since 2025-01-15.')
  expect(text.join('\n')).toContain('Most used: select (800).')
})
