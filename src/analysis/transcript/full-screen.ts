import type { IDisposable } from '@xterm/headless'
import type { Terminal } from '../../recorder/terminal.ts'
import type { Answer } from './answers.ts'
import { asks, isMultiplexer, leavesRow, MouseSwitches, scrolls } from './panes/multiplexer.ts'
import type { Borders } from './panes/pane.ts'
import { PaneReader } from './panes/pane-reader.ts'
import type { Reading } from './reading.ts'

/** The alternate screen. It is read where a multiplexer shows shells on it, and only there. */
export class FullScreen {
  readonly #terminal: Terminal
  readonly #reading: Reading
  readonly #mouse = new MouseSwitches()
  /** Inside tmux or screen. */
  #panes: PaneReader | undefined

  constructor(terminal: Terminal, reading: Reading) {
    this.#terminal = terminal
    this.#reading = reading
  }

  get pending(): Answer | undefined {
    return this.#panes?.pending
  }

  /** What drives the reading. */
  hooks(): IDisposable[] {
    return [
      scrolls(this.#terminal, rows => this.#panes?.scroll(rows)),
      ...asks(this.#terminal, () => this.#panes?.asked()),
      ...leavesRow(this.#terminal, (y, how) => this.#panes?.leave(this.#reading.screen.us, y, how)),
    ]
  }

  press(bytes: number): void {
    this.#panes?.input(bytes, this.#reading.keys.burst)
  }

  wipe(): void {
    this.#panes?.wipe()
  }

  /** The cursor is shown or hidden. */
  cursor(isShown: boolean): void {
    this.#panes?.cursor(isShown)
  }

  /** A private mode is switched off: tmux is known by those that it switches. */
  switchOff(mode: number | number[] | undefined): void {
    if (this.#reading.screen.isAway && this.#mouse.isOff(mode)) this.#enter('lines')
  }

  /** A program is about to take the screen. */
  begin(): void {
    const { running } = this.#reading.queue
    if (running?.program === undefined && isMultiplexer(running?.text ?? '')) this.#enter('bars')
  }

  end(): void {
    this.#panes?.end()
    this.#panes = undefined
  }

  #enter(borders: Borders): void {
    const { prompts, answers } = this.#reading
    this.#panes ??= new PaneReader(this.#terminal, borders, prompts, answers)
  }
}
