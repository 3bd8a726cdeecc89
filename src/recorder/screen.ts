import { SerializeAddon } from '@xterm/addon-serialize'
import { type Size, sizeOf } from './choose-channel.ts'
import { carriesData, type EventRecord } from './event.ts'
import {
  type Core,
  type CoreAttributes,
  type CoreBuffer,
  type CoreExtended,
  type CoreLine,
  coreOf,
  isBetween,
  newTerminal,
  type Terminal,
  write,
} from './terminal.ts'

/**
 * The state of a terminal as plain data: the cells of its screen and all that decides what later output does. Taken from
 * the emulator's inside, since text that draws a screen (the serialize addon) loses scroll regions, saved cursors, charsets,
 * tab stops and the background of blank cells.
 */
export type ScreenState = Size & {
  readonly normal: BufferState
  /** While a full-screen program runs. */
  readonly alternate: BufferState | undefined
  readonly attributes: Attributes
  readonly charsetLevel: number
  /** The one in use. */
  readonly charset: Charset
  /** G0 to G3; null for ASCII. */
  readonly charsets: readonly Charset[]
  readonly modes: Modes
  readonly privateModes: Modes
  readonly mouse: string
  readonly isCursorHidden: boolean
  /** What a combining character would join. */
  readonly joinState: number
}

type BufferState = {
  /** All rows' cells, three numbers each (content, foreground, background), as little-endian u32 in base64. */
  readonly cells: string
  /** Rows that go on from the one above. */
  readonly wrapped: readonly number[]
  /** Cells of more than one code point: row, column, text. */
  readonly combined: readonly (readonly [number, number, string])[]
  /** Underline styles and colours: row, column, value. */
  readonly extended: readonly (readonly [number, number, number])[]
  readonly x: number
  readonly y: number
  readonly scrollTop: number
  readonly scrollBottom: number
  readonly savedX: number
  readonly savedY: number
  readonly savedAttributes: Attributes
  readonly savedCharset: Charset
  readonly tabs: readonly number[]
}
type Attributes = { readonly fg: number; readonly bg: number; readonly ext: number }
type Charset = Readonly<Record<string, string>> | null
type Modes = Readonly<Record<string, unknown>>

/** A cell's numbers. */
const cellSize = 3

/** A terminal for snapshots: it holds its screen and nothing that scrolled off. */
export class Screen {
  readonly terminal: Terminal

  constructor(size: Size) {
    this.terminal = newTerminal(size, 0)
  }

  /** The terminal as it was when `state` was taken. */
  static restore(state: ScreenState): Screen {
    const screen = new Screen(state)
    restoreState(screen.terminal, state)
    return screen
  }

  write(data: Uint8Array): void {
    write(this.terminal, data)
  }

  resize(size: Size): void {
    this.terminal.resize(size.columns, size.rows)
  }

  /** Whether nothing is half received: no escape sequence and no character. Only then can the state be taken. */
  get isClean(): boolean {
    return isBetween(this.terminal)
  }

  /** The state, to be restored later. Call it only while `isClean`. */
  state(): ScreenState {
    return stateOf(this.terminal)
  }

  /** The screen's rows as text. */
  text(): string {
    const { active } = this.terminal.buffer
    const rows = Array.from({ length: this.terminal.rows }, (_, row) => active.getLine(active.baseY + row))
    return rows.map(line => line?.translateToString(true) ?? '').join('\n')
  }

  /** Text that draws the screen on a real terminal of this size: nearly what the state says, and for looking only. */
  drawing(): string {
    const addon = new SerializeAddon()
    this.terminal.loadAddon(addon)
    const text = addon.serialize({ scrollback: 0 })
    addon.dispose()
    return text
  }

  dispose(): void {
    this.terminal.dispose()
  }
}

/** Applies one event of a channel to its screen, which its `pty` event makes. */
export function showOn(screen: Screen | undefined, { event }: EventRecord): Screen | undefined {
  if (carriesData(event)) {
    if (event.type !== 'input') screen?.write(event.data)
    return screen
  }
  if (event.type === 'pty') return screen ?? new Screen(sizeOf(event.fields))
  if (event.type === 'resize') screen?.resize(sizeOf(event.fields))
  return screen
}

function stateOf(terminal: Terminal): ScreenState {
  const core = coreOf(terminal)
  const size = { columns: terminal.cols, rows: terminal.rows }
  const isAlternate = core.buffers.active === core.buffers.alt
  return {
    ...size,
    normal: bufferState(core.buffers.normal, size),
    alternate: isAlternate ? bufferState(core.buffers.alt, size) : undefined,
    attributes: attributesOf(core._inputHandler._curAttrData),
    charsetLevel: core._charsetService.glevel,
    charset: core._charsetService.charset ?? null,
    charsets: Array.from({ length: 4 }, (_, level) => core._charsetService._charsets[level] ?? null),
    modes: { ...core.coreService.modes },
    privateModes: { ...core.coreService.decPrivateModes },
    mouse: core.coreMouseService.activeProtocol,
    isCursorHidden: core.coreService.isCursorHidden,
    joinState: core._inputHandler._parser.precedingJoinState,
  }
}

