import { noAnchor } from './anchors.ts'
import type { Answer } from './answers.ts'
import { beginsWith, isOpen } from './prompt.ts'
import type { Reading } from './reading.ts'
import { columnAfter, lastFullRow, readRows } from './screen-line.ts'
import {
  isShownAgain,
  keepCut,
  newLine,
  notePress,
  reachesCursor,
  type TypedLine,
  wholeText,
} from './typed-line.ts'

/** A key sends no more bytes at once. */
const maxKeyBytes = 8

/** The prompt in the cursor's row: where it begins, and what was typed left of it before it came. */
type PromptHere = {
  readonly early: string
  readonly at: number
  readonly text: string
  readonly isKnown: boolean
}

/**
 * Lines as they are typed at prompts. Where no editor tells that one was entered, the first line feed after a key does: whether that
 * was Enter is decided at the next key.
 */
export class TypedLines {
  readonly #reading: Reading
  #line: TypedLine | undefined

  constructor(reading: Reading) {
    this.#reading = reading
  }

  /** A line that was entered, as far as can be told before the next key. */
  get pending(): Answer | undefined {
    const line = this.#line
    if (line?.entered === undefined || line.entered.wasInterrupted || line.entered.wasOneKey) return undefined
    const { text, us } = line.entered
    return isShownAgain(line, this.#reading.screen, text) ? undefined : { text, us, prompt: line.prompt }
  }

  /** Keys are about to act on what the screen shows. */
  press(bytes: number, hasEditor: boolean): void {
    this.#decide()
    const isAnother = this.#isNowAtPrompt(hasEditor) || this.#isNowElsewhere()
    const line = isAnother || this.#line === undefined ? this.#begin() : this.#line
    notePress(line, this.#reading.screen, bytes)
    this.#line = line
  }

  /** There is output: what the terminal has cut off and nobody has typed at since, a shell draws anew. */
  shown(): void {
    if (this.#line?.cut?.isKept === false) this.#line.cut = undefined
  }

  /** The output moves to the next row. `isRead`: what the row shows was read as a line already. */
  feed(isRead: boolean): void {
    const { screen, early, queue } = this.#reading
    const row = screen.row - 1
    const line = this.#line
    if (line !== undefined && line.entered === undefined && !this.#isOvertaken(line, row))
      return this.#enter(line, row)
    if (line?.entered !== undefined) line.entered.next ??= screen.rowAt(row).text
    else if (!isRead) queue.followedBy(() => screen.rowAt(row).text)
    if (early.isAny && !isRead) this.#readAhead(row)
  }

  /** The terminal is about to become so many columns wide. */
  resize(columns: number, hasEditor: boolean): void {
    const line = this.#line
    const { screen } = this.#reading
    if (line === undefined) return
    line.wasResized = true
    // A shell that edits lines writes anew what is cut off; where the terminal alone edits, nobody does.
    if (columns < screen.right && !screen.isAway && !hasEditor) keepCut(line, screen, columns)
  }

  /** The screen is about to be erased. */
  wipe(): void {
    if (this.#line !== undefined) this.#line.wasWiped = true
  }

  /** The line that is being typed is an editor's from now on. */
  take(): TypedLine | undefined {
    const line = this.#line
    this.#line = undefined
    return line
  }

  /** It was Enter that ended the last line, if one has ended. */
  commit(): void {
    const line = this.#line
    if (line?.entered === undefined) return
    this.#drop(line)
    const { answers } = this.#reading
    const { prompt, wasResized } = line
    const { text, us, next, wasInterrupted, wasOneKey } = line.entered
    if (wasInterrupted) {
      answers.giveUp(prompt)
      answers.followedBy(next)
    } else if (!wasOneKey) answers.enter({ text, us, prompt, wasResized, next })
    // else: Enter shows nothing, this is what the shell says at the end of its input
  }

  /** Lines that the shell has read without showing them again. */
  commitAhead(): void {
    const read = this.#reading.early.take()
    if (read.length > 0) this.commit()
    for (const line of read) this.#reading.answers.enter({ ...line, isGuessed: true })
  }

  #drop(line: TypedLine): void {
    this.#line = undefined
    line.marker.dispose()
  }

  // Where a line begins.

  /** Somebody begins to type where the cursor stands; what is left of it is the prompt, and what was typed before it was shown. */
  #begin(): TypedLine {
    const { screen, prompts, anchors, early } = this.#reading
    const row = screen.rowAt(screen.row)
    const { before } = screen
    const prompt = this.#promptIn(before)
    if (prompt.isKnown || prompts.askerOf(prompt.text, false).kind === 'shell') {
      this.commitAhead()
      early.forget()
    }
    anchors.takeMarked()
    const end = prompt.at + prompt.text.length
    const column = Math.min(columnAfter(row, end, screen.right), screen.column)
    const anchor = anchors.here(column, prompt.text) ?? noAnchor
    const shown = before.slice(end)
    return newLine(anchor, shown, early.takeCarry(prompt.early, shown))
  }

  #promptIn(before: string): PromptHere {
    const { screen, prompts, early } = this.#reading
    const behind = this.#behind(before)
    const from = behind?.at ?? 0
    const again = early.passAgain(before.slice(from), screen.us)
    const known = again?.text.length ?? behind?.length ?? prompts.find(before)
    const at = from + (again?.at ?? 0)
    const text = known === undefined ? before : before.slice(at, at + known)
    return { early: before.slice(0, from), at, text, isKnown: known !== undefined }
  }

  /** The prompt behind keys that were pressed where nothing asked for them, in this row, and that the terminal showed. */
  #behind(before: string): { at: number; length: number } | undefined {
    const line = this.#line
    if (line === undefined || line.prompt !== '' || line.entered !== undefined) return undefined
    return this.#reading.prompts.findBehind(before, line.typed)
  }

  /** Keys were pressed where nothing asked for a command, and now a shell does, in the same row: lines begin behind its prompt. */
  #isNowAtPrompt(hasEditor: boolean): boolean {
    const line = this.#line
    const { screen, prompts } = this.#reading
    if (line === undefined || line.entered !== undefined || prompts.isPrompt(line.prompt, hasEditor))
      return false
    const { before } = screen
    return (prompts.find(before) ?? this.#behind(before)) !== undefined
  }

  /** The screen was erased and shows another prompt: screen without the alternate screen shows another of its windows. */
  #isNowElsewhere(): boolean {
    const line = this.#line
    if (line === undefined || !line.wasWiped || line.entered !== undefined) return false
    const { before } = this.#reading.screen
    return !beginsWith(before, line.prompt) && this.#reading.prompts.find(before) !== undefined
  }

