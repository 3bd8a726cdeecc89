/** Rows that were just what was typed. `isFirstOutput`: the row before them was not. */
export type Echo = { readonly rows: readonly string[]; readonly isFirstOutput: boolean }

/**
 * Where a shell leaves editing to the terminal, keys that come together are shown before anything runs: then the rows behind the
 * first are as long as what was typed, to the byte.
 */
export class PasteEcho {
  #rows: string[] = []
  #bytes = 0
  #awaited = 0
  #first = 0
  #wasFound = false

  /** So many bytes more were typed than the line accounts for that was shown first, with `first` bytes; 0 if that is known to be typed. */
  await(bytes: number, first: number): void {
    this.forget()
    this.#awaited = bytes
    this.#first = first
  }

  forget(): void {
    this.#rows = []
    this.#bytes = 0
    this.#awaited = 0
    this.#first = 0
    this.#wasFound = false
  }

  /** Whether rows were taken for the echo since. */
  get wasFound(): boolean {
    return this.#wasFound
  }

  /** The next row; the echo once it is complete. */
  row(text: string): Echo | undefined {
    if (this.#awaited <= 0) return undefined
    const row = text.trimEnd()
    this.#rows.push(row)
    this.#bytes += Buffer.byteLength(row) + 1
    const isFirstOutput = this.#first > 0 && this.#bytes === this.#awaited + this.#first
    if (this.#bytes === this.#awaited || isFirstOutput) {
      const rows = this.#rows
      this.forget()
      this.#wasFound = true
      return { rows, isFirstOutput }
    }
    if (this.#bytes > this.#awaited + this.#first) this.forget()
    return undefined
  }
}
