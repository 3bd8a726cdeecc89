import { isUtf8 } from 'node:buffer'
import { EscapeSkipper } from './escape-skipper.ts'
import type { RecordedEvent } from './event.ts'

/** Typed text held per channel until the screen has shown it. What does not fit is counted and not kept. */
const maxHeldBytes = 4096
/** Held by a channel on which nothing is being typed: most of them, most of the time. */
const nothing = Buffer.alloc(0)
/** Lines typed ahead of their echo, per channel. */
const maxHeldLines = 64

const key = { backspace: 0x08, lineFeed: 0x0a, return: 0x0d, delete: 0x7f } as const
/** ^C, ^Z and ^\: the line is gone, and with it what we hold of it. */
const abandoning: ReadonlySet<number> = new Set([0x03, 0x1a, 0x1c])
const space = 0x20

/** One line that is being typed or waits for its echo. Its bytes are `held[start..end)`, a typed erase standing as 0x7f. */
type Line = {
  readonly start: number
  end: number
  /** Up to here every byte was echoed in order. */
  echoed: number
  /** Whether its text may still be kept: no byte of output since it began was anything else than its echo. */
  isTrue: boolean
  /** Whether anything of it has shown at all. */
  wasSeen: boolean
  /** Whether Enter was typed. */
  isEntered: boolean
  /** How far into the erasing of a character the output is: 1 after the step back, 2 after the blank. */
  erasing: 0 | 1 | 2
  /** Bytes that began a character, erases taken off; for lines whose text is gone. */
  characters: number
}

/**
 * Decides what of a terminal's input may be kept. Input is counted as it passes; the text of a line is kept only if every
 * printable character of it was echoed, in order and with nothing between, before its newline was. So what is kept is
 * always something that the output shows too: passwords typed with echo off, or shown as stars, are never kept. In doubt
 * a line is dropped: completion, history, moving in the line and full-screen programs leave only counts. An entered line
 * of which nothing at all was shown is told as such, by its length, since `stty -echo` hides commands from the screen.
 *
 * Known misses: a shell that redraws the line while it is typed (suggestions, wrapping at the margin); output of a
 * background process in the middle of a line. A program that echoes a password has shown it: then it is in the output.
 */
export class TypedInput {
  readonly #channel: number
  #held = nothing
  #heldEnd = 0
  #lines: Line[] = []
  readonly #input = new EscapeSkipper({ readsMouse: true })
  readonly #output = new EscapeSkipper({ readsMouse: false })
  /** Told with the next input: lines that were given up without a trace of an echo. */
  readonly #unshown: RecordedEvent[] = []
  #isPasting = false
  #isAlternateScreen = false
  #wasReturn = false

  constructor(channel: number) {
    this.#channel = channel
  }

