import type { Terminal } from '../../../recorder/terminal.ts'
import type { Answer, Answers } from '../answers.ts'
import { activeWindow, type Leaving } from './multiplexer.ts'
import { type Borders, type Pane, paneAround } from './pane.ts'
import { PaneEarlyLines } from './pane-early-lines.ts'
import {
  areAlike,
  isSame,
  isShownAbove,
  isUntouched,
  type Left,
  newPaneLine,
  type PaneLine,
  rowOfPrompt,
  textOf,
} from './pane-line.ts'
import { PanePaste } from './pane-paste.ts'
import { beginsWith, isOpen, type KnownPrompts } from '../prompt.ts'
import { Redraw } from './redraw.ts'
import { columnAfter, rightOf, rowOf, textBefore } from '../screen-line.ts'

/** Between two keys the line is looked at so often when the cursor leaves it: what multiplexers redraw, and hostile output, may leave it for ever. */
const maxLooks = 32
/** Answers that a terminal may still owe, and the length of the shortest, longer than an arrow key. */
const maxQuestions = 8
const minAnswerBytes = 5
/** tmux may go before it shows that this was entered. */
const leavesShell = /^\s*(?:exit|logout)\b/
/** A shell asks for what to search in its history: bash in the line, zsh below it. */
const searches = /^(?:\((?:failed )?(?:reverse-|forward-)?i-search\)|(?:failing )?(?:bck|fwd)-i-search: )/
/** At the top of a pane, while somebody reads what scrolled off (tmux: copy mode). */
const isReading = /\[\d+\/\d+\]$/

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
  #line: PaneLine | undefined
  /** The line that was not yet entered when the screen was erased. */
  #wiped: PaneLine | undefined
  /** Bytes typed since there was output. */
  #burst = 0
  #looks = 0
  readonly #redraw = new Redraw()
  readonly #paste = new PanePaste()
  readonly #early: PaneEarlyLines
  #questions = 0
  #us = 0
  /** Rows by which the screen went up since the last key (CSI S). */
  #scrolled = 0

  constructor(terminal: Terminal, borders: Borders, prompts: KnownPrompts, answers: Answers) {
    this.#terminal = terminal
    this.#borders = borders
    this.#prompts = prompts
    this.#answers = answers
    this.#early = new PaneEarlyLines(() => this.#pane, prompts, answers)
  }

  /** A line that the cursor has left for good, as far as can be told before the next key. */
  get pending(): Answer | undefined {
    const line = this.#line
    const text = line?.left?.text.trim() ?? ''
    if (line === undefined || text === '' || line.isBack || text.includes('^C')) return undefined
    const pane = this.#pane
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
    this.#paste.press(bytes)
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
    const isPassing = this.#redraw.passes(this.#x, y, how)
    const isOutput = !this.#redraw.isAny && !isPassing && how !== 'shift'
    if (line === undefined) return this.#early.leaveRow(us, y, how, isOutput)
    if (this.#redraw.goesOn() || this.#looks >= maxLooks) return
    this.#looks++
    if (isPassing) line.isBack = false
    else this.#lookBack(line, y, how)
  }

  /**
   * The whole screen is about to be erased and drawn anew: screen shows another window, or a shell clears its own. A line that the
   * cursor had left was entered; one that it stood in was not, and may be shown again.
   */
  wipe(): void {
    const line = this.#line
    this.#early.leaveElsewhere()
    this.#early.forget()
    if (line === undefined) return
    this.#line = undefined
    if (line.isBack || line.left === undefined) this.#wiped = line
    else this.#commit(line)
  }

  /** The terminal was asked for something: it answers by itself, as if somebody typed. */
  asked(): void {
    if (this.#questions < maxQuestions) this.#questions++
  }

  /** The rows go up. */
  scroll(rows: number): void {
    this.#scrolled += rows
  }

  /** The cursor is shown or hidden. */
  cursor(isShown: boolean): void {
    if (!isShown && !this.#redraw.isAny) this.#see(this.#line, this.#y)
    this.#redraw.cursor(isShown)
  }

  /** The multiplexer goes. Its last line was entered if the cursor has not come back to it. */
  end(): void {
    const line = this.#line
    if (line !== undefined && (!line.isBack || leavesShell.test(line.left?.text ?? ''))) this.#commit(line)
    else if (leavesShell.test(this.#wiped?.left?.text ?? '')) this.#commit(this.#wiped)
    this.#early.commit(this.#terminal.modes.bracketedPasteMode)
    this.#early.leaveElsewhere()
    this.#line = undefined
    this.#wiped = undefined
  }

  /** The one that the cursor is in. */
  get #pane(): Pane {
    return paneAround(this.#terminal, this.#borders)
  }

  get #y(): number {
    return this.#terminal.buffer.alternate.cursorY
  }

  get #x(): number {
    return this.#terminal.buffer.alternate.cursorX
  }

  #isAnswer(bytes: number): boolean {
    const isAnswer = this.#questions > 0 && bytes >= minAnswerBytes
    this.#questions = isAnswer ? this.#questions - 1 : 0
    return isAnswer
  }

  /** The cursor leaves a row: of the line, or another, in which the shell may show more of what was pasted. */
  #lookBack(line: PaneLine, y: number, how: Leaving): void {
    const row = rowOfPrompt(line, line.pane, y)
    const text = row === undefined ? '' : textOf(line, line.pane, row, y)
    const { left } = line
    line.isBack = row !== undefined && isSame(line, { row, text, y }, this.#scrolled)
    if (row !== undefined && line.isBack) {
      line.left = { text, us: this.#us, row, scrolled: this.#scrolled, how }
      line.next = undefined
    } else if (left !== undefined) {
      if (how === 'feed') line.next ??= rowOf(line.pane, y).text
      this.#readAhead(line, left, y)
    }
  }

  /** Output that fills a pane at once may be written over the line, without the cursor leaving it first. */
  #see(line: PaneLine | undefined, y: number): void {
    const row = line === undefined ? undefined : rowOfPrompt(line, line.pane, y)
    if (line === undefined || row === undefined || row !== line.row) return
    line.seen = { text: textOf(line, line.pane, row, y), us: this.#us }
  }

  /** One paste of several lines: the shell shows the later ones behind prompts that nobody waited at. */
  #readAhead(line: PaneLine, left: Left, y: number): void {
    const shown = rowOf(line.pane, y)
    const length = this.#prompts.find(shown.text)
    if (this.#prompts.asksForSecret(shown.text)) this.#early.forget()
    if (length === undefined) return this.#early.noteEcho(this.#paste.row(left.text, shown.text))
    const column = columnAfter(shown, length, line.pane.right)
    const next = { ...line, prompt: shown.text.slice(0, length), column }
    const text = textOf(next, line.pane, y, y)
    if (this.#paste.takeBackEcho(left.text, text)) this.#early.takeBackEcho()
    if (this.#early.isAnyUnedited) return this.#early.pass(shown.text, this.#us)
    if (!this.#paste.goesOn(left.text, text)) return
    this.#commit(line)
    const entered: Left = { text, us: this.#us, row: y, scrolled: this.#scrolled, how: 'feed' }
    this.#line = { ...next, next: undefined, row: y, y, text: '', left: entered }
  }

  /** What became of the line that was typed before. */
  #settle(): void {
    const line = this.#line
    if (line === undefined) return
    const pane = this.#pane
    const isHere = isSamePane(pane, line.pane)
    if (isReading.test(rowOf(line.pane, line.pane.top).text) || (isHere && this.#isAbove(line))) return
    if (isHere && this.#goesOn(line, pane)) {
      line.left = undefined
      return
    }
    this.#line = undefined
    if (line.left?.how === 'move' && activeWindow(this.#terminal) !== line.window) this.#wiped = line
    else if (isHere || !isUntouched(line)) this.#commit(line) // in another pane, it may wait to be gone on with
  }

  /** The cursor is above the line, and that is as it was. */
  #isAbove(line: PaneLine): boolean {
    return this.#y < line.row && isUntouched(line)
  }

  #goesOn(line: PaneLine, pane: Pane): boolean {
    if (searches.test(rowOf(pane, this.#y).text)) return true
    const row = rowOfPrompt(line, pane, this.#y)
    if (row === undefined) return this.#isSeveral(line, pane)
    const { left } = line
    if (left === undefined) return row === line.row || textOf(line, pane, row, this.#y) !== ''
    if (row === line.row && (left.text === '' || (row > pane.top && this.#y < pane.bottom))) return true
    const text = textOf(line, pane, row, this.#y)
    if (this.#scrolled > 0 && row === line.row - this.#scrolled && text !== '') return true
    return text !== '' && (areAlike(left.text, text) || !isShownAbove(line, left, pane, row))
  }

  /** fish sets no prompt before the later rows of a command that is not complete, and its editor stays at work. */
  #isSeveral(line: PaneLine, pane: Pane): boolean {
    const first = line.left?.text ?? line.text
    const isEditing = this.#terminal.modes.bracketedPasteMode && this.#y > line.row && isOpen(first)
    const isAsked = this.#prompts.isPrompt(textBefore(rowOf(pane, this.#y), this.#x))
    line.isSeveral = isEditing && !isAsked
    return line.isSeveral
  }

  /** The line is over. */
  #commit(line: PaneLine | undefined): void {
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
  #seenAgain(line: PaneLine): string | undefined {
    const left = line.left?.text ?? ''
    if (!this.#paste.isAny) return undefined
    for (let row = this.#y; row >= line.pane.top; row--) {
      if (!beginsWith(rowOf(line.pane, row).text, line.prompt)) continue
      const text = textOf(line, line.pane, row, this.#y)
      if (text === '') continue
      const isMore =
        text.startsWith(left) && Buffer.byteLength(text) < line.typed + Buffer.byteLength(line.text)
      return isMore ? text : undefined
    }
    return undefined
  }

  /** What the screen shows where the cursor stands: the line that goes on, a new one, or nothing that asks for a command. */
  #look(bytes: number): void {
    const pane = this.#pane
    const line = this.#line
    if (line !== undefined) return this.#refresh(line, pane)
    const before = textBefore(rowOf(pane, this.#y), this.#x)
    const isTyped = this.#early.press(this.#y, before, bytes)
    if (isTyped || before.trim() === '' || isReading.test(rowOf(pane, pane.top).text)) return
    this.#line = this.#begin(pane, before)
    if (this.#line !== undefined) this.#early.leaveElsewhere()
  }

  #refresh(line: PaneLine, pane: Pane): void {
    const row = this.#isAbove(line) ? undefined : rowOfPrompt(line, pane, this.#y)
    if (row !== undefined)
      this.#line = { ...line, pane, row, y: this.#y, text: textOf(line, pane, row, this.#y) }
  }

  #begin(pane: Pane, before: string): PaneLine | undefined {
    const row = rowOf(pane, this.#y)
    const wiped = this.#wiped?.prompt ?? ''
    this.#wiped = undefined
    const again = wiped !== '' && before.startsWith(wiped) ? wiped.length : undefined
    const known = this.#prompts.find(before) ?? again
    const prompt = known === undefined ? before : before.slice(0, known)
    if (!this.#prompts.isPrompt(prompt)) return undefined
    const times = this.#early.passAgain(before, this.#us)
    this.#early.commit(this.#terminal.modes.bracketedPasteMode)
    const column = Math.min(columnAfter(row, times + prompt.length, pane.right), this.#x)
    const right = prompt.length === before.length ? rightOf(pane, row, this.#x) : undefined
    const text = before.slice(times + prompt.length)
    return newPaneLine({ pane, prompt, column, right, row: this.#y, text })
  }
}

function isSamePane(one: Pane, other: Pane): boolean {
  return (
    one.left === other.left &&
    one.right === other.right &&
    one.top === other.top &&
    one.bottom === other.bottom
  )
}