function restoreState(terminal: Terminal, state: ScreenState): void {
  const core = coreOf(terminal)
  if (state.alternate !== undefined) write(terminal, Buffer.from('\x1b[?1049h'))
  restoreBuffer(core, core.buffers.normal, state.normal, state)
  if (state.alternate !== undefined) restoreBuffer(core, core.buffers.alt, state.alternate, state)
  setAttributes(core._inputHandler._curAttrData, state.attributes)
  for (const [level, charset] of state.charsets.entries())
    core._charsetService.setgCharset(level, charset ?? undefined)
  core._charsetService.setgLevel(state.charsetLevel)
  core._charsetService.charset = state.charset ?? undefined
  Object.assign(core.coreService.modes, state.modes)
  Object.assign(core.coreService.decPrivateModes, state.privateModes)
  core.coreMouseService.activeProtocol = state.mouse
  core.coreService.isCursorHidden = state.isCursorHidden
  core._inputHandler._parser.precedingJoinState = state.joinState
}

function bufferState(buffer: CoreBuffer, size: Size): BufferState {
  const { x, y, scrollTop, scrollBottom, savedX, savedY, savedCurAttrData, savedCharset, tabs } = buffer
  return {
    ...cellsOf(linesOf(buffer, size), size),
    x,
    y,
    scrollTop,
    scrollBottom,
    savedX,
    savedY,
    savedAttributes: attributesOf(savedCurAttrData),
    savedCharset: savedCharset ?? null,
    tabs: Object.keys(tabs)
      .map(Number)
      .filter(column => tabs[column] === true),
  }
}

function linesOf(buffer: CoreBuffer, { rows }: Size): CoreLine[] {
  const lines: CoreLine[] = []
  for (let row = 0; row < rows; row++) {
    const line = buffer.lines.get(buffer.ybase + row)
    if (line !== undefined) lines.push(line)
  }
  return lines
}

function cellsOf(
  lines: readonly CoreLine[],
  { columns }: Size,
): Pick<BufferState, 'cells' | 'wrapped' | 'combined' | 'extended'> {
  const cells = new Uint32Array(lines.length * columns * cellSize)
  for (const [row, line] of lines.entries())
    cells.set(line._data.subarray(0, columns * cellSize), row * columns * cellSize)
  return {
    cells: Buffer.from(cells.buffer).toString('base64'),
    wrapped: lines.flatMap((line, row) => (line.isWrapped ? [row] : [])),
    combined: lines.flatMap((line, row) =>
      Object.entries(line._combined).map(([column, text]) => [row, Number(column), text] as const),
    ),
    extended: lines.flatMap((line, row) => extendedOf(line, row)),
  }
}

function extendedOf(line: CoreLine, row: number): (readonly [number, number, number])[] {
  return Object.entries(line._extendedAttrs).flatMap(([column, extended]) =>
    extended === undefined ? [] : [[row, Number(column), extended._ext] as const],
  )
}

function restoreBuffer(core: Core, buffer: CoreBuffer, state: BufferState, size: Size): void {
  restoreCells(core, linesOf(buffer, size), state, size)
  buffer.x = state.x
  buffer.y = state.y
  buffer.scrollTop = state.scrollTop
  buffer.scrollBottom = state.scrollBottom
  buffer.savedX = state.savedX
  buffer.savedY = state.savedY
  setAttributes(buffer.savedCurAttrData, state.savedAttributes)
  buffer.savedCharset = state.savedCharset ?? undefined
  buffer.tabs = Object.fromEntries(state.tabs.map(column => [column, true]))
}

function restoreCells(core: Core, lines: readonly CoreLine[], state: BufferState, { columns }: Size): void {
  const bytes = Buffer.from(state.cells, 'base64')
  const cells = new Uint32Array(new Uint8Array(bytes).buffer)
  const wrapped = new Set(state.wrapped)
  for (const [row, line] of lines.entries()) {
    line._data.set(cells.subarray(row * columns * cellSize, (row + 1) * columns * cellSize))
    line.isWrapped = wrapped.has(row)
  }
  for (const [row, column, text] of state.combined) {
    const line = lines[row]
    if (line !== undefined) line._combined[column] = text
  }
  for (const [row, column, ext] of state.extended) {
    const line = lines[row]
    if (line !== undefined) line._extendedAttrs[column] = newExtended(core._inputHandler._curAttrData, ext)
  }
}

function attributesOf({ fg, bg, extended }: CoreAttributes): Attributes {
  return { fg, bg, ext: extended._ext }
}

function setAttributes(attributes: CoreAttributes, { fg, bg, ext }: Attributes): void {
  attributes.fg = fg
  attributes.bg = bg
  attributes.extended = newExtended(attributes, ext)
}

/** One of the emulator's own kind, without a hyperlink. */
function newExtended(like: CoreAttributes, ext: number): CoreExtended {
  const extended = like.extended.clone()
  extended._ext = ext
  extended._urlId = 0
  return extended
}
