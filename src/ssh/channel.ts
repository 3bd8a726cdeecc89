/** One channel that the gateway relays, as both of its ends see it (RFC 4254, section 5). */
import { Fault } from '../errors.ts'
import type { RecordedEvent } from '../recorder/event.ts'
import { TypedInput } from '../recorder/typed-input.ts'
import { type FileReader, fileReaderOf } from './copy/transfer.ts'
import type { Conduit } from './forwarding/conduit.ts'
import { KeptStream } from './kept-stream.ts'
import { ReplyQueue } from './reply-queue.ts'
import type { MemoryBudget } from './sftp/budget.ts'
import type { Copies } from './sftp/copies.ts'
import { SftpDecoder } from './sftp/decoder.ts'
import { ZmodemWatch } from './zmodem/watch.ts'

/** What one end may do: the window that it was granted, and what it has ended. */
export class ChannelEnd extends ReplyQueue {
  /** The number that this end gave the channel; undefined until it has confirmed. */
  number: number | undefined
  /** Bytes that this end may still send: the window of the other end (RFC 4254, section 5.2). */
  allowanceBytes = 0
  maxPacketBytes = 0
  sentEndOfFile = false
  sentClose = false
  #ownBytes = 0

  /** Takes sent bytes out of the allowance. A peer that ignores its window would fill our memory: Fault. */
  spend(bytes: number): void {
    if (this.sentEndOfFile || this.sentClose)
      throw new Fault('SSH_PROTOCOL', 'Data arrived on a channel after its end.')
    if (bytes > this.allowanceBytes || bytes > this.maxPacketBytes) {
      throw new Fault('SSH_PROTOCOL', 'More data arrived on a channel than its window allows.')
    }
    this.allowanceBytes -= bytes
  }

  /** RFC 4254, section 5.2: a window never grows past 2^32 - 1. */
  grant(bytes: number): void {
    if (this.allowanceBytes + bytes > 0xffff_ffff)
      throw new Fault('SSH_PROTOCOL', 'A channel window grew too large.')
    this.allowanceBytes += bytes
  }

  /**
   * Whether there is room for bytes of our own in this end's stream. What this end may still send stays as it believes, and what the
   * other end grants next pays for ours first: until then this end could send so many bytes too many, which is why there
   * has to be far more room than that.
   */
  addOurs(bytes: number): boolean {
    if (this.allowanceBytes < bytes + spareWindowBytes || this.#ownBytes + bytes > maxOwnBytes) return false
    this.#ownBytes += bytes
    return true
  }

  /** How much of a grant is left for this end after it has paid for ours. */
  afterOurs(bytes: number): number {
    const paid = Math.min(bytes, this.#ownBytes)
    this.#ownBytes -= paid
    return bytes - paid
  }
}

/** Of a window that anybody uses for more than typing. */
const spareWindowBytes = 16 * 1024
const maxOwnBytes = 4 * 1024

export type Started = { kind: 'shell' } | { kind: 'exec'; command: Buffer } | { kind: 'sftp' }

/** What all channels of a connection have in common for the files that they move. */
export type FileParts = {
  readonly budget: MemoryBudget
  readonly copies?: Copies
  /** Whether files may pass through terminals. */
  readonly allowsZmodem?: () => boolean
}

/** What the recording gets before the client's bytes go on, and which of them may. */
export type Input = {
  readonly events: readonly RecordedEvent[]
  /** Undefined: all. Else a file was to pass through the terminal, which policy does not allow; these came before it. */
  readonly onlyThese: Buffer | undefined
}

export class RelayChannel {
  readonly id: number
  readonly client = new ChannelEnd()
  readonly target = new ChannelEnd()
  readonly #streams = { output: new KeptStream(), 'error-output': new KeptStream() }
  /** Set once the target has given a terminal: then typing is not kept as it comes, but as it shows. */
  #typed: TypedInput | undefined
  /**
   * 'asked': the target has not answered yet, so nobody knows how input is to be recorded, and it waits. Only the target's
   * word counts: were asking enough, a refused request would keep what a command reads out of the recording.
   */
  terminal: 'none' | 'asked' | 'given' = 'none'
  /** What the client sent while the terminal was asked for. */
  readonly heldInput: Buffer[] = []
  started: Started | undefined
  /** Which end asked for the channel; the other one confirms it. */
  readonly openedBy: 'client' | 'target'
  /** As it was asked for (RFC 4254, section 5.1). */
  readonly type: string
  /** What it carries, if it is no session. */
  conduit: Conduit | undefined
  /** Set if the channel runs SFTP: then its two streams are described by what they do with files, and not kept. */
  sftp: SftpDecoder | undefined
  /** Set if the channel runs a command that copies files: told besides its streams, which are kept as any command's. */
  #files: FileReader | undefined
  #fileParts: FileParts | undefined
  /** Set if the channel has a terminal and runs something in it. */
  #zmodem: ZmodemWatch | undefined
  /** Policy did not allow what it was to run; the end of it may still wait for its turn. */
  startRefused = false
  /** We refused what the channel was for; whatever the target still says on it is dropped. */
  refused = false

  constructor(id: number, openedBy: 'client' | 'target' = 'client', type = 'session') {
    this.id = id
    this.openedBy = openedBy
    this.type = type
  }

  /** The target answered the request for a terminal. */
  settleTerminal(granted: boolean): void {
    this.terminal = granted ? 'given' : 'none'
    if (!granted) return
    this.#typed ??= new TypedInput(this.id)
    this.#watchTerminal()
  }

  #watchTerminal(): void {
    const { budget, copies, allowsZmodem = () => true } = this.#fileParts ?? {}
    if (this.#typed === undefined || budget === undefined) return
    this.#zmodem ??= new ZmodemWatch(this.id, {
      isAllowed: allowsZmodem,
      budget,
      ...(copies === undefined ? {} : { copies }),
    })
  }

