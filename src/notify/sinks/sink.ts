/** Where messages go. A sink sends and says what became of it; when to try again is not its affair. */

import type { FeedEvent } from '../event.ts'

export type Message = {
  /** Names it for ever: whoever gets it twice knows by this. */
  readonly uid: string
  readonly kind: string
  readonly atMs: number
  /** One line of JSON. */
  readonly body: string
  readonly isUrgent: boolean
  /** What it was made of. */
  readonly event: FeedEvent
}

/** What a receiver asks for. Policy decides. */
export type Ask = {
  readonly ask: 'end' | 'pause' | 'require-review'
  readonly session: string
  readonly reason: string
}

export type Outcome = {
  /** So many of the messages arrived, from the first on. */
  readonly taken: number
  /** Why the next one did not. */
  readonly problem?: Problem
  readonly asks?: readonly Ask[]
}

export type Problem = {
  /** For operators: no secret, no text of the receiver that could act on a terminal. */
  readonly reason: string
  /**
   * `away`: nobody is there, or says that they are busy; `refused`: the receiver does not take this message; `gone`: it wants no more
   * messages at all.
   */
  readonly kind: 'away' | 'refused' | 'gone'
  /** The receiver asks not to be tried before. */
  readonly waitMs?: number
}

export type Sink = {
  /** As many messages as one call takes. */
  readonly batch: number
  /** Longest body. */
  readonly maxBytes: number
  /** Resolves within a time limit of its own and never rejects. */
  readonly deliver: (messages: readonly Message[]) => Promise<Outcome>
  readonly close: () => Promise<void>
}
