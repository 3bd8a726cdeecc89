import type { SqlEvent } from '../../recorder/sql-event.ts'
import { textOfName } from '../wire/body-reader.ts'
import { addText, type StatementEvent, statementEvent } from './exchange/statement-event.ts'
import type { Portal, Prepared } from './prepared.ts'
import { moreOf, noArguments, parameterFields, tellParameters, tellText } from './statement-text.ts'
import { typeName } from './value-types.ts'

/** The event of an Execute, the statement that it is assumed to run, and what has to follow it. */
export type Execution = {
  readonly event: StatementEvent
  readonly assumed: number | undefined
  readonly rest: readonly SqlEvent[]
}

/** Types of parameters in one event: what is beyond shows with its values. */
const maxTypesTold = 1000
const noEvents: SqlEvent[] = []

/** Events that say what was prepared and bound: each once, along with what runs it where that comes in the same read of the client. */
export class NameEvents {
  readonly #tell: (event: SqlEvent) => void
  readonly #nextNumber: () => number
  /** Of this read of the client: what follows may tell it along. */
  #untoldStatements: Prepared[] = []
  #untoldPortals: Portal[] = []

  constructor(tell: (event: SqlEvent) => void, nextNumber: () => number) {
    this.#tell = tell
    this.#nextNumber = nextNumber
  }

  sentParse(prepared: Prepared): void {
    this.#untoldStatements.push(prepared)
  }

  sentBind(portal: Portal): void {
    this.#untoldPortals.push(portal)
  }

  /** The event of an Execute: what runs, as far as its name tells. `rest`: what has to follow it. */
  execution(name: string, portal: Portal | undefined, statement: number): Execution {
    const event = statementEvent(statement, 'execute', undefined)
    if (name !== '') event.portal = textOfName(name)
    const prepared = portal?.prepared
    if (portal === undefined || prepared === undefined) return { event, assumed: undefined, rest: noEvents }
    const rest = prepared.text === undefined && portal.values === undefined ? noEvents : []
    this.#addText(event, prepared, rest)
    if (prepared.name !== '') event.name = textOfName(prepared.name)
    this.#addParameters(event, portal, rest)
    const { orElse } = portal
    if (orElse !== undefined) event.orElse = this.tellPrepared(orElse)
    return { event, assumed: prepared.statement, rest }
  }

  #addText(event: StatementEvent, prepared: Prepared, rest: SqlEvent[]): void {
    const { text, textAt } = prepared
    if (text === undefined) {
      if (textAt !== undefined) event.same = textAt
      return
    }
    this.#told(prepared, event.statement)
    addText(event, text.fields)
    if (text.rest.length > 0) tellText(more => rest.push(more), event.statement, text)
  }

  #addParameters(event: StatementEvent, portal: Portal, rest: SqlEvent[]): void {
    const { values, toldAt } = portal
    if (values === undefined) {
      if (toldAt !== undefined) event.bound = toldAt
      return
    }
    portal.toldAt = event.statement
    portal.values = undefined
    if (values.first.length === 0) return
    event.parameters = values.first
    if (values.rest.length === 0) return
    event.moreParameters = moreOf(values)
    tellParameters(more => rest.push(more), event.statement, values)
  }

  #told(prepared: Prepared, statement: number): void {
    prepared.statement = statement
    prepared.textAt = prepared.text?.fields.same ?? statement
    prepared.text = undefined
    prepared.said?.(statement)
    prepared.said = undefined
  }

  /** Tells what was prepared and bound in this read of the client and was not told with what runs it. */
  tellPending(): void {
    if (this.#untoldStatements.length > 0) {
      for (const prepared of this.#untoldStatements) this.tellPrepared(prepared)
      this.#untoldStatements = []
    }
    if (this.#untoldPortals.length === 0) return
    for (const portal of this.#untoldPortals) this.tellBound(portal)
    this.#untoldPortals = []
  }

  /** Returns its number. */
  tellPrepared(prepared: Prepared): number {
    const { text } = prepared
    if (prepared.statement !== undefined) return prepared.statement
    const statement = this.#nextNumber()
    this.#told(prepared, statement)
    const types = prepared.types.map(typeName)
    this.#tell({
      type: 'prepared',
      statement,
      name: textOfName(prepared.name),
      ...(types.length === 0 ? undefined : { types: types.slice(0, maxTypesTold) }),
      ...text?.fields,
    })
    if (text !== undefined) tellText(this.#tell, statement, text)
    return statement
  }

  tellBound(portal: Portal): number {
    if (portal.toldAt !== undefined) return portal.toldAt
    const { prepared, orElse, values = noArguments } = portal
    const same = prepared === undefined ? undefined : this.tellPrepared(prepared)
    const statement = this.#nextNumber()
    portal.toldAt = statement
    portal.values = undefined
    this.#tell({
      type: 'bound',
      statement,
      portal: textOfName(portal.name),
      ...(prepared?.textAt === undefined || same === undefined ? undefined : { same: prepared.textAt }),
      ...(prepared === undefined ? { name: textOfName(portal.statementName) } : namedAs(prepared)),
      ...parameterFields(values),
      ...(orElse === undefined ? undefined : { orElse: this.tellPrepared(orElse) }),
    })
    tellParameters(this.#tell, statement, values)
    return statement
  }
}

function namedAs({ name }: Prepared): { name: string } | undefined {
  return name === '' ? undefined : { name: textOfName(name) }
}
