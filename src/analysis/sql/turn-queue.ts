/** Texts that wait for the parser, in turns among those who ask: who asks for a thousand does not keep the others waiting. */

/** A turn is good for so many characters (UTF-16 units); a longer text has to wait for several. The longest is 32 turns. */
export const turnCharacters: number = 32 * 1024

type Text = { readonly text: string }
/** `turns`: those that its first text has waited for. */
type Line<Waiting> = { readonly texts: Waiting[]; turns: number }

export class TurnQueue<Waiting extends Text> {
  /** By who asks; the first one is next. */
  readonly #lines = new Map<string, Line<Waiting>>()
  #size = 0
  #characters = 0

  get size(): number {
    return this.#size
  }

  /** UTF-16 units of all texts. */
  get characters(): number {
    return this.#characters
  }

  /** How many wait of those that this one has asked for. */
  sizeOf(asker: string): number {
    return this.#lines.get(asker)?.texts.length ?? 0
  }

  push(asker: string, waiting: Waiting): void {
    this.#size++
    this.#characters += waiting.text.length
    const line = this.#lines.get(asker)
    if (line === undefined) this.#lines.set(asker, { texts: [waiting], turns: 0 })
    else line.texts.push(waiting)
  }

  /** The one whose turn it is. */
  shift(): Waiting | undefined {
    for (;;) {
      const [first] = this.#lines
      if (first === undefined) return undefined
      const [asker, line] = first
      const waiting = this.#turn(line)
      this.#lines.delete(asker)
      if (line.texts.length > 0) this.#lines.set(asker, line)
      if (waiting !== undefined) return this.#took(waiting)
    }
  }

  #turn(line: Line<Waiting>): Waiting | undefined {
    const [waiting] = line.texts
    line.turns++
    if (waiting !== undefined && waiting.text.length > line.turns * turnCharacters) return undefined
    line.turns = 0
    return line.texts.shift()
  }

  #took(waiting: Waiting): Waiting {
    this.#size--
    this.#characters -= waiting.text.length
    return waiting
  }

  /** Whether it was there. */
  remove(asker: string, waiting: Waiting): boolean {
    const line = this.#lines.get(asker)
    const at = line?.texts.indexOf(waiting) ?? -1
    if (line === undefined || at === -1) return false
    line.texts.splice(at, 1)
    if (line.texts.length === 0) this.#lines.delete(asker)
    this.#took(waiting)
    return true
  }

  /** All that wait, in no order; nothing does any more. */
  clear(): readonly Waiting[] {
    const all = [...this.#lines.values()].flatMap(line => line.texts)
    this.#lines.clear()
    this.#size = 0
    this.#characters = 0
    return all
  }
}
