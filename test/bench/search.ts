/** An index of many entries, made up by a generator, and how long questions to it take. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { WatchedSession } from '../../src/analysis/analyst/session-observer.ts'
import type { Entry, EntryHit } from '../../src/analysis/entry.ts'
import { IndexReader } from '../../src/analysis/index/index-reader.ts'
import { IndexWriter } from '../../src/analysis/index/index-writer.ts'
import { indexFile, openIndexToRead } from '../../src/analysis/index/schema.ts'
import type { SearchScope, SearchWish } from '../../src/analysis/index/search-types.ts'
import { randomOf } from '../support/activity.ts'
import { quantile } from './measurement.ts'

export type SearchBench = { readonly entries: number; readonly rounds: number }

const entriesOfSession = 100
const people = 200
const targets = 100
const rules = 60
/** From so many days ago until now. */
const days = 365
const dayMs = 86_400_000
const nowMs = Date.UTC(2026, 10, 22)
const issuer = 'https://login.example.com'

export type SearchResult = {
  readonly entries: number
  readonly textMegabytes: number
  readonly indexMegabytes: number
  readonly cpuSeconds: number
  readonly questions: readonly Question[]
}
type Question = {
  readonly what: string
  readonly example: string
  readonly found: number
  /** By the clock, one for each round. */
  readonly eachMs: readonly number[]
  readonly p50Ms: number
  readonly p95Ms: number
  readonly worstMs: number
  readonly cpuP95Ms: number
}

