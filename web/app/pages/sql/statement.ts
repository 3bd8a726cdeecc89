/** A statement of a session as the page works with it, read out of what the gateway says. */
import type { EntryUsage, EntryView, Severity } from '../../../../src/api/schema.ts'
import type { StatementClass } from '../../../../src/model.ts'

export type Statement = {
  readonly number: number
  /** What the recording calls it; undefined if that was not told. */
  readonly statement: number | undefined
  readonly atMs: number
  readonly offsetMs: number
  readonly text: string
  readonly class: StatementClass
  readonly fingerprint: string | undefined
  readonly tables: readonly string[]
  /** Returned to the client. */
  readonly rows: number | undefined
  /** Changed, or moved without being returned. */
  readonly affected: number | undefined
  readonly bytes: number | undefined
  readonly durationMs: number | undefined
  readonly sqlstate: string | undefined
  readonly message: string | undefined
  /** It goes on, as far as is known. */
  readonly isRunning: boolean
  /** Why it was not forwarded. */
  readonly blocked: string | undefined
  /** Counts the transactions of the session from 1; undefined outside of any. */
  readonly transaction: number | undefined
  /** Unknown where the gateway has no index of the session. */
  readonly usage: EntryUsage | undefined
  readonly hits: readonly { readonly rule: string; readonly severity: Severity }[]
}

/** SQLSTATE of a statement that somebody cancelled (PostgreSQL, appendix A: query_canceled). */
const cancelledState = '57014'

export type Outcome = 'done' | 'error' | 'cancelled' | 'blocked'

export function outcomeOf({ blocked, sqlstate }: Pick<Statement, 'blocked' | 'sqlstate'>): Outcome {
  if (blocked !== undefined) return 'blocked'
  if (sqlstate === cancelledState) return 'cancelled'
  return sqlstate === undefined || sqlstate === '00000' ? 'done' : 'error'
}

/** In order of time. Transactions are as the gateway tells them, or follow from the statements that begin and end them. */
export function statementsOf(entries: readonly EntryView[]): readonly Statement[] {
  const transactions = new Transactions()
  return entries.map(entry => {
    const { detail } = entry
    const statement = {
      number: entry.number,
      statement: numberIn(detail['statement']),
      isRunning: detail['isRunning'] === true,
      atMs: entry.atMs,
      offsetMs: entry.offsetMs,
      text: entry.text,
      class: classOf(detail['class']),
      fingerprint: textIn(detail['fingerprint']),
      tables: listIn(detail['tables']),
      rows: numberIn(detail['rows']),
      affected: numberIn(detail['affected']),
      bytes: numberIn(detail['bytes']),
      durationMs: numberIn(detail['durationMs']),
      sqlstate: textIn(detail['sqlstate']),
      message: textIn(detail['message']),
      blocked: textIn(detail['blocked']),
      usage: entry.usage,
      hits: entry.hits,
    }
    const told = numberIn(detail['transaction'])
    return { ...statement, transaction: told ?? transactions.of(statement) }
  })
}

const classes: readonly StatementClass[] = [
  'read',
  'write',
  'ddl',
  'privilege',
  'session',
  'transaction',
  'copy',
  'program',
  'call',
  'other',
  'unparsable',
]

function classOf(value: unknown): StatementClass {
  return classes.find(one => one === value) ?? 'other'
}

/** BEGIN opens one, COMMIT and ROLLBACK close it and are of it; what failed or was refused changes nothing. */
class Transactions {
  #count = 0
  #isOpen = false

  of(statement: Pick<Statement, 'text' | 'class' | 'sqlstate' | 'blocked'>): number | undefined {
    const word = statement.class === 'transaction' ? (firstWord(statement.text) ?? '') : ''
    const isDone = outcomeOf(statement) === 'done'
    if (isDone && !this.#isOpen && (word === 'begin' || word === 'start')) {
      this.#isOpen = true
      this.#count++
    }
    const own = this.#isOpen ? this.#count : undefined
    const ends =
      word === 'commit' || word === 'end' || word === 'abort' || isWholeRollback(word, statement.text)
    if (isDone && ends && !/\band\s+chain\b/i.test(statement.text)) this.#isOpen = false
    return own
  }
}

function isWholeRollback(word: string, text: string): boolean {
  return word === 'rollback' && !/\bto\b/i.test(text)
}

function firstWord(text: string): string | undefined {
  return /[a-z]+/i.exec(text.replace(/^(\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)+/, ''))?.[0].toLowerCase()
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function listIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}