  /** The person typed these bytes. */
  typed(data: Buffer): readonly RecordedEvent[] {
    for (const byte of data) this.#type(byte)
    return [{ type: 'input-count', channel: this.#channel, bytes: data.length }, ...this.#unshown.splice(0)]
  }

  /** The channel ends: what was entered and never shown is told. */
  end(): readonly RecordedEvent[] {
    this.#giveUp()
    return this.#unshown.splice(0)
  }

  /** The target showed these bytes. */
  shown(data: Buffer): readonly RecordedEvent[] {
    const events: RecordedEvent[] = []
    for (let at = 0; at < data.length; at++) {
      if (this.#output.isIdle && this.#waitsForNothing) {
        this.#wasReturn = false
        at = data.indexOf(0x1b, at) // only a switch of screens matters, and output may come by the megabyte
        if (at < 0) break
      }
      this.#show(data[at] ?? 0, events)
    }
    return events
  }

  /** Forgets all typed text that is held. */
  forget(): void {
    this.#held.fill(0, 0, this.#heldEnd)
    this.#lines = []
    this.#rewind()
  }

  // Input.

  #type(byte: number): void {
    const step = this.#input.step(byte)
    if (step === 'inside' || this.#isAlternateScreen) return
    if (step === 'done') this.#typeSequence(this.#input.sequence)
    else if (byte === key.return || byte === key.lineFeed) this.#enter()
    else if (byte === key.backspace || byte === key.delete) this.#erase()
    else if (abandoning.has(byte)) this.#abandon()
    else if (byte < space) this.#doubt()
    else this.#add(byte)
  }

  /** Marks of a paste and a terminal's own answers are no typing; all other keys do what we cannot follow. */
  #typeSequence(sequence: string): void {
    if (sequence === '[200~') this.#isPasting = true
    else if (sequence === '[201~') this.#isPasting = false
    else if (!isReport(sequence)) this.#doubt()
  }

  /** The line that is being typed. */
  #current(): Line {
    const last = this.#lines.at(-1)
    if (last !== undefined && !last.isEntered) return last
    if (this.#lines.length >= maxHeldLines) this.#giveUp()
    const line: Line = {
      start: this.#heldEnd,
      end: this.#heldEnd,
      echoed: this.#heldEnd,
      isTrue: true,
      wasSeen: false,
      isEntered: false,
      erasing: 0,
      characters: 0,
    }
    this.#lines.push(line)
    return line
  }

  /** Nobody shows these lines any more, so they are no longer waited for; but they were entered. */
  #giveUp(): void {
    for (const line of this.#lines)
      if (line.isEntered && isUnshown(line)) this.#unshown.push(this.#unechoed(line))
    this.forget()
  }

  #unechoed({ characters }: Line): RecordedEvent {
    return { type: 'unechoed-line', channel: this.#channel, characters }
  }

  #add(byte: number): void {
    const line = this.#current()
    if (isFirstOfCharacter(byte)) line.characters++
    this.#hold(line, byte)
  }

