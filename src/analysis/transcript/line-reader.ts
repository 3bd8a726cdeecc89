import type { IDisposable } from '@xterm/headless'
import type { Size } from '../../recorder/choose-channel.ts'
import { park } from '../../recorder/park.ts'
import { newTerminal, type Terminal, write } from '../../recorder/terminal.ts'
import type { ScreenCommand } from './command.ts'
import { CommandQueue } from './command-queue.ts'
import { EditedLines } from './edited-lines.ts'
import { FullScreen } from './full-screen.ts'
import { markOf } from './marks.ts'
import { wipes } from './panes/multiplexer.ts'
import { Reading } from './reading.ts'
import { TypedLines } from './typed-lines.ts'
import { widenEmoji } from './width.ts'

/** Rows that are kept after they scrolled off: a command that is longer is cut at its beginning. */
const scrollbackRows = 1000
/** Private modes: cursor keys as applications want them, the cursor, the other screen (three ages of it), bracketed paste. */
const cursorKeys = 1
const cursor = 25
const otherScreen: readonly (number | number[])[] = [47, 1047, 1049]
const bracketedPaste = 2004

type Modes = readonly (number | number[])[]

/**
 * Reads commands off one terminal. It sees output, sizes and how many bytes were typed, never which. What decides is where in the
 * output something stands, not how it was cut: the emulator's own hooks drive it. Lines are read in three ways: as editors switch
 * (`EditedLines`), by line feeds (`TypedLines`), and inside multiplexers (`FullScreen`).
 */
export class LineReader {
  /** Commands that are complete, each told once. */
  readonly queue: CommandQueue
  readonly #terminal: Terminal
  readonly #hooks: IDisposable[]
  readonly #reading: Reading
  readonly #lines: TypedLines
  readonly #editors: EditedLines
  readonly #fullScreen: FullScreen

  constructor(channel: number, size: Size, nonce: string | undefined) {
    this.queue = new CommandQueue(channel, nonce)
    this.#terminal = newTerminal(size, scrollbackRows)
    widenEmoji(this.#terminal)
    this.#reading = new Reading(this.#terminal, this.queue)
    this.#lines = new TypedLines(this.#reading)
    this.#editors = new EditedLines(this.#reading, this.#lines)
    this.#fullScreen = new FullScreen(this.#terminal, this.#reading)
    this.#hooks = this.#hook()
  }

  #hook(): IDisposable[] {
    const { parser } = this.#terminal
    return [
      this.#terminal.onLineFeed(() => this.#feed()),
      ...this.#fullScreen.hooks(),
      wipes(this.#terminal, () => this.#wipe()),
      parser.registerCsiHandler({ prefix: '?', final: 'h' }, modes => (this.#switchOn(modes), false)),
      parser.registerCsiHandler({ prefix: '?', final: 'l' }, modes => (this.#switchOff(modes), false)),
      ...[0, 2].map(code => parser.registerOscHandler(code, title => (this.#editors.titled(title), false))),
      ...[7, 133, 633].map(code => parser.registerOscHandler(code, data => (this.#mark(code, data), true))),
    ]
  }

  /** The command that was entered last, as far as it is known by now; also one that may still turn out to go on. */
  get running(): ScreenCommand | undefined {
    return this.#reading.answers.running(this.#fullScreen.pending ?? this.#lines.pending)
  }

  output(us: number, data: Buffer): void {
    if (data.length === 0) return
    this.#reading.screen.us = us
    this.#lines.shown()
    write(this.#terminal, data)
    this.#reading.keys.answer()
  }

  input(us: number, bytes: number): void {
    const { screen, keys } = this.#reading
    screen.us = us
    keys.press(bytes)
    this.#fullScreen.press(bytes)
    if (screen.isAway) return
    keys.await(bytes)
    this.#lines.press(bytes, this.#editors.isAtWork)
  }

  resize({ columns, rows }: Size): void {
    this.#lines.resize(columns, this.#editors.isAtWork)
    this.#terminal.resize(columns, rows)
  }

  /** The recorder saw this line echoed as it was typed. */
  echoed(text: string): void {
    this.queue.confirm(text)
  }

  /** Nobody uses it for now: its screens are put aside until somebody does. Gives the bytes that they take. */
  park(): number {
    return park(this.#terminal)
  }

  end(): void {
    this.#fullScreen.end()
    this.#lines.commit()
    this.#lines.commitAhead()
    this.queue.flush()
    for (const hook of this.#hooks) hook.dispose()
    this.#terminal.dispose()
  }

  // What the output does.

  #feed(): void {
    if (this.#reading.screen.isAway || this.#editors.isAtWork) return
    this.#lines.feed(this.#editors.passRow())
  }

  #wipe(): void {
    this.#fullScreen.wipe()
    this.#lines.wipe()
  }

  #switchOn(modes: Modes): void {
    if (modes.some(mode => otherScreen.includes(mode))) this.#takeScreen()
    else if (modes.includes(cursor)) this.#fullScreen.cursor(true)
    if (modes.includes(cursorKeys)) this.#editors.setKeys()
    if (modes.includes(bracketedPaste) && !this.#reading.screen.isAway) this.#editors.begin()
  }

  #switchOff(modes: Modes): void {
    if (modes.some(mode => otherScreen.includes(mode))) this.#fullScreen.end()
    else if (modes.includes(cursor)) this.#fullScreen.cursor(false)
    else this.#fullScreen.switchOff(modes[0])
    if (modes.includes(bracketedPaste) && !this.#reading.screen.isAway) this.#editors.end()
  }

  #takeScreen(): void {
    this.#fullScreen.end()
    if (!this.#reading.screen.isAway) this.#lines.commit() // a program runs: it was Enter
    this.#fullScreen.begin()
  }

  #mark(code: number, data: string): void {
    const { screen, anchors, queue } = this.#reading
    const mark = screen.isAway ? undefined : markOf(code, data)
    if (mark === undefined) return
    if (mark.kind === 'line') return anchors.mark()
    if (mark.kind === 'command') this.#readNow()
    queue.mark(mark, screen.us)
  }

  /** fish tells the command before its editor ends. */
  #readNow(): void {
    if (this.#editors.isAtWork) this.#editors.end()
    else this.#lines.commit()
  }
}
