/** The picker on a channel of a client: its terminal, what it draws, and what becomes of a choice. */
import { printable } from '../../config/printable.ts'
import { decodePtyRequest, decodeWindowChange, isReplayable } from '../requests.ts'
import { uint32, WireReader } from '../../wire.ts'
import type { ChannelOwner, LobbyChannel } from './channel.ts'
import type { AskedFor } from './handover.ts'
import { type Key, keysIn } from './keys.ts'
import {
  addressOf,
  type Choice,
  cursorOf,
  linesOf,
  newPicker,
  numberedLines,
  numberedPrompt,
  type Outcome,
  type Picker,
  press,
  pressNumbered,
  type Size,
} from './picker.ts'

/** Somebody who looks at a list for longer has left it open. */
const maxThinkingMs = 10 * 60_000

/** Requests before the shell that are kept for the target: variables, mostly. */
const maxRequests = 64

/** Of one such request. */
const maxRequestBytes = 4096

/** Terminals that cannot place a cursor get a numbered list. */
const dumbTerminals: ReadonlySet<string> = new Set(['', 'dumb', 'unknown', 'network', 'tty'])

const exitStatus = { left: 0, refused: 1 } as const

const noTarget =
  'This connection names no target. Say where to: ssh LOGIN@TARGET@GATEWAY, or ssh -J GATEWAY LOGIN@TARGET.'

export type PickerHost = {
  /** The list at this instant. */
  readonly list: () => Promise<{ title: string; choices: readonly Choice[]; missing: string }>
  /** Opens the session. Resolves with why it could not, or without a text once the channel is the session's. */
  readonly open: (
    choice: Choice,
    handOver: () => readonly AskedFor[] | undefined,
  ) => Promise<string | undefined>
}

type Phase = 'asked' | 'listing' | 'choosing' | 'opening' | 'over'

const enterScreen = '\x1b[?1049h\x1b[H\x1b[2J'
const leaveScreen = '\x1b[?1049l'

export class PickerChannel implements ChannelOwner {
  readonly #channel: LobbyChannel
  readonly #host: PickerHost
  readonly #requests: AskedFor[] = []
  #phase: Phase = 'asked'
  #terminal: { name: string; size: Size; fields: Buffer } | undefined
  #picker: Picker | undefined
  #timer: NodeJS.Timeout | undefined
  /** What is being written, and what to draw after it: of several drawings only the last counts. */
  #writing: Buffer = Buffer.alloc(0)
  #drawing: string | undefined

  constructor(channel: LobbyChannel, host: PickerHost) {
    this.#channel = channel
    this.#host = host
  }

  // ── What the client does ──────────────────────────────────────────────────────────────────────────────────────

