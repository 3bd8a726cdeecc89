/** Runs a quarter through what runs on line, and keeps what a reviewer would have been shown each day. */
import { Baseline } from '../../src/analysis/baseline/baseline.ts'
import type { Entry, EntryHit } from '../../src/analysis/entry.ts'
import type { FindingDraft } from '../../src/analysis/findings/finding.ts'
import { placesOf, type Placed } from '../../src/analysis/findings/queue.ts'
import { RuleFindings } from '../../src/analysis/findings/rule-findings.ts'
import { type Catalogue, readCatalogue } from '../../src/analysis/rules/catalogue.ts'
import { WindowRules } from '../../src/analysis/rules/window-rules.ts'
import { Grammar } from '../../src/analysis/sql/grammar.ts'
import { lineHitsOf } from '../support/entries.ts'
import { dayMs, type Quarter } from './quarter.ts'
import type { Line, Session } from './session.ts'

export type Limits = {
  readonly budget: number
  readonly perPerson: number
  /** As in the configuration: events of a profile, and nats. */
  readonly profile: number
  readonly score: number
}
/** What `analysis` has when nothing is said. */
export const usualLimits: Limits = { budget: 20, perPerson: 2, profile: 2000, score: 4 }
/** Events that are compared together; sessions are short. */
const blockEvents = 50

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
  readonly findings: readonly Found[]
}

type Watched = {
  readonly session: Session
  readonly windows: WindowRules
  readonly rules: RuleFindings
  count: number
}

export async function review(quarter: Quarter, limits: Limits = usualLimits): Promise<Reviewed> {
  const grammar = new Grammar()
  try {
    const run = new Run(readCatalogue(), grammar, limits)
    const lines = quarter.sessions
      .flatMap(session => session.lines.map(line => ({ session, line })))
      .toSorted((a, b) => a.line.atMs - b.line.atMs)
    for (const { session, line } of lines) await run.take(session, line)
    return { quarter, events: lines.length, findings: placed(run.drafts(), quarter, limits) }
  } finally {
    await grammar.close()
  }
}

class Run {
  readonly #catalogue: Catalogue
  readonly #grammar: Grammar
  readonly #limits: Limits
  readonly #baseline = new Baseline({ blockEvents })
  readonly #watched = new Map<string, Watched>()
  readonly #drafts: { session: Session; draft: FindingDraft }[] = []

  constructor(catalogue: Catalogue, grammar: Grammar, limits: Limits) {
    this.#catalogue = catalogue
    this.#grammar = grammar
    this.#limits = limits
  }

  async take(session: Session, line: Line): Promise<void> {
    const watched = this.#watched.get(session.id) ?? this.#watch(session)
    const entry = await this.#entryOf(session, line, watched.count++)
    const hits: EntryHit[] = await lineHitsOf(entry, this.#catalogue, this.#grammar)
    watched.rules.take(entry, [...hits, ...watched.windows.take(entry, hits)])
    if (entry.kind !== 'file') this.#compare(session, entry)
  }

  drafts(): readonly { session: Session; draft: FindingDraft }[] {
    const ofRules = [...this.#watched.values()].flatMap(({ session, rules }) =>
      rules.all().map(draft => ({ session, draft })),
    )
    return [...ofRules, ...this.#drafts]
  }

  #watch(session: Session): Watched {
    const book = { about: (id: string) => this.#catalogue.about(id), off: new Set<string>(), versions: {} }
    const watched = {
      session,
      windows: new WindowRules(this.#catalogue),
      rules: new RuleFindings(session.id, book),
      count: 0,
    }
    this.#watched.set(session.id, watched)
    return watched
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

  #compare(session: Session, { text, atMs }: Entry): void {
    const { principal, target, protocol } = session
    const scored = this.#baseline.observe({ principal, target, protocol, atMs, text }, false)
    if (
      scored === undefined ||
      scored.profileEvents < this.#limits.profile ||
      scored.score < this.#limits.score
    )
      return
    const draft: FindingDraft = {
      session: session.id,
      group: 'drift',
      kind: 'baseline',
      severity: 'low',
      unusualness: scored.score,
      rules: [],
      atMs,
      body: {
        sentence: 'A stretch of this account’s work differs from its own history.',
        why: scored.terms.map(({ text: observed, nats }) => ({ observed, adds: nats })),
        quotes: [],
        techniques: [],
        benign: [],
        quality: [],
        versions: {},
      },
    }
    this.#drafts.push({ session, draft })
  }
}

/** Day by day, as the queue ranks them; each day's are looked at by its end. */
function placed(
  drafts: readonly { session: Session; draft: FindingDraft }[],
  { startMs }: Quarter,
  { budget, perPerson }: Limits,
): Found[] {
  const days = Map.groupBy(drafts, ({ draft }) => Math.floor((draft.atMs - startMs) / dayMs))
  return [...days].flatMap(([day, ofDay]) => {
    const rows = ofDay.map(({ session, draft }, at) => ({
      session,
      draft,
      row: rowOf(session, draft, `${day} ${at}`),
    }))
    const places = placesOf(
      rows.map(({ row }) => row),
      new Map(),
      { budget, perPerson },
    )
    const order = [...places.keys()]
    return rows.map(({ session, draft, row }) => ({
      session,
      draft,
      day,
      rank: order.indexOf(row.id) + 1,
      isShown: places.get(row.id)?.place === 'queue',
    }))
  })
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
