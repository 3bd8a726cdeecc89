/**
 * Reads the events of a PostgreSQL session as what happened: statements with their texts and parameters, and results with the statement
 * that they belong to. Memory is bounded by the longest statement and by the texts that later ones may refer to.
 */
import { carriesData, type EventRecord } from './event.ts'
import type { CopyVolume, ResultStatus, SqlColumn, SqlValue } from './sql-event.ts'

export type SqlStatement = {
  readonly statement: number
  readonly us: number
  readonly how: string
  /** Undefined if nobody told it: the statement was prepared inside a function, say. */
  readonly text: string | undefined
  /** The text is no UTF-8; `text` shows its bytes as Latin-1. */
  readonly isUndecoded: boolean
  readonly name: string | undefined
  readonly portal: string | undefined
  readonly parameters: readonly SqlValue[]
  readonly maxRows: number | undefined
  /** The text of the statement that an SQL EXECUTE runs. */
  readonly executes: string | undefined
  readonly function: string | undefined
}

export type SqlResult = {
  readonly us: number
  /** Undefined if the recording begins after it. */
  readonly of: SqlStatement | undefined
  readonly statement: number
  readonly part: number
  /** It failed there, before it ran. */
  readonly during: string | undefined
  readonly status: ResultStatus
  readonly tag: string | undefined
  readonly rows: number | undefined
  readonly bytes: number | undefined
  readonly durationUs: number | undefined
  readonly sqlstate: string | undefined
  readonly message: string | undefined
  readonly blocked: string | undefined
  readonly columns: readonly SqlColumn[] | undefined
  readonly head: readonly (readonly SqlValue[])[] | undefined
  readonly masked: boolean
  readonly copy: CopyVolume | undefined
  /** What really ran, if it was not what the statement said; null if nobody told its text. */
  readonly ran: string | null | undefined
}

export type SqlEntry =
  | { readonly kind: 'statement'; readonly statement: SqlStatement }
  /** A prepared statement that was not run in the same breath. */
  | { readonly kind: 'prepared'; readonly statement: SqlStatement }
  | { readonly kind: 'result'; readonly result: SqlResult }
  | { readonly kind: 'note'; readonly us: number; readonly type: string; readonly text: string }

/** Texts and parameters that later events may refer to: the oldest are forgotten. More than a recorder ever refers back to. */
const maxTexts = 30_000
const maxTextCharacters = 64 * 1024 * 1024
/** Statements whose results are still to come: as many as a relay lets wait. */
const maxOpen = 110_000
/** Column lists: more than a recorder remembers at a time. */
const maxShapes = 1000

type Fields = Readonly<Record<string, unknown>>

/** The entries in the order in which they were recorded. */
export function* sqlEntries(records: Iterable<EventRecord>): Generator<SqlEntry> {
  const reader = new StatementReader()
  for (const record of records) {
    const { us, event } = record
    if (carriesData(event)) continue
    yield* reader.take(us, event.type, event.fields)
  }
  yield* reader.finish()
}

type Growing = {
  readonly kind: 'statement' | 'prepared' | 'bound'
  readonly fields: Fields
  readonly us: number
  readonly text: string[]
  isUndecoded: boolean
  readonly parameters: SqlValue[]
}

/** For events as they come: what `take` gives is whole, and `finish` gives what only waits to know whether more belongs to it. */
export class StatementReader {
  readonly #texts = new Map<number, { text: string; isUndecoded: boolean }>()
  readonly #parameters = new Map<number, readonly SqlValue[]>()
  readonly #open = new Map<number, SqlStatement>()
  readonly #shapes = new Map<number, readonly SqlColumn[]>()
  #textCharacters = 0
  /** The statement whose text or parameters may go on with the next event. */
  #growing: Growing | undefined
  /** The statements whose results have all parts that they will have, most likely. */
  #lastResult = 0;

  *take(us: number, type: string, fields: Fields): Generator<SqlEntry> {
    if (type === 'statement-text' || type === 'statement-parameters') return this.#grow(fields)
    yield* this.finish()
    switch (type) {
      case 'statement':
      case 'prepared':
      case 'bound':
        this.#growing = growingOf(type, us, fields)
        return
      case 'columns':
        bound(this.#shapes, maxShapes)
        this.#shapes.set(numberOf(fields['columns']) ?? 0, listOf(fields['fields']) as readonly SqlColumn[])
        return
      case 'result':
        yield this.#result(us, fields)
        return
      default:
        yield* noteOf(us, type, fields)
    }
  }

  /** The statement that was growing is whole. */
  *finish(): Generator<SqlEntry> {
    const growing = this.#growing
    this.#growing = undefined
    if (growing === undefined) return
    const statement = this.#whole(growing)
    if (growing.kind === 'bound') return
    bound(this.#open, maxOpen)
    this.#open.set(statement.statement, statement)
    yield { kind: growing.kind, statement }
  }

  #grow(fields: Fields): void {
    const growing = this.#growing
    if (growing === undefined) return
    const piece = textOf(fields)
    if (piece !== undefined) growing.text.push(piece.text)
    for (const value of valuesIn(fields['parameters'])) growing.parameters.push(value)
  }

  #whole({ fields, us, text: pieces, isUndecoded, parameters }: Growing): SqlStatement {
    const number = numberOf(fields['statement']) ?? 0
    const same = this.#texts.get(numberOf(fields['same']) ?? -1)
    const own = pieces.length === 0 ? undefined : { text: pieces.join(''), isUndecoded }
    const told = own ?? same
    if (own !== undefined) this.#remember(number, own)
    const values = this.#valuesOf(number, fields, parameters)
    return {
      statement: number,
      us,
      how: wordOf(fields['how']) ?? '',
      text: told?.text,
      isUndecoded: told?.isUndecoded ?? false,
      name: wordOf(fields['name']),
      portal: wordOf(fields['portal']),
      parameters: values,
      maxRows: numberOf(fields['maxRows']),
      executes: this.#texts.get(numberOf(fields['executes']) ?? -1)?.text,
      function: functionOf(fields['function']),
    }
  }

