/** A channel that ends at the gateway itself: its numbers, windows and ends (RFC 4254, section 5). */
import { Fault } from '../../errors.ts'
import { ChannelEnd } from '../channel.ts'
import {
  type ChannelOpen,
  encodeChannelRequest,
  encodeChannelSignal,
  encodeDataHead,
  encodeExtendedDataHead,
  encodeOpenConfirmation,
  encodeOpenFailure,
  encodeWindowAdjust,
  stderrCode,
} from '../messages.ts'
import type { Transport } from '../transport.ts'
import type { LeftChannel } from './handover.ts'

/** Of one data message, each way: what RFC 4253, section 6.1 asks for. */
export const maxDataBytes = 32_768

const noBytes = Buffer.alloc(0)

/** What is behind the channel: a jump's inner server, or the picker. */
export type ChannelOwner = {
  readonly data: (data: Buffer) => void
  readonly endOfFile: () => void
  /** The client has closed it, or is gone: nothing more is sent or received. */
  readonly closed: () => void
  /** The client can take more. */
  readonly writable: () => void
  /** Returns whether it was granted. */
  readonly request: (name: string, fields: Buffer) => boolean
}

export class LobbyChannel {
  /** The number that we gave it. */
  readonly id: number
  readonly #transport: Transport
  readonly #client = new ChannelEnd()
  readonly #ours = new ChannelEnd()
  readonly #windowBytes: number
  readonly #maxPacketBytes: number
  readonly #forget: () => void
  #owner: ChannelOwner | undefined
  /** Taken out of the client's allowance and not yet given back. */
  #owedBytes = 0

  constructor(
    id: number,
    open: ChannelOpen,
    o: { transport: Transport; windowBytes: number; maxPacketBytes: number; forget: () => void },
  ) {
    this.id = id
    this.#transport = o.transport
    this.#windowBytes = o.windowBytes
    this.#maxPacketBytes = o.maxPacketBytes
    this.#forget = o.forget
    this.#client.number = open.sender
    this.#ours.allowanceBytes = open.windowBytes
    this.#ours.maxPacketBytes = Math.min(open.maxPacketBytes, maxDataBytes)
  }

  // ── Opening ───────────────────────────────────────────────────────────────────────────────────────────────────

  confirm(owner: ChannelOwner): void {
    this.#owner = owner
    this.#client.allowanceBytes = this.#windowBytes
    this.#client.maxPacketBytes = this.#maxPacketBytes
    this.#transport.send(
      encodeOpenConfirmation({
        recipient: this.#number,
        sender: this.id,
        windowBytes: this.#windowBytes,
        maxPacketBytes: this.#maxPacketBytes,
        fields: noBytes,
      }),
    )
  }

  refuse(reason: number, text: string): void {
    this.#forget()
    this.#transport.send(encodeOpenFailure(this.#number, reason, `sallyport: ${text}`))
  }

  get #number(): number {
    return this.#client.number ?? 0
  }

  // ── To the client ─────────────────────────────────────────────────────────────────────────────────────────────

  /** How many bytes one `send` may carry now; 0 while the client or the connection cannot take any. */
  get roomBytes(): number {
    if (this.#ours.sentEndOfFile || this.#ours.sentClose || this.#congested()) return 0
    return Math.min(this.#ours.allowanceBytes, this.#ours.maxPacketBytes)
  }

  #waits = false
  #congested(): boolean {
    if (!this.#transport.congested) return false
    if (!this.#waits) {
      this.#waits = true
      this.#transport.whenWritable(() => {
        this.#waits = false
        this.#owner?.writable()
      })
    }
    return true
  }

  /** At most `roomBytes`. */
  send(data: Buffer): void {
    this.#ours.spend(data.length)
    this.#transport.sendParts(encodeDataHead(this.#number, data.length), data)
  }

  /** Nothing where the client or the connection cannot take any, or is gone. */
  sendError(text: Buffer): void {
    const data = text.subarray(0, this.roomBytes)
    if (data.length === 0) return
    this.#ours.spend(data.length)
    this.#transport.sendParts(encodeExtendedDataHead(this.#number, stderrCode, data.length), data)
  }

  /** The client may send as many bytes again as were received. */
  giveBack(bytes: number): void {
    this.#owedBytes += bytes
    if (this.#client.sentEndOfFile || this.#client.sentClose || this.#ours.sentClose) return
    if (this.#owedBytes < this.#windowBytes / 4) return
    this.#client.grant(this.#owedBytes)
    this.#transport.send(encodeWindowAdjust(this.#number, this.#owedBytes))
    this.#owedBytes = 0
  }

  request(name: string, fields: Buffer): void {
    if (!this.#ours.sentClose) this.#transport.send(encodeChannelRequest(this.#number, name, false, fields))
  }

  /** Ends our direction and asks for the channel's end; once. */
  close(): void {
    if (this.#ours.sentClose) return
    if (!this.#ours.sentEndOfFile) this.#transport.send(encodeChannelSignal('end-of-file', this.#number))
    this.#ours.sentEndOfFile = this.#ours.sentClose = true
    this.#transport.send(encodeChannelSignal('close', this.#number))
    this.#forgetIfOver()
  }

  // ── From the client ───────────────────────────────────────────────────────────────────────────────────────────

  data(data: Buffer): void {
    const owner = this.#opened()
    this.#client.spend(data.length)
    if (!this.#ours.sentClose) owner.data(data)
  }

  windowAdjust(bytes: number): void {
    const owner = this.#opened()
    this.#ours.grant(bytes)
    owner.writable()
  }

  endOfFile(): void {
    const owner = this.#opened()
    if (this.#client.sentEndOfFile || this.#client.sentClose)
      throw new Fault('SSH_PROTOCOL', 'A channel ended twice.')
    this.#client.sentEndOfFile = true
    owner.endOfFile()
  }

  closedByClient(): void {
    const owner = this.#opened()
    if (this.#client.sentClose) throw new Fault('SSH_PROTOCOL', 'A channel closed twice.')
    this.#client.sentClose = true
    this.close()
    owner.closed()
    this.#forgetIfOver()
  }

  channelRequest(name: string, wantReply: boolean, fields: Buffer): void {
    const owner = this.#opened()
    if (this.#client.sentClose)
      throw new Fault('SSH_PROTOCOL', 'A request arrived on a channel after its end.')
    if (this.#ours.sentClose) return
    const granted = owner.request(name, fields)
    if (!wantReply) return
    this.#transport.send(encodeChannelSignal(granted ? 'channel-success' : 'channel-failure', this.#number))
  }

  /** From now on it is somebody else's, who goes on with what is left of its windows. */
  handOver(): LeftChannel {
    this.#forget()
    const left = {
      number: this.#number,
      clientAllowanceBytes: this.#client.allowanceBytes,
      clientMaxPacketBytes: this.#client.maxPacketBytes,
      windowBytes: this.#ours.allowanceBytes,
      maxPacketBytes: this.#ours.maxPacketBytes,
    }
    this.#ours.sentEndOfFile = this.#ours.sentClose = true
    return left
  }

  /** The connection is gone. */
  lost(): void {
    this.#ours.sentEndOfFile = this.#ours.sentClose = this.#client.sentClose = true
    this.#owner?.closed()
  }

  #opened(): ChannelOwner {
    if (this.#owner === undefined) throw new Fault('SSH_PROTOCOL', 'A channel was used before it was open.')
    return this.#owner
  }

  #forgetIfOver(): void {
    if (this.#ours.sentClose && this.#client.sentClose) this.#forget()
  }
}
