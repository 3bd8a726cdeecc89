import type { Terminal } from '../../recorder/terminal.ts'
import type { Answer, Answers } from './answers.ts'
import { activeWindow, type Leaving } from './multiplexer.ts'
import { type Borders, type Pane, paneAround } from './pane.ts'
import { beginsWith, isOpen, type KnownPrompts } from './prompt.ts'
import { TypedAhead } from './typed-ahead.ts'
import {
  columnAfter,
  lastFullRow,
  readRows,
  rightOf,
  type RightPrompt,
  rowOf,
  textBefore,
  textFrom,
} from './screen-line.ts'

/** A key sends no more bytes at once; what does is a paste, or the terminal's answer to a question. */
const maxKeyBytes = 8
/** Between two keys the line is looked at so often when the cursor leaves it: what multiplexers redraw, and hostile output, may leave it for ever. */
const maxLooks = 32
/** Answers that a terminal may still owe, and the length of the shortest, longer than an arrow key. */
const maxQuestions = 8
const minAnswerBytes = 5
/** The beginning that two states of a line have in common. */
const minAlike = 3
/** Lines typed ahead that are remembered, rows in which they are looked for, and last characters that came too late to be seen. */
const maxEarly = 16
const maxEarlyRows = 500
const maxUnseen = 2
/** tmux may go before it shows that this was entered. */
const leavesShell = /^\s*(?:exit|logout)\b/
/** fish sets the later rows of a command in by the width of the prompt, and by so much more at most within blocks. */
const maxIndent = 16
/** A shell asks for what to search in its history: bash in the line, zsh below it. */
const searches = /^(?:\((?:failed )?(?:reverse-|forward-)?i-search\)|(?:failing )?(?:bck|fwd)-i-search: )/
/** At the top of a pane, while somebody reads what scrolled off (tmux: copy mode). */
const isReading = /\[\d+\/\d+\]$/