  /** What it runs goes on to the target. */
  start(started: Started, parts: FileParts): void {
    const { budget, copies } = parts
    this.started = started
    this.#fileParts = parts
    this.#watchTerminal()
    if (started.kind === 'sftp') this.sftp = new SftpDecoder(this.id, budget, copies)
    // At a terminal, input is typing, of which the recording keeps what the screen shows and no more.
    if (started.kind === 'exec' && this.terminal === 'none')
      this.#files = fileReaderOf(this.id, started.command, budget, copies)
  }

  /** The channel is over: what is to say of what passed. */
  endFiles(): readonly RecordedEvent[] {
    const events = [
      ...(this.sftp?.end() ?? []),
      ...(this.#files?.end() ?? []),
      ...(this.#zmodem?.end() ?? []),
      ...(this.conduit?.end() ?? []),
    ]
    this.sftp = undefined
    this.#files = undefined
    this.#zmodem = undefined
    return events
  }

  /** Something runs here that somebody may be looking at; what a program reads as a file does not. */
  get takesWords(): boolean {
    const isOver = this.target.sentEndOfFile || this.target.sentClose || this.client.sentClose
    const isOpen = this.client.number !== undefined && this.target.number !== undefined
    return isOpen && !isOver && !this.refused && this.started !== undefined && this.#zmodem?.isMoving !== true
  }

  get finished(): boolean {
    return this.client.sentClose && this.target.sentClose
  }

  /**
   * What the recording gets before the client's bytes go on. All of what a command reads is kept (`ssh host bash` is a
   * shell too): with a limit, whatever comes behind enough padding would run unseen.
   */
  recordInput(data: Buffer): Input {
    const typed = this.#typed
    if (typed === undefined)
      return {
        events: [{ type: 'input', channel: this.id, data }, ...(this.#files?.fromClient(data) ?? [])],
        onlyThese: undefined,
      }
    if (this.#zmodem === undefined) return { events: typed.typed(data), onlyThese: undefined }
    const { events, typing, brokenBytes, refused } = this.#zmodem.fromClient(data)
    if (refused) return { events: [...typed.typed(typing), ...events], onlyThese: typing }
    return {
      events: [...this.#typing(typed, data, typing), ...hidden(this.id, brokenBytes), ...events],
      onlyThese: undefined,
    }
  }

  /** What a program sends is looked at like typing, in case it is; but that a file does not show means nothing. */
  #typing(typed: TypedInput, data: Buffer, typing: Buffer): readonly RecordedEvent[] {
    const told = typed.typed(data)
    const isFrames = this.#zmodem?.isMoving === true && typing.length < data.length
    return isFrames ? told.filter(({ type }) => type !== 'unechoed-line') : told
  }

  /** What the recording gets before the target's bytes go on. A terminal's output is always kept whole. */
  recordOutput(stream: 'output' | 'error-output', data: Buffer, keepBytes: number): readonly RecordedEvent[] {
    if (this.#typed === undefined) {
      const told = stream === 'output' ? this.#files?.fromTarget(data) : undefined
      return [this.#streams[stream].record(stream, this.id, data, keepBytes), ...(told ?? [])]
    }
    const event = { type: stream, channel: this.id, data } as const
    if (stream !== 'output') return [event]
    const wasMoving = this.#zmodem?.isMoving === true
    const files = this.#zmodem?.fromTarget(data) ?? []
    const shown = this.#typed.shown(data)
    if (!wasMoving) return [event, ...shown, ...files]
    if (this.#zmodem?.isMoving !== true) this.#typed.forget() // nothing of what a program sent is waited for
    return [event, ...shown.filter(({ type }) => type !== 'unechoed-line'), ...files]
  }

  /** The channel ends: lines that were entered and never shown are told, by their length. */
  endTyping(): readonly RecordedEvent[] {
    return this.#typed?.end() ?? []
  }

  /** Nothing typed stays in memory. */
  forget(): void {
    this.#typed?.forget()
    this.heldInput.length = 0
  }
}

/** Bytes that looked like a program's and were not: of somebody who types what is not to be seen, most likely. */
function hidden(channel: number, bytes: number): readonly RecordedEvent[] {
  return bytes === 0 ? [] : [{ type: 'unechoed-line', channel, characters: bytes }]
}