  request(name: string, fields: Buffer): boolean {
    switch (name) {
      case 'pty-req':
        return this.#takeTerminal(fields)
      case 'env':
        return this.#keep({ name, fields })
      case 'window-change':
        return this.#resize(fields)
      case 'shell':
        if (this.#terminal === undefined || this.#phase !== 'asked') return this.#sayWhereTo()
        this.#phase = 'listing'
        this.#showList('').catch(() => this.#leave('The gateway could not make the list.', 1))
        return true
      case 'exec':
      case 'subsystem':
        new WireReader(fields).string()
        return this.#sayWhereTo()
      default:
        return false
    }
  }

  data(data: Buffer): void {
    this.#channel.giveBack(data.length)
    for (const key of keysIn(data)) this.#press(key)
  }

  endOfFile(): void {
    this.#leave('', exitStatus.left)
  }

  closed(): void {
    this.#phase = 'over'
    clearTimeout(this.#timer)
  }

  writable(): void {
    this.#pump()
  }

  // ── Before the shell ──────────────────────────────────────────────────────────────────────────────────────────

  #takeTerminal(fields: Buffer): boolean {
    const pty = decodePtyRequest(0, fields)
    if (this.#phase !== 'asked' || this.#terminal !== undefined || !isReplayable(pty)) return false
    this.#terminal = { name: pty.term, size: pty, fields: Buffer.from(fields) }
    return true
  }

  #keep({ name, fields }: AskedFor): boolean {
    const few = this.#requests.length < maxRequests && fields.length <= maxRequestBytes
    if (this.#phase !== 'asked' || !few) return false
    this.#requests.push({ name, fields: Buffer.from(fields) })
    return true
  }

  #sayWhereTo(): boolean {
    if (this.#phase !== 'asked') return false
    this.#phase = 'over'
    // After the answer to this request, or OpenSSH exits before it has printed the sentence.
    queueMicrotask(() => {
      this.#channel.sendError(Buffer.from(`sallyport: ${noTarget}\r\n`))
      this.#close(exitStatus.refused)
    })
    return true
  }

  // ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────

  get #isDumb(): boolean {
    return dumbTerminals.has(this.#terminal?.name ?? '')
  }

  get #size(): Size {
    return this.#terminal?.size ?? { columns: 0, rows: 0 }
  }

  async #showList(note: string): Promise<void> {
    const { title, choices, missing } = await this.#host.list()
    if (this.#phase === 'over') return
    this.#phase = 'choosing'
    this.#picker = { ...newPicker(title, choices, missing), note }
    this.#think()
    if (this.#isDumb) this.#say(this.#numbered())
    else this.#draw(enterScreen)
  }

  #think(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#leave('Nothing was chosen.', exitStatus.refused), maxThinkingMs)
  }

  #press(key: Key): void {
    const picker = this.#picker
    if (this.#phase === 'opening' && key.kind === 'interrupt') return this.#leave('', exitStatus.left)
    if (this.#phase !== 'choosing' || picker === undefined) return
    this.#think()
    const outcome = this.#isDumb ? pressNumbered(picker, key) : press(picker, key, this.#size)
    if (this.#isDumb) this.#echo(picker, key, outcome)
    this.#conclude(outcome)
  }

  /** Terminals that can only print get back what was typed. */
  #echo(before: Picker, key: Key, outcome: Outcome): void {
    if (key.kind === 'enter') this.#say('\r\n')
    else if (key.kind === 'text') this.#say(key.text)
    else if (key.kind === 'backspace' && before.filter !== '') this.#say('\b \b')
    else if (key.kind === 'clear') this.#say(`\r\n${numberedPrompt}`)
    const again = outcome.kind === 'going-on' && outcome.picker.note !== '' && key.kind === 'enter'
    if (again) this.#say(`${outcome.picker.note}\r\n${numberedPrompt}`)
  }

  #conclude(outcome: Outcome): void {
    if (outcome.kind === 'left') return this.#leave('', exitStatus.left)
    this.#picker = outcome.picker
    if (outcome.kind === 'going-on') {
      if (!this.#isDumb) this.#draw()
      return
    }
    clearTimeout(this.#timer)
    this.#phase = 'opening'
    this.#open(outcome.choice).catch(() => this.#leave('The gateway could not open it.', exitStatus.refused))
  }

  async #open(choice: Choice): Promise<void> {
    this.#say(`${this.#isDumb ? '' : leaveScreen}Opening ${printable(addressOf(choice))} ...\r\n`)
    const failure = await this.#host.open(choice, () => this.#handOver())
    if (failure !== undefined && this.#phase === 'opening') await this.#showList(printable(failure))
  }

  /** All that was asked for goes to the target, with the size that the terminal has by now. Not if they left meanwhile. */
  #handOver(): readonly AskedFor[] | undefined {
    const terminal = this.#terminal
    if (terminal === undefined || this.#phase !== 'opening') return undefined
    this.closed()
    return [
      { name: 'pty-req', fields: terminal.fields },
      ...this.#requests,
      { name: 'shell', fields: Buffer.alloc(0) },
    ]
  }

  #resize(fields: Buffer): boolean {
    const size = decodeWindowChange(0, fields)
    const terminal = this.#terminal
    if (terminal === undefined || !isReplayable(size)) return false
    this.#terminal = { ...terminal, size, fields: resized(terminal.fields, fields) }
    if (this.#phase === 'choosing' && !this.#isDumb) this.#draw()
    return true
  }

  // ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The whole screen, once what is being written is out. */
  #draw(before = ''): void {
    const picker = this.#picker
    if (picker === undefined) return
    const { row, column } = cursorOf(picker)
    const lines = linesOf(picker, this.#size).map(text => `${text}\x1b[K`)
    const columns = Math.max(this.#size.columns, 1)
    this.#drawing = `${before}\x1b[H${lines.join('\r\n')}\x1b[J\x1b[${row};${Math.min(column, columns)}H`
    this.#pump()
  }

  #numbered(): string {
    const lines = this.#picker === undefined ? [] : numberedLines(this.#picker)
    return `${lines.join('\r\n')}\r\n${numberedPrompt}`
  }

  /** Texts that must come one after the other: few, and short. */
  #say(text: string): void {
    this.#writing = Buffer.concat([this.#writing, Buffer.from((this.#drawing ?? '') + text)])
    this.#drawing = undefined
    if (this.#writing.length > maxUnwrittenBytes) return this.#close(exitStatus.refused)
    this.#pump()
  }

  #pump(): void {
    for (;;) {
      if (this.#writing.length === 0) {
        if (this.#drawing === undefined) return
        this.#writing = Buffer.from(this.#drawing)
        this.#drawing = undefined
      }
      const room = this.#channel.roomBytes
      if (room === 0) return
      this.#channel.send(this.#writing.subarray(0, room))
      this.#writing = this.#writing.subarray(room)
    }
  }

  #leave(text: string, status: number): void {
    if (this.#phase === 'over') return
    const screen = this.#picker === undefined || this.#isDumb || this.#phase === 'opening' ? '' : leaveScreen
    this.#drawing = undefined
    this.#say(screen + (text === '' ? '' : `${text}\r\n`))
    this.#close(status)
  }

  #close(status: number): void {
    this.closed()
    this.#channel.request('exit-status', uint32(status))
    this.#channel.close()
  }
}

/** What a client that does not read may leave with us. */
const maxUnwrittenBytes = 64 * 1024

/** RFC 4254, sections 6.2 and 6.7: the sixteen bytes of the size after the name of the terminal. */
function resized(pty: Buffer, change: Buffer): Buffer {
  const size = 4 + pty.readUInt32BE(0)
  return Buffer.concat([pty.subarray(0, size), change.subarray(0, 16), pty.subarray(size + 16)])
}
