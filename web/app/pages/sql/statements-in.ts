/** Statements out of the events of a recording, as the gateway makes them of those that it can read itself. */
import type { EntryView, StatementText } from '../../../../src/api/schema.ts'
import { type RecordedFact, RecordedFacts } from '../../../../src/analysis/sql/recorded-facts.ts'
import { carriesData, type EventRecord } from '../../../../src/recorder/event.ts'
import type { SqlValue } from '../../../../src/recorder/sql-event.ts'
import { rowCountsOf } from '../../../../src/recorder/sql-tag.ts'
import { sqlEntries, type SqlResult, type SqlStatement } from '../../../../src/recorder/sql-statements.ts'

export type ReadStatements = {
  readonly entries: readonly EntryView[]
  /** By the number of the entry. */
  readonly texts: ReadonlyMap<number, StatementText>
}

export function statementsIn(events: readonly EventRecord[], openedAtMs: number): ReadStatements {
  const facts = new RecordedFacts()
  for (const { event } of events) if (!carriesData(event)) facts.take(event.type, event.fields)
  const results = new Map<number, SqlResult[]>()
  const statements: SqlStatement[] = []
  for (const entry of sqlEntries(events)) {
    if (entry.kind === 'statement') statements.push(entry.statement)
    if (entry.kind !== 'result') continue
    const known = results.get(entry.result.statement)
    if (known === undefined) results.set(entry.result.statement, [entry.result])
    else known.push(entry.result)
  }
  const texts = new Map<number, StatementText>()
  const entries = statements.map((statement, number) => {
    const known = facts.of(statement.statement) ?? {}
    const outcomes = results.get(statement.statement) ?? []
    texts.set(number, textOf(number, statement, outcomes))
    return entryOf(number, statement, outcomes, known, openedAtMs)
  })
  return { entries, texts }
}

function entryOf(
  number: number,
  { us, text, function: name }: SqlStatement,
  results: readonly SqlResult[],
  facts: RecordedFact,
  openedAtMs: number,
): EntryView {
  const offsetMs = Math.floor(us / 1000)
  return {
    number,
    kind: 'statement',
    offsetMs,
    atMs: openedAtMs + offsetMs,
    text: text ?? (name === undefined ? '(its text was not told)' : `function call ${name}`),
    detail: { ...facts, ...outcomeIn(results) },
    hits: [],
  }
}

export type ResultPart = Pick<
  SqlResult,
  'tag' | 'rows' | 'bytes' | 'copy' | 'durationUs' | 'sqlstate' | 'message' | 'blocked'
>

/** A text of several statements has several results: they add up, and the first that failed tells why. */
export function outcomeIn(results: readonly ResultPart[]): EntryView['detail'] {
  const sum = (of: (result: ResultPart) => number | undefined): number | undefined => {
    const known = results.map(of).filter(value => value !== undefined)
    return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0)
  }
  const all = {
    rows: sum(result => rowCountsOf(result).rows),
    affected: sum(result => rowCountsOf(result).affected),
    bytes: sum(({ bytes, copy }) =>
      bytes === undefined && copy === undefined ? undefined : (bytes ?? 0) + (copy?.bytes ?? 0),
    ),
    durationMs: sum(({ durationUs }) => (durationUs === undefined ? undefined : durationUs / 1000)),
    sqlstate: results.find(({ sqlstate }) => sqlstate !== undefined)?.sqlstate,
    message: results.find(({ message }) => message !== undefined)?.message,
    blocked: results.find(({ blocked }) => blocked !== undefined)?.blocked,
  }
  return Object.fromEntries(
    Object.entries(all).filter(([, value]) => value !== undefined),
  ) as EntryView['detail']
}

function textOf(number: number, statement: SqlStatement, results: readonly SqlResult[]): StatementText {
  const shown = results.find(({ head }) => head !== undefined)
  const { how, name, executes } = statement
  const said = [
    ['how', how],
    ['prepared statement', name ?? ''],
    ['runs', executes ?? ''],
    ...results.map(({ status, tag }) => ['outcome', tag ?? status] as const),
  ] as const
  return {
    number,
    text: statement.text ?? '',
    parameters: statement.parameters.map(value => ({
      ...(value.type === undefined ? {} : { type: String(value.type) }),
      value: valueOf(value),
      masked: false,
    })),
    columns: (shown?.columns ?? []).map(({ name }) => name),
    head: (shown?.head ?? []).map(row => row.map(valueOf)),
    facts: said.filter(([, value]) => value !== '').map(([name, value]) => ({ name, value })),
  }
}

function valueOf({ null: isNull, text, base64, bytes }: SqlValue): string | null {
  if (isNull === true) return null
  const cut = bytes === undefined ? '' : `… (${bytes} bytes)`
  return `${text ?? (base64 === undefined ? '' : `base64 ${base64}`)}${cut}`
}
