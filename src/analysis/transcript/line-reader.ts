import type { IDisposable, IMarker } from '@xterm/headless'
import type { Size } from '../../recorder/choose-channel.ts'
import { park } from '../../recorder/park.ts'
import { newTerminal, type Terminal, write } from '../../recorder/terminal.ts'
import type { ScreenCommand } from './command.ts'
import { CommandQueue, type Draft } from './command-queue.ts'
import { EarlyLines } from './early-lines.ts'
import { type Mark, markOf } from './marks.ts'
import { asks, isMultiplexer, leavesRow, MouseSwitches, scrolls, wipes } from './multiplexer.ts'
import type { Borders } from './pane.ts'
import { PaneReader } from './pane-reader.ts'
import { beginsWith, directoryIn, isOpen, KnownPrompts } from './prompt.ts'
import {
  columnAfter,
  lastFullRow,
  readRows,
  type RightPrompt,
  rowOf,
  type Surface,
  textBefore,
  rightOf,
  wholeScreen,
} from './screen-line.ts'
import { widenEmoji } from './width.ts'

/** Rows that are kept after they scrolled off: a command that is longer is cut at its beginning. */
const scrollbackRows = 1000
/** How far below the cursor a command of several rows may end. */
const maxRowsBelow = 60
/** How far up the prompt of a line is looked for. */
const maxSearchRows = 400
/** A key sends no more bytes at once. */
const maxKeyBytes = 8

/** Where a line's text begins: behind its prompt. */
type Anchor = {
  readonly marker: IMarker
  readonly column: number
  readonly prompt: string
  readonly right: RightPrompt | undefined
}

/** A line that is being typed. */
type Line = Anchor & {
  /** Bytes typed since it began, and whether something stood there already. */
  typed: number
  readonly hadText: boolean
  /** `^C` stood in it when the last key was pressed: it is text. */
  hadInterrupt: boolean
  /** The terminal changed its size meanwhile. */
  wasResized: boolean
  /** The whole screen was erased meanwhile. */
  wasWiped: boolean
  /** Its beginning, typed and shown before the prompt came. */
  carry: string
  /** It takes several rows, though they are not full. */
  isSeveral: boolean
  /** Each key was shown before the next was pressed, as far as that is known. */
  isEchoed: boolean
  /** What stood there when the terminal became too narrow for it, and how many columns are left of that. */
  cut: { readonly shown: string; readonly columns: number; isKept: boolean } | undefined
  /** What stood there when the output moved to the next row: Enter, or a list of completions. */
  entered: Entered | undefined
}

type Entered = {
  readonly text: string
  readonly us: number
  /** `^C` came with the last key, and the end of the line with it. */
  readonly wasInterrupted: boolean
  /** One key brought text and the end of the line. */
  readonly wasOneKey: boolean
  /** The row behind it, once the output has filled one. */
  next: string | undefined
}

/** A line editor that is at work: between the switches of bracketed paste. */
type Editor = {
  readonly start: IMarker
  /** Where the prompt was there first (zsh): the end of it. Other shells show it after. */
  readonly anchor: Anchor | undefined
  /** It made the cursor keys send what applications want: still so at the end, the line was given up (zsh). */
  readonly hasSetKeys: boolean
}

/**
 * Reads commands off one terminal. It sees output, sizes and how many bytes were typed, never which. What decides is where in the
 * output something stands, not how it was cut: the emulator's own hooks drive it.
 */
export class LineReader {
  readonly #terminal: Terminal
  readonly #surface: Surface
  readonly #hooks: IDisposable[] = []
  readonly #prompts = new KnownPrompts()
  readonly #queue: CommandQueue
  #us = 0
  #line: Line | undefined
  #editor: Editor | undefined
  /** The cursor keys were switched to what applications want since the last editor went: screen leaves them so for ever. */
  #hasSetKeys = false
  /** Where a mark said that a line begins. */
  #marked: Anchor | undefined
  /** Bytes typed since the last output, and whether there was output since. */
  #burst = 0
  #hasAnswered = false
  /** Bytes typed that no line accounts for yet: without any, nobody has entered anything. */
  #unread = 0
  readonly #early = new EarlyLines(this.#prompts)
  /** The text at the right margin that was seen last. */
  #right: RightPrompt | undefined
  /** The next line feed still belongs to a line that was read. */
  #isLeaving = false
  /** No row has passed since an editor's line was entered. */
  #hasJustEnded = false
  readonly #mouse = new MouseSwitches()
  /** Inside tmux or screen. */
  #panes: PaneReader | undefined

