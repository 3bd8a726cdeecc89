import { PasteEcho } from './paste-echo.ts'
import type { KnownPrompts } from './prompt.ts'
import { type ReadAhead, TypedAhead } from './typed-ahead.ts'

/** Rows in which a prompt is looked for that nobody waits at, after something was typed ahead. */
const maxRows = 5000
/** Lines typed ahead that are remembered until they are shown again. */
const maxLines = 64

/** What somebody typed where no prompt of a shell stood: as far as it goes, what it was typed behind, and whether it was shown key by key. */
export type Early = {
  readonly text: string
  readonly prompt: string
  readonly typed: number
  readonly isEchoed: boolean
}

/** Where a prompt stands in a row. */
export type Found = { readonly at: number; readonly text: string }

/**
 * Lines that were typed before the shell asked for them, told apart by what it shows later. One that edits lines itself shows them
 * again behind its prompt. One that leaves editing to the terminal does not: then prompts are counted.
 */
export class EarlyLines {
  readonly #prompts: KnownPrompts
  /** Bytes typed ahead: a prompt that nobody waits at is believed for so many. */
  #bytes = 0
  /** Rows that have passed since. */
  #rows = 0
  #lines: string[] = []
  readonly #echo = new PasteEcho()
  readonly #unedited = new TypedAhead()
  /** The shell shows such lines again: it edits them itself. */
  #showsAgain = false
  /** What was typed and shown before the prompt at which it will be gone on with. */
  #carry = ''

  constructor(prompts: KnownPrompts) {
    this.#prompts = prompts
  }

  get isAny(): boolean {
    return this.#bytes > 0
  }

  /** A line was entered at a prompt, and with it so many bytes more. */
  enteredWith(bytes: number): void {
    this.#bytes = bytes
    this.#lines = []
    this.#echo.await(bytes, 0)
    this.#unedited.forget()
  }

  /** A line ended that nobody asked for, or no shell: an answer to a program, or something typed ahead. */
  note({ text, prompt, typed, isEchoed }: Early): void {
    this.#bytes += typed
    const bytes = Buffer.byteLength(text)
    if (prompt === '' && isEchoed && bytes >= typed) {
      this.#carry = beginningOf(text, typed) // Enter is not among the keys: what stands behind them is output
      return
    }
    if (typed > bytes + 1) this.#echo.await(typed - bytes - 1, bytes + 1)
    this.#remember(text)
    if (prompt.trim() === '' && !this.#showsAgain) this.#unedited.note(text)
  }

  /** The prompt came behind keys that were pressed before it, in their row, or behind output. */
  overtake(typed: number, keys: string | undefined): void {
    this.#bytes += typed
    if (keys !== undefined) this.#carry = keys
  }

  /** Somebody types at a prompt now. */
  forget(): void {
    this.#bytes = 0
    this.#rows = 0
    this.#lines = []
    this.#echo.forget()
    this.#unedited.forget()
  }

  /** A line editor is at work: it shows what was typed before. */
  leaveToEditor(): void {
    this.#unedited.forget()
    this.#carry = ''
  }

  /** The beginning of the line at whose prompt somebody types now, as far as it was typed before; `keys` stand before the prompt, `shown` behind it. */
  takeCarry(keys: string, shown: string): string {
    const carry = this.#carry + keys
    this.#carry = ''
    return shown === '' && !this.#showsAgain ? carry : ''
  }

  /** The shell has asked several times in one row, having read lines that show nothing: the last prompt, and how far it is behind the first. */
  passAgain(row: string, us: number): Found | undefined {
    const chain = this.#unedited.isEmpty ? [] : this.#prompts.chainIn(row)
    const last = chain.pop()
    for (const prompt of chain) this.#unedited.pass({ prompt, us })
    return last === undefined ? undefined : { at: chain.join('').length, text: last }
  }

  /** Lines that the shell has read without showing them again, each told once. */
  take(): ReadAhead[] {
    return this.#unedited.take()
  }

  /**
   * The prompt with which a row of output begins, or that stands behind keys that were pressed before it came. `last` is the prompt at which a line
   * was entered last; `isOpen`: that wants another line.
   */
  promptIn(row: string, last: string, isOpen: boolean): Found | undefined {
    const asksForSecret = this.#prompts.asksForSecret(row)
    if (asksForSecret) this.#carry = ''
    if (asksForSecret || ++this.#rows > maxRows) this.forget()
    if (!this.isAny) return undefined
    const at = row.startsWith(this.#carry) ? this.#carry.length : 0
    const rest = row.slice(at)
    const known = last !== '' && rest.startsWith(last) ? last.length : this.#prompts.findAny(rest)
    const length = known === undefined && isOpen ? this.#prompts.chainIn(rest)[0]?.length : known
    if (length === undefined) this.#noteEcho(row)
    return length === undefined ? undefined : { at, text: rest.slice(0, length) }
  }

  /** Whether what stands behind that prompt is a line that was typed early. `row` begins with the prompt. */
  isShownAgain(text: string, row: string, us: number): boolean {
    const bytes = Buffer.byteLength(text) + 1
    const isInsteadOfEcho = this.#echo.wasFound && bytes === this.#bytes // as long as what looked like the echo of a paste
    const isShownAgain = this.#lines.includes(text.trim()) || isInsteadOfEcho
    const isRead = isShownAgain || (this.#lines.length === 0 && this.#unedited.isEmpty)
    if (!isShownAgain && !this.#unedited.isEmpty) this.#pass(row, us)
    if (!isRead || bytes > this.#bytes) return false
    this.#showsAgain = true
    this.leaveToEditor()
    this.#bytes -= bytes
    return true
  }

  /** The shell asked here, once or more often, and had its answer already. */
  #pass(row: string, us: number): void {
    for (const prompt of this.#prompts.chainIn(row)) this.#unedited.pass({ prompt, us })
  }

  #noteEcho(row: string): void {
    const echo = this.#showsAgain ? undefined : this.#echo.row(row)
    if (echo?.isFirstOutput === true) this.#unedited.forget()
    for (const line of echo?.rows ?? []) {
      this.#unedited.note(line)
      this.#remember(line)
    }
  }

  #remember(line: string): void {
    if (this.#lines.length < maxLines) this.#lines.push(line.trim())
  }
}

/** A text's beginning, so many bytes long. */
function beginningOf(text: string, bytes: number): string {
  return Buffer.from(text).subarray(0, bytes).toString()
}
