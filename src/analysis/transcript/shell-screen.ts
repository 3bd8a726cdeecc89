import type { IMarker } from '@xterm/headless'
import type { Terminal } from '../../recorder/terminal.ts'
import { type Cells, type Row, rowOf, type Surface, textBefore } from './screen-line.ts'

/** How far up the beginning of a line is looked for. */
export const maxSearchRows = 400

/** The screen on which shells write, with what has scrolled off it, and the cursor there. Rows are counted from the first that is kept. */
export class ShellScreen implements Surface {
  readonly left = 0
  readonly isPadded = false
  /** When something was last shown or typed, microseconds. */
  us = 0
  readonly #terminal: Terminal
  /** Kept, as asking the terminal for it costs as much as reading a row. */
  readonly #buffers: Terminal['buffer']

  constructor(terminal: Terminal) {
    this.#terminal = terminal
    this.#buffers = terminal.buffer
  }

  get right(): number {
    return this.#terminal.cols
  }

  line(row: number): Cells {
    return this.#buffers.normal.getLine(row)
  }

  isWrapped(row: number): boolean {
    return this.line(row)?.isWrapped === true
  }

  /** A program has the other screen: nothing is written here. */
  get isAway(): boolean {
    return this.#buffers.active.type === 'alternate'
  }

  /** The cursor keys send what applications want. */
  get hasApplicationKeys(): boolean {
    return this.#terminal.modes.applicationCursorKeysMode
  }

  /** The first row that is in sight. */
  get top(): number {
    return this.#buffers.normal.baseY
  }

  /** The last one. */
  get bottom(): number {
    return this.top + this.#terminal.rows - 1
  }

  /** The cursor's row. */
  get row(): number {
    const { normal } = this.#buffers
    return normal.baseY + normal.cursorY
  }

  get column(): number {
    return this.#buffers.normal.cursorX
  }

  rowAt(row: number): Row {
    return rowOf(this, row)
  }

  /** What stands left of the cursor. */
  get before(): string {
    return textBefore(this.rowAt(this.row), this.column)
  }

  /** What stands between a column and the cursor. */
  behind(column: number): string {
    const row = this.rowAt(this.row)
    return textBefore(row, this.column).slice(textBefore(row, column).length)
  }

  /** What is written from a row down to the end of the screen. */
  textFrom(from: number): string {
    const { bottom } = this
    let text = ''
    for (let row = from; row <= bottom; row++) text += this.line(row)?.translateToString(true) ?? ''
    return text
  }

  /** The first row of what the emulator has wrapped into this one. */
  startOf(row: number): number {
    let from = row
    while (from > 0 && row - from < maxSearchRows && this.isWrapped(from)) from--
    return from
  }

  /** Nothing above where it began belongs to a line that ends in row `to`, unless the screen was cleared. */
  lowestOf({ line }: IMarker, to: number): number {
    return line >= 0 && line <= to ? line : this.top
  }

  /** Follows the cursor's row, or one so many below, as the output goes on; none on the other screen. */
  marker(below = 0): IMarker | undefined {
    return this.#terminal.registerMarker(below)
  }
}
