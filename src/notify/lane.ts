/**
 * One sink's way through the audit log: reads behind its own cursor, sends in order, waits and tries again. Nothing that happens to
 * one lane is felt by another, or by sessions.
 */
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { reasonOf } from '../errors.ts'
import { delayAfterMs } from '../recorder/storage/back-off.ts'
import type { AuditFeed, FeedLine } from './audit-feed.ts'
import type { SessionContent } from './content.ts'
import { DeadLetters, type Letter } from './dead-letters.ts'
import type { FeedEvent } from './event.ts'
import { wants } from './event-pattern.ts'
import type { Producer } from './ocsf/mapped.ts'
import { askContentEveryMs, type ContentPiece, PendingContent } from './pending-content.ts'
import { type Cursor, type Position, readCursor, writeWhole } from './position.ts'
import { type Format, render } from './render.ts'
import type { Ask, Message, Outcome, Problem, Sink } from './sinks/sink.ts'

/** A cursor is written after so many deliveries, or so long after the first: what a crash makes us send twice is no more. */
const saveAfter = 64
const saveAfterMs = 500
/** Lines that nobody wants move the cursor too, but not each time. */
const saveSkippedAfter = 1000

export type LaneOptions = {
  readonly name: string
  /** Patterns of kinds, such as `session-*`; empty: all. */
  readonly events: readonly string[]
  readonly format: Format
  /** Whether what happened in sessions is sent too, once they are over. */
  readonly content?: boolean
  /** A message that was refused so often, or waits for so long, becomes a dead letter; undefined: never. */
  readonly giveUp?: { readonly attempts: number; readonly afterMs: number }
  readonly sink: Sink
}

export type LaneParts = {
  readonly feed: AuditFeed
  /** Where a sink begins that has never been there. */
  readonly begin: Position
  readonly content: SessionContent
  /** Of cursors and dead letters. */
  readonly folder: string
  readonly producer: Producer
  readonly clock: Clock
  readonly heard: (news: LaneNews) => void
  /** How long to wait before trying again; shorter in tests. */
  readonly delayMs?: (failures: number) => number
}

export type LaneNews =
  | { readonly kind: 'failing' | 'lost-place'; readonly sink: string; readonly reason: string }
  | { readonly kind: 'recovered'; readonly sink: string; readonly afterMs: number }
  | { readonly kind: 'dead'; readonly sink: string; readonly letter: string; readonly reason: string }
  | { readonly kind: 'disabled'; readonly sink: string; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly sink: string; readonly lines: number }
  | { readonly kind: 'ask'; readonly sink: string; readonly ask: Ask; readonly sequence: number }

export type LaneState = {
  readonly sink: string
  readonly taken: number
  /** Attempts that failed because nobody was there, and because the receiver refused. */
  readonly away: number
  readonly refused: number
  readonly dead: number
  readonly deadLetters: number
  readonly lostLetters: number
  /** Lines of the audit log that it has not come to. */
  readonly backlog: number
  /** Since when the next message waits; 0: nothing waits. */
  readonly oldestAtMs: number
  readonly isDisabled: boolean
}

/** What became of a letter that somebody wanted sent again. */
export type Retried =
  | { readonly kind: 'sent' }
  | { readonly kind: 'not-sent'; readonly reason: string }
  | { readonly kind: 'no-letter' }

export class Lane {
  readonly #options: LaneOptions
  readonly #parts: LaneParts
  readonly #letters: DeadLetters
  readonly #pending: PendingContent | undefined
  #position: Position = { segment: 1, offset: 0, sequence: 0, link: '' }
  #saved = 0
  #savedAtMs = 0
  #unsaved = 0
  #failures = 0
  #refusals = 0
  #startedAtMs = 0
  #failingSinceMs = 0
  #oldestAtMs = 0
  #disabled: Cursor['disabled']
  #isClosed = false
  #counts = { taken: 0, away: 0, refused: 0, dead: 0 }
  /** Ends what the lane waits for. */
  #wake: () => void = () => {}
  #isWoken = false
  #running: Promise<void> = Promise.resolve()

