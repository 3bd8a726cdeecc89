/**
 * One end of a connection that keeps the order of the protocol and says hostile things in it. A peer that breaks the order is gone
 * with its first message, so that nothing behind that check would ever be tried.
 */
import {
  type ChannelOpen,
  type ConnectionMessage,
  decodeConnectionMessage,
  messageNumber,
  type OpenConfirmation,
  stderrCode,
} from '../../src/ssh/messages.ts'

type Channel = {
  /** How the gateway calls it, and how we do. */
  readonly gateway: number
  readonly ours: number
  allowanceBytes: number
  maxPacketBytes: number
  state: 'asked' | 'open'
  sentEndOfFile: boolean
  sentClose: boolean
  /** Requests of the gateway that wait for our answer. */
  owed: number
}

/** Where the number of the receiving end stands in everything but openings and global messages. */
const recipientAt = 1

export class FuzzEnd {
  readonly #role: 'client' | 'target'
  readonly #channels: Channel[] = []
  /** Large, as a test may have opened some before. */
  #nextNumber = 1000
  #globalsOwed = 0
  /** All windows that we ever granted. */
  grantedBytes = 0

  constructor(role: 'client' | 'target') {
    this.#role = role
  }

  /** What the gateway sent us. */
  heard(payload: Buffer): void {
    const message = decodeConnectionMessage(payload)
    if (message === undefined) return
    switch (message.type) {
      case 'channel-open':
        return this.#add(message, message.sender, 'asked')
      case 'open-confirmation':
        return this.#add(message, message.recipient, 'open')
      case 'global-request':
        if (message.wantReply) this.#globalsOwed++
        return
      default:
        if ('recipient' in message) this.#heardOn(message)
    }
  }

  /** The message as it may be said now, on the `pick`th channel that it is possible on; undefined if it may not. */
  say(message: Buffer, pick: number): Buffer | undefined {
    const decoded = decode(message)
    if (decoded === undefined) return undefined
    const said = this.#fit(Buffer.from(message), decoded, pick)
    const now = said === undefined ? undefined : decode(said)
    if (now !== undefined) this.#note(now)
    return now === undefined ? undefined : said
  }

  #add(open: ChannelOpen | OpenConfirmation, ours: number, state: Channel['state']): void {
    const { sender: gateway, windowBytes: allowanceBytes, maxPacketBytes } = open
    const flags = { sentEndOfFile: false, sentClose: false, owed: 0 }
    this.#channels.push({ gateway, ours, allowanceBytes, maxPacketBytes, state, ...flags })
  }

  #heardOn(message: ConnectionMessage & { recipient: number }): void {
    // Hostile openings use a number twice; the newest is as good as any.
    const at = this.#channels.findLastIndex(channel => channel.ours === message.recipient)
    const channel = this.#channels[at]
    if (channel === undefined) return
    if (message.type === 'window-adjust') channel.allowanceBytes += message.bytes
    if (message.type === 'channel-request' && message.wantReply) channel.owed++
    if (message.type === 'close' && channel.sentClose) this.#channels.splice(at, 1)
  }

  #fit(message: Buffer, decoded: ConnectionMessage, pick: number): Buffer | undefined {
    switch (decoded.type) {
      case 'channel-open':
        message.writeUInt32BE(this.#nextNumber++, 5 + message.readUInt32BE(1))
        return message
      case 'global-request':
        return message
      case 'request-success':
      case 'request-failure':
        return this.#globalsOwed > 0 ? message : undefined
      case 'open-confirmation':
      case 'open-failure':
        return this.#to(message, pick, channel => channel.state === 'asked')
      case 'window-adjust':
        message.writeUInt32BE(decoded.bytes % 1_000_000, 5)
        return this.#to(message, pick, isOpen)
      case 'data':
        return this.#data(message, 5, pick)
      case 'extended-data':
        if (this.#role === 'client' || decoded.code !== stderrCode) return undefined
        return this.#data(message, 9, pick)
      case 'end-of-file':
        return this.#to(message, pick, channel => isOpen(channel) && !channel.sentEndOfFile)
      case 'channel-success':
      case 'channel-failure':
        return this.#to(message, pick, channel => isOpen(channel) && channel.owed > 0)
      default:
        return this.#to(message, pick, isOpen)
    }
  }

  /** Cut to what the window has room for. */
  #data(message: Buffer, lengthAt: number, pick: number): Buffer | undefined {
    const possible = this.#channels.filter(channel => isOpen(channel) && !channel.sentEndOfFile)
    const channel = possible[pick % possible.length]
    if (channel === undefined) return undefined
    const room = Math.min(channel.allowanceBytes, channel.maxPacketBytes, message.length - lengthAt - 4)
    message.writeUInt32BE(channel.gateway, recipientAt)
    message.writeUInt32BE(room, lengthAt)
    return message.subarray(0, lengthAt + 4 + room)
  }

  #to(message: Buffer, pick: number, may: (channel: Channel) => boolean): Buffer | undefined {
    const possible = this.#channels.filter(may)
    const channel = possible[pick % possible.length]
    if (channel === undefined) return undefined
    message.writeUInt32BE(channel.gateway, recipientAt)
    if (message[0] === messageNumber.openConfirmation) message.writeUInt32BE(channel.gateway, 5)
    return message
  }

  #note(message: ConnectionMessage): void {
    if ('windowBytes' in message) this.grantedBytes += message.windowBytes
    if (message.type === 'request-success' || message.type === 'request-failure') this.#globalsOwed--
    if (!('recipient' in message)) return
    const at = this.#channels.findIndex(one => one.gateway === message.recipient)
    const channel = this.#channels[at]
    if (channel === undefined) return
    if (message.type === 'window-adjust') this.grantedBytes += message.bytes
    if (message.type === 'open-confirmation') channel.state = 'open'
    if (message.type === 'open-failure') this.#channels.splice(at, 1)
    if (message.type === 'data' || message.type === 'extended-data')
      channel.allowanceBytes -= message.data.length
    if (message.type === 'end-of-file') channel.sentEndOfFile = true
    if (message.type === 'close') channel.sentClose = true // gone once the gateway closes, too
    if (message.type === 'channel-success' || message.type === 'channel-failure') channel.owed--
  }
}

const isOpen = (channel: Channel): boolean => channel.state === 'open' && !channel.sentClose

function decode(message: Buffer): ConnectionMessage | undefined {
  try {
    return decodeConnectionMessage(message)
  } catch {
    return undefined
  }
}
