/**
 * What the grammar says of statements, beside the path: asked when a text is told, recorded when the answer comes. Texts that differ in
 * literals only have the same facts, which are told once and then referred to.
 */
import type { StatementFacts } from '../../model.ts'
import type { SqlEvent } from '../../recorder/sql-event.ts'

/** Statements of one session that wait for the parser; those beyond are counted. */
export const maxWaitingFacts = 1000
/** Statements of known facts that are told together ... */
const maxTogether = 256
/** ... or after so long. */
const togetherMs = 1000
/** Facts of one session that are remembered; then all are forgotten, and told again. */
const maxRemembered = 1000

/** Where facts come from: `Grammar`. Never rejects. */
export type FactsSource = {
  /** At once, if they are known. The same object for the same facts. */
  readonly known: (text: string) => StatementFacts | undefined
  readonly facts: (text: string) => Promise<StatementFacts>
}

export class Facts {
  readonly #source: FactsSource | undefined
  readonly #tell: (event: SqlEvent) => void
  #told = new Map<StatementFacts, { readonly statement: number; also: number[] }>()
  #waiting = 0
  #skipped = 0
  #together = 0
  #timer: NodeJS.Timeout | undefined
  #idle: (() => void)[] = []
  #isOver = false

  constructor(source: FactsSource | undefined, tell: (event: SqlEvent) => void) {
    this.#source = source
    this.#tell = tell
  }

  /** `text` is undefined if it is no UTF-8: PostgreSQL's grammar is asked about texts alone. */
  ask(statement: number, text: string | undefined): void {
    if (this.#source === undefined) return
    const known = text === undefined ? unreadable : this.#source.known(text)
    if (known !== undefined) return this.#answer(statement, known)
    if (text === undefined || this.#waiting >= maxWaitingFacts) return void this.#skipped++
    this.#waiting++
    this.#source.facts(text).then(
      facts => this.#answered(statement, facts),
      () => this.#answered(statement, unreadable),
    )
  }

  #answered(statement: number, facts: StatementFacts): void {
    this.#waiting--
    if (!this.#isOver) this.#answer(statement, facts)
    if (this.#waiting === 0) for (const resolve of this.#idle.splice(0)) resolve()
  }

  #answer(statement: number, facts: StatementFacts): void {
    const told = this.#told.get(facts)
    if (told !== undefined) return this.#add(told.also, statement)
    if (this.#told.size >= maxRemembered) {
      this.#tellTogether()
      this.#told = new Map()
    }
    this.#told.set(facts, { statement, also: [] })
    const { statements: count, ...fields } = facts
    this.#tell({ type: 'statement-facts', statement, count, ...bounded(fields) })
  }

  #add(also: number[], statement: number): void {
    also.push(statement)
    if (++this.#together >= maxTogether) return this.#tellTogether()
    this.#timer ??= setTimeout(() => this.#tellTogether(), togetherMs).unref()
  }

  #tellTogether(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#together === 0) return
    this.#together = 0
    for (const told of this.#told.values()) {
      if (told.also.length === 0) continue
      this.#tell({ type: 'same-facts', statement: told.statement, also: told.also })
      told.also = []
    }
  }

  /** Resolves when no answer is missing, or after so long. */
  async settled(maxMs: number): Promise<void> {
    if (this.#waiting === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle.push(resolve)
    const timer = setTimeout(resolve, maxMs)
    await promise
    clearTimeout(timer)
  }

  /** Tells what is known and how much is not. */
  end(): void {
    this.#tellTogether()
    this.#isOver = true
    const statements = this.#skipped + this.#waiting
    if (statements > 0) this.#tell({ type: 'facts-skipped', statements })
  }
}

const unreadable: StatementFacts = {
  class: 'unparsable',
  kinds: [],
  tables: [],
  functions: [],
  hasWhere: undefined,
  fingerprint: undefined,
  statements: 0,
  reason: 'the text is no UTF-8',
}

/** Names of one kind in one event: a generated statement may name a hundred thousand tables. */
const maxNamed = 500

function bounded(facts: Omit<StatementFacts, 'statements'>): Omit<StatementFacts, 'statements'> {
  const { kinds, tables, functions } = facts
  if (kinds.length <= maxNamed && tables.length <= maxNamed && functions.length <= maxNamed) return facts
  return {
    ...facts,
    kinds: kinds.slice(0, maxNamed),
    tables: tables.slice(0, maxNamed),
    functions: functions.slice(0, maxNamed),
    reason: `more than ${maxNamed} names; these are the first`,
  }
}