/** A line that is being typed in a pane. */
type Line = {
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

type Left = {
  readonly text: string
  readonly us: number
  readonly row: number
  readonly scrolled: number
  readonly how: Leaving
}

/** Somebody typed where nothing asked for a command. */
type Elsewhere = { readonly row: number; readonly before: string; typed: number }

/**
 * Reads commands inside tmux and screen. Their output is no shell's: they draw the rows of several, jump between them and send what
 * changed. So the screen is read at each key: which pane the cursor is in, what stands behind its prompt, and once more whenever
 * the cursor leaves that line. A line was entered if, at the next key, the cursor is below it and the line does not go on.
 */
export class PaneReader {
  readonly #terminal: Terminal
  readonly #borders: Borders
  readonly #prompts: KnownPrompts
  readonly #answers: Answers
  #line: Line | undefined
  #elsewhere: Elsewhere | undefined
  /** The line that was not yet entered when the screen was erased. */
  #wiped: Line | undefined
  /** Bytes typed since there was output. */
  #burst = 0
  #looks = 0
  /** The cursor was sent to the corner by a new scroll region, not to write there. */
  #isHome = false
  #questions = 0
  /** Lines that were typed while nothing asked for them, and rows that have passed since. */
  #early: string[] = []
  #earlyRows = 0
  /** The same where shells leave editing to the terminal. */
  readonly #unedited = new TypedAhead()
  #us = 0
  /** Rows by which the screen went up since the last key (CSI S). */
  #scrolled = 0
  /** The cursor is hidden: since nothing was drawn, or since something was. */
  #drawing: 'begun' | 'elsewhere' | undefined
  /** Bytes that came at once with the last key, as far as no line accounts for them. */
  #ahead = 0
  /** Bytes in the rows behind a line that was left. */
  #echoed = 0
  #echoRows: string[] = []
  /** Bytes in rows that were taken for the echo of a paste. */
  #echoBytes = 0

  constructor(terminal: Terminal, borders: Borders, prompts: KnownPrompts, answers: Answers) {
    this.#terminal = terminal
    this.#borders = borders
    this.#prompts = prompts
    this.#answers = answers
  }

  /** A line that the cursor has left for good, as far as can be told before the next key. */
  get pending(): Answer | undefined {
    const line = this.#line
    const text = line?.left?.text.trim() ?? ''
    if (line === undefined || text === '' || line.isBack || text.includes('^C')) return undefined
    const pane = paneAround(this.#terminal, this.#borders)
    const { isSeveral } = line
    const goesOn = !isSamePane(pane, line.pane) || this.#isAbove(line) || this.#goesOn(line, pane)
    line.isSeveral = isSeveral
    return goesOn ? undefined : { text, us: line.left?.us, prompt: line.prompt }
  }

  /** Keys are about to act on what the screen shows now. */
  input(bytes: number, burst: number): void {
    if (this.#isAnswer(bytes)) return
    this.#burst = burst
    this.#settle()
    this.#look(bytes)
    this.#looks = 0
    this.#scrolled = 0
    this.#ahead = bytes
    this.#echoed = 0
    this.#echoRows = []
    this.#echoBytes = 0
    const line = this.#line
    if (line === undefined) return
    line.typed += bytes
    line.window = activeWindow(this.#terminal)
    line.hadInterrupt = line.text.includes('^C')
  }

  /** The cursor goes from row `y` to another, or what stands there is about to change its place. */
  leave(us: number, y: number, how: Leaving): void {
    const line = this.#line
    this.#us = us
    if (how === 'erase') {
      if (this.#x <= (line?.column ?? 0)) this.#see(line, y)
      return
    }
    const isPassing = this.#isHome && how !== 'feed' && this.#x === 0 && y === 0
    if (how !== 'shift') this.#isHome = how === 'region'
    const isOutput = this.#drawing === undefined && !isPassing && how !== 'shift'
    const isTyped = line === undefined && this.#elsewhere?.row === y
    if (isTyped && (how === 'feed' || (how === 'move' && isOutput))) this.#noteEarlyRow(y)
    else if (line === undefined && this.#early.length > 0 && isOutput && !isTyped) this.#readEarly(us, y)
    if (line === undefined || this.#isDrawing() || this.#looks >= maxLooks) return
    this.#looks++
    if (isPassing) {
      line.isBack = false
      return
    }
    const row = this.#rowOfPrompt(line, line.pane, y)
    const text = row === undefined ? '' : this.#textOf(line, line.pane, row, y)
    const { left } = line
    line.isBack = row !== undefined && this.#isSame(line, { row, text, y })
    if (row !== undefined && line.isBack) {
      line.left = { text, us, row, scrolled: this.#scrolled, how }
      line.next = undefined
    } else if (left !== undefined) {
      if (how === 'feed') line.next ??= rowOf(line.pane, y).text
      this.#readAhead(line, left, { us, y })
    }
  }

  /** Output that fills a pane at once may be written over the line, without the cursor leaving it first. */
  #see(line: Line | undefined, y: number): void {
    const row = line === undefined ? undefined : this.#rowOfPrompt(line, line.pane, y)
    if (line === undefined || row === undefined || row !== line.row) return
    line.seen = { text: this.#textOf(line, line.pane, row, y), us: this.#us }
  }

  /** A row shows behind a prompt what was typed before the prompt came: the shell has read it by itself. */
  #readEarly(us: number, y: number): void {
    const pane = paneAround(this.#terminal, this.#borders)
    const shown = rowOf(pane, y)
    const length = this.#prompts.find(shown.text)
    if (++this.#earlyRows > maxEarlyRows || this.#prompts.asksForSecret(shown.text)) this.#forgetEarly()
    if (length === undefined) return
    const column = columnAfter(shown, length, pane.right)
    const text = readRows(pane, { from: y, column, to: y, right: undefined })
    const at = this.#early.findIndex(
      early => text.startsWith(early) && text.length - early.length <= maxUnseen,
    )
    if (at < 0) return this.#passPrompts(shown.text, us)
    this.#early = this.#early.slice(at + 1)
    this.#unedited.forget()
    this.#answers.enter({ text, us, prompt: shown.text.slice(0, length) })
  }

  #forgetEarly(): void {
    this.#early = []
    this.#unedited.forget()
  }

  /** The shell asked here, once or more often, and had its answer already. */
  #passPrompts(row: string, us: number): void {
    for (const prompt of this.#prompts.chainIn(row)) this.#unedited.pass({ prompt, us })
  }

  /** Lines that the shell has read without showing them again. */
  #commitUnedited(): void {
    if (this.#terminal.modes.bracketedPasteMode) this.#unedited.forget() // a shell that edits lines has shown them
    for (const read of this.#unedited.take()) this.#answers.enter(read)
    this.#early = []
  }

  /** The shell has asked several times in one row, having read lines that show nothing: how far the last time is behind the first. */
  #passAgain(row: string): number {
    const chain = this.#unedited.isEmpty ? [] : this.#prompts.chainIn(row).slice(0, -1)
    for (const prompt of chain) this.#unedited.pass({ prompt, us: this.#us })
    return chain.join('').length
  }

  /** What was typed in a row where nothing asked for it. */
  #noteEarly(): void {
    if (this.#elsewhere?.row !== this.#y) this.#pushEarly(this.#elsewhere?.before ?? '')
  }

  /** The output leaves such a row. */
  #noteEarlyRow(y: number): void {
    this.#elsewhere = undefined
    this.#pushEarly(rowOf(paneAround(this.#terminal, this.#borders), y).text)
  }

  #pushEarly(row: string): void {
    if (row.trim() === '' || this.#early.length >= maxEarly || this.#prompts.find(row) !== undefined) return
    this.#early.push(row.trim())
    this.#unedited.note(row.trim())
    this.#earlyRows = 0
  }

  /** Whether this is still the line: where it stood, or above if it has been scrolled. */
  #isSame(line: Line, { row, text, y }: { row: number; text: string; y: number }): boolean {
    const { pane, prompt, left } = line
    if (left === undefined) return row >= line.row - this.#scrolled - rowsOf(line, text)
    if (line.isSeveral && y > line.y) return false
    const isMore = text.startsWith(left.text)
    const scrolled = this.#scrolled - left.scrolled
    if (row === left.row - scrolled)
      return isMore || text.includes('^C') || scrolled > 0 || (left.row > pane.top && y < pane.bottom)
    return isMore && row < left.row && !beginsWith(rowOf(pane, left.row).text, prompt)
  }

  /**
   * The whole screen is about to be erased and drawn anew: screen shows another window, or a shell clears its own. A line that the
   * cursor had left was entered; one that it stood in was not, and may be shown again.
   */
  wipe(): void {
    const line = this.#line
    this.#elsewhere = undefined
    this.#forgetEarly()
    if (line === undefined) return
    this.#line = undefined
    if (line.isBack || line.left === undefined) this.#wiped = line
    else this.#commit(line)
  }

  /** The terminal was asked for something: it answers by itself, as if somebody typed. */
  asked(): void {
    if (this.#questions < maxQuestions) this.#questions++
  }

  #isAnswer(bytes: number): boolean {
    const isAnswer = this.#questions > 0 && bytes >= minAnswerBytes
    this.#questions = isAnswer ? this.#questions - 1 : 0
    return isAnswer
  }

  /** The rows go up. */
  scroll(rows: number): void {
    this.#scrolled += rows
  }

  /** tmux hides the cursor while it draws more than a shell's own output. Only where that began was the cursor in a line. */
  cursor(isShown: boolean): void {
    if (!isShown && this.#drawing === undefined) this.#see(this.#line, this.#y)
    this.#drawing = isShown ? undefined : (this.#drawing ?? 'begun')
  }

  #isDrawing(): boolean {
    const isDrawing = this.#drawing === 'elsewhere'
    if (this.#drawing !== undefined) this.#drawing = 'elsewhere'
    return isDrawing
  }

  /** Where the terminal shows a paste before anything runs, what stands behind the prompts later is output. */
  #noteEcho(left: Left, shown: string): void {
    if (this.#ahead <= maxKeyBytes || left.text === '') return
    this.#echoed += Buffer.byteLength(shown.trimEnd()) + 1
    this.#echoRows.push(shown.trimEnd())
    if (Buffer.byteLength(left.text) + 1 + this.#echoed !== this.#ahead) return
    this.#echoBytes = this.#echoed
    this.#ahead = 0
    for (const row of this.#echoRows) this.#unedited.note(row)
  }

  /** What looked like the echo was output: a shell that edits lines shows one that was pasted with the first, as long as that. */
  #takeBackEcho(): void {
    this.#ahead = Buffer.byteLength(this.#line?.left?.text ?? '') + 1 + this.#echoBytes
    this.#echoBytes = 0
    this.#unedited.forget()
  }

  /** The multiplexer goes. Its last line was entered if the cursor has not come back to it. */
  end(): void {
    const line = this.#line
    if (line !== undefined && (!line.isBack || leavesShell.test(line.left?.text ?? ''))) this.#commit(line)
    else if (leavesShell.test(this.#wiped?.left?.text ?? '')) this.#commit(this.#wiped)
    this.#commitUnedited()
    this.#line = undefined
    this.#wiped = undefined
    this.#elsewhere = undefined
  }

  get #y(): number {
    return this.#terminal.buffer.alternate.cursorY
  }

  get #x(): number {
    return this.#terminal.buffer.alternate.cursorX
  }

  /** One paste of several lines: the shell shows the later ones behind prompts that nobody waited at. */
  #readAhead(line: Line, left: Left, { us, y }: { us: number; y: number }): void {
    const shown = rowOf(line.pane, y)
    const length = this.#prompts.find(shown.text)
    if (this.#prompts.asksForSecret(shown.text)) this.#forgetEarly()
    if (length === undefined) return this.#noteEcho(left, shown.text)
    const column = columnAfter(shown, length, line.pane.right)
    const next = { ...line, prompt: shown.text.slice(0, length), column }
    const text = this.#textOf(next, line.pane, y, y)
    if (Buffer.byteLength(text) + 1 === this.#echoBytes) this.#takeBackEcho()
    if (!this.#unedited.isEmpty) return this.#passPrompts(shown.text, us)
    if (this.#ahead <= maxKeyBytes || left.text === '') return
    const bytes = Buffer.byteLength(left.text) + 1
    if (text === '' || bytes + Buffer.byteLength(text) + 1 > this.#ahead) return
    this.#ahead -= bytes
    this.#commit(line)
    this.#line = {
      ...next,
      next: undefined,
      row: y,
      text: '',
      y,
      left: { text, us, row: y, scrolled: this.#scrolled, how: 'feed' },
    }
  }

  /** What became of the line that was typed before. */
  #settle(): void {
    const line = this.#line
    if (line === undefined) return
    const pane = paneAround(this.#terminal, this.#borders)
    const isHere = isSamePane(pane, line.pane)
    if (isReading.test(rowOf(line.pane, line.pane.top).text) || (isHere && this.#isAbove(line))) return
    if (isHere && this.#goesOn(line, pane)) {
      line.left = undefined
      return
    }
    this.#line = undefined
    if (line.left?.how === 'move' && activeWindow(this.#terminal) !== line.window) this.#wiped = line
    else if (isHere || !this.#isUntouched(line)) this.#commit(line) // in another pane, it may wait to be gone on with
  }

  /** The cursor is above the line, and that is as it was. */
  #isAbove(line: Line): boolean {
    return this.#y < line.row && this.#isUntouched(line)
  }

  #isUntouched(line: Line): boolean {
    const row = rowOf(line.pane, line.row)
    return (
      beginsWith(row.text, line.prompt) &&
      this.#textOf(line, line.pane, line.row, line.row) === (line.left?.text ?? line.text)
    )
  }

  #goesOn(line: Line, pane: Pane): boolean {
    if (searches.test(rowOf(pane, this.#y).text)) return true
    const row = this.#rowOfPrompt(line, pane, this.#y)
    if (row === undefined) return this.#isSeveral(line, pane)
    const { left } = line
    if (left === undefined) return row === line.row || this.#textOf(line, pane, row, this.#y) !== ''
    if (row === line.row && (left.text === '' || (row > pane.top && this.#y < pane.bottom))) return true
    const text = this.#textOf(line, pane, row, this.#y)
    if (this.#scrolled > 0 && row === line.row - this.#scrolled && text !== '') return true
    return text !== '' && (areAlike(left.text, text) || !this.#isShownAbove(line, left, pane, row))
  }

  /** fish sets no prompt before the later rows of a command that is not complete, and its editor stays at work. */
  #isSeveral(line: Line, pane: Pane): boolean {
    const first = line.left?.text ?? line.text
    const isEditing = this.#terminal.modes.bracketedPasteMode && this.#y > line.row && isOpen(first)
    const isAsked = this.#prompts.isPrompt(textBefore(rowOf(pane, this.#y), this.#x))
    line.isSeveral = isEditing && !isAsked
    return line.isSeveral
  }

  /** Whether the line that was left still stands above the one where the cursor is now: it was entered. */
  #isShownAbove(line: Line, left: Left, pane: Pane, below: number): boolean {
    const [first] = left.text.split('\n')
    for (let row = below - 1; row >= pane.top; row--) {
      const shown = rowOf(pane, row)
      if (beginsWith(shown.text, line.prompt) && left.text.startsWith(textFrom(shown, line.column).trimEnd()))
        return textFrom(shown, line.column).trim() !== '' || first === ''
    }
    return false
  }

  /** The line is over. */
  #commit(line: Line | undefined): void {
    if (line === undefined) return
    const text = this.#seenAgain(line) ?? line.left?.text ?? line.seen?.text
    if (text === undefined || text.trim() === '') return
    if (this.#burst === 1 && text.includes('^C') && !line.hadInterrupt) this.#answers.giveUp(line.prompt)
    else if (line.typed === 1 && line.text === '')
      return // Enter shows nothing: this is what the shell says at the end of its input
    else
      this.#answers.enter({ text, us: line.left?.us ?? line.seen?.us, prompt: line.prompt, next: line.next })
  }

  /** Where a redraw came before the echo of a paste: the lowest row that shows it. */
  #seenAgain(line: Line): string | undefined {
    const left = line.left?.text ?? ''
    if (this.#ahead <= maxKeyBytes) return undefined
    for (let row = this.#y; row >= line.pane.top; row--) {
      if (!beginsWith(rowOf(line.pane, row).text, line.prompt)) continue
      const text = this.#textOf(line, line.pane, row, this.#y)
      if (text === '') continue
      const isMore =
        text.startsWith(left) && Buffer.byteLength(text) < line.typed + Buffer.byteLength(line.text)
      return isMore ? text : undefined
    }
    return undefined
  }

  /** What the screen shows where the cursor stands: the line that goes on, a new one, or nothing that asks for a command. */
  #look(bytes: number): void {
    const pane = paneAround(this.#terminal, this.#borders)
    const line = this.#line
    if (line !== undefined) return this.#refresh(line, pane)
    const before = textBefore(rowOf(pane, this.#y), this.#x)
    this.#noteEarly()
    const isTyped = this.#isTyped(before, bytes)
    if (isTyped || before.trim() === '' || isReading.test(rowOf(pane, pane.top).text)) return
    this.#line = this.#begin(pane, before)
    if (this.#line !== undefined) this.#elsewhere = undefined
  }

  #refresh(line: Line, pane: Pane): void {
    const row = this.#isAbove(line) ? undefined : this.#rowOfPrompt(line, pane, this.#y)
    if (row !== undefined)
      this.#line = { ...line, pane, row, y: this.#y, text: this.#textOf(line, pane, row, this.#y) }
  }

  /** What stands here may be all that was typed before: no prompt, but something that looks like one. */
  #isTyped(before: string, bytes: number): boolean {
    const former = this.#elsewhere
    this.#elsewhere = { row: this.#y, before, typed: bytes }
    if (former?.row !== this.#y) return false
    const [short, long] =
      before.length < former.before.length ? [before, former.before] : [former.before, before]
    const grown = Buffer.byteLength(long) - Buffer.byteLength(short)
    if (!long.startsWith(short) || grown > former.typed) return false
    this.#elsewhere.typed += former.typed - grown
    return true
  }

  #begin(pane: Pane, before: string): Line | undefined {
    const row = rowOf(pane, this.#y)
    const wiped = this.#wiped?.prompt ?? ''
    this.#wiped = undefined
    const again = wiped !== '' && before.startsWith(wiped) ? wiped.length : undefined
    const known = this.#prompts.find(before) ?? again
    const prompt = known === undefined ? before : before.slice(0, known)
    if (!this.#prompts.isPrompt(prompt)) return undefined
    const times = this.#passAgain(before)
    this.#commitUnedited()
    const column = Math.min(columnAfter(row, times + prompt.length, pane.right), this.#x)
    const right = prompt.length === before.length ? rightOf(pane, row, this.#x) : undefined
    const text = before.slice(times + prompt.length)
    const begun = { pane, prompt, column, right, row: this.#y, y: this.#y, text, typed: 0 }
    return {
      ...begun,
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
  #rowOfPrompt({ prompt, column, isSeveral }: Line, pane: Pane, y: number): number | undefined {
    for (let row = y; row >= pane.top && row <= pane.bottom; row--) {
      const { text } = rowOf(pane, row)
      if (beginsWith(text, prompt)) return row
      const indent = text.search(/\S/) - (column - pane.left)
      const isSetIn = isSeveral || (column > pane.left && indent >= 0 && indent <= maxIndent)
      if (!isSetIn && lastFullRow(pane, row - 1, row) !== row) return undefined
    }
    return undefined
  }

  #textOf({ column, right }: Line, pane: Pane, from: number, y: number): string {
    const to = lastFullRow(pane, Math.max(from, Math.min(y, pane.bottom)), pane.bottom)
    return readRows(pane, { from, column, to, right })
  }
}

/** As many rows as a line may take: where it grew at the bottom of the screen, it began so many above. */
function rowsOf({ pane, column }: Line, text: string): number {
  return (
    Math.ceil((column + 2 * text.length) / Math.max(1, pane.right - pane.left)) + text.split('\n').length - 1
  )
}

function isSamePane(one: Pane, other: Pane): boolean {
  return (
    one.left === other.left &&
    one.right === other.right &&
    one.top === other.top &&
    one.bottom === other.bottom
  )
}

/** A line that goes on has not lost more than what a shell suggested. */
function areAlike(before: string, now: string): boolean {
  let same = 0
  while (same < now.length && now[same] === before[same]) same++
  return same > 0 && (same === before.length || same >= Math.max(minAlike, now.length / 2))
}
