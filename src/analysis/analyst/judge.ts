/** Makes entries of drafts: what the grammar says of statements, and which rules are met. */
import type { StatementFacts } from '../../model.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { Catalogue, RuleHit } from '../rules/catalogue.ts'
import type { Grammar } from '../sql/grammar.ts'
import { classThatRuns } from '../sql/run-class.ts'
import { cut, type EntryPlace, entryOf } from './drafted-entry.ts'
import type { Draft, Told } from './teller.ts'

/** Of what stands in a hit. */
const maxQuoteLength = 500
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
    const entry = entryOf({ number, draft }, place, facts)
    return { entry, hits: rules.map(rule => hitOf(entry, rule)), isOver }
  }

  async #rulesOf(
    draft: Draft,
    asker: string,
  ): Promise<{ readonly rules: readonly RuleHit[]; readonly facts?: StatementFacts }> {
    const { kind, text, runs, command } = draft
    if (kind === 'statement' || (kind === 'command' && command?.program === 'psql'))
      return await this.#rulesOfStatement(draft, asker)
    if (kind !== 'command' || command?.program !== undefined) return { rules: [] }
    return {
      rules: together(this.#catalogue.ofLine(text), runs === undefined ? [] : this.#catalogue.ofLine(runs)),
    }
  }

  async #rulesOfStatement({ text, runs, isNamed = false }: Draft, asker: string) {
    const analysis = await this.#grammar.analyse(text, 'gate', undefined, asker)
    const own = this.#catalogue.ofStatement(text, analysis)
    const written = analysis.facts
    if (runs === undefined)
      return { rules: own, facts: { ...written, class: classThatRuns(written, { isNamed }) } }
    const inner = await this.#grammar.analyse(runs, 'gate', undefined, asker)
    const tables = [...written.tables, ...inner.facts.tables]
    return {
      rules: together(own, this.#catalogue.ofStatement(runs, inner)),
      facts: {
        ...written,
        class: classThatRuns(written, { runs: inner.facts, isNamed }),
        tables,
        fingerprint: inner.facts.fingerprint ?? written.fingerprint,
      },
    }
  }
}

/** A rule that both meet is one hit. */
function together(a: readonly RuleHit[], b: readonly RuleHit[]): readonly RuleHit[] {
  return b.length === 0 ? a : [...a, ...b.filter(({ id }) => !a.some(known => known.id === id))]
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
