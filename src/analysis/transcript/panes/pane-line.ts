import type { Leaving } from './multiplexer.ts'
import type { Pane } from './pane.ts'
import { beginsWith } from '../prompt.ts'
import { lastFullRow, readRows, type RightPrompt, rowOf, textFrom } from '../screen-line.ts'

/** The beginning that two states of a line have in common. */
const minAlike = 3
/** fish sets the later rows of a command in by the width of the prompt, and by so much more at most within blocks. */
const maxIndent = 16

/** A line that is being typed in a pane. */
export type PaneLine = {
  readonly pane: Pane
  readonly prompt: string
  /** Behind the prompt. */
  readonly column: number
  readonly right: RightPrompt | undefined
  /** The row of its prompt when the last key was pressed. */
  row: number
  /** The cursor's row then, and what stood there. */
  y: number
  text: string
  typed: number
  hadInterrupt: boolean
  /** What stood there when the cursor left, and when that was. */
  left: Left | undefined
  /** The first row that was filled then. */
  next: string | undefined
  /** What stood there when the screen was last drawn: then the line may have gone without the cursor leaving it. */
  seen: { readonly text: string; readonly us: number } | undefined
  /** The window that was shown when the last key was pressed. */
  window: string | undefined
  /** It goes on below, without a prompt. */
  isSeveral: boolean
  /** The cursor was in it when it left a row for the last time. */
  isBack: boolean
}

export type Left = {
  readonly text: string
  readonly us: number
  readonly row: number
  readonly scrolled: number
  readonly how: Leaving
}

/** A line at which no key was pressed yet. */
export function newPaneLine(
  begun: Pick<PaneLine, 'pane' | 'prompt' | 'column' | 'right' | 'row' | 'text'>,
): PaneLine {
  return {
    ...begun,
    y: begun.row,
    typed: 0,
    hadInterrupt: false,
    left: undefined,
    next: undefined,
    seen: undefined,
    window: undefined,
    isSeveral: false,
    isBack: false,
  }
}

/** The row at or above `y` in which the line begins: it shows the prompt, and those from there on are full, or set in as fish does. */
export function rowOfPrompt(
  { prompt, column, isSeveral }: PaneLine,
  pane: Pane,
  y: number,
): number | undefined {
  for (let row = y; row >= pane.top && row <= pane.bottom; row--) {
    const { text } = rowOf(pane, row)
    if (beginsWith(text, prompt)) return row
    const indent = text.search(/\S/) - (column - pane.left)
    const isSetIn = isSeveral || (column > pane.left && indent >= 0 && indent <= maxIndent)
    if (!isSetIn && lastFullRow(pane, row - 1, row) !== row) return undefined
  }
  return undefined
}

/** What stands behind the prompt in row `from`, down to row `y` and as far as that is full. */
export function textOf({ column, right }: PaneLine, pane: Pane, from: number, y: number): string {
  const to = lastFullRow(pane, Math.max(from, Math.min(y, pane.bottom)), pane.bottom)
  return readRows(pane, { from, column, to, right })
}

/** The line stands where it stood, as it was. */
export function isUntouched(line: PaneLine): boolean {
  const { pane, prompt, row } = line
  const isThere = beginsWith(rowOf(pane, row).text, prompt)
  return isThere && textOf(line, pane, row, row) === (line.left?.text ?? line.text)
}

/** Whether what stands in a row, read with the cursor in row `y`, is still the line: where it stood, or above if it has been scrolled. */
export function isSame(
  line: PaneLine,
  { row, text, y }: { row: number; text: string; y: number },
  scrolledNow: number,
): boolean {
  const { pane, prompt, left } = line
  if (left === undefined) return row >= line.row - scrolledNow - rowsOf(line, text)
  if (line.isSeveral && y > line.y) return false
  const isMore = text.startsWith(left.text)
  const scrolled = scrolledNow - left.scrolled
  if (row === left.row - scrolled)
    return isMore || text.includes('^C') || scrolled > 0 || (left.row > pane.top && y < pane.bottom)
  return isMore && row < left.row && !beginsWith(rowOf(pane, left.row).text, prompt)
}

/** Whether the line that was left still stands above the one where the cursor is now: it was entered. */
export function isShownAbove(line: PaneLine, left: Left, pane: Pane, below: number): boolean {
  const [first] = left.text.split('\n')
  for (let row = below - 1; row >= pane.top; row--) {
    const shown = rowOf(pane, row)
    if (!beginsWith(shown.text, line.prompt)) continue
    const text = textFrom(shown, line.column)
    if (left.text.startsWith(text.trimEnd())) return text.trim() !== '' || first === ''
  }
  return false
}

/** A line that goes on has not lost more than what a shell suggested. */
export function areAlike(before: string, now: string): boolean {
  let same = 0
  while (same < now.length && now[same] === before[same]) same++
  return same > 0 && (same === before.length || same >= Math.max(minAlike, now.length / 2))
}

/** As many rows as a line may take: where it grew at the bottom of the screen, it began so many above. */
function rowsOf({ pane, column }: PaneLine, text: string): number {
  return (
    Math.ceil((column + 2 * text.length) / Math.max(1, pane.right - pane.left)) + text.split('\n').length - 1
  )
}