  #valuesOf(number: number, fields: Fields, own: readonly SqlValue[]): readonly SqlValue[] {
    if (own.length === 0) return this.#parameters.get(numberOf(fields['bound']) ?? -1) ?? []
    if (wordOf(fields['portal']) === undefined && fields['type'] !== 'bound') return own
    bound(this.#parameters, maxTexts)
    this.#parameters.set(number, own)
    return own
  }

  #remember(number: number, told: { text: string; isUndecoded: boolean }): void {
    this.#texts.set(number, told)
    this.#textCharacters += told.text.length
    for (const [oldest, { text }] of this.#texts) {
      if (this.#texts.size <= maxTexts && this.#textCharacters <= maxTextCharacters) return
      this.#texts.delete(oldest)
      this.#textCharacters -= text.length
    }
  }

  #result(us: number, fields: Fields): SqlEntry {
    const statement = numberOf(fields['statement']) ?? 0
    const part = numberOf(fields['part']) ?? 1
    const of = this.#open.get(statement)
    if (this.#lastResult !== statement) this.#open.delete(this.#lastResult)
    this.#lastResult = statement
    const ran = fields['ran']
    return {
      kind: 'result',
      result: {
        us,
        of,
        statement,
        part,
        during: wordOf(fields['during']),
        status: (wordOf(fields['status']) ?? 'done') as ResultStatus,
        tag: wordOf(fields['tag']),
        rows: numberOf(fields['rows']),
        bytes: numberOf(fields['bytes']),
        durationUs: numberOf(fields['us']),
        sqlstate: wordOf(fields['sqlstate']),
        message: wordOf(fields['message']),
        blocked: wordOf(fields['blocked']),
        columns: this.#shapes.get(numberOf(fields['columns']) ?? -1),
        head: fields['head'] === undefined ? undefined : listOf(fields['head']).map(valuesIn),
        masked: fields['masked'] === true,
        copy: fields['copy'] as CopyVolume | undefined,
        ran: ran === null ? null : this.#texts.get(numberOf(ran) ?? -1)?.text,
      },
    }
  }
}

function growingOf(kind: Growing['kind'], us: number, fields: Fields): Growing {
  const piece = textOf(fields)
  return {
    kind,
    fields,
    us,
    text: piece === undefined ? [] : [piece.text],
    isUndecoded: piece?.isUndecoded ?? false,
    parameters: [...valuesIn(fields['parameters'])],
  }
}

function textOf(fields: Fields): { text: string; isUndecoded: boolean } | undefined {
  const { text, textBase64 } = fields
  if (typeof text === 'string') return { text, isUndecoded: false }
  if (typeof textBase64 !== 'string') return undefined
  return { text: Buffer.from(textBase64, 'base64').toString('latin1'), isUndecoded: true }
}

function valuesIn(value: unknown): readonly SqlValue[] {
  return listOf(value) as readonly SqlValue[]
}

function functionOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { oid, name } = value as { oid?: unknown; name?: unknown }
  return wordOf(name) ?? `function ${String(oid)}`
}

function* noteOf(us: number, type: string, fields: Fields): Generator<SqlEntry> {
  const text = noteText(type, field => shown(fields[field]))
  if (text !== undefined) yield { kind: 'note', us, type, text }
}

function noteText(type: string, field: (name: string) => string): string | undefined {
  switch (type) {
    case 'sql-session':
      return `session of ${field('user')} in database ${field('database')}, protocol ${field('protocol')}, application ${field('application')}`
    case 'notice':
      return `${field('severity')}: ${field('message')}`
    case 'notification':
      return `notification on ${field('topic')}: ${field('payload')}`
    case 'parameter':
      return `${field('name')} is now ${field('value')}`
    case 'transaction':
      return transactionTexts.get(field('status'))
    case 'blocked':
      return `refused by the gateway, ${field('rule')}: ${field('reason')}`
    case 'server-error':
      return `${field('severity')} ${field('sqlstate')} during ${field('during')}: ${field('message')}`
    case 'cancel-request':
      return `cancel request from ${field('from')}`
    case 'deallocated':
      return `${field('name') === '' ? 'all prepared statements are' : `prepared statement ${field('name')} is`} forgotten`
    case 'facts-skipped':
      return `${field('statements')} statements were not classified`
    case 'end':
      return `the session ended: ${field('reason')}`
    default:
      return undefined
  }
}

const transactionTexts: ReadonlyMap<string, string> = new Map([
  ['I', 'no transaction'],
  ['T', 'in a transaction'],
  ['E', 'in a failed transaction'],
])

function shown(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}

function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Makes room for one more by forgetting the oldest. */
function bound<Value>(map: Map<number, Value>, most: number): void {
  if (map.size < most) return
  const [oldest] = map.keys()
  if (oldest !== undefined) map.delete(oldest)
}
