/** What the terminals of one session may take: a client may ask for many, each as large as a wall, and fill them. */
import { channelOf, type Size, sizeOf } from '../../recorder/choose-channel.ts'
import { carriesData, type EventRecord } from '../../recorder/event.ts'

/** Cells of all emulators of one session, of twelve bytes each: a dozen terminals as large as a screen, and all that has scrolled off. */
const maxCells = 2_500_000
/** Rows beyond the screen that the two emulators of a terminal hold: transcripts to read lines, and what was shown. */
const rowsBeyond = 1000 + 576

export class TerminalBudget {
  readonly #cells = new Map<number, number>()
  #spent = 0
  #hasRefused = false

  /** Cells of all terminals that are open. */
  get cells(): number {
    return this.#spent
  }

  /** Whether some terminal was not read. */
  get hasRefused(): boolean {
    return this.#hasRefused
  }

  /** False for a terminal, or a new size of one, that is more than there is room for: it is not read. */
  admits({ event }: EventRecord): boolean {
    if (carriesData(event)) return true
    const channel = channelOf(event)
    if (channel === undefined) return true
    if (event.type === 'channel-close') this.#spend(channel, 0)
    if (event.type === 'pty' && this.#cells.has(channel)) return true // only the first counts
    if (event.type === 'pty' || (event.type === 'resize' && this.#cells.has(channel)))
      return this.#reserve(channel, sizeOf(event.fields))
    return true
  }

  #reserve(channel: number, { columns, rows }: Size): boolean {
    // Twice the screen, since a full-screen program has another one.
    const cells = columns * (4 * rows + rowsBeyond)
    if (this.#spent - (this.#cells.get(channel) ?? 0) + cells > maxCells) {
      this.#hasRefused = true
      return false
    }
    this.#spend(channel, cells)
    return true
  }

  #spend(channel: number, cells: number): void {
    this.#spent += cells - (this.#cells.get(channel) ?? 0)
    if (cells === 0) this.#cells.delete(channel)
    else this.#cells.set(channel, cells)
  }
}
