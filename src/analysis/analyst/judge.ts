/** Makes entries of drafts: what the grammar says of statements, which rules are met, and all texts without secrets. */
import type { StatementFacts, StatementTable } from '../../model.ts'
import type { CommandDetail, Entry, EntryHit, StatementDetail } from '../entry.ts'
import type { Catalogue, RuleHit } from '../rules/catalogue.ts'
import type { Grammar } from '../sql/grammar.ts'
import { redact, redactStatement } from './redact.ts'
import type { Draft, Told } from './teller.ts'

/** Characters of a text that is stored; the recording has all of it. */
export const maxTextLength = 8192
/** Of what stands in a hit. */
const maxQuoteLength = 500
/** Tables of one statement. */
const maxTables = 200
/** Programs at a terminal that read SQL, and the one whose SQL is PostgreSQL's. */
const sqlPrograms: ReadonlySet<string> = new Set(['psql', 'mysql', 'sqlite3'])

/** The session, as far as entries name it. */
export type EntryPlace = { readonly session: string; readonly openedAtMs: number }

export type Judged = { readonly entry: Entry; readonly hits: readonly EntryHit[]; readonly isOver: boolean }

export class Judge {
  readonly #catalogue: Catalogue
  readonly #grammar: Grammar

  constructor(catalogue: Catalogue, grammar: Grammar) {
    this.#catalogue = catalogue
    this.#grammar = grammar
  }

  async judge({ number, draft, isOver }: Told, place: EntryPlace): Promise<Judged> {
    const { rules, facts } = await this.#rulesOf(draft, place.session)
    const entry = entryOf(number, draft, facts, place)
    return { entry, hits: rules.map(rule => hitOf(entry, rule)), isOver }
  }

  async #rulesOf(
    draft: Draft,
    asker: string,
  ): Promise<{ readonly rules: readonly RuleHit[]; readonly facts?: StatementFacts }> {
    const { kind, text, runs, command } = draft
    if (kind === 'statement' || (kind === 'command' && command?.program === 'psql'))
      return await this.#rulesOfStatement(text, runs, asker)
    if (kind !== 'command' || command?.program !== undefined) return { rules: [] }
    return {
      rules: together(this.#catalogue.ofLine(text), runs === undefined ? [] : this.#catalogue.ofLine(runs)),
    }
  }

  async #rulesOfStatement(text: string, runs: string | undefined, asker: string) {
    const analysis = await this.#grammar.analyse(text, 'gate', undefined, asker)
    const own = this.#catalogue.ofStatement(text, analysis)
    if (runs === undefined) return { rules: own, facts: analysis.facts }
    const inner = await this.#grammar.analyse(runs, 'gate', undefined, asker)
    const { facts } = analysis
    const tables = [...facts.tables, ...inner.facts.tables]
    return {
      rules: together(own, this.#catalogue.ofStatement(runs, inner)),
      facts: { ...facts, tables, fingerprint: inner.facts.fingerprint ?? facts.fingerprint },
    }
  }
}

/** A rule that both meet is one hit. */
function together(a: readonly RuleHit[], b: readonly RuleHit[]): readonly RuleHit[] {
  return b.length === 0 ? a : [...a, ...b.filter(({ id }) => !a.some(known => known.id === id))]
}

function entryOf(number: number, draft: Draft, facts: StatementFacts | undefined, place: EntryPlace): Entry {
  const { kind, us, command, statement, file } = draft
  const offsetMs = Math.floor(us / 1000)
  return {
    session: place.session,
    number,
    kind,
    atMs: place.openedAtMs + offsetMs,
    offsetMs,
    text: textOf(draft),
    ...(command === undefined ? {} : { command: withoutSecrets(command) }),
    ...(statement === undefined ? {} : { statement: withFacts(statement, facts) }),
    ...(file === undefined ? {} : { file }),
  }
}

function textOf({ kind, text, runs, command }: Draft): string {
  const whole =
    runs === undefined
      ? text
      : kind === 'statement'
        ? `${text}\n-- runs: ${runs}`
        : `${text}\n# runs: ${runs}`
  if (kind === 'screen') return whole // redacted line by line, as it was shown
  const isSql = kind === 'statement' || sqlPrograms.has(command?.program ?? '')
  return cut(isSql ? redactStatement(whole) : redact(whole), maxTextLength)
}

function withoutSecrets(command: CommandDetail): CommandDetail {
  const { decoded } = command
  return decoded === undefined
    ? command
    : { ...command, decoded: decoded.map(text => cut(redact(text), maxTextLength)) }
}

function withFacts(statement: StatementDetail, facts: StatementFacts | undefined): StatementDetail {
  const { message } = statement
  return {
    ...statement,
    ...(facts === undefined ? {} : { class: facts.class, tables: tablesOf(facts.tables) }),
    ...(facts?.reason === undefined ? {} : { unparsed: redactStatement(facts.reason) }),
    ...(facts?.fingerprint === undefined ? {} : { fingerprint: facts.fingerprint }),
    ...(message === undefined ? {} : { message: redactStatement(message) }),
  }
}

function tablesOf(tables: readonly StatementTable[]): string[] {
  const names = tables.map(({ schema, name }) => (schema === undefined ? name : `${schema}.${name}`))
  return [...new Set(names)].slice(0, maxTables)
}

function hitOf(
  { session, number, atMs, offsetMs, text }: Entry,
  { id, severity, technique }: RuleHit,
): EntryHit {
  return {
    session,
    entry: number,
    atMs,
    offsetMs,
    rule: id,
    severity,
    technique,
    quote: cut(text, maxQuoteLength),
  }
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}
