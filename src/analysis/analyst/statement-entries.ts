/** SQL statements with what became of them. */
import { carriesData, type EventRecord } from '../../recorder/event.ts'
import {
  type SqlEntry,
  type SqlResult,
  type SqlStatement,
  StatementReader,
} from '../../recorder/sql-statements.ts'
import { rowCountsOf } from '../../recorder/sql-tag.ts'
import type { StatementDetail } from '../entry.ts'
import type { Draft, Going, Teller } from './teller.ts'

/** Statements without a result: as many as a relay lets wait. Beyond it the oldest are told as they are. */
const maxWaiting = 110_000
/** Of a server's message. */
const maxMessageLength = 1000

type Outcome = {
  rows?: number
  affected?: number
  bytes?: number
  durationUs?: number
  sqlstate?: string
  message?: string
  blocked?: string
  ran?: string
}

type Waiting = {
  readonly statement: SqlStatement
  readonly outcome: Outcome
  readonly going: Going
  /** A text of several statements has several results. */
  readonly mayHaveMore: boolean
  hasResult: boolean
}

export class StatementEntries {
  readonly #teller: Teller
  readonly #reader = new StatementReader()
  readonly #waiting = new Map<number, Waiting>()

  constructor(teller: Teller) {
    this.#teller = teller
  }

  take({ us, event }: EventRecord): void {
    if (carriesData(event)) return
    for (const entry of this.#reader.take(us, event.type, event.fields)) this.#entry(entry)
    if (event.type === 'end') this.end()
  }

  end(): void {
    for (const entry of this.#reader.finish()) this.#entry(entry)
    for (const number of this.#waiting.keys()) this.#finish(number)
  }

  #entry(entry: SqlEntry): void {
    if (entry.kind === 'statement') this.#begin(entry.statement)
    else if (entry.kind === 'result') this.#result(entry.result)
  }

  #begin(statement: SqlStatement): Waiting {
    const outcome: Outcome = {}
    const going = this.#teller.begin(statement.us, () => draftOf(statement, outcome))
    const { how, text = '' } = statement
    const mayHaveMore = how === 'simple' && /;\s*\S/.test(text)
    const waiting: Waiting = { statement, outcome, going, mayHaveMore, hasResult: false }
    this.#waiting.set(statement.statement, waiting)
    const [oldest] = this.#waiting.keys()
    if (this.#waiting.size > maxWaiting && oldest !== undefined) this.#finish(oldest)
    return waiting
  }

  /** Results come in the order of their statements: what had one before has all that it will have. */
  #result(result: SqlResult): void {
    for (const [number, { hasResult }] of this.#waiting) {
      if (number >= result.statement || !hasResult) break
      this.#finish(number)
    }
    const waiting = this.#waiting.get(result.statement) ?? this.#prepared(result)
    if (waiting === undefined) return
    waiting.hasResult = true
    add(waiting.outcome, result)
    const goesOn = waiting.mayHaveMore && result.status !== 'error' && result.blocked === undefined
    if (!goesOn) this.#finish(result.statement)
  }

  /** What only was prepared is told where that failed. */
  #prepared({ of, status }: SqlResult): Waiting | undefined {
    return of !== undefined && status === 'error' ? this.#begin(of) : undefined
  }

  #finish(number: number): void {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    if (waiting !== undefined) this.#teller.finish(waiting.going)
  }
}

function add(outcome: Outcome, result: SqlResult): void {
  const { bytes, copy, durationUs, sqlstate, message, blocked, ran } = result
  const { rows, affected } = rowCountsOf(result)
  if (rows !== undefined) outcome.rows = (outcome.rows ?? 0) + rows
  if (affected !== undefined) outcome.affected = (outcome.affected ?? 0) + affected
  const moved = (bytes ?? 0) + (copy?.bytes ?? 0)
  if (bytes !== undefined || copy !== undefined) outcome.bytes = (outcome.bytes ?? 0) + moved
  if (durationUs !== undefined) outcome.durationUs = (outcome.durationUs ?? 0) + durationUs
  if (sqlstate !== undefined) outcome.sqlstate ??= sqlstate
  if (message !== undefined) outcome.message ??= message.slice(0, maxMessageLength)
  if (blocked !== undefined) outcome.blocked ??= blocked
  if (typeof ran === 'string') outcome.ran ??= ran
}

/** Class, tables and fingerprint are the grammar's to say. */
function draftOf(said: SqlStatement, outcome: Outcome): Draft {
  const { statement, us, text, function: name, executes } = said
  const { rows, affected, bytes, durationUs, sqlstate, message, blocked, ran } = outcome
  const detail: StatementDetail = {
    statement,
    class: 'other',
    tables: [],
    ...(rows === undefined ? {} : { rows }),
    ...(affected === undefined ? {} : { affected }),
    ...(bytes === undefined ? {} : { bytes }),
    ...(durationUs === undefined ? {} : { durationMs: durationUs / 1000 }),
    ...(sqlstate === undefined ? {} : { sqlstate }),
    ...(message === undefined ? {} : { message }),
    ...(blocked === undefined ? {} : { blocked }),
  }
  const told = text ?? (name === undefined ? '(its text was not told)' : `function call ${name}`)
  const runs = ran ?? executes
  return {
    kind: 'statement',
    us,
    text: told,
    statement: detail,
    ...(runs === undefined ? {} : { runs }),
    ...(said.name === undefined ? {} : { isNamed: true }),
  }
}