export function benchSearch({ entries, rounds }: SearchBench): SearchResult {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-search-'))
  try {
    const before = process.cpuUsage()
    const textBytes = fill(folder, entries)
    const { user, system } = process.cpuUsage(before)
    const indexBytes = statSync(join(folder, indexFile)).size
    const database = openIndexToRead(folder)
    if (database === undefined) throw new Error('there is no index')
    const reader = new IndexReader(database)
    const questions = classes.map(([what, wish]) => ask(reader, what, wish, rounds))
    reader.close()
    return {
      entries,
      textMegabytes: textBytes / 1e6,
      indexMegabytes: indexBytes / 1e6,
      cpuSeconds: (user + system) / 1e6,
      questions,
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function tableOfSearch(result: SearchResult): string {
  const { entries, textMegabytes, indexMegabytes, cpuSeconds, questions } = result
  const head = [
    `${entries} entries, ${textMegabytes.toFixed(0)} MB of text, index ${indexMegabytes.toFixed(0)} MB, made in ${cpuSeconds.toFixed(0)} s of CPU ` +
      `(${((cpuSeconds / entries) * 1e6).toFixed(0)} µs an entry)`,
    '',
    '| question | such as | found | p50 ms | p95 ms | worst ms | p95 ms of CPU |',
    '|---|---|---|---|---|---|---|',
  ]
  const rows = questions.map(
    ({ what, example, found, p50Ms, p95Ms, worstMs, cpuP95Ms }) =>
      `| ${what} | \`${example}\` | ${found > 1000 ? 'over 1000' : found} | ${[p50Ms, p95Ms, worstMs, cpuP95Ms].map(ms => ms.toFixed(1)).join(' | ')} |`,
  )
  const all = questions.flatMap(({ eachMs }) => eachMs)
  const slow = all.filter(ms => ms > 100).length
  return [
    ...head,
    ...rows,
    '',
    `All ${all.length} questions: p50 ${quantile(all, 0.5).toFixed(1)}, p95 ${quantile(all, 0.95).toFixed(1)} ms; ${slow} took longer than 100 ms.`,
  ].join('\n')
}

// Questions.

const everybody: SearchScope = { targets: 'all' }
type Make = (random: () => number) => SearchWish

const classes: readonly (readonly [string, Make])[] = [
  ['a seldom word', random => wish(wordAt(40_000 + Math.floor(random() * 20_000)))],
  ['a common word', random => wish(wordAt(Math.floor(random() * 20)))],
  ['a command', random => wish(`systemctl restart ${wordAt(Math.floor(random() * 500))}`)],
  ['a path', random => wish(`/${wordAt(Math.floor(random() * 300))}/${wordAt(Math.floor(random() * 300))}`)],
  ['a phrase', random => wish(`"order by created" ${wordAt(Math.floor(random() * 200))}`)],
  [
    'one of two, without a third',
    random => wish(`${common(random)} OR ${common(random)} -${common(random)}`),
  ],
  ['a beginning of five letters', random => wish(`${wordAt(Math.floor(random() * 5000)).slice(0, 5)}*`)],
  ['a beginning of three letters', random => wish(`${wordAt(Math.floor(random() * 5000)).slice(0, 3)}*`)],
  [
    'a common word of a day',
    random => wish(`${common(random)} after:${dayOf(random)} before:${dayOf(random)}`),
  ],
  [
    'of one target and kind',
    random => wish(`${common(random)} target:t${Math.floor(random() * targets)} kind:command`),
  ],
  [
    'of one person, by rule',
    random => wish(`user:p${Math.floor(random() * people)}@ rule:R-${Math.floor(random() * rules)}`),
  ],
  [
    'of a reviewer of three targets',
    random => ({
      ...wish(common(random)),
      scope: { targets: someTargets(random, 3), except: [{ issuer, subject: 'p1' }] },
    }),
  ],
  [
    'of a reviewer of all but three',
    random => ({
      ...wish(common(random)),
      scope: { targets: allBut(random, 3), except: [{ issuer, subject: 'p1' }] },
    }),
  ],
  ['two common words of two kinds', () => wish('select systemctl')],
  ['two common words of a kind that never meet', () => wish('kubectl systemctl')],
  [
    'the second page of a common word',
    random => ({ ...wish(common(random)), cursor: String((nowMs - 30 * dayMs) * 16) }),
  ],
]

function wish(text: string): SearchWish {
  return { text, scope: everybody }
}

function common(random: () => number): string {
  return wordAt(Math.floor(random() * 200))
}

function dayOf(random: () => number): string {
  return new Date(nowMs - Math.floor(random() * days) * dayMs).toISOString().slice(0, 10)
}

function someTargets(random: () => number, count: number) {
  return Array.from(
    { length: count },
    () => ({ protocol: 'ssh', name: `t${Math.floor(random() * targets)}` }) as const,
  )
}

function allBut(random: () => number, count: number) {
  const out = new Set(someTargets(random, count).map(({ name }) => name))
  return Array.from({ length: targets }, (_, n) => ({ protocol: 'ssh', name: `t${n}` }) as const).filter(
    ({ name }) => !out.has(name),
  )
}

function ask(reader: IndexReader, what: string, make: Make, rounds: number): Question {
  const random = randomOf(what.length)
  const wall: number[] = []
  const cpu: number[] = []
  let example = ''
  let found = 0
  for (let round = 0; round < rounds; round++) {
    const question = make(random)
    const began = performance.now()
    const before = process.cpuUsage()
    const answer = reader.search(question, nowMs)
    const { user, system } = process.cpuUsage(before)
    wall.push(performance.now() - began)
    cpu.push((user + system) / 1000)
    if (!answer.ok) throw new Error(`${question.text}: ${answer.problem}`)
    example = question.text
    found = answer.page.isTotalExact ? answer.page.total : 1001
  }
  return {
    what,
    example,
    found,
    eachMs: wall,
    p50Ms: quantile(wall, 0.5),
    p95Ms: quantile(wall, 0.95),
    worstMs: Math.max(...wall),
    cpuP95Ms: quantile(cpu, 0.95),
  }
}

// Entries.

/** Bytes of text. */
function fill(folder: string, count: number): number {
  const writer = new IndexWriter(folder)
  const random = randomOf(7)
  let bytes = 0
  const sessions = Math.ceil(count / entriesOfSession)
  for (let number = 0; number < sessions; number++) {
    const session = sessionOf(number, sessions, random)
    writer.know([{ session, isOver: true }])
    const entries = Array.from({ length: entriesOfSession }, (_, n) => entryOf(session, n, random))
    bytes += entries.reduce((sum, { text }) => sum + text.length, 0)
    const hits = entries.filter(() => random() < 0.01).map(entry => hitOf(entry, random))
    writer.write(session.id, entries, hits)
    writer.setState(session.id, 'done')
  }
  writer.close()
  return bytes
}

function sessionOf(number: number, of: number, random: () => number): WatchedSession {
  const person = Math.floor(random() ** 2 * people)
  return {
    id: `s${number.toString(36).padStart(8, '0')}`,
    protocol: 'ssh',
    issuer,
    subject: `p${person}`,
    principal: `p${person}@example.com`,
    target: `t${Math.floor(random() ** 2 * targets)}`,
    login: 'root',
    role: 'admin',
    sourceAddress: '192.0.2.1',
    openedAtMs: Math.floor(nowMs - days * dayMs + (number / of) * days * dayMs),
    recording: '',
    labels: {},
  }
}

const syllables = [
  'ba',
  'ce',
  'di',
  'fo',
  'gu',
  'ha',
  'je',
  'ki',
  'lo',
  'mu',
  'na',
  'pe',
  'ri',
  'so',
  'tu',
  'va',
  'we',
  'xi',
  'zo',
  'qua',
]
const words = Array.from({ length: 60_000 }, (_, number) => {
  let word = ''
  for (let rest = number * 7 + 400; rest > 0; rest = Math.floor(rest / syllables.length))
    word += syllables[rest % syllables.length] ?? ''
  return word
})

function wordAt(number: number): string {
  return words[number] ?? ''
}

/** A few words are most of all texts, and most words are seldom. */
function someWord(random: () => number): string {
  return wordAt(Math.floor(words.length * random() ** 4))
}

const commands = [
  'ls -la',
  'cat',
  'grep -r',
  'systemctl restart',
  'journalctl -u',
  'tail -n 100',
  'kubectl get pods -n',
  'docker logs',
  'vi',
  'rm -rf',
  'cp -a',
  'psql -h db1 -d',
]

function entryOf({ id: session, openedAtMs }: WatchedSession, number: number, random: () => number): Entry {
  const offsetMs = number * 4000 + Math.floor(random() * 3000)
  const common = { session, number, offsetMs, atMs: openedAtMs + offsetMs }
  const any = (): string => someWord(random)
  const kind = random()
  if (kind < 0.5) {
    const command = commands[Math.floor(random() * commands.length)] ?? ''
    const text = `${command} /${any()}/${any()}/${any()}.log | grep ${any()}`
    return {
      ...common,
      kind: 'command',
      text,
      command: { channel: 0, found: 'editor', sure: 0.97, directory: `/srv/${any()}` },
    }
  }
  if (kind < 0.75) {
    const table = `${any()}_${any()}`
    const text = `SELECT id, ${any()}, ${any()} FROM ${table} WHERE ${any()}_id = ${Math.floor(random() * 1e6)} AND state = '${any()}' ORDER BY created_at`
    const statement = {
      statement: number,
      class: 'read',
      tables: [table],
      fingerprint: '7b2f0d3c9a1e4f55',
      rows: Math.floor(random() * 500),
      bytes: 4000,
      durationMs: 3,
    }
    return { ...common, kind: 'statement', text, statement }
  }
  if (kind < 0.8)
    return {
      ...common,
      kind: 'file',
      text: `/srv/${any()}/${any()}.csv`,
      file: { operation: 'open', direction: 'down', bytes: 52_000 },
    }
  const lines = Array.from(
    { length: 1 + Math.floor(random() * 4) },
    () => `${any()} ${any()} ${any()}: ${any()} ${any()} ${Math.floor(random() * 1e5)}`,
  )
  return { ...common, kind: 'screen', text: lines.join('\n') }
}

function hitOf({ session, number, atMs, offsetMs, text }: Entry, random: () => number): EntryHit {
  const rule = `R-${Math.floor(random() * rules)}`
  return {
    session,
    entry: number,
    atMs,
    offsetMs,
    rule,
    severity: 'medium',
    technique: ['T1070'],
    quote: text,
  }
}
