import type { Terminal } from '../../../recorder/terminal.ts'
import type { Surface } from '../screen-line.ts'

/** A part of the screen that a multiplexer gives to one shell. */
export type Pane = Surface & {
  /** Its first and its last row. */
  readonly top: number
  readonly bottom: number
}

const vertical = /^[│┃║├┤┼┬┴┌┐└┘|]$/
const horizontal = /^[─━═├┤┼┬┴┌┐└┘-]$/
/** A border both ways. */
const crossing = '┼'
/** A status line is no part of a pane. */
const statusRows = 1
/** Cells that are looked at for one key: a screen of nothing but borders must not cost more than typing it did. */
const maxLooks = 5000
/** ... and may take more, at the top too: a border that is longer than this may end so many rows before the edge. */
const maxStatusRows = 3
const minLongBorder = 6
/** A column of signs is a border from so many rows on. */
const minBorder = 2

/** How panes are told apart: tmux draws lines, screen colours bars, with text in those that lie. */
export type Borders = 'lines' | 'bars'

/** The pane around the cursor: as far as no border drawn from one end to the other stands in the way. */
export function paneAround(terminal: Terminal, borders: Borders): Pane {
  const { buffer } = terminal
  const { cursorX, cursorY: y } = buffer.alternate
  const x = Math.min(cursorX, terminal.cols - 1) // behind the last column while the next character will wrap
  let looks = 0
  const at = (column: number, row: number): string => {
    const cell = looks++ < maxLooks ? buffer.alternate.getLine(row)?.getCell(column) : undefined
    const isBar = borders === 'bars' && cell !== undefined && (cell.isInverse() !== 0 || !cell.isBgDefault())
    if (isBar) return crossing
    return cell?.getChars() ?? ''
  }
  const last = terminal.rows - 1 - (y < terminal.rows - statusRows ? statusRows : 0)
  const isWall = (column: number) => vertical.test(at(column, y)) && spans(row => at(column, row), y, last)
  let left = x
  while (left > 0 && !isWall(left - 1)) left--
  let right = Math.max(x, left) + 1
  while (right < terminal.cols && !isWall(right)) right++
  const isFloor = (row: number): boolean => {
    for (let column = left; column < right; column++) if (!horizontal.test(at(column, row))) return false
    return true
  }
  let top = y
  while (top > 0 && !isFloor(top - 1)) top--
  let bottom = y
  while (bottom < last && !isFloor(bottom + 1)) bottom++
  return {
    left,
    right,
    top,
    bottom,
    line: row => (row < top || row > bottom ? undefined : buffer.alternate.getLine(row)),
    isPadded: borders === 'bars' && right < terminal.cols,
    isWrapped: () => false,
  }
}

/** Whether the signs above and below `y` go on to the edge of the screen or to another border. */
function spans(at: (row: number) => string, y: number, last: number): boolean {
  let first = y
  while (first > 0 && vertical.test(at(first - 1))) first--
  let end = y
  while (end < last && vertical.test(at(end + 1))) end++
  const isHorizontal = (row: number) => horizontal.test(at(row))
  const slack = end - first >= minLongBorder ? maxStatusRows : 0
  const isTop = first <= slack || isHorizontal(first) || isHorizontal(first - 1)
  const isBottom = end >= last - slack || isHorizontal(end) || isHorizontal(end + 1)
  return end - first + 1 >= minBorder && isTop && isBottom
}
