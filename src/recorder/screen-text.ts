import { StringDecoder } from 'node:string_decoder'
import { type ChannelAbout, channelOf, note, type Size, sizeOf } from './choose-channel.ts'
import { carriesData, type DataEvent, type EventRecord } from './event.ts'
import { coreOf, newTerminal, type Terminal, write } from './terminal.ts'
import { terminalSafe } from './terminal-safe.ts'

/**
 * Output is parsed in pieces of this length, and what has scrolled off is taken after each: a piece cannot scroll more lines
 * than it has bytes, so nothing is lost and memory stays small.
 */
const pieceBytes = 2048
const scrollbackLines: number = pieceBytes + 64
/** A recording as far as it is needed here; a page in a browser has one too. */
type WithEvents = { readonly events: () => Iterable<EventRecord> }

/** Text is handed on in blocks of about this length. */
const blockLength = 64 * 1024

/**
 * What a session's terminals showed, as text: every line that scrolled off, what was on the screen when it was cleared and
 * when the channel closed, and the last screen of full-screen programs. Channels without a terminal give their output as it
 * is. All channels in the order of their lines unless one is wanted; where they change, a line in brackets says so.
 */
export function* screenTextOf(reader: WithEvents, wanted?: number): Generator<string> {
  const text = new SessionText(wanted)
  try {
    for (const record of reader.events()) {
      text.take(record)
      if (text.length >= blockLength) yield text.flush()
    }
  } finally {
    text.end()
    if (text.length > 0) yield text.flush() // also where the recording is damaged: what was shown before that
  }
}

class SessionText {
  readonly #wanted: number | undefined
  readonly #about = new Map<number, ChannelAbout>()
  readonly #open = new Map<number, ChannelText>()
  #speaker: number | undefined
  #blocks: string[] = []
  length = 0

  constructor(wanted: number | undefined) {
    this.#wanted = wanted
  }

  take(record: EventRecord): void {
    const { event } = record
    const channel = channelOf(event)
    if (channel === undefined || (this.#wanted !== undefined && channel !== this.#wanted)) return
    note(this.#about, record)
    if (carriesData(event)) this.#channelText(channel).take(event)
    else if (event.type === 'resize') this.#channelText(channel).resize(sizeOf(event.fields))
    else if (event.type === 'channel-close') this.#close(channel)
  }

  end(): void {
    for (const channel of this.#open.keys()) this.#close(channel)
  }

  flush(): string {
    const text = this.#blocks.join('')
    this.#blocks = []
    this.length = 0
    return text
  }

  #close(channel: number): void {
    this.#open.get(channel)?.end()
    this.#open.delete(channel)
    this.#about.delete(channel)
  }

  #channelText(channel: number): ChannelText {
    const known = this.#open.get(channel)
    if (known !== undefined) return known
    const about = this.#about.get(channel)
    const say = (line: string) => this.#say(channel, line)
    const text = about?.terminal === undefined ? new PlainText(say) : new TerminalText(about.terminal, say)
    this.#open.set(channel, text)
    return text
  }

  #say(channel: number, line: string): void {
    if (this.#speaker !== channel) this.#announce(channel)
    this.#push(`${terminalSafe(line)}\n`)
  }

  /** A session of one terminal needs no such lines. */
  #announce(channel: number): void {
    const about = this.#about.get(channel)
    const isFirst = this.#speaker === undefined
    this.#speaker = channel
    const command =
      about?.command === undefined ? '' : `: ${terminalSafe(about.command.toString(), { oneLine: true })}`
    if (!isFirst || command !== '') this.#push(`[channel ${channel}${command}]\n`)
  }

  #push(text: string): void {
    this.#blocks.push(text)
    this.length += text.length
  }
}

type ChannelText = {
  readonly take: (event: DataEvent) => void
  readonly resize: (size: Size) => void
  readonly end: () => void
}

/** Longer lines are cut into several: a stream without newlines must not gather in memory. */
const maxLineLength = 16 * 1024

