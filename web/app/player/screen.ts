/**
 * The replayed terminal. Nothing that was recorded acts on the browser: no links, no clipboard, no titles, no bell, no windows, no mouse, no
 * colours that hide text, and what the terminal would answer goes nowhere.
 */
import type { ITheme, Terminal } from '@xterm/xterm'
import { original, Revealer } from './reveal.ts'

/** Lines that scrolled off and can still be read. */
const scrollbackLines = 10_000
const fontFamily = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace'
/** Pixels. Below the least a screen scrolls in its box. */
const leastFont = 8
const largestFont = 15
const lineHeight = 1.15

/** Operating system commands that would act on more than the cells: titles, colours, links, notifications, the clipboard, programs' own. */
const swallowed = [
  0, 1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 50, 52, 99, 104, 105, 110, 111, 112,
  113, 114, 115, 116, 117, 118, 119, 777, 1337,
]
/** Modes in which a terminal sends what the mouse does; selecting and scrolling are the reader's here. */
const mouseModes = new Set([9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016])

/** Dark in both themes of the page: recorded colours were chosen for a terminal. */
const theme: ITheme = {
  background: '#0c1116',
  foreground: '#dfe6ed',
  cursor: '#dfe6ed',
  cursorAccent: '#0c1116',
  selectionBackground: '#2f5d8c',
  black: '#1c242c',
  red: '#f28b82',
  green: '#81c995',
  yellow: '#e8c268',
  blue: '#7cb3f2',
  magenta: '#d7a1f0',
  cyan: '#78d0dc',
  white: '#d5dce3',
  brightBlack: '#8b98a5',
  brightRed: '#ffab9f',
  brightGreen: '#a4e3b3',
  brightYellow: '#ffe08f',
  brightBlue: '#a5cdff',
  brightMagenta: '#ecc2ff',
  brightCyan: '#a3ecf5',
  brightWhite: '#ffffff',
}

export class Screen {
  readonly #terminal: Terminal
  readonly #host: HTMLElement
  #revealer = new Revealer()
  #hasConcealed = false

  private constructor(terminal: Terminal, host: HTMLElement) {
    this.#terminal = terminal
    this.#host = host
  }

  /** In an element that is in the page. */
  static async open(host: HTMLElement): Promise<Screen> {
    const { Terminal } = await import('@xterm/xterm')
    const terminal = new Terminal({
      disableStdin: true,
      scrollback: scrollbackLines,
      theme,
      fontFamily,
      fontSize: 13,
      lineHeight,
      cursorBlink: false,
      cursorInactiveStyle: 'block',
      minimumContrastRatio: 4.5,
      logLevel: 'off',
      smoothScrollDuration: 0,
    })
    tame(terminal)
    terminal.open(host)
    const { textarea } = terminal
    if (textarea !== undefined) {
      textarea.disabled = true // nothing is typed here, and the focus never stays in it
      textarea.tabIndex = -1
    }
    return new Screen(terminal, host)
  }

  /** Begins anew, with an empty terminal, when everything before is drawn. */
  async reset(columns: number, rows: number, isTerminal: boolean): Promise<void> {
    await this.flush()
    this.#terminal.reset()
    // A server's terminal sends a carriage return with each line feed; a program without one does not.
    this.#terminal.options.convertEol = !isTerminal
    this.#revealer = new Revealer()
    this.#resize(columns, rows)
  }

  /** When everything before is drawn: text is laid out for the size that it was sent to. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.flush()
    this.#resize(columns, rows)
  }

  #resize(columns: number, rows: number): void {
    if (columns === this.#terminal.cols && rows === this.#terminal.rows) return
    this.#terminal.resize(columns, rows)
    this.fit()
  }

  /** Recorded bytes. */
  write(bytes: Uint8Array): void {
    this.#terminal.write(this.#revealer.reveal(bytes))
    this.#hasConcealed ||= this.#revealer.hasConcealed
  }

  /** A text of the gateway's or ours: a keyframe, for one. */
  writeText(text: string): void {
    this.#terminal.write(this.#revealer.revealText(text))
    this.#hasConcealed ||= this.#revealer.hasConcealed
  }

  /** Until everything written so far is in the buffer. */
  flush(): Promise<void> {
    return new Promise(resolve => this.#terminal.write('', resolve))
  }

  get size(): { columns: number; rows: number } {
    return { columns: this.#terminal.cols, rows: this.#terminal.rows }
  }

  /** Whether text was concealed in what was shown so far. */
  get hasConcealed(): boolean {
    return this.#hasConcealed
  }

  /** The rows that are in sight, as they were received. */
  text(): string {
    const { active } = this.#terminal.buffer
    const rows = Array.from({ length: this.#terminal.rows }, (_, row) =>
      active.getLine(active.viewportY + row),
    )
    return original(rows.map(line => line?.translateToString(true) ?? '').join('\n')).trimEnd()
  }

  selection(): string {
    return original(this.#terminal.getSelection())
  }

  /** Whether nothing is above what is in sight. */
  get isAtTop(): boolean {
    return this.#terminal.buffer.active.viewportY === 0
  }

  /** Lines below what is in sight. */
  get fromEnd(): number {
    const { baseY, viewportY } = this.#terminal.buffer.active
    return baseY - viewportY
  }

  scrollLines(count: number): void {
    this.#terminal.scrollLines(count)
  }

  scrollPages(count: number): void {
    this.#terminal.scrollPages(count)
  }

  /** As large as the box allows: the whole width of the screen is in sight unless letters would be too small to read. */
  fit(): void {
    const available = this.#host.clientWidth - 12
    if (available <= 0) return
    const size = Math.floor((available / (this.#terminal.cols * letterRatio())) * 4) / 4
    this.#terminal.options.fontSize = Math.min(largestFont, Math.max(leastFont, size))
  }

  /** Called when what is in sight changed. Returns what ends that. */
  onShown(listener: () => void): () => void {
    const rendered = this.#terminal.onRender(listener)
    const scrolled = this.#terminal.onScroll(listener)
    return () => {
      rendered.dispose()
      scrolled.dispose()
    }
  }

  close(): void {
    this.#terminal.dispose()
  }
}

function tame(terminal: Terminal): void {
  for (const command of swallowed) terminal.parser.registerOscHandler(command, () => true)
  for (const final of ['h', 'l'])
    terminal.parser.registerCsiHandler({ prefix: '?', final }, modes =>
      modes.every(mode => typeof mode === 'number' && mouseModes.has(mode)),
    )
  terminal.parser.registerCsiHandler({ final: 't' }, () => true)
  // Tab, Escape and all other keys are the page's.
  terminal.attachCustomKeyEventHandler(() => false)
}

let ratio: number | undefined
/** Width of a letter for each pixel of its size. */
function letterRatio(): number {
  if (ratio !== undefined) return ratio
  const context = document.createElement('canvas').getContext('2d')
  if (context === null) return 0.61
  context.font = `100px ${fontFamily}`
  ratio = context.measureText('W').width / 100
  return ratio
}
