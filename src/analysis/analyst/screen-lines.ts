/** The lines that one terminal showed: each when the cursor has left it, and of full-screen programs what changed, second by second. */
import { StringDecoder } from 'node:string_decoder'
import type { Size } from '../../recorder/choose-channel.ts'
import { park } from '../../recorder/park.ts'
import { coreOf, newTerminal, type Terminal, write } from '../../recorder/terminal.ts'
import { Overwritten } from './overwritten.ts'

/** Output is parsed in pieces of this many bytes, and what has scrolled off is let go after each. */
const pieceBytes = 512
const scrollback: number = pieceBytes + 64
/** Longer lines are cut into several. */
const maxLineLength = 16 * 1024
/** Full-screen programs are looked at this often, in microseconds of the recording. */
const lookUs = 1_000_000
/** What stood for so long was there to be read, in microseconds of the recording. */
const standUs = 100_000

export type LineSink = (us: number, line: string) => void

export class ScreenLines {
  readonly #terminal: Terminal
  /** Asked for thrice a line: the emulator looks at its options each time that it gives it. */
  readonly #buffer: Terminal['buffer']
  readonly #say: LineSink
  #us = 0
  /** The first row that was not told, counted from the oldest that the emulator holds. */
  #next = 0
  /** When the full-screen program was looked at last, and whether something was written since. */
  #lookedUs = 0
  #isChanged = false
  readonly #overwritten: Overwritten
  /** Rows that were let go. */
  #gone = 0

