/** Sessions that are over and whose content waits to be sent, for one lane. One page at a time, so that news are not kept waiting. */
import type { AuditFeed, FeedLine } from './audit-feed.ts'
import type { SessionContent } from './content.ts'
import type { FeedEvent } from './event.ts'
import type { PendingContent as Pending, Position } from './position.ts'

/** Sessions; the oldest goes when there is one more. */
const maxPending = 1000
/** A session that the index has not read by then is not sent. */
const waitAtMostMs = 6 * 3_600_000
/** How often the index is asked. */
export const askContentEveryMs = 1000

/** Where in a session the sending is. */
type Progress = { readonly sequence: number; readonly cursor: string | undefined; readonly sent: number }

export type ContentPiece = { readonly events: readonly FeedEvent[]; readonly pending: Pending }

export class PendingContent {
  readonly #content: SessionContent
  readonly #feed: AuditFeed
  #pending: Pending[] = []
  /** Their last lines, by number. */
  readonly #closes = new Map<number, FeedEvent>()
  #progress: Progress | undefined
  #next: string | undefined
  /** Sessions that were given up, since the start. */
  lost = 0

  constructor(content: SessionContent, feed: AuditFeed) {
    this.#content = content
    this.#feed = feed
  }

  restore(pending: readonly Pending[]): void {
    this.#pending = [...pending]
  }

  get list(): readonly Pending[] {
    return this.#pending
  }

  /** Before the lines count as read: a crash must not lose them. */
  note(lines: readonly FeedLine[], nowMs: number): void {
    for (const { event, after } of lines) {
      // A session that could not be opened has no recording that was sealed or not.
      if (event.kind !== 'session-close' || event.fields['sealed'] === undefined) continue
      const isKnown = this.#pending.some(({ position }) => position.sequence === after.sequence)
      if (!isKnown) this.#pending.push({ position: after, sinceMs: nowMs })
    }
    while (this.#pending.length > maxPending) this.#giveUp(this.#pending[0])
  }

  /** What can be sent now, if anything: the rest of a page. */
  async piece(nowMs: number): Promise<ContentPiece | undefined> {
    for (const pending of this.#pending) {
      const close = await this.#closeOf(pending)
      const state = close === undefined ? 'none' : this.#content.stateOf(String(close.fields['session']))
      if (close === undefined || state === 'none') this.done(pending)
      else if (state === 'ready') return { events: this.#rest(close, pending.position), pending }
      else if (nowMs - pending.sinceMs > waitAtMostMs) this.#giveUp(pending)
    }
    return undefined
  }

  async #closeOf({ position }: Pending): Promise<FeedEvent | undefined> {
    const known = this.#closes.get(position.sequence) ?? (await this.#feed.lineAt(position))
    if (known !== undefined) this.#closes.set(position.sequence, known)
    return known
  }

  #rest(close: FeedEvent, { sequence }: Position): readonly FeedEvent[] {
    if (this.#progress?.sequence !== sequence) this.#progress = { sequence, cursor: undefined, sent: 0 }
    const { cursor, sent } = this.#progress
    const { events, next } = this.#content.page(close, cursor)
    this.#next = next
    return events.slice(sent)
  }

  /** So many of the piece were taken; with the last of them the page is over, and with the last page the session. */
  sent(count: number, { events, pending }: ContentPiece): void {
    const progress = this.#progress
    if (progress === undefined) return
    if (count < events.length) this.#progress = { ...progress, sent: progress.sent + count }
    else if (this.#next === undefined) this.done(pending)
    else this.#progress = { ...progress, cursor: this.#next, sent: 0 }
  }

  done(pending: Pending): void {
    this.#pending = this.#pending.filter(one => one !== pending)
    this.#closes.delete(pending.position.sequence)
    if (this.#progress?.sequence === pending.position.sequence) this.#progress = undefined
  }

  /** Its receiver does not take it, or it did not come. */
  giveUp({ pending }: ContentPiece): void {
    this.#giveUp(pending)
  }

  #giveUp(pending: Pending | undefined): void {
    if (pending === undefined) return
    this.lost++
    this.done(pending)
  }
}
