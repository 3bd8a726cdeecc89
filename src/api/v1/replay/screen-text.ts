/**
 * A terminal's state as text that makes an empty xterm.js of the same size look and behave like it: cells with their attributes, which rows go on, cursors
 * and what is saved of them, scroll region, tab stops, charsets and modes. Mouse and focus modes are left out: who looks at a recording answers nothing.
 */
import type { ScreenState } from '../../../recorder/screen.ts'
import { type Attributes, sgr } from './sgr.ts'

const csi = '\x1b['

type Buffered = ScreenState['normal']

export function screenTextOf(state: ScreenState): string {
  const { normal, alternate } = state
  const parts = [tabStops(state, normal), drawn(state, normal)]
  // Switching saves the cursor, which is how it was saved; and it fills the other screen with the colour of the moment.
  if (alternate === undefined) parts.push(savedCursor(normal, `\x1b7`))
  else
    parts.push(
      region(state, normal),
      savedCursor(normal, `${csi}?1049h`),
      `${csi}2J`,
      tabStops(state, alternate),
      drawn(state, alternate),
      savedCursor(alternate, '\x1b7'),
    )
  parts.push(charsets(state), modes(state), cursor(state, alternate ?? normal), lateModes(state))
  return parts.join('')
}

/** A terminal begins with one at each eighth column. */
function tabStops({ columns }: ScreenState, { tabs }: Buffered): string {
  const usual = Array.from({ length: Math.ceil(columns / 8) }, (_, at) => at * 8)
  if (tabs.length === usual.length && tabs.every((tab, at) => tab === usual[at])) return ''
  return `${csi}3g${tabs.map(tab => `${csi}${tab + 1}G\x1bH`).join('')}`
}

function savedCursor({ savedX, savedY, savedAttributes, savedCharset }: Buffered, save: string): string {
  const charset = savedCharset === null ? '' : `\x1b(${designator(savedCharset)}`
  return `${csi}${savedY + 1};${savedX + 1}H${sgr(savedAttributes)}${charset}${save}\x1b(B${csi}0m`
}

// ── cells ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** How xterm.js keeps a cell: three numbers, of which the first is this. */
const codePointBits = 0x1fffff
const isCombinedBit = 0x200000
const widthShift = 22
const cellSize = 3

class Cells {
  readonly #numbers: Uint32Array
  readonly #columns: number
  readonly #combined = new Map<number, string>()
  readonly #extended = new Map<number, number>()

  constructor({ cells, combined, extended }: Buffered, columns: number) {
    this.#numbers = new Uint32Array(new Uint8Array(Buffer.from(cells, 'base64')).buffer)
    this.#columns = columns
    for (const [row, column, text] of combined) this.#combined.set(row * columns + column, text)
    for (const [row, column, value] of extended) this.#extended.set(row * columns + column, value)
  }

