/** Runs a quarter through what runs on line, and keeps what a reviewer would have been shown each day. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openObservers } from '../../src/analysis/analyst/observers.ts'
import type { SessionObserver, WatchedSession } from '../../src/analysis/analyst/session-observer.ts'
import type { Entry } from '../../src/analysis/entry.ts'
import { type FindingDraft, isWorse } from '../../src/analysis/findings/finding.ts'
import { wishOf } from '../../src/analysis/findings/profile-keeper.ts'
import { placesOf, type Placed } from '../../src/analysis/findings/queue.ts'
import { type Catalogue, readCatalogue } from '../../src/analysis/rules/catalogue.ts'
import { WindowRules } from '../../src/analysis/rules/window-rules.ts'
import { Grammar } from '../../src/analysis/sql/grammar.ts'
import type { AnalysisConfig } from '../../src/config/config.ts'
import { analysisFields, findingsConfigOf } from '../../src/config/analysis-schema.ts'
import { z } from 'zod'
import { lineHitsOf } from '../support/entries.ts'
import { dayMs, type Quarter } from './quarter.ts'
import type { Line, Session } from './session.ts'

/** What `analysis` is when nothing is said. */
export const usualAnalysis: AnalysisConfig = findingsConfigOf(z.strictObject(analysisFields).parse({}), '/')

export type Found = {
  readonly session: Session
  readonly draft: FindingDraft
  readonly day: number
  /** From 1, of its day. */
  readonly rank: number
  readonly isShown: boolean
}

export type Reviewed = {
  readonly quarter: Quarter
  readonly events: number
  /** With a reviewer who only closes what is shown. */
  readonly findings: readonly Found[]
  /** With one who also suppresses what a person was expected to do three times, for thirty days. */
  readonly suppressing: readonly Found[]
}