  #erase(): void {
    const line = this.#current()
    if (line.characters === 0) return // nothing to erase: shells beep
    line.characters--
    this.#hold(line, key.delete)
  }

  #hold(line: Line, byte: number): void {
    if (this.#heldEnd === maxHeldBytes) {
      line.isTrue = false
      return
    }
    if (this.#held === nothing) this.#held = Buffer.alloc(maxHeldBytes)
    this.#held[this.#heldEnd++] = byte
    line.end = this.#heldEnd
  }

  /** Inside a paste a newline is text that the shell shows in its own way. */
  #enter(): void {
    if (this.#isPasting) this.#doubt()
    else this.#current().isEntered = true
  }

  /** The line goes on, but what is in it is no longer what was typed. */
  #doubt(): void {
    this.#current().isTrue = false
  }

  #abandon(): void {
    const line = this.#current()
    this.#wipe(line)
    this.#lines.pop()
    this.#rewind()
  }

  // Output.

  /** Whether no output could say anything of what was typed. */
  get #waitsForNothing(): boolean {
    const line = this.#lines[0]
    if (line === undefined) return true
    return !line.isEntered && !line.isTrue && (line.wasSeen || line.start === line.end)
  }

  #show(byte: number, events: RecordedEvent[]): void {
    const step = this.#output.step(byte)
    if (step === 'done') this.#showSequence(this.#output.sequence)
    if (step !== 'plain') return
    if (byte === key.return || byte === key.lineFeed) this.#showNewline(byte, events)
    else if (!isSilent(byte)) this.#showMark(byte, events)
  }

  /** On the alternate screen nothing is a line. */
  #showSequence(sequence: string): void {
    const match = /^\[\?(?:[0-9;]*;)?(?:47|1047|1049)(?:;[0-9;]*)?([hl])$/.exec(sequence)
    if (match === null) return
    this.#isAlternateScreen = match[1] === 'h'
    this.forget()
  }

  /** Carriage return and line feed in any number are one newline. */
  #showNewline(byte: number, events: RecordedEvent[]): void {
    const isSame = this.#wasReturn
    this.#wasReturn = byte === key.return
    const line = this.#lines[0]
    if (isSame || line === undefined) return
    if (line.isEntered) this.#resolve(line, events)
    else line.isTrue = false
  }

  #showMark(byte: number, events: RecordedEvent[]): void {
    this.#wasReturn = false
    let line = this.#lines[0]
    while (line !== undefined && line.isEntered && line.start === line.end && line.characters === 0) {
      this.#drop() // an empty line without an echo of its newline
      line = this.#lines[0]
    }
    if (line !== undefined && !this.#echo(line, byte)) this.#mismatch(line, byte, events)
  }

  /** Whether the byte is the next one of the line's echo. */
  #echo(line: Line, byte: number): boolean {
    if (line.erasing > 0 && this.#eraseOn(line, byte)) return true
    if (line.echoed === line.end) return false
    const expected = this.#held[line.echoed]
    if (byte !== (expected === key.delete ? key.backspace : expected)) return false
    line.echoed++
    line.wasSeen = true
    line.erasing = expected === key.delete ? 1 : 0
    return true
  }

  /** A character is erased by a step back, a blank and a step back; or by a step back and a sequence, which is skipped. */
  #eraseOn(line: Line, byte: number): boolean {
    const isNext = byte === (line.erasing === 1 ? space : key.backspace)
    line.erasing = isNext && line.erasing === 1 ? 2 : 0
    return isNext
  }

  /** Something else than the echo was shown: the text may not be kept. Whether any of it shows still matters. */
  #mismatch(line: Line, byte: number, events: RecordedEvent[]): void {
    line.isTrue = false
    if (line.isEntered) this.#resolve(line, events)
    else if (line.start < line.end && byte === this.#held[line.end - 1]) line.wasSeen = true // out of step, yet echoed
  }

  #resolve(line: Line, events: RecordedEvent[]): void {
    const text = line.isTrue && line.echoed === line.end ? this.#textOf(line) : undefined
    if (text !== undefined && text !== '') events.push({ type: 'typed', channel: this.#channel, text })
    else if (isUnshown(line)) events.push(this.#unechoed(line))
    this.#drop()
  }

  /** The line with its erases done, or undefined if that is no text. */
  #textOf(line: Line): string | undefined {
    const bytes: number[] = []
    for (const byte of this.#held.subarray(line.start, line.end)) {
      if (byte === key.delete) eraseCharacter(bytes)
      else bytes.push(byte)
    }
    const text = Buffer.from(bytes)
    bytes.fill(0)
    return isUtf8(text) ? text.toString() : undefined
  }

  /** The oldest line is done with. */
  #drop(): void {
    const line = this.#lines.shift()
    if (line !== undefined) this.#wipe(line)
    this.#rewind()
  }

  #wipe(line: Line): void {
    this.#held.fill(0, line.start, line.end)
  }

  #rewind(): void {
    if (this.#lines.length > 0) return
    this.#heldEnd = 0
    this.#held = nothing // wiped, byte by byte, by whoever took the last line out
  }
}

function isUnshown(line: Line): boolean {
  return !line.wasSeen && line.characters > 0
}

/** NUL and BEL show nothing. */
function isSilent(byte: number): boolean {
  return byte === 0x00 || byte === 0x07
}

function isFirstOfCharacter(byte: number): boolean {
  return (byte & 0xc0) !== 0x80
}

function eraseCharacter(bytes: number[]): void {
  while (bytes.length > 0 && !isFirstOfCharacter(bytes.pop() ?? 0));
}

/** What terminals send by themselves: answers about position, kind and state, focus, and the mouse. */
function isReport(sequence: string): boolean {
  return /^\[[?>=<0-9;]*[RcnyItOMm]$/.test(sequence) || /^[\]P_^X]/.test(sequence)
}
