/** What the grammar said of statements when they ran, as the recording of a session has it. For what has no index. */
import type { StatementClass } from '../../model.ts'
import { classThatRuns, type KnownFacts } from './run-class.ts'

/** Statements of one session: more is what the index is for. */
const maxStatements = 100_000

type Fields = Readonly<Record<string, unknown>>

/** Of a statement; its class is that of what runs. */
export type RecordedFact = {
  readonly class?: string
  readonly fingerprint?: string
  readonly tables?: readonly string[]
}

export class RecordedFacts {
  readonly #facts = new Map<number, Fields>()
  /** Whose text it is, if it was told before. */
  readonly #same = new Map<number, number>()
  /** What an EXECUTE or a portal runs. */
  readonly #runs = new Map<number, number>()
  readonly #named = new Set<number>()

  /** All events, in their order; most say nothing of this. */
  take(type: string, fields: Fields): void {
    const { statement, also, same, executes, ran, name } = fields
    if (typeof statement !== 'number') return
    if (type === 'statement-facts') this.#keep(this.#facts, statement, fields)
    if (type === 'same-facts') this.#takeSame(statement, also)
    if (type === 'statement' || type === 'prepared') {
      if (typeof same === 'number') this.#keep(this.#same, statement, same)
      if (typeof executes === 'number') this.#keep(this.#runs, statement, executes)
      if (typeof name === 'string' && this.#named.size < maxStatements) this.#named.add(statement)
    }
    if (type === 'result' && typeof ran === 'number') this.#keep(this.#runs, statement, ran)
  }

  #takeSame(statement: number, also: unknown): void {
    const known = this.#facts.get(statement)
    if (known === undefined || !Array.isArray(also)) return
    for (const other of also) if (typeof other === 'number') this.#keep(this.#facts, other, known)
  }

  #keep<Value>(map: Map<number, Value>, statement: number, value: Value): void {
    if (map.size < maxStatements) map.set(statement, value)
  }

  of(statement: number): RecordedFact | undefined {
    const own = this.#of(statement)
    if (own === undefined) return undefined
    const number = this.#runs.get(statement)
    const runs = number === undefined ? undefined : this.#of(number)
    const about = { runs: runs && knownIn(runs), isNamed: this.#named.has(statement) }
    const fingerprint = textIn(runs?.['fingerprint']) ?? textIn(own['fingerprint'])
    const tables = [...new Set([...tablesIn(own), ...tablesIn(runs)])]
    return {
      ...(typeof own['class'] === 'string' ? { class: classThatRuns(knownIn(own), about) } : {}),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(Array.isArray(own['tables']) ? { tables } : {}),
    }
  }

  #of(statement: number): Fields | undefined {
    return this.#facts.get(statement) ?? this.#facts.get(this.#same.get(statement) ?? -1)
  }
}

function knownIn({ class: known, kinds, count }: Fields): KnownFacts {
  return {
    class: known as StatementClass,
    kinds: Array.isArray(kinds) ? (kinds as string[]) : [],
    statements: typeof count === 'number' ? count : 0,
  }
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function tablesIn(fields: Fields | undefined): readonly string[] {
  const tables = fields?.['tables']
  return Array.isArray(tables) ? tables.map(nameOf).filter(name => name !== '') : []
}

function nameOf(table: unknown): string {
  const { schema, name } = (table ?? {}) as { schema?: unknown; name?: unknown }
  if (typeof name !== 'string') return ''
  return typeof schema === 'string' ? `${schema}.${name}` : name
}
