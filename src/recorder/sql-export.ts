/** Takes a PostgreSQL session out as SQL, as a table, or as text. */
import { printable } from '../config/printable.ts'
import type { EventRecord } from './event.ts'
import { type SqlEntry, sqlEntries, type SqlResult, type SqlStatement } from './sql-statements.ts'
import { linesOf, outcomeOf, shownValue } from './sql-text.ts'

/** Pieces are handed on at about this length (UTF-16 units). */
const pieceLength = 64 * 1024

export function* sqlText(records: Iterable<EventRecord>): Generator<string> {
  yield* inPieces(textLines(sqlEntries(records)))
}

function* textLines(entries: Iterable<SqlEntry>): Generator<string> {
  for (const entry of entries) for (const line of linesOf(entry, true)) yield `${printableText(line)}\n`
}

/** Tabs stay; everything that does not show, or that reorders what does, is written as its number. */
function printableText(line: string): string {
  return line
    .split('\t')
    .map(part => printable(part, Infinity))
    .join('\t')
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

  constructor(openedAtMs: number) {
    this.#openedAtMs = openedAtMs
  }

  *lines(entries: Iterable<SqlEntry>): Generator<string> {
    for (const entry of entries) {
      if (entry.kind === 'result') yield* this.#take(entry.result)
      else if (entry.kind === 'note') yield* this.#note(entry.type, entry.text)
    }
    yield* this.#flush()
  }

  *#note(type: string, text: string): Generator<string> {
    if (type === 'parameter' && text.startsWith('standard_conforming_strings is now off'))
      this.#hadEscapes = true
    if (type === 'transaction' || type === 'parameter') return
    yield* this.#flush()
    yield `-- ${comment(text)}\n`
  }

  *#take(result: SqlResult): Generator<string> {
    if (this.#group[0]?.statement !== result.statement) yield* this.#flush()
    if (this.#group.length < maxParts) this.#group.push(result)
    else this.#group[maxParts - 1] = result // an error comes last
  }

  *#flush(): Generator<string> {
    const results = this.#group
    this.#group = []
    const of = results[0]?.of
    if (of === undefined) return
    yield `\n-- #${of.statement} ${new Date(this.#openedAtMs + of.us / 1000).toISOString()}\n`
    for (const [index, value] of of.parameters.entries())
      yield `-- $${index + 1} = ${comment(shownValue(value))}\n`
    yield this.#statement(of, results)
    for (const result of results) yield `-- ${comment(outcomeOf(result))}\n`
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

/** One line for each result (RFC 4180), all cells quoted. */
export function* sqlTable(records: Iterable<EventRecord>, openedAt: string): Generator<string> {
  yield* inPieces(tableLines(sqlEntries(records), Date.parse(openedAt)))
}

function* tableLines(entries: Iterable<SqlEntry>, openedAtMs: number): Generator<string> {
  yield csvLine(columns)
  for (const entry of entries) {
    if (entry.kind === 'result') yield csvLine(cellsOf(entry.result, openedAtMs))
  }
}

function cellsOf(result: SqlResult, openedAtMs: number): readonly (string | number | undefined)[] {
  const { of, status, tag, rows, bytes, durationUs, sqlstate, message, blocked, copy } = result
  const values = of?.parameters ?? []
  return [
    result.statement,
    result.part,
    new Date(openedAtMs + (of?.us ?? result.us) / 1000).toISOString(),
    of?.how,
    of?.name,
    result.ran ?? of?.text ?? of?.function,
    values.length === 0 ? undefined : JSON.stringify(values),
    status,
    tag,
    rows,
    bytes,
    durationUs,
    sqlstate,
    message,
    blocked,
    copy?.bytes,
    copy?.sha256,
  ]
}

function csvLine(cells: readonly (string | number | undefined)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

/** A cell that a spreadsheet would take for a formula begins with an apostrophe, which it hides. */
export function csvCell(cell: string | number | undefined): string {
  if (cell === undefined) return ''
  if (typeof cell === 'number') return String(cell)
  const text = cell.split('\n').map(printableText).join('\n')
  const safe = /^[\s]*[=+\-@\t\r]/.test(text) || /^[\t\r]/.test(cell) ? `'${text}` : text
  return `"${safe.replaceAll('"', '""')}"`
}

function* inPieces(lines: Iterable<string>): Generator<string> {
  let piece: string[] = []
  let length = 0
  for (const line of lines) {
    piece.push(line)
    length += line.length
    if (length < pieceLength) continue
    yield piece.join('')
    piece = []
    length = 0
  }
  if (piece.length > 0) yield piece.join('')
}
