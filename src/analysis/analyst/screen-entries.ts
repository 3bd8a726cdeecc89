/** What the terminals of a session showed, as entries of some lines each. A line that was there a moment ago is left out. */
import { hash } from 'node:crypto'
import { channelOf, type Size, sizeOf } from '../../recorder/choose-channel.ts'
import { carriesData, commandOf, type EventRecord, type TextEvent } from '../../recorder/event.ts'
import { LineRedactor } from './redact.ts'
import { PlainLines, ScreenLines } from './screen-lines.ts'
import { momentUs, type Teller } from './teller.ts'

/** Characters of one entry. */
const maxBlockLength = 2000
/** Lines of one channel that are remembered to know their repetition. */
const maxRecent = 500
/** Longer ones by their SHA-256. In UTF-16 units. */
const maxPlainKey = 256
/** Characters of one session: what floods a screen is not read by anybody, and the recording has it. */
const maxSessionCharacters = 8 * 1024 * 1024
/** Channels of one session that are read at once, as many as a connection may have open. */
const maxChannels = 64
/** Commands whose output is no text for people. */
const movesFiles =
  /^\s*(?:\S*\/)?(?:scp|rsync|sftp-server|git-(?:upload|receive)-(?:pack|archive)|tar|cat\s*>)\b/

type Lines =
  | { readonly kind: 'terminal'; readonly lines: ScreenLines }
  | { readonly kind: 'plain'; readonly lines: PlainLines }

export class ScreenEntries {
  readonly #teller: Teller
  readonly #sizes = new Map<number, Size>()
  readonly #open = new Map<number, Lines>()
  /** Channels with a terminal that is not read. */
  readonly #refused = new Set<number>()
  #characters = 0

  constructor(teller: Teller) {
    this.#teller = teller
  }

  /** Whether a limit was reached and more was shown. */
  get isPart(): boolean {
    return this.#characters >= maxSessionCharacters
  }

  take({ us, event }: EventRecord): void {
    const channel = channelOf(event)
    if (channel === undefined) {
      if (event.type === 'end') this.end(us)
    } else if (carriesData(event)) {
      if (event.type !== 'input') this.#output(channel, us, event.data, event.type)
    } else this.#told(channel, us, event)
  }

  /** A terminal that is not read. */
  refuse({ event }: EventRecord): void {
    const channel = channelOf(event)
    if (channel !== undefined && event.type === 'pty' && this.#refused.size < maxChannels)
      this.#refused.add(channel)
  }

  /** Puts terminals aside until somebody writes to them. Gives the bytes that they take. */
  park(): number {
    let bytes = 0
    for (const { kind, lines } of this.#open.values()) if (kind === 'terminal') bytes += lines.park()
    return bytes
  }

  end(us: number): void {
    for (const channel of this.#open.keys()) this.#close(channel, us)
  }

  #output(channel: number, us: number, data: Buffer, type: 'output' | 'error-output'): void {
    const open = this.#open.get(channel)
    if (open === undefined || this.isPart) return
    if (open.kind === 'terminal') open.lines.take(us, data)
    else open.lines.take(us, data, type)
  }

  #told(channel: number, us: number, event: TextEvent): void {
    const open = this.#open.get(channel)
    if (event.type === 'pty' && this.#sizes.size < maxChannels) this.#sizes.set(channel, sizeOf(event.fields))
    else if (event.type === 'resize' && open?.kind === 'terminal') open.lines.resize(sizeOf(event.fields))
    else if (event.type === 'shell' || event.type === 'exec') this.#start(channel, event)
    else if (event.type === 'channel-close') this.#close(channel, us)
  }

  #start(channel: number, event: TextEvent): void {
    if (this.#open.has(channel) || this.#refused.has(channel) || this.#open.size >= maxChannels) return
    const block = new Block(this.#teller, length => (this.#characters += length))
    const say = (us: number, line: string): void => block.add(us, line)
    const size = this.#sizes.get(channel)
    const command = commandOf(event)?.toString() ?? ''
    if (size !== undefined) this.#open.set(channel, { kind: 'terminal', lines: new ScreenLines(size, say) })
    else if (!movesFiles.test(command)) this.#open.set(channel, { kind: 'plain', lines: new PlainLines(say) })
  }

  #close(channel: number, us: number): void {
    const open = this.#open.get(channel)
    this.#open.delete(channel)
    this.#sizes.delete(channel)
    this.#refused.delete(channel)
    if (open?.kind === 'terminal') open.lines.end()
    else open?.lines.end(us)
  }
}

/** Lines of one channel that become one entry: those of one moment. */
class Block {
  readonly #teller: Teller
  readonly #spend: (characters: number) => void
  readonly #redactor = new LineRedactor()
  readonly #recent = new Set<string>()
  #last: string | undefined
  #lines: string[] = []
  #length = 0
  #beganUs = 0
  #number = 0

  constructor(teller: Teller, spend: (characters: number) => void) {
    this.#teller = teller
    this.#spend = spend
  }

  add(us: number, line: string): void {
    // The same once more: `yes` has hundreds of thousands in a megabyte.
    if (line === this.#last && !this.#redactor.isWithinKey) return
    this.#last = line
    const shown = this.#redactor.take(line).trim()
    if (!/[\p{L}\p{N}]/u.test(shown) || this.#isRepeated(shown)) return
    this.#spend(shown.length)
    if (this.#length + shown.length > maxBlockLength) this.#flush()
    if (this.#lines.length === 0) this.#begin(us)
    this.#lines.push(shown)
    this.#length += shown.length + 1
  }

  #begin(us: number): void {
    this.#beganUs = us
    const number = ++this.#number
    this.#teller.at(us + momentUs, () => {
      if (number === this.#number) this.#flush()
    })
  }

  #flush(): void {
    if (this.#lines.length === 0) return
    this.#teller.once({ kind: 'screen', us: this.#beganUs, text: this.#lines.join('\n') })
    this.#lines = []
    this.#length = 0
    this.#number++
  }

  #isRepeated(line: string): boolean {
    const key = keyOf(line)
    const was = this.#recent.delete(key)
    this.#recent.add(key)
    const [oldest] = this.#recent
    if (this.#recent.size > maxRecent && oldest !== undefined) this.#recent.delete(oldest)
    return was
  }
}

/** What a line is remembered by: short, and no part of a longer text, which it would keep in memory. */
function keyOf(line: string): string {
  return line.length <= maxPlainKey ? Buffer.from(line).toString() : hash('sha256', line)
}
