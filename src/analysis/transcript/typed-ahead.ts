/** Lines that are remembered until a shell has read them; more are not read. */
const maxLines = 64

/** A prompt that passed without anybody typing at it. */
type Passed = { readonly prompt: string; readonly us: number }

/** Lines that were there when it passed: it was for one of these. */
type Reading = Passed & { readonly lines: number }

/** A line that a shell has read by itself. */
export type ReadAhead = { readonly text: string; readonly prompt: string; readonly us: number }

/**
 * Where a shell leaves editing to the terminal, lines typed ahead are shown when they are typed and not again behind the prompt:
 * what stands there is output. So prompts are counted that nobody typed at: for each, the shell has read one of these lines. If
 * there are fewer prompts than lines, programs have read the first.
 */
export class TypedAhead {
  #lines: string[] = []
  #passed: Reading[] = []

  get isEmpty(): boolean {
    return this.#lines.length === 0
  }

  note(line: string): void {
    if (this.#lines.length < maxLines) this.#lines.push(line)
  }

  pass(passed: Passed): void {
    const { length } = this.#lines
    if (this.#passed.length < length) this.#passed.push({ ...passed, lines: length })
  }

  forget(): void {
    this.#lines = []
    this.#passed = []
  }

  /** What the shell has read so far, each line once. */
  take(): ReadAhead[] {
    const read: ReadAhead[] = []
    let next = this.#lines.length
    for (const { lines, prompt, us } of this.#passed.toReversed()) {
      next = Math.min(next, lines) - 1
      const text = this.#lines[next]?.trim() ?? ''
      if (text !== '') read.unshift({ text, prompt, us })
    }
    this.forget()
    return read
  }
}
