import type { IDisposable } from '@xterm/headless'
import type { Terminal } from '../../../recorder/terminal.ts'

/** Programs that show shells on the alternate screen, where a shell begins a command. tmux is known by what it sends. */
const multiplexer = /^\s*(?:\w+=\S* +|(?:sudo|exec|env|command) +)*(?:\S*\/)?(?:screen|byobu|zellij)(?=\s|$)/
/** ... or what ssh runs elsewhere. */
const remote = /\bssh\s.*\s(?:screen|byobu|zellij)(?=\s|$)/

/** Whether a command starts such a program. */
export function isMultiplexer(command: string): boolean {
  return multiplexer.test(command) || remote.test(command)
}

/** tmux switches all kinds of mouse reports off, one after the other, when it takes a terminal (its tty.c, tty_start_tty). */
const switchedOff = [1000, 1002, 1003, 1006, 1005]

/** Waits for that sequence. */
export class MouseSwitches {
  #at = 0

  /** Whether this private mode, switched off, was the last of it. */
  isOff(mode: number | number[] | undefined): boolean {
    this.#at = mode === switchedOff[this.#at] ? this.#at + 1 : mode === switchedOff[0] ? 1 : 0
    return this.#at === switchedOff.length
  }
}

/** By a line feed, by a move, because a new scroll region sends the cursor to the corner, because rows are shifted under it, or erased. */
export type Leaving = 'feed' | 'move' | 'region' | 'shift' | 'erase'

/** Tells the row that the cursor is about to leave; after a line feed, where that row is now. */
export function leavesRow(terminal: Terminal, tell: (y: number, how: Leaving) => void): IDisposable[] {
  const { parser } = terminal
  const now = (): number => terminal.buffer.active.cursorY
  const leaves = (how: Leaving) => (): boolean => (tell(now(), how), false)
  const goes = ([row]: readonly (number | number[])[]): boolean => {
    if (Math.max(1, Number(row ?? 1)) - 1 !== now()) tell(now(), 'move')
    return false
  }
  return [
    terminal.onLineFeed(() => tell(now() - 1, 'feed')),
    parser.registerCsiHandler({ final: 'r' }, leaves('region')),
    ...['A', 'B', 'E', 'F'].map(final => parser.registerCsiHandler({ final }, leaves('move'))),
    parser.registerCsiHandler({ final: 'K' }, leaves('erase')),
    ...['S', 'T', 'L', 'M'].map(final => parser.registerCsiHandler({ final }, leaves('shift'))),
    ...['H', 'd', 'f'].map(final => parser.registerCsiHandler({ final }, goes)),
    ...['D', 'E', 'M'].map(final => parser.registerEscHandler({ final }, leaves('feed'))),
  ]
}

/** Tells by how many rows the screen is moved up (SU). */
export function scrolls(terminal: Terminal, tell: (rows: number) => void): IDisposable {
  return terminal.parser.registerCsiHandler(
    { final: 'S' },
    ([rows]) => (tell(Math.max(1, Number(rows ?? 1))), false),
  )
}

/** The number of the window that tmux shows, where its status line stars it as at first: `1:bash*`. */
export function activeWindow(terminal: Terminal): string | undefined {
  for (const row of [terminal.rows - 1, 0]) {
    const text = terminal.buffer.alternate.getLine(row)?.translateToString(true) ?? ''
    const found = /(?:^|\s)(\d+):\S*\*/.exec(text)
    if (found !== null) return found[1]
  }
  return undefined
}

/** Tells when the whole screen is about to be erased (ED 2). */
export function wipes(terminal: Terminal, tell: () => void): IDisposable {
  return terminal.parser.registerCsiHandler({ final: 'J' }, ([what]) => {
    if (what === 2) tell()
    return false
  })
}

/** Tells when a program asks the terminal what it is (DA, XTVERSION) or how it is (DSR). */
export function asks(terminal: Terminal, tell: () => void): IDisposable[] {
  const told = (): boolean => (tell(), false)
  return [{ final: 'c' }, { prefix: '>', final: 'c' }, { prefix: '>', final: 'q' }, { final: 'n' }].map(id =>
    terminal.parser.registerCsiHandler(id, told),
  )
}
