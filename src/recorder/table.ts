/** Rows as CSV (RFC 4180) and as NDJSON. What is in them comes from people and targets. */
import { printable } from '../config/printable.ts'
import { hiddenInJson } from './terminal-safe.ts'

export type Cell = string | number | boolean | undefined
export type Row = Readonly<Record<string, unknown>>

/** Pieces are handed on at about this length (UTF-16 units). */
const pieceLength = 64 * 1024

/** A heading and one line for each row, all texts quoted; values that are no cells are their JSON. */
export function* csv(columns: readonly string[], rows: Iterable<Row>): Generator<string> {
  yield* inPieces(csvLines(columns, rows))
}

function* csvLines(columns: readonly string[], rows: Iterable<Row>): Generator<string> {
  yield csvLine(columns)
  for (const row of rows) yield csvLine(columns.map(column => cellOf(row[column])))
}

function cellOf(value: unknown): Cell {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  return JSON.stringify(value)
}

/** One JSON object a line, in ASCII but for characters that show. */
export function* ndjson(rows: Iterable<Row>): Generator<string> {
  yield* inPieces(jsonLines(rows))
}

function* jsonLines(rows: Iterable<Row>): Generator<string> {
  for (const row of rows) yield jsonLine(row)
}

/** One line. Whatever a terminal would obey, or that hides or reorders what is shown, is written by its number. */
export function jsonLine(value: Readonly<Record<string, unknown>> | readonly unknown[]): string {
  return `${JSON.stringify(value).replace(hiddenInJson, escaped)}\n`
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }).join('')
}

export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

/** What spreadsheets take for the beginning of a formula, as full-width characters too, which some of them read as the usual ones. */
const formula = /^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/

/** A cell that a spreadsheet would take for a formula begins with an apostrophe, which it hides. */
export function csvCell(cell: Cell): string {
  if (cell === undefined) return ''
  if (typeof cell !== 'string') return String(cell)
  const text = cell.split('\n').map(printableText).join('\n')
  const safe = formula.test(text) || /^[\t\r]/.test(cell) ? `'${text}` : text
  return `"${safe.replaceAll('"', '""')}"`
}

/** Tabs stay; everything that does not show, or that reorders what does, is written as its number. */
export function printableText(line: string): string {
  return line
    .split('\t')
    .map(part => printable(part, Infinity))
    .join('\t')
}

export function* inPieces(lines: Iterable<string>): Generator<string> {
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
