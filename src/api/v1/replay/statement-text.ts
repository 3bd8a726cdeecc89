/** One SQL statement with everything that its recording has of it. */
import { hasSqlDetails, loadModule, normalizeSync } from 'libpg-query'
import { type EventRecord, carriesData } from '../../../recorder/event.ts'
import { FormatProblem } from '../../../recorder/format.ts'
import type { SqlColumn, SqlValue } from '../../../recorder/sql-event.ts'
import { sqlEntries, type SqlResult, type SqlStatement } from '../../../recorder/sql-statements.ts'
import { outcomeOf } from '../../../recorder/sql-text.ts'
import type { StatementText } from '../../schema.ts'

/** Characters of a text that is shown whole; the downloads have the rest. */
const maxText = 1024 * 1024
/** A longer one is not normalised: the parser takes the square of some texts' length. */
const maxNormalised = 32 * 1024
const maxParameters = 1000
const maxParts = 50
const maxHeadRows = 100

/** Of a damaged recording, what comes before the damage. */
export async function statementIn(
  records: Iterable<EventRecord>,
  wanted: number,
  number: number,
): Promise<StatementText | undefined> {
  let statement: SqlStatement | undefined
  const results: SqlResult[] = []
  const facts: StatementText['facts'][number][] = []
  let damage: string | undefined
  const readable = untilDamage(records, reason => (damage = reason))
  for (const entry of sqlEntries(withFacts(readable, wanted, facts))) {
    if (entry.kind === 'statement' || entry.kind === 'prepared')
      if (entry.statement.statement === wanted) statement = entry.statement
    if (entry.kind !== 'result' || entry.result.statement !== wanted) continue
    statement ??= entry.result.of
    if (results.length < maxParts) results.push(entry.result)
  }
  if (damage !== undefined && results.length === 0)
    facts.push({ name: 'recording', value: `damaged behind this statement: ${damage}` })
  return statement === undefined ? undefined : await textOf(statement, results, facts, number)
}

/** What comes before the first damage; then it tells why nothing more does. */
function* untilDamage(
  records: Iterable<EventRecord>,
  tell: (reason: string) => void,
): Generator<EventRecord> {
  try {
    yield* records
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
    tell(error.reason)
  }
}

/** Hears of what the grammar said while the events pass. */
function* withFacts(
  records: Iterable<EventRecord>,
  wanted: number,
  facts: StatementText['facts'][number][],
): Generator<EventRecord> {
  for (const record of records) {
    const { event } = record
    if (!carriesData(event) && event.type === 'statement-facts' && event.fields['statement'] === wanted)
      facts.push(...factsOf(event.fields))
    yield record
  }
}

function* factsOf(fields: Readonly<Record<string, unknown>>): Generator<StatementText['facts'][number]> {
  const { class: known, kinds, functions, hasWhere, fingerprint, reason } = fields
  const said: readonly (readonly [string, unknown])[] = [
    ['class', known],
    ['does', kinds],
    ['functions', functions],
    ['condition', hasWhere === undefined ? undefined : hasWhere === true ? 'has one' : 'none: all rows'],
    ['fingerprint', fingerprint],
    ['not parsed', reason],
  ]
  for (const [name, value] of said) {
    const text = Array.isArray(value) ? value.map(String).join(', ') : value
    if (typeof text === 'string' && text !== '') yield { name, value: text }
  }
}

async function textOf(
  statement: SqlStatement,
  results: readonly SqlResult[],
  facts: StatementText['facts'],
  number: number,
): Promise<StatementText> {
  const text = (statement.text ?? statement.function ?? '').slice(0, maxText)
  const normalised = await normalisedOf(text)
  const shown = results.find(({ head }) => head !== undefined)
  return {
    number,
    text,
    ...(normalised === undefined ? {} : { normalised }),
    parameters: statement.parameters.slice(0, maxParameters).map(value => ({
      ...(value.type === undefined ? {} : { type: String(value.type) }),
      value: valueOf(value),
      masked: false,
    })),
    columns: (shown?.columns ?? []).map(({ name }: SqlColumn) => name),
    head: (shown?.head ?? []).slice(0, maxHeadRows).map(row => row.map(valueOf)),
    facts: [...facts, ...moreFacts(statement, results)],
  }
}

function* moreFacts(
  { how, name, portal, executes, text }: SqlStatement,
  results: readonly SqlResult[],
): Generator<StatementText['facts'][number]> {
  yield { name: 'how', value: how }
  if (name !== undefined && name !== '') yield { name: 'prepared statement', value: name }
  if (portal !== undefined && portal !== '') yield { name: 'portal', value: portal }
  if (executes !== undefined) yield { name: 'runs', value: executes.slice(0, maxNormalised) }
  if (text !== undefined && text.length > maxText)
    yield { name: 'cut', value: `${text.length - maxText} characters more are in the recording` }
  for (const result of results) {
    yield { name: 'outcome', value: outcomeOf(result).replace(/^→ /, '') }
    if (typeof result.ran === 'string') yield { name: 'what ran', value: result.ran.slice(0, maxNormalised) }
    if (result.masked) yield { name: 'masked', value: 'values were replaced before the client saw them' }
  }
}

function valueOf(value: SqlValue): string | null {
  if (value.null === true) return null
  const cut = value.bytes === undefined ? '' : `… (${value.bytes} bytes)`
  return `${value.text ?? (value.base64 === undefined ? '' : `base64 ${value.base64}`)}${cut}`
}

async function normalisedOf(text: string): Promise<string | undefined> {
  if (text === '' || text.length > maxNormalised) return undefined
  await loadModule()
  try {
    return normalizeSync(text)
  } catch (error) {
    if (hasSqlDetails(error) || error instanceof Error) return undefined // no SQL, or not PostgreSQL's
    throw error
  }
}
