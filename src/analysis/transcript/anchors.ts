import type { IMarker } from '@xterm/headless'
import { beginsWith, type KnownPrompts } from './prompt.ts'
import { columnAfter, rightOf, type RightPrompt } from './screen-line.ts'
import { maxSearchRows, type ShellScreen } from './shell-screen.ts'

/** Where a line's text begins: behind its prompt. The marker goes with the row. */
export type Anchor = {
  readonly marker: IMarker
  readonly column: number
  readonly prompt: string
  readonly right: RightPrompt | undefined
}

/** The same as it is found on the screen. */
export type Place = Omit<Anchor, 'marker'> & { readonly row: number }

/** For a terminal that gives no markers: on its alternate screen, where nothing is read. */
export const noAnchor: Anchor = {
  marker: { id: 0, isDisposed: true, line: -1, dispose: () => {}, onDispose: () => ({ dispose: () => {} }) },
  column: 0,
  prompt: '',
  right: undefined,
}

/** Sets anchors where lines begin, and finds on the screen again what was anchored. */
export class Anchors {
  readonly #screen: ShellScreen
  readonly #prompts: KnownPrompts
  /** Where a mark said that a line begins. */
  #marked: Anchor | undefined
  /** The text at the right margin that was seen last. */
  #right: RightPrompt | undefined

  constructor(screen: ShellScreen, prompts: KnownPrompts) {
    this.#screen = screen
    this.#prompts = prompts
  }

  /** An anchor in the cursor's row. */
  here(column: number, prompt: string): Anchor | undefined {
    const screen = this.#screen
    const marker = screen.marker()
    if (marker === undefined) return undefined
    const right = rightOf(screen, screen.rowAt(screen.row), screen.column)
    if (right !== undefined) this.#right = right
    return { marker, column, prompt, right }
  }

  /** The same where all that stands left of the cursor is the prompt. */
  atCursor(): Anchor | undefined {
    return this.here(this.#screen.column, this.#screen.before)
  }

  /** A mark says that a line begins at the cursor. */
  mark(): void {
    this.#marked = this.atCursor()
  }

  /** What a mark said of the line that is read now. */
  takeMarked(): Anchor | undefined {
    const marked = this.#marked
    this.#marked = undefined
    return marked
  }

  /** The lowest row that shows the anchor's prompt: screens are cleared and prompts drawn anew below lists of completions. */
  find(anchor: Anchor | undefined, lowest: number, to: number): Place | undefined {
    if (anchor === undefined) return undefined
    const { prompt, right } = anchor
    for (let row = to; row >= Math.max(0, lowest, to - maxSearchRows) && prompt.trim() !== ''; row--) {
      const shown = this.#screen.rowAt(row)
      if (beginsWith(shown.text, prompt))
        return { row, column: columnAfter(shown, prompt.length, this.#screen.right), prompt, right }
    }
    const { line } = anchor.marker
    return line < 0 || line > to ? undefined : { row: line, column: anchor.column, prompt, right }
  }

  /** Nobody waited at the prompt: the first row that begins like one that is known, or like any. */
  guess(from: number, to: number): Place | undefined {
    for (const find of ['find', 'guess'] as const)
      for (let row = from; row <= to && row - from < maxSearchRows; row++) {
        const shown = this.#screen.rowAt(row)
        const length = this.#prompts[find](shown.text)
        if (length === undefined) continue
        const column = columnAfter(shown, length, this.#screen.right)
        return { row, column, prompt: shown.text.slice(0, length), right: this.#right }
      }
    return undefined
  }
}
