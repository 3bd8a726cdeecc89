import type { Leaving } from './multiplexer.ts'

/**
 * Tells what a multiplexer draws by itself from the output of what runs in it: tmux hides the cursor while it draws more than
 * that. Only where that began was the cursor in a line.
 */
export class Redraw {
  /** The cursor is hidden: since nothing was drawn, or since something was. */
  #drawing: 'begun' | 'elsewhere' | undefined
  /** The cursor was sent to the corner by a new scroll region, not to write there. */
  #isHome = false

  get isAny(): boolean {
    return this.#drawing !== undefined
  }

  cursor(isShown: boolean): void {
    this.#drawing = isShown ? undefined : (this.#drawing ?? 'begun')
  }

  /** Whether something was drawn already. From now on it was. */
  goesOn(): boolean {
    const isDrawing = this.#drawing === 'elsewhere'
    if (this.#drawing !== undefined) this.#drawing = 'elsewhere'
    return isDrawing
  }

  /** Whether the cursor leaves a place to which a new scroll region had sent it. */
  passes(x: number, y: number, how: Leaving): boolean {
    const isPassing = this.#isHome && how !== 'feed' && x === 0 && y === 0
    if (how !== 'shift') this.#isHome = how === 'region'
    return isPassing
  }
}
