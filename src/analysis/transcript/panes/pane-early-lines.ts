import type { Answers } from '../answers.ts'
import type { Leaving } from './multiplexer.ts'
import type { Pane } from './pane.ts'
import type { KnownPrompts } from '../prompt.ts'
import { columnAfter, readRows, rowOf } from '../screen-line.ts'
import { TypedAhead } from '../typed-ahead.ts'

/** Lines typed ahead that are remembered, rows in which they are looked for, and last characters that came too late to be seen. */
const maxLines = 16
const maxRows = 500
const maxUnseen = 2

/** Somebody typed where nothing asked for a command. */
type Elsewhere = { readonly row: number; readonly before: string; typed: number }

/** Lines that were typed in a pane before the shell asked for them, told apart by what it shows later. */
export class PaneEarlyLines {
  readonly #pane: () => Pane
  readonly #prompts: KnownPrompts
  readonly #answers: Answers
  #elsewhere: Elsewhere | undefined
  /** Lines that were typed while nothing asked for them, and rows that have passed since. */
  #lines: string[] = []
  #rows = 0
  /** The same where shells leave editing to the terminal. */
  readonly #unedited = new TypedAhead()

  /** `pane` is asked for the one that the cursor is in. */
  constructor(pane: () => Pane, prompts: KnownPrompts, answers: Answers) {
    this.#pane = pane
    this.#prompts = prompts
    this.#answers = answers
  }

  get isAnyUnedited(): boolean {
    return !this.#unedited.isEmpty
  }

  /**
   * So many bytes are typed in row `y`, where `before` stands left of the cursor. Gives whether that may be all that was typed before:
   * no prompt, but something that looks like one.
   */
  press(y: number, before: string, bytes: number): boolean {
    const former = this.#elsewhere
    if (former?.row !== y) this.#note(former?.before ?? '')
    this.#elsewhere = { row: y, before, typed: bytes }
    if (former?.row !== y) return false
    const [short, long] =
      before.length < former.before.length ? [before, former.before] : [former.before, before]
    const grown = Buffer.byteLength(long) - Buffer.byteLength(short)
    if (!long.startsWith(short) || grown > former.typed) return false
    this.#elsewhere.typed += former.typed - grown
    return true
  }

  /** Something asks for a command where the cursor is, or the screen is another. */
  leaveElsewhere(): void {
    this.#elsewhere = undefined
  }

  /** The cursor leaves a row while nothing asks for a command. `isOutput`: not because the multiplexer draws. */
  leaveRow(us: number, y: number, how: Leaving, isOutput: boolean): void {
    if (this.#elsewhere?.row === y) {
      if (how === 'feed' || (how === 'move' && isOutput)) this.#noteRow(y)
    } else if (this.#lines.length > 0 && isOutput) this.#read(us, y)
  }

  /** Rows that were pasted and shown before anything ran. */
  noteEcho(rows: readonly string[]): void {
    for (const row of rows) this.#unedited.note(row)
  }

  /** They were not. */
  takeBackEcho(): void {
    this.#unedited.forget()
  }

  /** The shell asked in this row, once or more often, and had its answer already. */
  pass(row: string, us: number): void {
    for (const prompt of this.#prompts.chainIn(row)) this.#unedited.pass({ prompt, us })
  }

  /** The shell has asked several times in one row, having read lines that show nothing: how far the last time is behind the first. */
  passAgain(row: string, us: number): number {
    const chain = this.#unedited.isEmpty ? [] : this.#prompts.chainIn(row).slice(0, -1)
    for (const prompt of chain) this.#unedited.pass({ prompt, us })
    return chain.join('').length
  }

  /** Lines that the shell has read without showing them again. `isEdited`: it has an editor, and has shown them. */
  commit(isEdited: boolean): void {
    if (isEdited) this.#unedited.forget()
    for (const read of this.#unedited.take()) this.#answers.enter(read)
    this.#lines = []
  }

  forget(): void {
    this.#lines = []
    this.#unedited.forget()
  }

  /** A row shows behind a prompt what was typed before the prompt came: the shell has read it by itself. */
  #read(us: number, y: number): void {
    const pane = this.#pane()
    const shown = rowOf(pane, y)
    const length = this.#prompts.find(shown.text)
    if (++this.#rows > maxRows || this.#prompts.asksForSecret(shown.text)) this.forget()
    if (length === undefined) return
    const column = columnAfter(shown, length, pane.right)
    const text = readRows(pane, { from: y, column, to: y, right: undefined })
    const at = this.#lines.findIndex(line => text.startsWith(line) && text.length - line.length <= maxUnseen)
    if (at < 0) return this.pass(shown.text, us)
    this.#lines = this.#lines.slice(at + 1)
    this.#unedited.forget()
    this.#answers.enter({ text, us, prompt: shown.text.slice(0, length) })
  }

  /** The output leaves a row that was typed in. */
  #noteRow(y: number): void {
    this.#elsewhere = undefined
    this.#note(rowOf(this.#pane(), y).text)
  }

  #note(row: string): void {
    if (row.trim() === '' || this.#lines.length >= maxLines || this.#prompts.find(row) !== undefined) return
    this.#lines.push(row.trim())
    this.#unedited.note(row.trim())
    this.#rows = 0
  }
}
