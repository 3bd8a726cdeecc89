/** What the client asks for: told, and put where its answer will look for it. */
import type { SqlEvent } from '../../../recorder/sql-event.ts'
import { nameKey } from '../../wire/body-reader.ts'
import type { NameEffect } from '../name-effects.ts'
import type { AboutParse, SessionNames } from '../session-names.ts'
import {
  type Arguments,
  parameterFields,
  type StatementText,
  tellParameters,
  tellText,
} from '../statement-text.ts'
import type { Blocked, QueryRequest } from './requests.ts'
import type { Skipping } from './skipping.ts'
import { type StatementEvent, statementEvent } from './statement-event.ts'

export type AskingParts = {
  readonly names: SessionNames
  readonly skipping: Skipping
  readonly tell: (event: SqlEvent) => void
  readonly nowUs: () => number
  readonly nextNumber: () => number
}

const noEffects: readonly NameEffect[] = []

export class Asking {
  readonly #parts: AskingParts
  readonly #names: SessionNames
  readonly #skipping: Skipping

  constructor(parts: AskingParts) {
    this.#parts = parts
    this.#names = parts.names
    this.#skipping = parts.skipping
  }

  query(text: StatementText, judged: unknown, blocked: Blocked | undefined): number {
    const { nextNumber, tell, nowUs } = this.#parts
    const statement = nextNumber()
    tell(this.#queryEvent(statement, text))
    if (text.rest.length > 0) tellText(tell, statement, text)
    if (blocked !== undefined) this.#tellBlocked(statement, blocked)
    this.#skipping.ask(queryRequest('query', statement, text.effects, judged, blocked, nowUs()))
    return statement
  }

  #queryEvent(statement: number, { fields, effects }: StatementText): StatementEvent {
    const event = statementEvent(statement, 'simple', fields)
    const run = effects.length === 1 ? effects[0] : undefined
    const executes = run?.kind === 'execute' ? this.#names.assumedStatement(run.name) : undefined
    if (executes !== undefined) event.executes = executes
    return event
  }

  /** `said` of `about` hears the number under which the text is told. */
  parse(name: string, text: StatementText, about: AboutParse, blocked: Blocked | undefined): void {
    const prepared = this.#names.parse(nameKey(name), text, about)
    if (blocked !== undefined) this.#tellBlocked(this.#names.events.tellPrepared(prepared), blocked)
    this.#skipping.ask({ kind: 'parse', prepared, blocked })
  }

  bind(
    portalName: string,
    statementName: string,
    values: Arguments,
    resultFormats: readonly number[],
    blocked: Blocked | undefined,
  ): void {
    const portal = this.#names.bind(nameKey(portalName), nameKey(statementName), values, resultFormats)
    if (blocked !== undefined) this.#tellBlocked(this.#names.events.tellBound(portal), blocked)
    this.#skipping.ask({ kind: 'bind', portal, blocked })
  }

  describe(what: 'statement' | 'portal', name: string, isOurs: boolean): void {
    this.#skipping.ask({ kind: 'describe', what, name: nameKey(name), typesCame: false, isOurs })
  }

  close(what: 'statement' | 'portal', name: string): void {
    this.#skipping.ask({ kind: 'close', what, name: nameKey(name) })
  }

  execute(portalName: string, maxRows: number, blocked: Blocked | undefined): number {
    const { nextNumber, tell, nowUs } = this.#parts
    const key = nameKey(portalName)
    const statement = nextNumber()
    const { event, assumed, rest } = this.#names.execution(key, statement)
    if (maxRows > 0) event.maxRows = maxRows
    tell(event)
    for (const more of rest) tell(more)
    if (blocked !== undefined) this.#tellBlocked(statement, blocked)
    const sentUs = nowUs()
    this.#skipping.ask({ kind: 'execute', statement, portalName: key, assumed, blocked, sentUs })
    return statement
  }

  functionCall(
    oid: number,
    name: string | undefined,
    values: Arguments,
    blocked: Blocked | undefined,
  ): number {
    const { nextNumber, tell, nowUs } = this.#parts
    const statement = nextNumber()
    const called = name === undefined ? { oid } : { oid, name }
    tell({ type: 'statement', statement, how: 'function', function: called, ...parameterFields(values) })
    tellParameters(tell, statement, values)
    if (blocked !== undefined) this.#tellBlocked(statement, blocked)
    this.#skipping.ask(queryRequest('function', statement, noEffects, undefined, blocked, nowUs()))
    return statement
  }

  #tellBlocked(statement: number, { rule, reason }: Blocked): void {
    this.#parts.tell({ type: 'blocked', statement, rule, reason })
  }
}

function queryRequest(
  kind: QueryRequest['kind'],
  statement: number,
  effects: readonly NameEffect[],
  judged: unknown,
  blocked: Blocked | undefined,
  sentUs: number,
): QueryRequest {
  return { kind, statement, effects, judged, blocked, sentUs, parts: 0, effectsSeen: 0, failed: false }
}
