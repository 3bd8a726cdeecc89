/**
 * How the chosen session gets the channel that the picker ran on. To the relay it looks like any client that opens a channel
 * and asks for a terminal and a shell, so that all of it is decided and recorded as always; the client, which has its channel
 * already, hears nothing of that but the wider window.
 */
import {
  decodeConnectionMessage,
  encodeChannelOpen,
  encodeChannelRequest,
  encodeGlobalRequest,
  encodeWindowAdjust,
  type OpenConfirmation,
} from '../messages.ts'
import type { Passage } from '../passage.ts'
import type { RelayPeer } from '../relay/leg.ts'
import type { Transport } from '../transport.ts'

/** A request of the client, as it came. */
export type AskedFor = { readonly name: string; readonly fields: Buffer }

/** What the picker leaves behind. */
export type LeftChannel = {
  /** The number that the client gave it. Ours must be 0, which is the relay's for its first channel. */
  readonly number: number
  /** What the client may still send, in all and at once. */
  readonly clientAllowanceBytes: number
  readonly clientMaxPacketBytes: number
  /** What the client still takes. */
  readonly windowBytes: number
  readonly maxPacketBytes: number
}

/** The relay's first channel, which is the one that is handed over. */
export const handedChannel = 0

/** A target that has a channel has a shell, and room for typing, long before. */
const maxStartMs = 15_000

const noBytes = Buffer.alloc(0)

/** The client as the relay of the chosen session sees it. */
export class Handover {
  readonly #transport: Transport
  readonly #failed: (text: string) => void
  #channel: LeftChannel | undefined
  #requests: readonly AskedFor[] = []
  #passage: Passage | undefined
  #phase: 'waiting' | 'opening' | 'asking' | 'over' = 'waiting'
  #held = false
  /** What the client may send and the target does not take yet: sshd opens its windows when the shell starts. */
  #owedBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(transport: Transport, failed: (text: string) => void) {
    this.#transport = transport
    this.#failed = failed
  }

  /** What the relay is given as its client. */
  get client(): RelayPeer {
    const transport = this.#transport
    return {
      send: payload => this.#send(payload),
      sendParts: (head, data) => transport.sendParts(head, data),
      get congested() {
        return transport.congested
      },
      whenWritable: listener => transport.whenWritable(listener),
      pauseReading: () => this.#hold(true),
      resumeReading: () => this.#hold(false),
      disconnect: (reason, text) => transport.disconnect(reason, text),
    }
  }

  /** Once the passage relays. Nothing of the client is read until the target has a channel too. */
  start(
    passage: Passage,
    channel: LeftChannel,
    requests: readonly AskedFor[],
    noMoreSessions: boolean,
  ): void {
    this.#passage = passage
    this.#channel = channel
    this.#requests = requests
    this.#phase = 'opening'
    this.#transport.pauseReading()
    this.#timer = setTimeout(() => this.#failed('The target started no shell in time.'), maxStartMs)
    this.#timer.unref()
    const { number: sender, windowBytes, maxPacketBytes } = channel
    this.#feed(
      encodeChannelOpen({ channelType: 'session', sender, windowBytes, maxPacketBytes, fields: noBytes }),
    )
    if (noMoreSessions) this.#feed(encodeGlobalRequest('no-more-sessions@openssh.com', false, noBytes))
  }

  #feed(payload: Buffer): void {
    this.#passage?.fromClient(payload, 0)
  }

  #hold(held: boolean): void {
    this.#held = held
    if (held || this.#phase === 'opening' || this.#owedBytes > 0) this.#transport.pauseReading()
    else this.#transport.resumeReading()
  }

  #send(payload: Uint8Array): void {
    const settled = this.#phase === 'over' && this.#owedBytes === 0
    if (settled || this.#phase === 'waiting' || !this.#isOurs(Buffer.from(payload)))
      this.#transport.send(payload)
  }

  /** Takes what the client must not see. */
  #isOurs(payload: Buffer): boolean {
    const message = decodeConnectionMessage(payload)
    switch (message?.type) {
      case 'open-confirmation':
        this.#opened(message)
        return true
      case 'open-failure':
        this.#failed('The target opened no channel.')
        return true
      case 'window-adjust':
        if (this.#owedBytes === 0) return false
        this.#widen(message.bytes)
        return true
      case 'channel-success':
        return this.#answered()
      case 'channel-failure':
        if (this.#phase !== 'asking') return false
        this.#failed('The target started no shell.')
        return true
      default:
        return false
    }
  }

  #opened(confirmation: OpenConfirmation): void {
    const channel = this.#channel
    if (channel === undefined) return
    if (confirmation.maxPacketBytes < channel.clientMaxPacketBytes)
      return this.#failed(
        'The target takes too little at once for a session from this list. Name it instead.',
      )
    this.#owedBytes = channel.clientAllowanceBytes
    this.#phase = 'asking'
    this.#widen(confirmation.windowBytes)
    // Not from inside of what the relay does with the confirmation.
    queueMicrotask(() => this.#ask())
  }

  /** The client has some of the target's window already; it gets the rest, and is read once it may send what it may. */
  #widen(bytes: number): void {
    const wider = bytes - this.#owedBytes
    this.#owedBytes = Math.max(0, -wider)
    if (wider > 0) this.#transport.send(encodeWindowAdjust(this.#channel?.number ?? 0, wider))
    this.#settle()
  }

  #ask(): void {
    for (const { name, fields } of this.#requests)
      this.#feed(encodeChannelRequest(handedChannel, name, name === 'shell', fields))
  }

  /** The client was told long ago. */
  #answered(): boolean {
    if (this.#phase !== 'asking') return false
    this.#phase = 'over'
    this.#settle()
    return true
  }

  #settle(): void {
    if (this.#phase === 'over' && this.#owedBytes === 0) clearTimeout(this.#timer)
    this.#hold(this.#held)
  }
}
