/** Statements of a session that goes on: what the gateway has read of its recording so far, and before that what was heard of them. */
import { RecordedFacts } from '../../../../src/analysis/sql/recorded-facts.ts'
import type { EntryView, ReplayEvent, StatementText } from '../../../../src/api/schema.ts'
import { outcomeIn, type ResultPart } from './statements-in.ts'

/** Statements that were heard of and are kept: the recording has the older ones by then. */
const maxHeard = 2000
/** Texts that later statements may refer to. Characters of all. */
const maxTextCharacters = 4_000_000

export type LiveEvent = Extract<ReplayEvent, { text: string }>

type Heard = {
  readonly statement: number
  readonly offsetMs: number
  readonly text: string
  readonly results: ResultPart[]
}

export class LiveStatements {
  readonly #openedAtMs: number
  readonly #heard = new Map<number, Heard>()
  readonly #texts = new Map<number, string>()
  readonly #facts = new RecordedFacts()
  #textCharacters = 0

  constructor(openedAtMs: number) {
    this.#openedAtMs = openedAtMs
  }

  take({ type, text, atMs, statement }: LiveEvent): void {
    if (statement !== undefined) {
      const { number, ...about } = statement
      this.#facts.take(type, { statement: number, ...about })
      this.#remember(number, text)
      const known = text === '' ? this.#texts.get(about.same ?? number) : text
      if (type === 'statement') this.#hear(number, atMs, known ?? unheard)
      return
    }
    if (type !== 'result' && type !== 'statement-facts' && type !== 'same-facts') return
    const fields = fieldsIn(text)
    this.#facts.take(type, fields)
    if (type === 'result') this.#heard.get(Number(fields['statement']))?.results.push(partIn(fields))
  }

  #remember(number: number, text: string): void {
    if (text === '') return
    this.#texts.set(number, text)
    this.#textCharacters += text.length
    for (const [oldest, { length }] of this.#texts) {
      if (this.#textCharacters <= maxTextCharacters) return
      this.#texts.delete(oldest)
      this.#textCharacters -= length
    }
  }

  #hear(statement: number, atMs: number, text: string): void {
    this.#heard.set(statement, { statement, offsetMs: Math.floor(atMs), text, results: [] })
    const [oldest] = this.#heard.keys()
    if (this.#heard.size > maxHeard && oldest !== undefined) this.#heard.delete(oldest)
  }

  /** In order of time. `isOpen`: what has no outcome runs, from the last that has one on. */
  joined(told: readonly EntryView[], isOpen: boolean): readonly EntryView[] {
    const known = new Set(told.map(({ detail }) => detail['statement']))
    const fresh = [...this.#heard.values()].filter(({ statement }) => !known.has(statement))
    const all = [...told.map(entry => this.#withOutcome(entry)), ...fresh.map(heard => this.#entryOf(heard))]
    all.sort((a, b) => a.offsetMs - b.offsetMs || order(a) - order(b))
    if (!isOpen) return all
    const last = all.findLastIndex(({ detail }) => hasOutcome(detail))
    return all.map((entry, at) =>
      at > last ? { ...entry, detail: { ...entry.detail, isRunning: true } } : entry,
    )
  }

  /** Whether something was heard of that the gateway has not read, or not to its end. */
  isAhead(told: readonly EntryView[]): boolean {
    const known = new Map(told.map(({ detail }) => [detail['statement'], detail]))
    return [...this.#heard.values()].some(({ statement, results }) => {
      const detail = known.get(statement)
      return detail === undefined || (results.length > 0 && !hasOutcome(detail))
    })
  }

  /** What was heard of those that the gateway has not read, by the number of the entry. */
  get texts(): ReadonlyMap<number, StatementText> {
    return new Map(
      [...this.#heard.values()].map(({ statement, text }) => [numberOf(statement), textOf(statement, text)]),
    )
  }

  #withOutcome(entry: EntryView): EntryView {
    const { detail } = entry
    const heard = hasOutcome(detail) ? undefined : this.#heard.get(Number(detail['statement']))
    if (heard === undefined || heard.results.length === 0) return entry
    return { ...entry, detail: { ...detail, ...outcomeIn(heard.results), isOver: true } }
  }

  #entryOf({ statement, offsetMs, text, results }: Heard): EntryView {
    return {
      number: numberOf(statement),
      kind: 'statement',
      offsetMs,
      atMs: this.#openedAtMs + offsetMs,
      text,
      detail: {
        statement,
        ...this.#facts.of(statement),
        ...outcomeIn(results),
        ...(results.length === 0 ? {} : { isOver: true }),
      },
      hits: [],
    }
  }
}

const unheard = '(its text comes with the recording)'

/** Until the gateway has given it a number: below all of those. */
function numberOf(statement: number): number {
  return -statement
}

function order({ detail }: EntryView): number {
  return Number(detail['statement'] ?? 0)
}

function hasOutcome(detail: EntryView['detail']): boolean {
  return ['isOver', 'durationMs', 'sqlstate', 'blocked'].some(name => detail[name] !== undefined)
}

function textOf(statement: number, text: string): StatementText {
  const facts = [{ name: 'state', value: 'not in the recording yet' }]
  return { number: numberOf(statement), text, parameters: [], columns: [], head: [], facts }
}

/** What was too long is cut, and says nothing. */
function fieldsIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const read: unknown = JSON.parse(text)
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function partIn(fields: Readonly<Record<string, unknown>>): ResultPart {
  const { tag, rows, bytes, us, sqlstate, message, blocked, copy } = fields
  return {
    tag: wordIn(tag),
    rows: numberIn(rows),
    bytes: numberIn(bytes),
    durationUs: numberIn(us),
    sqlstate: wordIn(sqlstate),
    message: wordIn(message),
    blocked: wordIn(blocked),
    copy: typeof copy === 'object' && copy !== null ? (copy as ResultPart['copy']) : undefined,
  }
}

function wordIn(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
