import type { IMarker } from '@xterm/headless'
import type { Anchor, Place } from './anchors.ts'
import { isOpen } from './prompt.ts'
import type { Reading } from './reading.ts'
import { lastFullRow, readRows } from './screen-line.ts'
import type { TypedLine } from './typed-line.ts'
import type { TypedLines } from './typed-lines.ts'

/** How far below the cursor a command of several rows may end. */
const maxRowsBelow = 60

/** A line editor that is at work: between the switches of bracketed paste. */
type Editor = {
  readonly start: IMarker
  /** Where the prompt was there first (zsh): the end of it. Other shells show it after. */
  readonly anchor: Anchor | undefined
  /** It made the cursor keys send what applications want: still so at the end, the line was given up (zsh). */
  readonly hasSetKeys: boolean
}

/** Lines of shells that edit them: they switch bracketed paste on when they begin to read one, and off when it was entered. */
export class EditedLines {
  readonly #reading: Reading
  readonly #lines: TypedLines
  #editor: Editor | undefined
  /** The cursor keys were switched to what applications want since the last editor went: screen leaves them so for ever. */
  #hasSetKeys = false
  /** The next line feed still belongs to a line that was read. */
  #isLeaving = false
  /** No row has passed since a line was entered. */
  #hasJustEnded = false

  constructor(reading: Reading, lines: TypedLines) {
    this.#reading = reading
    this.#lines = lines
  }

  get isAtWork(): boolean {
    return this.#editor !== undefined
  }

  /** The cursor keys are switched to what applications want. */
  setKeys(): void {
    this.#hasSetKeys = true
  }

  begin(): void {
    const { screen, early, anchors } = this.#reading
    this.#lines.commit()
    early.leaveToEditor()
    const start = screen.marker()
    if (start === undefined) return
    const isPromptFirst = screen.column > 0 && screen.hasApplicationKeys
    const anchor = isPromptFirst ? anchors.atCursor() : undefined
    this.#editor = { start, anchor, hasSetKeys: this.#hasSetKeys }
    this.#lines.take()
    if (!isPromptFirst) anchors.takeMarked()
  }

  end(): void {
    const { screen, anchors, answers } = this.#reading
    const editor = this.#editor
    const line = this.#lines.take()
    const marked = anchors.takeMarked()
    this.#editor = undefined
    this.#hasSetKeys = false
    if (editor === undefined) return
    this.#isLeaving = screen.column !== 0
    this.#hasJustEnded = true
    if (this.#isGivenUp(editor)) answers.giveUp(line?.prompt ?? editor.anchor?.prompt ?? '')
    else this.#read(editor, line, marked)
    for (const anchor of [editor.start, editor.anchor?.marker, line?.marker]) anchor?.dispose()
  }

  /** The output moves to the next row. Gives whether that belongs to a line that was read. */
  passRow(): boolean {
    const isLeaving = this.#isLeaving
    this.#isLeaving = false
    this.#hasJustEnded = false
    return isLeaving
  }

  /** The title of the terminal is set: fish does so when it runs a command. */
  titled(title: string): void {
    const { screen, queue } = this.#reading
    if (this.#hasJustEnded && !screen.isAway) queue.spell(title)
    this.#hasJustEnded = false
  }

  /** Where Enter ends a line, bash and fish have gone to the next row before; zsh has reset the cursor keys. */
  #isGivenUp({ anchor, hasSetKeys }: Editor): boolean {
    const { screen } = this.#reading
    return anchor === undefined ? screen.column !== 0 : hasSetKeys && screen.hasApplicationKeys
  }

  #read(editor: Editor, line: TypedLine | undefined, marked: Anchor | undefined): void {
    const { screen, keys, answers } = this.#reading
    const isPromptFirst = editor.anchor !== undefined
    const to = isPromptFirst ? screen.row : screen.row - 1
    const anchor = marked ?? editor.anchor ?? (line?.prompt === '' && line.column === 0 ? undefined : line)
    const place = this.#placeOf(editor, anchor, line, to)
    if (place === undefined || !keys.isAnyUnread) return
    const last = isPromptFirst ? this.#lastRowOf(place, to) : to
    const text = readRows(screen, { ...place, from: place.row, to: last })
    keys.account(text)
    const { prompt } = place
    if (line !== undefined && keys.areInterrupt(text, line.hadInterrupt)) return answers.giveUp(prompt)
    const wasResized = line?.wasResized === true
    answers.enter({ text, prompt, hasEditor: true, wasResized, isGuessed: anchor === undefined })
  }

  #placeOf(
    { start }: Editor,
    anchor: Anchor | undefined,
    line: TypedLine | undefined,
    to: number,
  ): Place | undefined {
    const { screen, anchors } = this.#reading
    const lowest = screen.lowestOf(start, to)
    return (
      anchors.find(anchor, lowest, to) ??
      anchors.guess(Math.max(start.line, 0), to) ??
      anchors.find(line, lowest, to)
    )
  }

  /** Rows that are full go on in the next. So do those of a command that is not complete, if the cursor stood above its end. */
  #lastRowOf(place: Place, to: number): number {
    const { screen } = this.#reading
    const bottom = Math.min(screen.bottom, to + maxRowsBelow)
    const isOpenAt = (last: number) => isOpen(readRows(screen, { ...place, from: place.row, to: last }))
    let last = Math.max(to, lastFullRow(screen, Math.max(place.row, to), bottom))
    while (last < bottom && screen.rowAt(last + 1).text.trim() !== '' && isOpenAt(last))
      last = lastFullRow(screen, last + 1, bottom)
    return last
  }
}
