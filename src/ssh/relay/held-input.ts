/** What a client sends while its session is held: kept in order, in bounded memory, until the session goes on. */
import { maxWaitingInputBytes } from '../../session/hold.ts'
import type { ConnectionMessage } from '../messages.ts'

/** What a message costs us besides its bytes: without it, many empty ones would be free. */
const messageCostBytes = 64

type Waiting = { readonly message: ConnectionMessage; readonly bytes: number }

export class HeldInput {
  #waiting: Waiting[] = []
  #bytes = 0
  /** Replies to global requests go back in their order (RFC 4254, section 4): once one waits, the next ones do. */
  #hasGlobalRequest = false

  /** What waits, and what that costs. */
  get bytes(): number {
    return this.#bytes
  }

  /** The client is not read any more. */
  get isFull(): boolean {
    return this.#bytes >= maxWaitingInputBytes
  }

  /** Whether the message goes on although the session is held: nothing of what somebody does, but room for output and signs of life. */
  passes(message: ConnectionMessage): boolean {
    switch (message.type) {
      case 'window-adjust':
      case 'request-success':
      case 'request-failure':
      case 'channel-success':
      case 'channel-failure':
        return true
      case 'global-request':
        return message.name.startsWith('keepalive@') && !this.#hasGlobalRequest
      default:
        return false
    }
  }

  add(message: ConnectionMessage, bytes: number): void {
    this.#hasGlobalRequest ||= message.type === 'global-request'
    this.#waiting.push({ message, bytes: bytes + messageCostBytes })
    this.#bytes += bytes + messageCostBytes
  }

  /** The oldest, which waits no more. */
  take(): ConnectionMessage | undefined {
    const oldest = this.#waiting.shift()
    if (oldest === undefined) return undefined
    this.#bytes -= oldest.bytes
    if (this.#waiting.length === 0) this.#hasGlobalRequest = false
    return oldest.message
  }

  /** Nobody will want it. */
  drop(): void {
    this.#waiting = []
    this.#bytes = 0
    this.#hasGlobalRequest = false
  }
}