  constructor(options: LaneOptions, parts: LaneParts) {
    this.#options = options
    this.#parts = parts
    this.#pending = options.content === true ? new PendingContent(parts.content, parts.feed) : undefined
    this.#letters = new DeadLetters(join(parts.folder, 'dead'), options.name)
  }

  /** A new sink begins where the log ended when it was configured. */
  async start(): Promise<void> {
    this.#startedAtMs = this.#parts.clock.nowMs()
    await this.#letters.open()
    const cursor = await readCursor(this.#cursorFile)
    if (cursor === 'unreadable') this.#lostPlace('its cursor cannot be read; it begins where the log ends')
    if (cursor === undefined || cursor === 'unreadable') {
      this.#position = (await this.#parts.feed.resume(this.#parts.begin)).position
      await this.#save()
    } else await this.#resume(cursor)
    this.#running = this.#run()
  }

  async #resume(cursor: Cursor): Promise<void> {
    const { position, isLost } = await this.#parts.feed.resume(cursor.position)
    this.#position = position
    this.#saved = position.sequence
    this.#disabled = cursor.disabled
    this.#pending?.restore(cursor.content ?? [])
    const reason =
      'the audit log has another line where this sink was; it is sent again from the beginning of that file'
    if (isLost) this.#lostPlace(reason)
  }

