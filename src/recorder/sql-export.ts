/** Takes a PostgreSQL session out as SQL, as a table, or as text. */
import { printable } from '../config/printable.ts'
import type { EventRecord } from './event.ts'
import { type SqlEntry, sqlEntries, type SqlResult, type SqlStatement } from './sql-statements.ts'
import { linesOf, outcomeOf, shownValue } from './sql-text.ts'
import { csv, inPieces, ndjson, printableText, type Row } from './table.ts'

export function* sqlText(records: Iterable<EventRecord>): Generator<string> {
  yield* inPieces(textLines(sqlEntries(records)))
}

function* textLines(entries: Iterable<SqlEntry>): Generator<string> {
  for (const entry of entries) for (const line of linesOf(entry, true)) yield `${printableText(line)}\n`
}

/**
 * A script with what ran. What did not (refused, failed, skipped), and COPY, whose data is not here, stands in comments: running the script
 * again must not do what the session did not, and must not mean something else to psql than it did to the server.
 */
export function* sqlScript(records: Iterable<EventRecord>, openedAt: string): Generator<string> {
  yield* inPieces(new Script(Date.parse(openedAt)).lines(sqlEntries(records)))
}

class Script {
  readonly #openedAtMs: number
  /** Strings were read with backslashes at some time, which psql would not know. */
  #hadEscapes = false
  /** Results of one statement, which stand behind each other: whether it ran is known with the last one. */
  #group: SqlResult[] = []
  /** The last statement that stands in the script, or in its comments. */
  #written: number | undefined
  /** Statements whose results are still to come. */
  readonly #open = new Set<number>()
  /** What was said while one of them ran: it stands behind its heading, and not behind the statement before. */
  #notes: string[] = []

  constructor(openedAtMs: number) {
    this.#openedAtMs = openedAtMs
  }

  *lines(entries: Iterable<SqlEntry>): Generator<string> {
    for (const entry of entries) {
      if (entry.kind === 'statement') this.#open.add(entry.statement.statement)
      else if (entry.kind === 'result') yield* this.#take(entry.result)
      else if (entry.kind === 'note') yield* this.#note(entry.type, entry.text)
    }
    yield* this.#flush()
    yield* this.#takeNotes()
  }

  *#note(type: string, text: string): Generator<string> {
    if (type === 'parameter' && text.startsWith('standard_conforming_strings is now off'))
      this.#hadEscapes = true
    if (type === 'transaction' || type === 'parameter' || type === 'blocked') return // the last is told by its result
    const isBetween = this.#open.size === 0 && this.#group.length === 0
    if (isBetween || type === 'end' || this.#open.size > 0) yield* this.#flush() // a note is about what runs, not about what ran
    if (!isBetween && type !== 'end') return this.#keepNote(text)
    yield `-- ${comment(text)}\n`
  }

  #keepNote(text: string): void {
    if (this.#notes.length < maxParts) this.#notes.push(text)
    else this.#notes[maxParts - 1] = 'More was said, which the text format has.'
  }

  *#takeNotes(): Generator<string> {
    for (const note of this.#notes.splice(0)) yield `-- ${comment(note)}\n`
  }

  *#take(result: SqlResult): Generator<string> {
    if (this.#group[0]?.statement !== result.statement) yield* this.#flush()
    this.#open.delete(result.statement)
    if (this.#group.length < maxParts) this.#group.push(result)
    else this.#group[maxParts - 1] = result // an error comes last
  }

  *#flush(): Generator<string> {
    const results = this.#group
    this.#group = []
    const of = results[0]?.of
    if (of === undefined) return
    if (this.#written !== of.statement) yield* this.#heading(of, results)
    this.#written = of.statement
    for (const result of results) yield `-- ${comment(outcomeOf(result))}\n`
    yield* this.#takeNotes()
  }

  *#heading(of: SqlStatement, results: readonly SqlResult[]): Generator<string> {
    yield `\n-- #${of.statement} ${new Date(this.#openedAtMs + of.us / 1000).toISOString()}\n`
    for (const [index, value] of of.parameters.entries())
      yield `-- $${index + 1} = ${comment(shownValue(value))}\n`
    yield this.#statement(of, results)
  }

  #statement(of: SqlStatement, results: readonly SqlResult[]): string {
    const ran = results[0]?.ran
    const text = ran ?? of.text
    if (text === undefined || ran === null) return `-- ${comment(of.function ?? 'its text was not told')}\n`
    const isDone = results.every(
      ({ status, copy }) => (status === 'done' || status === 'suspended') && copy === undefined,
    )
    const isPlain = !of.isUndecoded && !(this.#hadEscapes && text.includes('\\')) && !isHostile(text)
    if (isDone && isPlain) return `${text.trimEnd().replace(/;$/, '')}\n;\n`
    return text
      .split(/[\r\n]+/)
      .map(line => `-- ${comment(line)}\n`)
      .join('')
  }
}

/** Results of one text that are listed. */
const maxParts = 1000

/** One line, whatever is in it. */
function comment(text: string): string {
  return printable(text, Infinity)
}

/** Controls could act on a terminal, and a lone carriage return ends a comment for some programs and not for others. */
function isHostile(text: string): boolean {
  return /[^\P{Cc}\n\t\r]|\r(?!\n)|[\u202a-\u202e\u2066-\u2069]/u.test(text)
}

const columns = [
  'statement',
  'part',
  'at',
  'how',
  'name',
  'text',
  'parameters',
  'status',
  'tag',
  'rows',
  'bytes',
  'duration_us',
  'sqlstate',
  'message',
  'blocked',
  'copy_bytes',
  'copy_sha256',
] as const

/** One line for each result. */
export function sqlTable(records: Iterable<EventRecord>, openedAt: string): Generator<string> {
  return csv(columns, resultRows(sqlEntries(records), Date.parse(openedAt)))
}

/** The same as NDJSON, with everything that is known of a result, the first rows too where they are kept. */
export function sqlLines(records: Iterable<EventRecord>, openedAt: string): Generator<string> {
  return ndjson(wholeRows(sqlEntries(records), Date.parse(openedAt)))
}

function* resultRows(entries: Iterable<SqlEntry>, openedAtMs: number): Generator<Row> {
  for (const entry of entries) if (entry.kind === 'result') yield rowOf(entry.result, openedAtMs)
}

function* wholeRows(entries: Iterable<SqlEntry>, openedAtMs: number): Generator<Row> {
  for (const entry of entries) {
    if (entry.kind !== 'result') continue
    const { during, columns: fields, head, masked, copy } = entry.result
    const names = fields?.map(({ name }) => name)
    yield {
      ...rowOf(entry.result, openedAtMs),
      during,
      columns: names,
      head,
      masked: masked || undefined,
      copy,
    }
  }
}

function rowOf(result: SqlResult, openedAtMs: number): Row {
  const { of, status, tag, rows, bytes, durationUs, sqlstate, message, blocked, copy } = result
  const values = of?.parameters ?? []
  return {
    statement: result.statement,
    part: result.part,
    at: new Date(openedAtMs + (of?.us ?? result.us) / 1000).toISOString(),
    how: of?.how,
    name: of?.name,
    text: result.ran ?? of?.text ?? of?.function,
    parameters: values.length === 0 ? undefined : values,
    status,
    tag,
    rows,
    bytes,
    duration_us: durationUs,
    sqlstate,
    message,
    blocked,
    copy_bytes: copy?.bytes,
    copy_sha256: copy?.sha256,
  }
}