  #content(row: number, column: number): number {
    return this.#numbers[(row * this.#columns + column) * cellSize] ?? 0
  }

  /** The characters of a cell; empty where nothing was ever written, and behind a wide character. */
  text(row: number, column: number): string {
    const content = this.#content(row, column)
    if ((content & isCombinedBit) !== 0) return this.#combined.get(row * this.#columns + column) ?? ' '
    const codePoint = content & codePointBits
    return codePoint === 0 ? '' : String.fromCodePoint(Math.min(codePoint, 0x10ffff))
  }

  /** 0 for the other half of a wide character. */
  width(row: number, column: number): number {
    const width = this.#content(row, column) >>> widthShift
    const isHalf = width === 0 && column > 0 && this.#content(row, column - 1) >>> widthShift === 2
    return isHalf ? 0 : Math.max(1, width)
  }

  attributes(row: number, column: number): Attributes {
    const at = (row * this.#columns + column) * cellSize
    const fg = this.#numbers[at + 1] ?? 0
    const bg = this.#numbers[at + 2] ?? 0
    return { fg, bg, ext: this.#extended.get(row * this.#columns + column) ?? 0 }
  }
}

function drawn(state: ScreenState, buffer: Buffered): string {
  const cells = new Cells(buffer, state.columns)
  const wrapped = new Set(buffer.wrapped)
  const pen = new Pen()
  for (let row = 0; row < state.rows; row++) {
    const goesOn = wrapped.has(row + 1) && row + 1 < state.rows
    drawRow(pen, cells, { row, columns: state.columns, isWrapped: row > 0 && wrapped.has(row), goesOn })
  }
  return pen.text()
}

type Row = {
  readonly row: number
  readonly columns: number
  readonly isWrapped: boolean
  readonly goesOn: boolean
}

/** The first cell of a row that goes on from the one above is written behind that one's last, so that it wraps. */
function drawRow(pen: Pen, cells: Cells, { row, columns, isWrapped, goesOn }: Row): void {
  for (let column = 0; column < columns; column++) {
    const width = cells.width(row, column)
    if (width === 0) continue // the other half of a wide character
    const text = cells.text(row, column)
    const attributes = cells.attributes(row, column)
    const isFirst = isWrapped && column === 0
    if (text !== '') pen.write(row, column, text, width, attributes, isFirst)
    else if (isFirst || (goesOn && column === columns - 1) || isMarked(attributes))
      pen.write(row, column, ' ', 1, attributes, isFirst)
    else pen.blank(row, column, attributes)
  }
  pen.endRow()
}

/** More than its background shows of an empty cell: it is left of a wide character that was written over, inverse or underlined. */
function isMarked(attributes: Attributes): boolean {
  return sgr(attributes) !== sgr({ fg: 0, bg: attributes.bg, ext: 0 })
}

/** Characters that terminals disagree about: what follows them is put in its place again. */
const isUncertain = (text: string): boolean => text.length > 1 || text > '\u02ff'

class Pen {
  readonly #parts: string[] = [`${csi}0m`]
  #attributes = ''
  #row = 0
  /** Undefined: nobody knows. */
  #column: number | undefined = undefined
  #blanks:
    | { readonly row: number; readonly column: number; readonly style: string; count: number }
    | undefined

  write(
    row: number,
    column: number,
    text: string,
    width: number,
    attributes: Attributes,
    isFirst: boolean,
  ): void {
    this.endRow()
    if (!isFirst) this.#go(row, column)
    this.#style(sgr(attributes))
    this.#parts.push(text)
    this.#row = row
    this.#column = isUncertain(text) ? undefined : column + width
  }

  /** A cell that holds nothing: only its background shows. */
  blank(row: number, column: number, { bg }: Attributes): void {
    const style = sgr({ fg: 0, bg, ext: 0 })
    const blanks = this.#blanks
    if (
      blanks !== undefined &&
      blanks.style === style &&
      blanks.row === row &&
      blanks.column + blanks.count === column
    ) {
      blanks.count += 1
      return
    }
    this.endRow()
    this.#blanks = { row, column, style, count: 1 }
  }

  /** What was blank so far; where it has no background, there is nothing to do. */
  endRow(): void {
    const blanks = this.#blanks
    this.#blanks = undefined
    if (blanks === undefined || blanks.style === sgr({ fg: 0, bg: 0, ext: 0 })) return
    this.#go(blanks.row, blanks.column)
    this.#style(blanks.style)
    this.#parts.push(`${csi}${blanks.count}X`)
  }

  text(): string {
    return `${this.#parts.join('')}${csi}0m`
  }

  #go(row: number, column: number): void {
    if (this.#row !== row || this.#column !== column) this.#parts.push(`${csi}${row + 1};${column + 1}H`)
    this.#row = row
    this.#column = column
  }

  #style(style: string): void {
    if (style !== this.#attributes) this.#parts.push(style)
    this.#attributes = style
  }
}

// ── what later output depends on ──────────────────────────────────────────────────────────────────────────────────

const slots = ['(', ')', '*', '+']

/** DEC special graphics is what programs draw lines with, and there is the British one; others are as rare as their terminals. */
function designator(charset: NonNullable<ScreenState['charset']>): string {
  return charset['q'] === '─' ? '0' : charset['#'] === '£' ? 'A' : 'B'
}

/** The one in use counts: where a cursor was restored that was saved with another, that slot is told as the one in use. */
function charsets({ charset: used, charsets: all, charsetLevel }: ScreenState): string {
  const designated = all.map((charset, slot) => {
    const told = slot === charsetLevel ? used : charset
    return told === null ? '' : `\x1b${slots[slot] ?? '('}${designator(told)}`
  })
  return designated.join('') + (['', '\x0e', '\x1bn', '\x1bo'][charsetLevel] ?? '')
}

/** Those that send the cursor home. */
function modes(state: ScreenState): string {
  return (
    region(state, state.alternate ?? state.normal) +
    (state.privateModes['origin'] === true ? `${csi}?6h` : '')
  )
}

function region({ rows }: ScreenState, { scrollTop, scrollBottom }: Buffered): string {
  return scrollTop === 0 && scrollBottom === rows - 1 ? '' : `${csi}${scrollTop + 1};${scrollBottom + 1}r`
}

/** In origin mode rows count from the region. Behind the last column, the last character is written once more, so that the next one wraps. */
function cursor(state: ScreenState, buffer: Buffered): string {
  const { x, y, scrollTop } = buffer
  const row = state.privateModes['origin'] === true ? y - scrollTop : y
  if (x < state.columns) return `${csi}${row + 1};${x + 1}H${sgr(state.attributes)}`
  const cells = new Cells(buffer, state.columns)
  const column = cells.width(y, state.columns - 1) === 0 ? state.columns - 2 : state.columns - 1
  const last = cells.text(y, column) || ' '
  const there = `${csi}${row + 1};${column + 1}H`
  return `${there}${sgr(cells.attributes(y, column))}${plainly(state, last)}${sgr(state.attributes)}`
}

/** A character as it is, whatever charset is in use. */
function plainly(state: ScreenState, text: string): string {
  return state.charset === null ? text : `\x1b(B\x0f${text}${charsets(state)}`
}

const switches: readonly (readonly [name: string, isUsual: boolean, set: string, reset: string])[] = [
  ['applicationCursorKeys', false, '?1h', '?1l'],
  ['bracketedPasteMode', false, '?2004h', '?2004l'],
  ['reverseWraparound', false, '?45h', '?45l'],
  ['wraparound', true, '?7h', '?7l'],
]

/** Those that leave the cursor where it is, and would have been in the way of drawing. */
function lateModes({ modes: ansi, privateModes, isCursorHidden }: ScreenState): string {
  const set = switches.flatMap(([name, isUsual, on, off]) =>
    privateModes[name] === undefined || privateModes[name] === isUsual ? [] : [csi + (isUsual ? off : on)],
  )
  if (ansi['insertMode'] === true) set.push(`${csi}4h`)
  if (privateModes['applicationKeypad'] === true) set.push('\x1b=')
  if (isCursorHidden) set.push(`${csi}?25l`)
  return set.join('')
}
