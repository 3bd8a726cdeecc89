/** What a channel carries that is no session: a forwarded stream, or the client's agent. */
import type { ChannelDecision, Grant } from '../../policy/decide.ts'
import type { RecordedEvent } from '../../recorder/event.ts'

/** Bytes that came, as the recording tells them, and what of them goes on. */
export type Passed = {
  readonly events: readonly RecordedEvent[]
  /** In order; none is longer than what came. May be less than came (the rest follows) or more (it followed). */
  readonly pieces: readonly Buffer[]
  /** Why nothing goes on any more, and the channel ends. */
  readonly violation?: string
}

export type Conduit = {
  readonly fromClient: (data: Buffer) => Passed
  readonly fromTarget: (data: Buffer) => Passed
  /** Whether the grant, decided again, still covers it. */
  readonly allowedBy: (grant: Grant) => ChannelDecision
  /** The channel is over: what is left to say. */
  readonly end: () => readonly RecordedEvent[]
}