  constructor(size: Size, say: LineSink) {
    this.#terminal = newTerminal(size, scrollback)
    this.#buffer = this.#terminal.buffer
    this.#say = say
    this.#overwritten = new Overwritten(text => say(this.#us, text))
    this.#terminal.onLineFeed(() => this.#tellFinished())
    const { parser } = this.#terminal
    parser.registerCsiHandler({ final: 'J' }, params => this.#beforeErase(params[0]))
    this.#watchUpward()
    parser.registerCsiHandler({ prefix: '?', final: 'h' }, params => this.#beforeSwitch(params))
    parser.registerCsiHandler({ prefix: '?', final: 'l' }, params => this.#beforeSwitch(params))
    parser.registerEscHandler({ final: 'c' }, () => this.#beforeLoss())
  }

  take(us: number, data: Buffer): void {
    // Not between two pieces of what came at once.
    if (this.#isFullScreen && us > this.#us && us >= this.#lookedUs + lookUs) this.#look(us)
    if (us >= this.#us + standUs) this.#settle()
    this.#us = us
    for (let at = 0; at < data.length; at += pieceBytes) {
      write(this.#terminal, data.subarray(at, at + pieceBytes))
      if (this.#isFullScreen) this.#isChanged = true
      this.#trim()
    }
  }

  resize({ columns, rows }: Size): void {
    this.#beforeLoss()
    this.#terminal.resize(columns, rows)
    this.#next = this.#cursorRow
  }

  park(): number {
    return park(this.#terminal)
  }

  end(): void {
    this.#beforeLoss()
    this.#terminal.dispose()
  }

  get #isFullScreen(): boolean {
    return this.#buffer.active.type === 'alternate'
  }

  get #cursorRow(): number {
    const { normal } = this.#buffer
    return normal.baseY + normal.cursorY
  }

  /** Rows above the cursor, whenever it goes to the next line; a program that goes up again writes them anew. */
  #tellFinished(): void {
    if (this.#isFullScreen) return
    const cursor = this.#cursorRow
    const begin = this.#begin(cursor)
    if (begin > this.#next) this.#tellRows(this.#next, begin)
    this.#next = begin
  }

  /** A line that goes on over several rows is finished when its last one is. */
  #begin(row: number): number {
    const { normal } = this.#buffer
    let begin = row
    while (begin > 0 && normal.getLine(begin)?.isWrapped === true) begin--
    return begin
  }

  #tellRows(from: number, to: number): void {
    const { normal } = this.#buffer
    let line = ''
    for (let row = from; row < to; row++) {
      const goesOn = row + 1 < to && normal.getLine(row + 1)?.isWrapped === true
      line += normal.getLine(row)?.translateToString(!goesOn) ?? ''
      if (goesOn && line.length <= maxLineLength) continue
      this.#say(this.#us, line)
      line = ''
    }
  }

  /** Rows that have scrolled off are taken out of the emulator. */
  #trim(): void {
    const buffer = coreOf(this.#terminal).buffers.normal
    const count = buffer.ybase
    if (count === 0) return
    this.#overwritten.scrolled(this.#gone + count, row => this.#textOf(row))
    this.#gone += count
    buffer.lines.trimStart(count)
    buffer.ybase = 0
    buffer.ydisp = 0
    this.#next = Math.max(0, this.#next - count)
  }

  /** ED: 2 clears the screen; 3 only what has scrolled off. */
  #beforeErase(mode: unknown): boolean {
    const { cursorX, cursorY } = this.#buffer.active
    const isAll = mode === 2 || (mode !== 1 && mode !== 3 && cursorX === 0 && cursorY === 0)
    if (isAll) this.#beforeLoss()
    return mode === 3
  }

  /** DECSET and DECRST 47, 1047 and 1049 switch to the alternate screen and back. */
  #beforeSwitch(params: readonly unknown[]): boolean {
    if (params.some(mode => mode === 47 || mode === 1047 || mode === 1049)) {
      this.#beforeLoss()
      this.#lookedUs = this.#us
    }
    return false
  }

  #beforeLoss(): boolean {
    this.#check()
    this.#overwritten.forget()
    if (this.#isFullScreen) this.#look(this.#us)
    else {
      const end = this.#lastRow() + 1
      this.#tellRows(this.#next, end)
      this.#next = Math.max(this.#next, end)
    }
    return false
  }

  // What is overwritten. Of full-screen programs nothing: they do nothing else.

  /** What is on the screen has been there for a while. */
  #settle(): void {
    if (this.#isFullScreen) return
    this.#check()
    const row = this.#gone + this.#cursorRow
    this.#overwritten.stood(row, this.#textOf(row))
  }

  #check(): void {
    this.#overwritten.check(
      row => this.#textOf(row),
      () => this.#shown(),
    )
  }

  #textOf(row: number): string {
    return this.#buffer.normal.getLine(row - this.#gone)?.translateToString(true) ?? ''
  }

  #shown(): string[] {
    const top = this.#gone + this.#buffer.normal.baseY
    return Array.from({ length: this.#terminal.rows }, (_, row) => this.#textOf(top + row))
  }

  /** CUU, CPL, CUP, HVP, VPA, RI, and to where the cursor was saved. */
  #watchUpward(): void {
    const { parser } = this.#terminal
    const by = (count: unknown): number => Math.max(1, Number(count) || 1)
    for (const final of ['A', 'F'])
      parser.registerCsiHandler({ final }, ([count]) => this.#goesTo(this.#buffer.normal.cursorY - by(count)))
    for (const final of ['H', 'f', 'd'])
      parser.registerCsiHandler({ final }, ([row]) => this.#goesTo(by(row) - 1))
    parser.registerEscHandler({ final: 'M' }, () => this.#goesTo(this.#buffer.normal.cursorY - 1))
    parser.registerEscHandler({ final: '8' }, () => this.#goesTo(this.#savedRow))
    parser.registerCsiHandler({ final: 'u' }, () => this.#goesTo(this.#savedRow))
  }

  get #savedRow(): number {
    const { savedY, ybase } = coreOf(this.#terminal).buffers.normal
    return savedY - ybase
  }

  /** Always false: the emulator goes there then. */
  #goesTo(row: number): boolean {
    if (!this.#isFullScreen)
      this.#overwritten.goesUp(this.#gone + this.#buffer.normal.baseY + Math.max(0, row), at =>
        this.#textOf(at),
      )
    return false
  }

  #look(us: number): void {
    this.#lookedUs = us
    if (!this.#isChanged) return
    this.#isChanged = false
    const { alternate } = this.#buffer
    for (let row = 0; row < this.#terminal.rows; row++)
      this.#say(this.#us, alternate.getLine(row)?.translateToString(true) ?? '')
  }

  /** The last row of the screen that is not blank, or the one before the first. */
  #lastRow(): number {
    const { normal } = this.#buffer
    let row = normal.baseY + this.#terminal.rows - 1
    while (row >= normal.baseY && normal.getLine(row)?.translateToString(true) === '') row--
    return row
  }
}

/** Output that no terminal showed, as lines. What is no text is not told, nor what follows it. */
export class PlainLines {
  readonly #say: LineSink
  readonly #streams = {
    output: { decoder: new StringDecoder('utf8'), line: '' },
    'error-output': { decoder: new StringDecoder('utf8'), line: '' },
  }
  #isText = true

  constructor(say: LineSink) {
    this.#say = say
  }

  take(us: number, data: Buffer, type: 'output' | 'error-output'): void {
    if (!this.#isText) return
    const stream = this.#streams[type]
    const lines = (stream.line + stream.decoder.write(data)).split('\n')
    stream.line = lines.pop() ?? ''
    for (const line of lines) this.#tell(us, line.replace(/\r$/, ''))
    if (stream.line.length <= maxLineLength) return
    this.#tell(us, stream.line)
    stream.line = ''
  }

  end(us: number): void {
    for (const { line, decoder } of Object.values(this.#streams)) this.#tell(us, line + decoder.end())
  }

  #tell(us: number, line: string): void {
    if (line.includes('\0') || line.includes('\ufffd')) this.#isText = false
    if (this.#isText)
      for (let at = 0; at < line.length; at += maxLineLength)
        this.#say(us, line.slice(at, at + maxLineLength))
  }
}
