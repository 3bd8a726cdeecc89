import type { Terminal } from '../../recorder/terminal.ts'

/** A row of a terminal. */
export type Cells = ReturnType<Terminal['buffer']['normal']['getLine']>

/** Rows of a terminal that belong together, from one column to another: a whole screen, or a pane of one. */
export type Surface = {
  readonly left: number
  /** The first column that belongs to it no more. */
  readonly right: number
  readonly line: (row: number) => Cells
  /** Rows are filled up with blanks to its margin, as left of another region of screen. */
  readonly isPadded: boolean
  /** Whether the emulator itself wrapped a line into this row. */
  readonly isWrapped: (row: number) => boolean
}

/** Text that stood right of the cursor when a line began: a prompt at the right margin. */
export type RightPrompt = { readonly column: number; readonly text: string }

/** Between a line and a prompt at the right margin; what begins at once is a shell's suggestion. */
const minGap = 2
/** Columns that shells leave free behind it. */
const maxMargin = 2

/** What stands at the right margin of a row in which a line begins at a column. */
export function rightOf(surface: Surface, row: Row, column: number): RightPrompt | undefined {
  const beside = textFrom(row, column)
  const text = beside.trim()
  const at = row.columns[row.text.lastIndexOf(text)] ?? column
  const isAtMargin =
    surface.right - at - text.length <= maxMargin || row.text.trimEnd().length > row.text.length - maxMargin
  return text !== '' && at - column >= minGap && isAtMargin ? { column: at, text } : undefined
}

/** Rows of one line that are read; a longer one is cut there. */
const maxRows = 400

/** A row's text with the column in which each of its UTF-16 units stands. Cells that nothing was written to count as blanks. */
export type Row = { readonly text: string; readonly columns: readonly number[] }

export function rowOf(surface: Surface, row: number): Row {
  const line = surface.line(row)
  let text = ''
  const columns: number[] = []
  for (let x = surface.left; x < surface.right; x++) {
    const cell = line?.getCell(x)
    if (cell === undefined || cell.getWidth() === 0) continue // there is no such row; the second half of a wide character
    const characters = cell.getChars() || ' '
    for (let unit = 0; unit < characters.length; unit++) columns.push(x)
    text += characters
  }
  return escape.test(text) ? unescaped(line, { text, columns }) : { text, columns }
}

/** zsh writes characters that it cannot show as their number, in reverse. */
const escape = /<(?:[\da-f]{4}|[\da-f]{8})>/

function unescaped(line: Cells, row: Row): Row {
  let { text } = row
  const columns = [...row.columns]
  for (const found of [...text.matchAll(new RegExp(escape, 'g'))].toReversed()) {
    const [shown] = found
    const at = row.columns.slice(found.index, found.index + shown.length)
    const number = Number.parseInt(shown.slice(1, -1), 16)
    if (number > 0x10_ffff || at.some(x => line?.getCell(x)?.isInverse() === 0)) continue
    const character = String.fromCodePoint(number)
    text = text.slice(0, found.index) + character + text.slice(found.index + shown.length)
    columns.splice(found.index + character.length, shown.length - character.length)
  }
  return { text, columns }
}

/** A row's text left of a column. */
export function textBefore({ text, columns }: Row, column: number): string {
  const at = columns.findIndex(x => x >= column)
  return at < 0 ? text : text.slice(0, at)
}

/** A row's text from a column on. */
export function textFrom({ text, columns }: Row, column: number): string {
  const at = columns.findIndex(x => x >= column)
  return at < 0 ? '' : text.slice(at)
}

/** The column behind the first `length` units of a row. */
export function columnAfter({ columns }: Row, length: number, width: number): number {
  return columns[length] ?? width
}

/**
 * The text of rows `from` to `to`, the first from `column` on. A row that is written up to the margin goes on in the next: shells
 * wrap by themselves, so the emulator's own idea of it cannot be asked. Rows that end before are lines of their own.
 */
export function readRows(
  surface: Surface,
  { from, column, to, right }: { from: number; column: number; to: number; right: RightPrompt | undefined },
): string {
  const last = Math.min(to, from + maxRows)
  let text = ''
  for (let row = from; row <= last; row++) {
    const isRight = row === from && hasRight(surface, row, right)
    const content = rowOf(surface, row)
    const shown = row === from ? textFrom(content, column) : afterIndent(surface, row, content, column)
    const goesOn = !isRight && isContinued(surface, row)
    if (goesOn)
      text += isWritten(surface, row) ? shown : shown.trimEnd() + ' '.repeat(writtenBlanks(surface, row))
    else text += (isRight ? withoutRight(content, column, right) : shown).trimEnd() + (row < last ? '\n' : '')
  }
  return text.trimEnd()
}

/** The last row of a line that begins in `from`, as far as its rows are full. */
export function lastFullRow(surface: Surface, from: number, to: number): number {
  let row = from
  while (row < to && isContinued(surface, row)) row++
  return row
}

/** Rows that were wrapped stay so where the terminal was made wider. */
function isContinued(surface: Surface, row: number): boolean {
  return isFull(surface, row) || surface.isWrapped(row + 1)
}

/** Blanks at the end of a row that were written there. */
function writtenBlanks(surface: Surface, row: number): number {
  const line = surface.line(row)
  let x = surface.right - 1
  while (x >= 0 && line?.getCell(x)?.getChars() === '' && line.getCell(x)?.getWidth() !== 0) x--
  let blanks = 0
  while (x - blanks >= 0 && line?.getCell(x - blanks)?.getChars() === ' ') blanks++
  return blanks
}

/** Whether the last cell of a row has something in it, if only half of it. */
function isWritten(surface: Surface, row: number): boolean {
  const last = surface.line(row)?.getCell(surface.right - 1)
  return last !== undefined && (last.getWidth() === 0 || last.getChars() !== '')
}

/** Whether something is written in the last column, or a wide character did not fit there. */
function isFull(surface: Surface, row: number): boolean {
  const line = surface.line(row)
  const last = line?.getCell(surface.right - 1)
  if (line === undefined || last === undefined) return false
  if (surface.isPadded && last.getChars() === ' ') return false
  if (last.getWidth() === 0 || last.getChars() !== '') return true
  const next = surface.line(row + 1)?.getCell(surface.left)
  const before = line.getCell(surface.right - 2)
  return (before?.getWidth() === 0 || before?.getChars() !== '') && next?.getWidth() === 2
}

/** Shells that edit several lines at once set the later ones in by the width of the prompt, without writing there. */
function afterIndent(surface: Surface, row: number, content: Row, column: number): string {
  const line = surface.line(row)
  let at = surface.left
  while (at < column && line?.getCell(at)?.getChars() === '') at++
  return at === column ? textFrom(content, column) : content.text
}

function hasRight(surface: Surface, row: number, right: RightPrompt | undefined): boolean {
  return right !== undefined && textFrom(rowOf(surface, row), right.column).trimEnd() === right.text
}

function withoutRight(content: Row, column: number, right: RightPrompt | undefined): string {
  if (right === undefined) return textFrom(content, column)
  const length = textBefore(content, right.column).length - textBefore(content, column).length
  return textFrom(content, column).slice(0, Math.max(0, length))
}
