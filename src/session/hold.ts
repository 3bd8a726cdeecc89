/** A session that waits: for what, until when, and what its user is told. What the client sends goes nowhere meanwhile; what runs at the target runs on. */

export type HoldWish = {
  /** `pause`: until somebody lets it go on; `step-up`: until its person has signed in again, or somebody lets it go on. */
  readonly kind: 'pause' | 'step-up'
  readonly waitMs: number
  /** For its user: why, or what to do about it. Sentences of printable text in one line. */
  readonly userText: string
}

export type Held = {
  readonly kind: HoldWish['kind']
  readonly sinceMs: number
  /** Then it ends. */
  readonly untilMs: number
  readonly userText: string
}

/** `ended`: it could not be made sure that it waits, so it ends. */
export type HoldResult = 'held' | 'ended' | 'not-open'

/** A session that a reviewer or a receiver paused ends after this time, unless somebody lets it go on. Milliseconds. */
export const askedPauseMs = 600_000

/** What the person reads whose session somebody has paused. */
export function pausedText(by: string, reason: string): string {
  return `${by} has paused it: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`
}

/** Of what a client sends while its session is held, so much is read; the rest waits with the client, whose sending then stands still. */
export const maxWaitingInputBytes = 64 * 1024

/** One line for the user of a session that begins to wait. */
export function heldText({ userText, sinceMs, untilMs }: Held): string {
  const within = inWords(untilMs - sinceMs)
  return `This session is held. ${userText} What you send now waits, and is passed on when it goes on. If it does not within ${within}, it ends, and what waits is dropped.`
}

/** One line for the user of a session that goes on. */
export function releasedText(waitingBytes: number): string {
  return waitingBytes > 0
    ? 'This session goes on. What you sent meanwhile is passed on now.'
    : 'This session goes on.'
}

/** What is added to the reason for the end of a session that was held. */
export function droppedText(waitingBytes: number): string {
  return waitingBytes > 0 ? ' What you sent while it was held was not passed on.' : ''
}

function inWords(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  if (seconds === 1) return 'a second'
  return seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`
}
