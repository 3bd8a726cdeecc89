/** A key sends no more bytes at once; what does is a paste, or the terminal's answer to a question. */
const maxKeyBytes = 8

/** What came at once with the last key in a pane, and how much of it the screen has shown. */
export class PanePaste {
  /** Bytes, as far as no line accounts for them. */
  #bytes = 0
  /** Rows behind a line that was left, and their bytes. */
  #rows: string[] = []
  #rowBytes = 0
  /** Bytes in rows that were taken for the echo of a paste. */
  #echoBytes = 0

  press(bytes: number): void {
    this.#bytes = bytes
    this.#rows = []
    this.#rowBytes = 0
    this.#echoBytes = 0
  }

  /** It may be more than a key. */
  get isAny(): boolean {
    return this.#bytes > maxKeyBytes
  }

  /**
   * A row behind a line. Where the terminal shows a paste before anything runs, what stands behind the prompts later is output:
   * gives all rows once they are what was pasted, to the byte.
   */
  row(line: string, row: string): readonly string[] {
    if (!this.isAny || line === '') return []
    const shown = row.trimEnd()
    this.#rowBytes += Buffer.byteLength(shown) + 1
    this.#rows.push(shown)
    if (Buffer.byteLength(line) + 1 + this.#rowBytes !== this.#bytes) return []
    this.#echoBytes = this.#rowBytes
    this.#bytes = 0
    return this.#rows
  }

  /** What looked like the echo was output: a shell that edits lines shows one that was pasted with the first, as long as that. */
  takeBackEcho(line: string, text: string): boolean {
    if (Buffer.byteLength(text) + 1 !== this.#echoBytes) return false
    this.#bytes = Buffer.byteLength(line) + 1 + this.#echoBytes
    this.#echoBytes = 0
    return true
  }

  /** Whether it went on behind a line with a text that a prompt shows now. */
  goesOn(line: string, text: string): boolean {
    if (!this.isAny || line === '' || text === '') return false
    const bytes = Buffer.byteLength(line) + 1
    if (bytes + Buffer.byteLength(text) + 1 > this.#bytes) return false
    this.#bytes -= bytes
    return true
  }
}
