/** One channel that the gateway relays, as both of its ends see it (RFC 4254, section 5). */
import { Fault } from '../errors.ts'
import type { RecordedEvent } from '../recorder/event.ts'
import { TypedInput } from '../recorder/typed-input.ts'
import { type FileReader, fileReaderOf } from './copy/transfer.ts'
import type { Conduit } from './forwarding/conduit.ts'
import { KeptStream } from './kept-stream.ts'
import { ReplyQueue } from './reply-queue.ts'
import type { MemoryBudget } from './sftp/budget.ts'
import { SftpDecoder } from './sftp/decoder.ts'

/** What one end may do: the window that it was granted, and what it has ended. */
export class ChannelEnd extends ReplyQueue {
  /** The number that this end gave the channel; undefined until it has confirmed. */
  number: number | undefined
  /** Bytes that this end may still send: the window of the other end (RFC 4254, section 5.2). */
  allowanceBytes = 0
  maxPacketBytes = 0
  sentEndOfFile = false
  sentClose = false

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
}

export type Started = { kind: 'shell' } | { kind: 'exec'; command: Buffer } | { kind: 'sftp' }

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
    if (granted) this.#typed ??= new TypedInput(this.id)
  }

  /** What it runs goes on to the target. */
  start(started: Started, budget: MemoryBudget): void {
    this.started = started
    if (started.kind === 'sftp') this.sftp = new SftpDecoder(this.id, budget)
    // At a terminal, input is typing, of which the recording keeps what the screen shows and no more.
    if (started.kind === 'exec' && this.terminal === 'none')
      this.#files = fileReaderOf(this.id, started.command, budget)
  }

  /** The channel is over: what is to say of what passed. */
  endFiles(): readonly RecordedEvent[] {
    const events = [
      ...(this.sftp?.end() ?? []),
      ...(this.#files?.end() ?? []),
      ...(this.conduit?.end() ?? []),
    ]
    this.sftp = undefined
    this.#files = undefined
    return events
  }

  get finished(): boolean {
    return this.client.sentClose && this.target.sentClose
  }

  /**
   * What the recording gets before the client's bytes go on. All of what a command reads is kept (`ssh host bash` is a
   * shell too): with a limit, whatever comes behind enough padding would run unseen.
   */
  recordInput(data: Buffer): readonly RecordedEvent[] {
    if (this.#typed !== undefined) return this.#typed.typed(data)
    return [{ type: 'input', channel: this.id, data }, ...(this.#files?.fromClient(data) ?? [])]
  }

  /** What the recording gets before the target's bytes go on. A terminal's output is always kept whole. */
  recordOutput(stream: 'output' | 'error-output', data: Buffer, keepBytes: number): readonly RecordedEvent[] {
    if (this.#typed === undefined) {
      const told = stream === 'output' ? this.#files?.fromTarget(data) : undefined
      return [this.#streams[stream].record(stream, this.id, data, keepBytes), ...(told ?? [])]
    }
    const event = { type: stream, channel: this.id, data } as const
    return stream === 'output' ? [event, ...this.#typed.shown(data)] : [event]
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