  // Where it ends.

  /** Keys of a line that nobody asked for stand before the prompt of the shell, which reads what was typed before them. */
  #isOvertaken(line: TypedLine, row: number): boolean {
    const { screen, prompts, early } = this.#reading
    if (!early.isAny || prompts.isPrompt(line.prompt)) return false
    const { text } = screen.rowAt(screen.startOf(row))
    const behind = this.#behind(text)
    if (behind === undefined && prompts.find(text) === undefined) return false
    this.#drop(line)
    early.overtake(line.typed, behind === undefined ? undefined : text.slice(0, behind.at))
    return true
  }

  #enter(line: TypedLine, row: number): void {
    const { screen, prompts, keys, early } = this.#reading
    const text = this.#textOf(line, row)
    if (text === undefined) {
      this.#line = undefined
      return
    }
    if (!prompts.isPrompt(line.prompt)) {
      this.#drop(line)
      return early.note({ ...line, text })
    }
    line.entered = {
      text,
      us: screen.us,
      wasInterrupted: keys.areInterrupt(text, line.hadInterrupt),
      wasOneKey: line.typed === 1 && text !== '' && !line.hadText,
      next: undefined,
    }
    early.enteredWith(keys.leaveBehind(text, line.typed))
  }

  /** What stands behind the line's prompt, down to a row. */
  #textOf(line: TypedLine, row: number): string | undefined {
    const { screen, anchors } = this.#reading
    const place = anchors.find(line, screen.lowestOf(line.marker, row), row)
    if (place === undefined) return undefined
    const { row: from, column } = place
    const to = line.isSeveral ? row : lastFullRow(screen, from, Math.max(from, row))
    return wholeText(line, readRows(screen, { from, column, to, right: line.right }))
  }

  /** Something was typed while the shell did not ask, and now a row begins with its prompt: the shell has read it by itself. */
  #readAhead(row: number): void {
    const { screen, early, answers } = this.#reading
    const from = screen.startOf(row)
    const shown = screen.rowAt(from)
    const prompt = early.promptIn(shown.text, this.#line?.prompt ?? '', this.#isOpen)
    if (prompt === undefined) return
    const column = columnAfter(shown, prompt.at + prompt.text.length, screen.right)
    const text = readRows(screen, { from, column, to: row, right: undefined })
    if (!early.isShownAgain(text, shown.text.slice(prompt.at), screen.us)) return
    this.commit()
    answers.enter({ text, prompt: prompt.text, isGuessed: true })
  }

  /** Whether the line that was entered last wants another. */
  get #isOpen(): boolean {
    const entered = this.#line?.entered
    return entered === undefined ? this.#reading.queue.isOpen : isOpen(entered.text)
  }

  // Whether it was Enter.

  /** Somebody types again: the last line was entered, or it goes on, in its place or below a list of completions. */
  #decide(): void {
    const line = this.#line
    if (line?.entered === undefined) return
    const goesOn = this.#goesOn(line, line.entered.text)
    if (goesOn === undefined) return this.commit()
    line.marker.dispose()
    this.#line = { ...line, ...goesOn, entered: undefined }
    this.#reading.early.forget()
  }

  /** What changes of a line that goes on. */
  #goesOn(line: TypedLine, entered: string): Partial<TypedLine> | undefined {
    const { screen, anchors } = this.#reading
    if (isShownAgain(line, screen, entered)) return anchors.here(line.column, line.prompt)
    const { prompt } = line
    if (prompt.trim() !== '' && screen.rowAt(screen.row).text.startsWith(prompt)) return undefined
    const reach = reachesCursor(line, screen)
    if (reach === 'several' && this.#isRecalled(line, entered))
      return { marker: this.#markerAgain(line), isSeveral: true }
    return reach === 'full' && screen.rowAt(line.marker.line).text.startsWith(prompt)
      ? { marker: this.#markerAgain(line) }
      : undefined
  }

  #markerAgain({ marker }: TypedLine): TypedLine['marker'] {
    const { screen } = this.#reading
    return screen.marker(marker.line - screen.row) ?? marker
  }

  /** One key brought several rows of an older command, and nothing asks for more of it. */
  #isRecalled(line: TypedLine, entered: string): boolean {
    const { screen, prompts } = this.#reading
    const { before } = screen
    const isAsked = prompts.isPrompt(before) || prompts.find(before) !== undefined
    return !isAsked && line.typed <= maxKeyBytes && isOpen(entered)
  }
}
