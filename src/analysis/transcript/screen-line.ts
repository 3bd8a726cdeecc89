import type { Terminal } from '../../recorder/terminal.ts'

/** Text that stood right of the cursor when a line began: a prompt at the right margin. */
export type RightPrompt = { readonly column: number; readonly text: string }

/** Rows of one line that are read; a longer one is cut there. */
const maxRows = 400

/** A row's text with the column in which each of its UTF-16 units stands. Cells that nothing was written to count as blanks. */
export type Row = { readonly text: string; readonly columns: readonly number[] }

export function rowOf(terminal: Terminal, row: number): Row {
  const line = terminal.buffer.normal.getLine(row)
  let text = ''
  const columns: number[] = []
  for (let x = 0; x < terminal.cols; x++) {
    const cell = line?.getCell(x)
    if (cell === undefined || cell.getWidth() === 0) continue // there is no such row; the second half of a wide character
    const characters = cell.getChars() || ' '
    for (let unit = 0; unit < characters.length; unit++) columns.push(x)
    text += characters
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
  terminal: Terminal,
  { from, column, to, right }: { from: number; column: number; to: number; right: RightPrompt | undefined },
): string {
  const last = Math.min(to, from + maxRows)
  let text = ''
  for (let row = from; row <= last; row++) {
    const isRight = row === from && hasRight(terminal, row, right)
    const content = rowOf(terminal, row)
    const shown = row === from ? textFrom(content, column) : afterIndent(terminal, row, content, column)
    const goesOn = !isRight && isContinued(terminal, row)
    if (goesOn)
      text += isWritten(terminal, row) ? shown : shown.trimEnd() + ' '.repeat(writtenBlanks(terminal, row))
    else text += (isRight ? withoutRight(content, column, right) : shown).trimEnd() + (row < last ? '\n' : '')
  }
  return text.trimEnd()
}

/** The last row of a line that begins in `from`, as far as its rows are full. */
export function lastFullRow(terminal: Terminal, from: number, to: number): number {
  let row = from
  while (row < to && isContinued(terminal, row)) row++
  return row
}

/** Rows that were wrapped stay so where the terminal was made wider. */
function isContinued(terminal: Terminal, row: number): boolean {
  return isFull(terminal, row) || terminal.buffer.normal.getLine(row + 1)?.isWrapped === true
}

/** Blanks at the end of a row that were written there. */
function writtenBlanks(terminal: Terminal, row: number): number {
  const line = terminal.buffer.normal.getLine(row)
  let x = terminal.cols - 1
  while (x >= 0 && line?.getCell(x)?.getChars() === '' && line.getCell(x)?.getWidth() !== 0) x--
  let blanks = 0
  while (x - blanks >= 0 && line?.getCell(x - blanks)?.getChars() === ' ') blanks++
  return blanks
}

/** Whether the last cell of a row has something in it, if only half of it. */
function isWritten(terminal: Terminal, row: number): boolean {
  const last = terminal.buffer.normal.getLine(row)?.getCell(terminal.cols - 1)
  return last !== undefined && (last.getWidth() === 0 || last.getChars() !== '')
}

/** Whether something is written in the last column, or a wide character did not fit there. */
function isFull(terminal: Terminal, row: number): boolean {
  const line = terminal.buffer.normal.getLine(row)
  const last = line?.getCell(terminal.cols - 1)
  if (line === undefined || last === undefined) return false
  if (last.getWidth() === 0 || last.getChars() !== '') return true
  const next = terminal.buffer.normal.getLine(row + 1)?.getCell(0)
  const before = line.getCell(terminal.cols - 2)
  return (before?.getWidth() === 0 || before?.getChars() !== '') && next?.getWidth() === 2
}

/** Shells that edit several lines at once set the later ones in by the width of the prompt, without writing there. */
function afterIndent(terminal: Terminal, row: number, content: Row, column: number): string {
  const line = terminal.buffer.normal.getLine(row)
  let at = 0
  while (at < column && line?.getCell(at)?.getChars() === '') at++
  return at === column ? textFrom(content, column) : content.text
}

function hasRight(terminal: Terminal, row: number, right: RightPrompt | undefined): boolean {
  return right !== undefined && textFrom(rowOf(terminal, row), right.column).trimEnd() === right.text
}

function withoutRight(content: Row, column: number, right: RightPrompt | undefined): string {
  if (right === undefined) return textFrom(content, column)
  const length = textBefore(content, right.column).length - textBefore(content, column).length
  return textFrom(content, column).slice(0, Math.max(0, length))
}