export async function review(quarter: Quarter, analysis: AnalysisConfig = usualAnalysis): Promise<Reviewed> {
  const grammar = new Grammar()
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-quarter-'))
  try {
    const run = new Run(readCatalogue(), grammar, { analysis, folder })
    const [plain, suppressing] = [new Reviewer(analysis, false), new Reviewer(analysis, true)]
    const reviewed = { findings: [] as Found[], suppressing: [] as Found[] }
    const endDay = (day: number): void => {
      const drafts = run.newDrafts()
      reviewed.findings.push(...plain.sees(drafts, day))
      const found = suppressing.sees(drafts, day)
      reviewed.suppressing.push(...found)
      run.teach(found.filter(isExpected), quarter.startMs + (day + 1) * dayMs)
    }
    for (const { does } of happeningsOf(quarter, run, endDay)) await does()
    const events = quarter.sessions.reduce((sum, { lines }) => sum + lines.length, 0)
    return { quarter, events, ...reviewed }
  } finally {
    await grammar.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Everyday work that was shown for being unusual: the reviewer says so, and the profile learns it. */
function isExpected({ isShown, draft, session }: Found): boolean {
  return isShown && draft.kind === 'baseline' && session.planted === undefined
}

type Happening = { readonly atMs: number; readonly does: () => Promise<void> | void }

/** Sessions open, go on and end beside each other; at the end of each day somebody looks at what was found. */
function happeningsOf(
  { sessions, startMs, days }: Quarter,
  run: Run,
  endDay: (day: number) => void,
): Happening[] {
  const ends = Array.from({ length: days + 1 }, (_, day) => ({
    atMs: startMs + (day + 1) * dayMs,
    does: () => endDay(day),
  }))
  return sessions
    .flatMap((session): Happening[] => [
      { atMs: session.openedAtMs, does: () => run.open(session) },
      ...session.lines.map(line => ({ atMs: line.atMs, does: () => run.take(session, line) })),
      { atMs: (session.lines.at(-1)?.atMs ?? session.openedAtMs) + 1, does: () => run.seal(session) },
    ])
    .concat(ends)
    .toSorted((a, b) => a.atMs - b.atMs)
}

type Drafted = { readonly session: Session; readonly draft: FindingDraft }
type Watched = { readonly session: Session; readonly windows: WindowRules; count: number }

class Run {
  readonly #catalogue: Catalogue
  readonly #grammar: Grammar
  readonly #observers: readonly SessionObserver[]
  readonly #watched = new Map<string, Watched>()
  readonly #folder: string
  readonly #drafts = new Map<string, Drafted>()
  readonly #told = new Set<string>()

  constructor(
    catalogue: Catalogue,
    grammar: Grammar,
    options: { readonly analysis: AnalysisConfig; readonly folder: string },
  ) {
    this.#catalogue = catalogue
    this.#grammar = grammar
    this.#folder = options.folder
    this.#observers = openObservers({ catalogue, observing: options, onTrouble: fail })
  }

  /** Since they were asked for before: one for each session and group, as it is now. */
  newDrafts(): readonly Drafted[] {
    const drafts = [...this.#drafts.values()]
    for (const key of this.#drafts.keys()) this.#told.add(key)
    this.#drafts.clear()
    return drafts
  }

  teach(found: readonly Found[], nowMs: number): void {
    for (const { session } of found) wishOf(this.#folder, { do: 'teach', session: session.id }, nowMs)
  }

  open(session: Session): void {
    this.#watched.set(session.id, { session, windows: new WindowRules(this.#catalogue), count: 0 })
    this.#observe(session, observer => observer.opened(watchedOf(session), false))
  }

  async take(session: Session, line: Line): Promise<void> {
    const watched = this.#watched.get(session.id)
    if (watched === undefined) throw new Error(`${session.id} is not open`)
    const entry = await this.#entryOf(session, line, watched.count++)
    const hits = await lineHitsOf(entry, this.#catalogue, this.#grammar)
    const all = [...hits, ...watched.windows.take(entry, hits)]
    this.#observe(session, observer => observer.took(entry, all))
  }

  seal(session: Session): void {
    this.#watched.delete(session.id)
    this.#observe(session, observer => observer.sealed(watchedOf(session)))
  }

  #observe(session: Session, ask: (observer: SessionObserver) => readonly FindingDraft[]): void {
    for (const draft of this.#observers.flatMap(ask)) {
      const key = `${session.id} ${draft.group}`
      if (!this.#told.has(key)) this.#drafts.set(key, { session, draft })
    }
  }

  async #entryOf(session: Session, line: Line, number: number): Promise<Entry> {
    const { kind, text, atMs, file, rows, sqlstate } = line
    const common = { session: session.id, number, kind, text, atMs, offsetMs: atMs - session.openedAtMs }
    if (kind === 'file') return { ...common, ...(file === undefined ? {} : { file }) }
    if (kind === 'command') return { ...common, command: { channel: 0, found: 'prompt', sure: 0.95 } }
    const { facts } = await this.#grammar.analyse(text)
    return {
      ...common,
      statement: {
        statement: number,
        class: facts.class,
        ...(facts.fingerprint === undefined ? {} : { fingerprint: facts.fingerprint }),
        tables: facts.tables.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`)),
        ...(rows === undefined ? {} : { rows }),
        ...(sqlstate === undefined ? {} : { sqlstate }),
      },
    }
  }
}

function watchedOf({ id, protocol, principal, target, role, openedAtMs, source }: Session): WatchedSession {
  return {
    id,
    protocol,
    issuer: 'https://issuer.example',
    subject: principal,
    principal,
    target,
    login: protocol === 'ssh' ? 'deploy' : 'app',
    role,
    sourceAddress: source ?? '192.0.2.10',
    openedAtMs,
    recording: `${id}.rec`,
    labels: {},
  }
}

/** Of one person, a group of rules that was expected so often is suppressed for so long. */
const expectedBefore = 3
const suppressedDays = 30

/** What of a group somebody looked at often enough; nothing worse is hidden, and no other rule. */
type Expected = {
  count: number
  untilDay: number
  severity: FindingDraft['severity']
  rules: readonly string[]
}

/** Looks at each day's queue by its end and closes what is shown. */
class Reviewer {
  readonly #limits: Pick<AnalysisConfig, 'budget' | 'perPerson'>
  /** Says of what one person does again and again that it is expected. */
  readonly #isSuppressing: boolean
  readonly #expected = new Map<string, Expected>()

  constructor(limits: Pick<AnalysisConfig, 'budget' | 'perPerson'>, isSuppressing: boolean) {
    this.#limits = limits
    this.#isSuppressing = isSuppressing
  }

  /** A day's findings with their places. */
  sees(drafts: readonly Drafted[], day: number): Found[] {
    const rows = drafts
      .filter(drafted => !this.#isHidden(drafted, day))
      .map(({ session, draft }, at) => ({ session, draft, row: rowOf(session, draft, `${day} ${at}`) }))
    const places = placesOf(
      rows.map(({ row }) => row),
      new Map(),
      this.#limits,
    )
    const order = [...places.keys()]
    const found = rows.map(({ session, draft, row }) => ({
      session,
      draft,
      day,
      rank: order.indexOf(row.id) + 1,
      isShown: places.get(row.id)?.place === 'queue',
    }))
    if (this.#isSuppressing) for (const each of found) this.#note(each)
    return found
  }

  #isHidden({ session, draft }: Drafted, day: number): boolean {
    const known = this.#expected.get(keyOf(session, draft))
    if (known === undefined || known.untilDay <= day || isWorse(draft.severity, known.severity)) return false
    return draft.rules.every(rule => known.rules.includes(rule))
  }

  #note({ session, draft, day, isShown }: Found): void {
    if (!isShown || session.planted !== undefined || draft.kind !== 'rule' || draft.severity === 'critical')
      return
    const { severity, rules } = draft
    const known = this.#expected.get(keyOf(session, draft)) ?? { count: 0, untilDay: -1, severity, rules }
    known.count++
    Object.assign(known, { severity, rules })
    if (known.count >= expectedBefore) Object.assign(known, { count: 0, untilDay: day + suppressedDays })
    this.#expected.set(keyOf(session, draft), known)
  }
}

function keyOf({ principal }: Session, { group }: FindingDraft): string {
  return `${principal} ${group}`
}

function rowOf(session: Session, draft: FindingDraft, id: string): Placed {
  return {
    id,
    kind: draft.kind,
    state: 'new',
    severity: draft.severity,
    unusualness: draft.unusualness,
    createdAtMs: draft.atMs,
    place: 'queue',
    issuer: 'https://issuer.example',
    subject: session.principal,
  }
}

function fail(cause: unknown): never {
  throw cause
}