/** Output that no terminal showed: its lines. */
class PlainText implements ChannelText {
  readonly #say: (line: string) => void
  readonly #streams = {
    output: { decoder: new StringDecoder('utf8'), line: '' },
    'error-output': { decoder: new StringDecoder('utf8'), line: '' },
  }

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  take(event: DataEvent): void {
    if (event.type === 'input') return
    const stream = this.#streams[event.type]
    const lines = (stream.line + stream.decoder.write(event.data)).split('\n')
    stream.line = lines.pop() ?? ''
    for (const line of lines) this.#say(line.replace(/\r$/, ''))
    if (stream.line.length <= maxLineLength) return
    this.#say(stream.line)
    stream.line = ''
  }

  resize(): void {}

  end(): void {
    for (const stream of Object.values(this.#streams)) {
      const line = stream.line + stream.decoder.end()
      if (line !== '') this.#say(line)
    }
  }
}

/** Output as a terminal showed it. */
class TerminalText implements ChannelText {
  readonly #terminal: Terminal
  readonly #say: (line: string) => void
  /** The beginning of a line that goes on in the next row. */
  #begun = ''

  constructor(size: Size, say: (line: string) => void) {
    this.#terminal = newTerminal(size, scrollbackLines)
    this.#say = say
    const { parser } = this.#terminal
    parser.registerCsiHandler({ final: 'J' }, params => this.#beforeErase(params[0]))
    parser.registerCsiHandler({ prefix: '?', final: 'l' }, params => this.#beforeModeReset(params))
    parser.registerEscHandler({ final: 'c' }, () => this.#beforeLoss())
  }

  take({ type, data }: DataEvent): void {
    if (type === 'input') return
    for (let at = 0; at < data.length; at += pieceBytes) {
      write(this.#terminal, data.subarray(at, at + pieceBytes))
      this.#takeScrolled()
    }
  }

  resize({ columns, rows }: Size): void {
    this.#terminal.resize(columns, rows)
    this.#takeScrolled()
  }

  end(): void {
    this.#beforeLoss()
    this.#terminal.dispose()
  }

  /** ED: what 2 clears is kept; 3, which clears what has scrolled off, is not for us to follow. */
  #beforeErase(mode: unknown): boolean {
    if (mode === 2 && this.#terminal.buffer.active.type === 'normal') this.#beforeLoss()
    return mode === 3
  }

  /** DECRST 47, 1047 and 1049 leave the alternate screen. */
  #beforeModeReset(params: readonly unknown[]): boolean {
    const leaves = params.some(mode => mode === 47 || mode === 1047 || mode === 1049)
    if (leaves && this.#terminal.buffer.active.type === 'alternate') this.#takeFullScreen()
    return false
  }

  #beforeLoss(): boolean {
    this.#takeScrolled()
    if (this.#terminal.buffer.active.type === 'alternate') this.#takeFullScreen()
    this.#takeRows(this.#terminal.buffer.normal.baseY, this.#lastRow() + 1)
    this.#sayBegun()
    return false
  }

  #takeFullScreen(): void {
    const { alternate } = this.#terminal.buffer
    this.#sayBegun()
    this.#say('[full-screen program, its last screen]')
    for (let row = 0; row < this.#terminal.rows; row++)
      this.#say(alternate.getLine(row)?.translateToString(true) ?? '')
    this.#say('[end of full-screen program]')
  }

  /** Lines that have scrolled off the screen, which are then taken out of the terminal. */
  #takeScrolled(): void {
    const buffer = coreOf(this.#terminal).buffers.normal
    const count = buffer.ybase
    if (count === 0) return
    this.#takeRows(0, count)
    buffer.lines.trimStart(count)
    buffer.ybase = 0
    buffer.ydisp = 0
  }

  #takeRows(from: number, to: number): void {
    const { normal } = this.#terminal.buffer
    for (let row = from; row < to; row++) {
      const goesOn = normal.getLine(row + 1)?.isWrapped === true
      this.#begun += normal.getLine(row)?.translateToString(!goesOn) ?? ''
      if (!goesOn || this.#begun.length > maxLineLength) this.#sayLine()
    }
  }

  /** The last row of the screen that is not blank, or the one before the first. */
  #lastRow(): number {
    const { normal } = this.#terminal.buffer
    let row = normal.baseY + this.#terminal.rows - 1
    while (row >= normal.baseY && normal.getLine(row)?.translateToString(true) === '') row--
    return row
  }

  #sayLine(): void {
    this.#say(this.#begun)
    this.#begun = ''
  }

  #sayBegun(): void {
    if (this.#begun !== '') this.#sayLine()
  }
}