  /** There is more in the log. */
  wake(): void {
    this.#isWoken = true
    if (this.#failures === 0) this.#wake()
  }

  state(lastSequence: number): LaneState {
    return {
      sink: this.#options.name,
      ...this.#counts,
      deadLetters: this.#letters.size,
      lostLetters: this.#letters.lost,
      backlog: Math.max(0, lastSequence - this.#position.sequence),
      oldestAtMs: this.#oldestAtMs,
      isDisabled: this.#disabled !== undefined,
    }
  }

  /** Whether it has come to that line, or cannot for now. */
  isQuiet(sequence: number): boolean {
    return this.#disabled !== undefined || this.#failures > 0 || this.#position.sequence >= sequence
  }

  letters(limit: number): Promise<readonly Letter[]> {
    return this.#letters.list(limit)
  }

  /** Sends a dead letter again, once, out of order. */
  async retry(sequence: number): Promise<Retried> {
    const letter = await this.#letters.get(sequence)
    if (letter === undefined) return { kind: 'no-letter' }
    const event = await this.#parts.feed.lineAt(letter.position)
    if (event === undefined) return { kind: 'not-sent', reason: 'its line is not in the audit log any more' }
    const outcome = await this.#options.sink.deliver([this.#messageOf({ event, after: letter.position })])
    if (outcome.taken === 0)
      return { kind: 'not-sent', reason: outcome.problem?.reason ?? 'it was not taken' }
    this.#counts.taken++
    await this.#letters.remove(sequence)
    return { kind: 'sent' }
  }

  /** False if there is no such letter. */
  async drop(sequence: number): Promise<boolean> {
    if ((await this.#letters.get(sequence)) === undefined) return false
    await this.#letters.remove(sequence)
    return true
  }

  /** Sends again after a receiver wanted no more; false if it was not disabled. */
  async resume(): Promise<boolean> {
    if (this.#disabled === undefined) return false
    this.#disabled = undefined
    await this.#save()
    this.#wakeNow()
    return true
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#wakeNow()
    await this.#running
    await this.#options.sink.close()
    if (this.#saved !== this.#position.sequence) await this.#save().catch(() => {})
  }

  get #cursorFile(): string {
    return join(this.#parts.folder, `${this.#options.name}.cursor`)
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        if (this.#disabled !== undefined) await this.#sleep(undefined)
        else if (!(await this.#step()) && !(await this.#sendContent())) await this.#idle()
      } catch (cause) {
        await this.#failed({ kind: 'away', reason: reasonOf(cause) }) // a disk of ours
      }
    }
  }

  /** False if there is nothing to do. */
  async #step(): Promise<boolean> {
    const { lines, end, unreadable } = await this.#parts.feed.read(this.#position)
    if (end.sequence === this.#position.sequence && end.offset === this.#position.offset) {
      if (end.segment === this.#position.segment) return false
    }
    if (unreadable > 0) this.#tell({ kind: 'unreadable', sink: this.#options.name, lines: unreadable })
    this.#pending?.note(lines, this.#parts.clock.nowMs())
    const wanted = lines.filter(
      ({ event }) => event.kind !== 'checkpoint' && wants(this.#options.events, event.kind),
    )
    const isDone = await this.#sendAll(wanted)
    if (isDone) await this.#moved(end, 0)
    return true
  }

  /** A piece of what happened in a session that is over; false if there is nothing to send now. */
  async #sendContent(): Promise<boolean> {
    const piece = await this.#pending?.piece(this.#parts.clock.nowMs())
    if (this.#pending === undefined || piece === undefined) return false
    const { sink } = this.#options
    let sent = 0
    while (sent < piece.events.length && !this.#isClosed) {
      const events = piece.events.slice(sent, sent + sink.batch)
      const { taken, problem } = await sink.deliver(events.map(event => this.#message(event)))
      sent += taken
      this.#counts.taken += taken
      if (taken > 0) this.#recovered()
      if (problem === undefined) continue
      if (this.#isHopeless(problem, events[taken])) return this.#giveUpContent(piece, problem)
      this.#pending.sent(sent, piece)
      await this.#failed(problem)
      return true
    }
    this.#pending.sent(sent, piece)
    await this.#save()
    return true
  }

  /** The session's recording is still there for whoever may see it. */
  async #giveUpContent(piece: ContentPiece, { reason }: Problem): Promise<boolean> {
    this.#pending?.giveUp(piece)
    this.#counts.dead++
    this.#failures = 0
    this.#refusals = 0
    const letter = `content of ${String(piece.events[0]?.fields['session'])}`
    this.#tell({ kind: 'dead', sink: this.#options.name, letter, reason })
    await this.#save()
    return true
  }

  /** In pieces that the sink takes. False if a piece was not taken: the next step begins with it. */
  async #sendAll(lines: readonly FeedLine[]): Promise<boolean> {
    const { sink } = this.#options
    for (let at = 0; at < lines.length; ) {
      if (this.#isClosed) return false
      const piece = lines.slice(at, at + sink.batch)
      this.#oldestAtMs = piece[0]?.event.atMs ?? 0
      const outcome = await sink.deliver(piece.map(line => this.#messageOf(line)))
      const taken = await this.#settle(outcome, piece)
      if (taken < piece.length) return false
      at += taken
    }
    this.#oldestAtMs = 0
    return true
  }

  /** Keeps what was taken, and how many lines are behind us: those, and one that became a dead letter. */
  async #settle({ taken, problem, asks = [] }: Outcome, piece: readonly FeedLine[]): Promise<number> {
    const last = piece[taken - 1]
    if (last !== undefined) {
      this.#counts.taken += taken
      this.#recovered()
      for (const ask of asks)
        this.#tell({ kind: 'ask', sink: this.#options.name, ask, sequence: last.event.sequence })
      await this.#moved(last.after, taken)
    }
    if (problem === undefined) return taken
    const next = piece[taken]
    if (next !== undefined && this.#isHopeless(problem, next.event)) {
      await this.#bury(next, problem)
      return taken + 1
    }
    await this.#failed(problem)
    return taken
  }

  /** Time counts from when it happened, or from our start: what waited for us has not been tried. */
  #isHopeless({ kind }: Problem, event: FeedEvent | undefined): boolean {
    const { giveUp } = this.#options
    if (giveUp === undefined || kind === 'gone') return false
    const refusals = this.#refusals + (kind === 'refused' ? 1 : 0)
    const waitedMs = this.#parts.clock.nowMs() - Math.max(event?.atMs ?? 0, this.#startedAtMs)
    return refusals >= giveUp.attempts || waitedMs >= giveUp.afterMs
  }

  async #bury(line: FeedLine, { reason, kind }: Problem): Promise<void> {
    if (kind === 'refused') this.#counts.refused++
    else this.#counts.away++
    const diedAtMs = this.#parts.clock.nowMs()
    await this.#letters.add(line, { attempts: this.#failures + 1, diedAtMs, reason })
    this.#counts.dead++
    this.#tell({
      kind: 'dead',
      sink: this.#options.name,
      letter: `${this.#options.name}.${line.event.sequence}`,
      reason,
    })
    this.#refusals = 0
    this.#failures = 0
    await this.#moved(line.after, 1)
  }

  async #failed(problem: Problem): Promise<void> {
    if (problem.kind === 'gone') return this.#disable(problem.reason)
    if (problem.kind === 'refused') {
      this.#counts.refused++
      this.#refusals++
    } else this.#counts.away++
    if (this.#failingSinceMs === 0) {
      this.#failingSinceMs = this.#parts.clock.nowMs()
      this.#tell({ kind: 'failing', sink: this.#options.name, reason: problem.reason })
    }
    this.#failures++
    if (this.#saved !== this.#position.sequence) await this.#save().catch(() => {}) // tried again with the next
    const delayMs = (this.#parts.delayMs ?? delayAfterMs)(this.#failures)
    await this.#sleep(Math.max(delayMs, problem.waitMs ?? 0))
  }

  async #disable(reason: string): Promise<void> {
    this.#disabled = { reason, atMs: this.#parts.clock.nowMs() }
    await this.#save()
    this.#tell({ kind: 'disabled', sink: this.#options.name, reason })
  }

  #recovered(): void {
    const sinceMs = this.#failingSinceMs
    this.#failures = 0
    this.#refusals = 0
    this.#failingSinceMs = 0
    if (sinceMs === 0) return
    const afterMs = this.#parts.clock.nowMs() - sinceMs
    this.#tell({ kind: 'recovered', sink: this.#options.name, afterMs })
  }

  async #moved(position: Position, delivered: number): Promise<void> {
    this.#position = position
    this.#unsaved += delivered
    const skipped = position.sequence - this.#saved
    const isLongAgo = this.#parts.clock.nowMs() - this.#savedAtMs >= saveAfterMs
    if (this.#unsaved >= saveAfter || skipped >= saveSkippedAfter || (this.#unsaved > 0 && isLongAgo))
      await this.#save()
  }

  /** Nothing new: what is not saved yet is, before the wait. */
  async #idle(): Promise<void> {
    if (this.#unsaved > 0) await this.#save()
    const isContentDue = (this.#pending?.list.length ?? 0) > 0
    await this.#sleep(isContentDue ? askContentEveryMs : undefined)
  }

  async #save(): Promise<void> {
    const position = this.#position
    const disabled = this.#disabled === undefined ? {} : { disabled: this.#disabled }
    const list = this.#pending?.list ?? []
    const content = list.length === 0 ? {} : { content: list }
    await writeWhole(this.#cursorFile, { version: 1, position, ...content, ...disabled } satisfies Cursor)
    this.#saved = position.sequence
    this.#savedAtMs = this.#parts.clock.nowMs()
    this.#unsaved = 0
  }

  #messageOf({ event }: FeedLine): Message {
    return this.#message(event)
  }

  #message(event: FeedEvent): Message {
    const { sink, format } = this.#options
    const body = render(event, format, this.#parts.producer, sink.maxBytes)
    return { uid: event.uid, kind: event.kind, atMs: event.atMs, body, isUrgent: isUrgent(event.kind), event }
  }

  /** Until it is woken, or so long. */
  async #sleep(ms: number | undefined): Promise<void> {
    if (this.#isClosed) return
    if (ms === undefined && this.#isWoken) {
      this.#isWoken = false
      return
    }
    await new Promise<void>(resolve => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => {}
    this.#isWoken = false
  }

  #wakeNow(): void {
    this.#isWoken = true
    this.#wake()
  }

  #lostPlace(reason: string): void {
    this.#tell({ kind: 'lost-place', sink: this.#options.name, reason })
  }

  #tell(news: LaneNews): void {
    this.#parts.heard(news)
  }
}

/** What syslog calls a warning. */
function isUrgent(kind: string): boolean {
  return (
    kind === 'refusal' || kind.endsWith('-failing') || kind.endsWith('-stuck') || kind.startsWith('finding-')
  )
}