  constructor(channel: number, size: Size, nonce: string | undefined) {
    this.#queue = new CommandQueue(channel, nonce)
    this.#terminal = newTerminal(size, scrollbackRows)
    this.#surface = wholeScreen(this.#terminal)
    widenEmoji(this.#terminal)
    const { parser } = this.#terminal
    this.#hooks.push(
      this.#terminal.onLineFeed(() => this.#lineFeed()),
      scrolls(this.#terminal, rows => this.#panes?.scroll(rows)),
      wipes(this.#terminal, () => this.#wipe()),
      ...asks(this.#terminal, () => this.#panes?.asked()),
      ...leavesRow(this.#terminal, (y, how) => this.#panes?.leave(this.#us, y, how)),
      parser.registerCsiHandler({ prefix: '?', final: 'h' }, params => this.#mode(params, true)),
      parser.registerCsiHandler({ prefix: '?', final: 'l' }, params => this.#mode(params, false)),
      ...[0, 2].map(code => parser.registerOscHandler(code, title => this.#titled(title))),
      ...[7, 133, 633].map(code => parser.registerOscHandler(code, data => this.#mark(code, data))),
    )
  }

  /** Commands that are complete, each told once. */
  get queue(): CommandQueue {
    return this.#queue
  }

  /** The command that was entered last, as far as it is known by now; also one that may still turn out to go on. */
  get running(): ScreenCommand | undefined {
    const last = this.#panes?.pending ?? this.#pending
    if (last === undefined) return this.#queue.running
    const { text, us, prompt } = last
    const read = this.#draftOf(text, us ?? this.#us, { prompt, hasEditor: false, wasResized: false }, false)
    return read?.draft === undefined ? this.#queue.running : this.#queue.preview(read.draft)
  }

  get #pending(): { readonly text: string; readonly us: number; readonly prompt: string } | undefined {
    const line = this.#line
    if (line?.entered === undefined || line.entered.wasInterrupted || line.entered.wasOneKey) return undefined
    const { text, us } = line.entered
    return this.#isShownAgain(line, text) ? undefined : { text, us, prompt: line.prompt }
  }

  output(us: number, data: Buffer): void {
    if (data.length === 0) return
    this.#us = us
    if (this.#line?.cut?.isKept === false) this.#line.cut = undefined // a shell draws it anew
    write(this.#terminal, data)
    this.#hasAnswered = true
  }

  input(us: number, bytes: number): void {
    this.#us = us
    this.#burst = this.#hasAnswered ? bytes : this.#burst + bytes
    this.#hasAnswered = false
    this.#panes?.input(bytes, this.#burst)
    if (this.#isFullScreen) return
    this.#unread += bytes
    this.#decideEntered()
    const isAnother = this.#isNowAtPrompt(this.#line) || this.#isNowElsewhere(this.#line)
    const line = isAnother ? this.#begin() : (this.#line ?? this.#begin())
    if (line.typed > 0 && line.prompt === '') line.isEchoed = this.#isShown(line)
    line.typed += bytes
    if (line.cut !== undefined) line.cut.isKept = true
    line.hadInterrupt = this.#showsInterrupt(line)
    this.#line = line
  }

  resize({ columns, rows }: Size): void {
    const line = this.#line
    if (line !== undefined) {
      line.wasResized = true
      if (columns < this.#terminal.cols && !this.#isFullScreen) this.#keepCut(line, columns)
    }
    this.#terminal.resize(columns, rows)
  }

  /** The emulator cuts off what a shell that edits lines would write anew; where the terminal alone edits, nobody does. */
  #keepCut(line: Line, columns: number): void {
    const row = rowOf(this.#surface, this.#row)
    const isOneRow = line.marker.line === this.#row && line.column < columns && this.#column >= columns
    if (!isOneRow || line.entered !== undefined || this.#editor !== undefined) return
    const shown = textBefore(row, this.#column).slice(textBefore(row, line.column).length)
    line.cut ??= { shown, columns: columns - 1 - line.column, isKept: false }
  }

  /** The recorder saw this line echoed as it was typed. */
  echoed(text: string): void {
    this.#queue.confirm(text)
  }

  /** Nobody uses it for now: its screens are put aside until somebody does. Gives the bytes that they take. */
  park(): number {
    return park(this.#terminal)
  }

  end(): void {
    this.#leavePanes()
    this.#commitEntered()
    this.#commitAhead()
    this.#queue.flush()
    for (const hook of this.#hooks) hook.dispose()
    this.#terminal.dispose()
  }

  get #isFullScreen(): boolean {
    return this.#terminal.buffer.active.type === 'alternate'
  }

  /** The cursor's row, counted from the first that is kept. */
  get #row(): number {
    const { normal } = this.#terminal.buffer
    return normal.baseY + normal.cursorY
  }

  get #column(): number {
    return this.#terminal.buffer.normal.cursorX
  }

  // Where lines begin.

  #here(column: number, prompt: string): Anchor | undefined {
    const marker = this.#terminal.registerMarker(0)
    if (marker === undefined) return undefined
    const row = rowOf(this.#surface, this.#row)
    const right = rightOf(this.#surface, row, this.#column)
    if (right !== undefined) this.#right = right
    return { marker, column, prompt, right }
  }

  /** Somebody begins to type where the cursor stands; what is left of it is the prompt, and what was typed before it was shown. */
  #begin(): Line {
    const row = rowOf(this.#surface, this.#row)
    const before = textBefore(row, this.#column)
    const behind = this.#behind(before)
    const from = behind?.at ?? 0
    const again = this.#early.passAgain(before.slice(from), this.#us)
    const known = again?.text.length ?? behind?.length ?? this.#prompts.find(before)
    const begin = from + (again?.at ?? 0)
    const prompt = known === undefined ? before : before.slice(begin, begin + known)
    const column = columnAfter(row, begin + prompt.length, this.#terminal.cols)
    if (known !== undefined || this.#prompts.askerOf(prompt, false).kind === 'shell') {
      this.#commitAhead()
      this.#early.forget()
    }
    this.#marked = undefined
    const anchor = this.#here(Math.min(column, this.#column), prompt) ?? noAnchor
    const text = before.slice(begin + prompt.length)
    return { ...this.#open(anchor, text !== ''), carry: this.#early.takeCarry(before.slice(0, from), text) }
  }

  /** The prompt behind keys that were pressed where nothing asked for them, in this row, and that the terminal showed. */
  #behind(before: string): { at: number; length: number } | undefined {
    const line = this.#line
    if (line === undefined || line.prompt !== '' || line.entered !== undefined) return undefined
    return this.#prompts.findBehind(before, line.typed)
  }

  /** Keys were pressed where nothing asked for a command, and now a shell does, in the same row: lines begin behind its prompt. */
  #isNowAtPrompt(line: Line | undefined): boolean {
    if (line === undefined || line.entered !== undefined) return false
    if (this.#prompts.askerOf(line.prompt, this.#editor !== undefined).kind !== 'nobody') return false
    const before = textBefore(rowOf(this.#surface, this.#row), this.#column)
    return (this.#prompts.find(before) ?? this.#behind(before)) !== undefined
  }

  /** The screen was erased and shows another prompt: screen without the alternate screen shows another of its windows. */
  #isNowElsewhere(line: Line | undefined): boolean {
    if (line === undefined || !line.wasWiped || line.entered !== undefined) return false
    const before = textBefore(rowOf(this.#surface, this.#row), this.#column)
    return !beginsWith(before, line.prompt) && this.#prompts.find(before) !== undefined
  }

  /** The terminal has shown what was typed so far, and nothing else. */
  #isShown({ column, typed }: Line): boolean {
    const row = rowOf(this.#surface, this.#row)
    const shown = textBefore(row, this.#column).slice(textBefore(row, column).length)
    return Buffer.byteLength(shown) === typed
  }

  #showsInterrupt(line: Line): boolean {
    const { normal } = this.#terminal.buffer
    const from = this.#lowestOf(line.marker, this.#row)
    let text = ''
    for (let row = from; row < normal.baseY + this.#terminal.rows; row++)
      text += normal.getLine(row)?.translateToString(true) ?? ''
    return text.includes('^C')
  }

  #open(anchor: Anchor, hadText: boolean): Line {
    return {
      ...anchor,
      typed: 0,
      hadText,
      hadInterrupt: false,
      wasResized: false,
      wasWiped: false,
      carry: '',
      isSeveral: false,
      isEchoed: false,
      cut: undefined,
      entered: undefined,
    }
  }

  #wipe(): void {
    this.#panes?.wipe()
    if (this.#line !== undefined) this.#line.wasWiped = true
  }

  // Other screens.

  #switchScreen(isOn: boolean): void {
    this.#leavePanes()
    if (isOn && !this.#isFullScreen) this.#commitEntered() // a program runs: it was Enter
    const command = this.#queue.running
    if (isOn && command?.program === undefined && isMultiplexer(command?.text ?? '')) this.#enterPanes('bars')
  }

  #enterPanes(borders: Borders): void {
    this.#panes ??= new PaneReader(this.#terminal, borders, this.#prompts, {
      enter: ({ text, us, prompt, next }) => {
        this.#offer(text, us ?? this.#us, { prompt, hasEditor: false, wasResized: false }, false)
        if (next !== undefined) this.#queue.followedBy(() => next)
      },
      giveUp: prompt => this.#giveUp(prompt),
    })
  }

  #leavePanes(): void {
    this.#panes?.end()
    this.#panes = undefined
  }

  // Lines between the switches of bracketed paste.

  #mode(params: readonly (number | number[])[], isOn: boolean): boolean {
    if (params.some(param => param === 1049 || param === 1047 || param === 47)) this.#switchScreen(isOn)
    else if (params.includes(25)) this.#panes?.cursor(isOn)
    else if (!isOn && this.#isFullScreen && this.#mouse.isOff(params[0])) this.#enterPanes('lines')
    if (params.includes(1) && isOn) this.#hasSetKeys = true
    if (!params.includes(2004) || this.#isFullScreen) return false
    if (isOn) this.#beginEditor()
    else this.#endEditor()
    return false
  }

  #beginEditor(): void {
    this.#commitEntered()
    this.#early.leaveToEditor()
    const start = this.#terminal.registerMarker(0)
    if (start === undefined) return
    const isPromptFirst = this.#column > 0 && this.#terminal.modes.applicationCursorKeysMode
    const prompt = textBefore(rowOf(this.#surface, this.#row), this.#column)
    this.#editor = {
      start,
      anchor: isPromptFirst ? this.#here(this.#column, prompt) : undefined,
      hasSetKeys: this.#hasSetKeys,
    }
    this.#line = undefined
    this.#marked = isPromptFirst ? this.#marked : undefined
  }

  #endEditor(): void {
    const editor = this.#editor
    const line = this.#line
    this.#editor = undefined
    this.#hasSetKeys = false
    this.#line = undefined
    const marked = this.#marked
    this.#marked = undefined
    if (editor === undefined) return
    this.#isLeaving = this.#column !== 0
    this.#hasJustEnded = true
    if (this.#isGivenUp(editor)) this.#giveUp(line?.prompt ?? editor.anchor?.prompt ?? '')
    else this.#readEdited(editor, line, marked)
    for (const anchor of [editor.start, editor.anchor?.marker, line?.marker]) anchor?.dispose()
  }

  /** Where Enter ends a line, bash and fish have gone to the next row before; zsh has reset the cursor keys. */
  #isGivenUp(editor: Editor): boolean {
    if (editor.anchor === undefined) return this.#column !== 0
    return editor.hasSetKeys && this.#terminal.modes.applicationCursorKeysMode
  }

  #readEdited(editor: Editor, line: Line | undefined, marked: Anchor | undefined): void {
    const isPromptFirst = editor.anchor !== undefined
    const to = isPromptFirst ? this.#row : this.#row - 1
    const anchor = marked ?? editor.anchor ?? (line?.prompt === '' && line.column === 0 ? undefined : line)
    const lowest = this.#lowestOf(editor.start, to)
    const place =
      this.#placeOf(anchor, lowest, to) ??
      this.#guessedPlace(Math.max(editor.start.line, 0), to) ??
      this.#placeOf(line, lowest, to)
    if (place === undefined || this.#unread === 0) return
    const last = isPromptFirst ? this.#lastRowOf(place, to) : to
    const text = readRows(this.#surface, { ...place, from: place.row, to: last })
    this.#unread = Math.max(0, this.#unread - Buffer.byteLength(text) - 1)
    if (line !== undefined && this.#isInterrupted(line, text)) return this.#giveUp(place.prompt)
    const how = { prompt: place.prompt, hasEditor: true, wasResized: line?.wasResized === true }
    this.#offer(text, this.#us, how, anchor === undefined)
  }

  /** `^C` came with the last key, and with it the end of the line. Typed as text it takes two keys, and Enter. */
  #isInterrupted(line: Line, text: string): boolean {
    return this.#burst === 1 && text.includes('^C') && !line.hadInterrupt
  }

  /** Rows that are full go on in the next. So do those of a command that is not complete, if the cursor stood above its end. */
  #lastRowOf(place: Place, to: number): number {
    const end = this.#terminal.buffer.normal.baseY + this.#terminal.rows - 1
    const bottom = Math.min(end, to + maxRowsBelow)
    const textTo = (last: number) => readRows(this.#surface, { ...place, from: place.row, to: last })
    let last = Math.max(to, lastFullRow(this.#surface, Math.max(place.row, to), bottom))
    while (last < bottom && rowOf(this.#surface, last + 1).text.trim() !== '' && isOpen(textTo(last)))
      last = lastFullRow(this.#surface, last + 1, bottom)
    return last
  }

  /** Nothing above where it began belongs to a line, unless the screen was cleared. */
  #lowestOf({ line }: IMarker, to: number): number {
    return line >= 0 && line <= to ? line : this.#terminal.buffer.normal.baseY
  }

  /** The lowest row that shows the anchor's prompt: screens are cleared and prompts drawn anew below lists of completions. */
  #placeOf(anchor: Anchor | undefined, lowest: number, to: number): Place | undefined {
    if (anchor === undefined) return undefined
    const { prompt, right } = anchor
    for (let row = to; row >= Math.max(0, lowest, to - maxSearchRows) && prompt.trim() !== ''; row--) {
      const shown = rowOf(this.#surface, row)
      if (beginsWith(shown.text, prompt))
        return { row, column: columnAfter(shown, prompt.length, this.#terminal.cols), prompt, right }
    }
    const { line } = anchor.marker
    return line < 0 || line > to ? undefined : { row: line, column: anchor.column, prompt, right }
  }

  /** Nobody waited at the prompt: the first row that begins like one that is known, or like any. */
  #guessedPlace(from: number, to: number): Place | undefined {
    for (const find of ['find', 'guess'] as const)
      for (let row = from; row <= to && row - from < maxSearchRows; row++) {
        const shown = rowOf(this.#surface, row)
        const length = this.#prompts[find](shown.text)
        if (length === undefined) continue
        const column = columnAfter(shown, length, this.#terminal.cols)
        return { row, column, prompt: shown.text.slice(0, length), right: this.#right }
      }
    return undefined
  }

  // Lines of shells that do not switch bracketed paste.

  /** The output moves to the next row. */
  #lineFeed(): void {
    if (this.#isFullScreen || this.#editor !== undefined) return
    this.#hasJustEnded = false
    const row = this.#row - 1
    const isLeaving = this.#isLeaving
    this.#isLeaving = false
    const line = this.#line
    if (line !== undefined && line.entered === undefined && !this.#isOvertaken(line, row))
      return this.#enter(line, row)
    if (line?.entered === undefined) {
      if (!isLeaving) this.#queue.followedBy(() => rowOf(this.#surface, row).text)
    } else line.entered.next ??= rowOf(this.#surface, row).text
    if (this.#early.isAny && !isLeaving) this.#readAhead(row)
  }

  /** Keys of a line that nobody asked for stand before the prompt of the shell, which reads what was typed before them. */
  #isOvertaken(line: Line, row: number): boolean {
    if (!this.#early.isAny || this.#prompts.askerOf(line.prompt, false).kind !== 'nobody') return false
    const { text } = rowOf(this.#surface, this.#startOf(row))
    const behind = this.#behind(text)
    if (behind === undefined && this.#prompts.find(text) === undefined) return false
    this.#line = undefined
    line.marker.dispose()
    this.#early.overtake(line.typed, behind === undefined ? undefined : text.slice(0, behind.at))
    return true
  }

  #enter(line: Line, row: number): void {
    const isCommand = this.#prompts.askerOf(line.prompt, false).kind !== 'nobody'
    const place = this.#placeOf(line, this.#lowestOf(line.marker, row), row)
    if (place === undefined) {
      this.#line = undefined
      return
    }
    const from = place.row
    const to = line.isSeveral ? row : lastFullRow(this.#surface, from, Math.max(from, row))
    const read = readRows(this.#surface, { from, column: place.column, to, right: line.right })
    const text = line.carry + (line.cut === undefined ? read : line.cut.shown + read.slice(line.cut.columns))
    if (!isCommand) {
      this.#line = undefined
      line.marker.dispose()
      return this.#early.note({ ...line, text })
    }
    line.entered = {
      text,
      us: this.#us,
      wasInterrupted: this.#isInterrupted(line, text),
      wasOneKey: line.typed === 1 && text !== '' && !line.hadText,
      next: undefined,
    }
    this.#unread = Math.max(0, Math.min(this.#burst - 1, line.typed - Buffer.byteLength(text) - 1))
    this.#early.enteredWith(this.#unread)
  }

  /** Lines that the shell has read without showing them again. */
  #commitAhead(): void {
    const read = this.#early.take()
    if (read.length > 0) this.#commitEntered()
    for (const { text, prompt, us } of read)
      this.#offer(text, us, { prompt, hasEditor: false, wasResized: false }, true)
  }

  /** Something was typed while the shell did not ask, and now a row begins with its prompt: the shell has read it by itself. */
  #readAhead(row: number): void {
    const from = this.#startOf(row)
    const shown = rowOf(this.#surface, from)
    const prompt = this.#early.promptIn(shown.text, this.#line?.prompt ?? '', this.#isOpen)
    if (prompt === undefined) return
    const column = columnAfter(shown, prompt.at + prompt.text.length, this.#terminal.cols)
    const text = readRows(this.#surface, { from, column, to: row, right: undefined })
    if (!this.#early.isShownAgain(text, shown.text.slice(prompt.at), this.#us)) return
    this.#commitEntered()
    this.#offer(text, this.#us, { prompt: prompt.text, hasEditor: false, wasResized: false }, true)
  }

  /** Whether the line that was entered last wants another. */
  get #isOpen(): boolean {
    const entered = this.#line?.entered
    return entered === undefined ? this.#queue.isOpen : isOpen(entered.text)
  }

  #startOf(row: number): number {
    let from = row
    while (
      from > 0 &&
      row - from < maxSearchRows &&
      this.#terminal.buffer.normal.getLine(from)?.isWrapped === true
    )
      from--
    return from
  }

  /** Now that somebody types again: was it Enter? Or does the same line go on, in its place or below a list of completions? */
  #decideEntered(): void {
    const line = this.#line
    if (line?.entered === undefined) return
    const goesOn = this.#goesOn(line, line.entered.text)
    if (goesOn === undefined) this.#commitEntered()
    else {
      line.marker.dispose()
      this.#line = { ...line, ...goesOn, entered: undefined }
      this.#early.forget()
    }
  }

  /** One key brought several rows of an older command, and nothing asks for more of it. */
  #isRecalled(line: Line, entered: string): boolean {
    const before = textBefore(rowOf(this.#surface, this.#row), this.#column)
    const isAsked = this.#prompts.askerOf(before, false).kind !== 'nobody'
    return (
      !isAsked && line.typed <= maxKeyBytes && isOpen(entered) && this.#prompts.find(before) === undefined
    )
  }

  /** The line stands behind its prompt where the cursor is. */
  #isShownAgain(line: Line, entered: string): boolean {
    const { text } = rowOf(this.#surface, this.#row)
    if (line.prompt.trim() === '' || !text.startsWith(line.prompt)) return false
    const rest = text.slice(line.prompt.length).trimEnd()
    const isSameRow = line.marker.line === this.#row && !line.wasWiped
    return (entered.trim() !== '' || isSameRow) && rest.startsWith(entered.trimEnd())
  }

  #goesOn(line: Line, entered: string): Partial<Line> | undefined {
    const row = this.#row
    if (this.#isShownAgain(line, entered)) return this.#here(line.column, line.prompt)
    if (line.prompt.trim() !== '' && rowOf(this.#surface, row).text.startsWith(line.prompt)) return undefined
    const from = line.marker.line
    if (from < 0 || row <= from || this.#column === 0) return undefined
    const isWithin = lastFullRow(this.#surface, from, row) === row
    if (!isWithin && this.#isRecalled(line, entered))
      return { marker: this.#terminal.registerMarker(from - row) ?? line.marker, isSeveral: true }
    return isWithin && rowOf(this.#surface, from).text.startsWith(line.prompt)
      ? { marker: this.#terminal.registerMarker(from - row) ?? line.marker }
      : undefined
  }

  #commitEntered(): void {
    const line = this.#line
    if (line?.entered === undefined) return
    this.#line = undefined
    line.marker.dispose()
    const { text, us, next } = line.entered
    if (line.entered.wasInterrupted) this.#giveUp(line.prompt)
    else if (line.entered.wasOneKey)
      return // Enter shows nothing: this is what the shell says at the end of its input
    else this.#offer(text, us, { prompt: line.prompt, hasEditor: false, wasResized: line.wasResized }, false)
    if (next !== undefined) this.#queue.followedBy(() => next)
  }

  // What was read.

  #giveUp(prompt: string): void {
    if (this.#prompts.continuesAs(prompt)) this.#queue.giveUp()
  }

  #offer(text: string, us: number, { prompt, hasEditor, wasResized }: How, isGuessed: boolean): void {
    const read = this.#draftOf(text, us, { prompt, hasEditor, wasResized }, isGuessed)
    if (read === undefined) return
    if (read.draft === undefined) return this.#queue.goOn(text, read.program)
    if (read.draft.program === undefined) this.#prompts.learn(prompt)
    this.#queue.add(read.draft)
  }

  /** What was entered at a prompt; without a draft where the last command goes on, and undefined where nothing asked for one. */
  #draftOf(
    text: string,
    us: number,
    { prompt, hasEditor, wasResized }: How,
    isGuessed: boolean,
  ): Read | undefined {
    const asker = this.#queue.askerAfter(this.#prompts.askerOf(prompt, hasEditor), prompt)
    if (asker.kind === 'nobody' || isHidden(text)) return undefined
    if (asker.kind === 'continuation') return { draft: undefined, program: asker.program }
    if (asker.kind === 'shell' && this.#prompts.continuesAs(prompt) && this.#queue.isOpen)
      return { draft: undefined, program: undefined }
    const doubt = (isGuessed ? 0.15 : 0) + (wasResized ? 0.15 : 0) + (hasEditor ? 0 : 0.05)
    const program = asker.kind === 'program' ? asker.program : undefined
    const draft: Draft = {
      us,
      text,
      program,
      directory: asker.kind === 'shell' ? directoryIn(prompt) : undefined,
      found: hasEditor ? 'editor' : 'prompt',
      sure: Math.max(0.1, (asker.kind === 'shell' ? asker.sure : 0.9) - doubt),
    }
    return { draft, program }
  }

  /** fish sets the title when it runs a command. */
  #titled(title: string): boolean {
    if (this.#hasJustEnded && !this.#isFullScreen) this.#queue.spell(title)
    this.#hasJustEnded = false
    return false
  }

  // Marks.

  #mark(code: number, data: string): boolean {
    const mark = this.#isFullScreen ? undefined : markOf(code, data)
    if (mark !== undefined) this.#take(mark)
    return true
  }

  /** fish tells the command before its editor ends. */
  #readBefore(): void {
    if (this.#editor === undefined) this.#commitEntered()
    else this.#endEditor()
  }

  #take(mark: Mark): void {
    if (mark.kind === 'line')
      this.#marked = this.#here(this.#column, textBefore(rowOf(this.#surface, this.#row), this.#column))
    else {
      if (mark.kind === 'command') this.#readBefore()
      this.#queue.mark(mark, this.#us)
    }
  }
}

/** At which prompt a line was read, and under which circumstances. */
type How = { readonly prompt: string; readonly hasEditor: boolean; readonly wasResized: boolean }
type Read = { readonly draft: Draft | undefined; readonly program: string | undefined }

type Place = {
  readonly row: number
  readonly column: number
  readonly prompt: string
  readonly right: RightPrompt | undefined
}

/** For a terminal that gives no markers: on its alternate screen, where nothing is read. */
const noAnchor: Anchor = {
  marker: { id: 0, isDisposed: true, line: -1, dispose: () => {}, onDispose: () => ({ dispose: () => {} }) },
  column: 0,
  prompt: '',
  right: undefined,
}

/** Stars and bullets stand for a secret. */
function isHidden(text: string): boolean {
  return /^[*●•·∙⬤]+$/u.test(text.trim())
}
