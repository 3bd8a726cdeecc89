import { Fault } from '../errors.ts'

/** Requests that one end may have waiting for their reply. */
export const maxPendingReplies = 64

/** A request that went on to the other end: whether its reply goes back, and who wants to know how it went. */
export type ForwardedRequest = { readonly passesOn: boolean; readonly settled: (granted: boolean) => void }

/** What the next reply from the other end is for, or what to do ourselves when its turn comes. */
type PendingReply = ({ kind: 'forwarded' } & ForwardedRequest) | { kind: 'ours'; act: () => void }

/** Replies go back in the order of the requests (RFC 4254, sections 4 and 5.4), whoever gives them. */
export class ReplyQueue {
  readonly #replies: PendingReply[] = []

  /** The request went on to the other end, which was asked for a reply. */
  awaitReply(request: ForwardedRequest): void {
    this.#push({ kind: 'forwarded', ...request })
  }

  /** The request asked for a reply that the gateway gives itself, in its turn. */
  replyOurselves(act: () => void): void {
    if (this.#replies.length === 0) act()
    else this.#push({ kind: 'ours', act })
  }

  #push(reply: PendingReply): void {
    if (this.#replies.length >= maxPendingReplies)
      throw new Fault('SSH_PROTOCOL', 'Too many requests wait for a reply.')
    this.#replies.push(reply)
  }

  /** The other end replied: to what? Throws if nobody asked. Call `runOurs` after passing the reply on. */
  takeReply(): ForwardedRequest {
    const next = this.#replies.shift()
    if (next?.kind !== 'forwarded') throw new Fault('SSH_PROTOCOL', 'A reply arrived that nobody asked for.')
    return next
  }

  runOurs(): void {
    for (let next = this.#replies[0]; next?.kind === 'ours'; next = this.#replies[0]) {
      this.#replies.shift()
      next.act()
    }
  }
}
