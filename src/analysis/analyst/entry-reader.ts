/**
 * Reads the events of a session as entries: commands, statements, files, forwards, and what screens showed. What comes out depends on the
 * events alone, never on when and in which pieces they were read.
 */
import type { Protocol } from '../../model.ts'
import type { EventRecord } from '../../recorder/event.ts'
import { CommandEntries } from './command-entries.ts'
import { FileEntries } from './file-entries.ts'
import { ScreenEntries } from './screen-entries.ts'
import { StatementEntries } from './statement-entries.ts'
import { TerminalBudget } from './terminal-budget.ts'
import { type Told, Teller } from './teller.ts'

export class EntryReader {
  readonly #teller = new Teller()
  readonly #commands: CommandEntries | undefined
  readonly #screens: ScreenEntries | undefined
  readonly #files: FileEntries | undefined
  readonly #statements: StatementEntries | undefined
  readonly #budget = new TerminalBudget()
  #us = 0

  constructor(protocol: Protocol) {
    if (protocol === 'postgres') this.#statements = new StatementEntries(this.#teller)
    else {
      this.#commands = new CommandEntries(this.#teller)
      this.#screens = new ScreenEntries(this.#teller)
      this.#files = new FileEntries(this.#teller)
    }
  }

  /** Cells of the terminals that are emulated. */
  get cells(): number {
    return this.#budget.cells
  }

  /**
   * Puts terminals aside that nobody writes to, at any instant: what it gives is the same. The next output wakes them up. Gives the bytes that they
   * take meanwhile.
   */
  park(): number {
    return (this.#commands?.park() ?? 0) + (this.#screens?.park() ?? 0)
  }

  /** What is not whole in what it gives, for people. */
  get problem(): string | undefined {
    if (this.#budget.hasRefused) return 'Some of its terminals were too large, or too many, to be read.'
    return this.#screens?.isPart === true
      ? 'More was shown on screens than is indexed of one session.'
      : undefined
  }

  take(record: EventRecord): Told[] {
    this.#us = record.us
    this.#teller.settle(record.us)
    this.#statements?.take(record)
    this.#files?.take(record)
    if (this.#budget.admits(record)) {
      this.#commands?.take(record)
      this.#screens?.take(record)
    } else this.#screens?.refuse(record)
    return this.#teller.take()
  }

  /** The session has come so far, and nothing happened in between. */
  settle(us: number): Told[] {
    this.#teller.settle(us)
    return this.#teller.take()
  }

  /** When there will be something to tell although nothing happens; in microseconds since the session's opening. */
  get nextUs(): number | undefined {
    return this.#teller.nextUs
  }

  /** No more events: what is left. */
  end(): Told[] {
    this.#statements?.end()
    this.#commands?.end()
    this.#screens?.end(this.#us)
    this.#teller.settle(Number.POSITIVE_INFINITY)
    return this.#teller.take()
  }
}
