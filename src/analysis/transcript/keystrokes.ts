/** What was typed: how many bytes, and never which. */
export class Keystrokes {
  #burst = 0
  #hasAnswered = false
  /** Bytes that no line accounts for yet: without any, nobody has entered anything. */
  #unread = 0

  /** Bytes typed since the last output. */
  get burst(): number {
    return this.#burst
  }

  get isAnyUnread(): boolean {
    return this.#unread > 0
  }

  press(bytes: number): void {
    this.#burst = this.#hasAnswered ? bytes : this.#burst + bytes
    this.#hasAnswered = false
  }

  /** There was output. */
  answer(): void {
    this.#hasAnswered = true
  }

  /** They were typed where lines are read. */
  await(bytes: number): void {
    this.#unread += bytes
  }

  /** An editor's line was read. */
  account(text: string): void {
    this.#unread = Math.max(0, this.#unread - Buffer.byteLength(text) - 1)
  }

  /** A line was entered for which so many bytes were typed. Gives those that came with it and that belong to the next. */
  leaveBehind(text: string, typed: number): number {
    this.#unread = Math.max(0, Math.min(this.#burst - 1, typed - Buffer.byteLength(text) - 1))
    return this.#unread
  }

  /** `^C` came with the last key, and with it the end of the line. Typed as text it takes two keys, and Enter. */
  areInterrupt(text: string, hadInterrupt: boolean): boolean {
    return this.#burst === 1 && text.includes('^C') && !hadInterrupt
  }
}
