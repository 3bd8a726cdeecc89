/** What receivers ask for in their answers: policy decides, the session acts, and both are in the audit log. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import type { NotifySink } from '../../config/notify-schema.ts'
import { reasonOf } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Ask } from '../../notify/sinks/sink.ts'
import { type AskRefusal, maxAsksPerMinute, refusedAsk } from '../../policy/webhook-ask.ts'
import { askedPauseMs, type HoldWish } from '../../session/hold.ts'
import type { LiveSessions } from '../../session/live.ts'
import type { Store } from '../../store/store.ts'
import { note } from '../audit-note.ts'

export type AskParts = {
  readonly config: () => Config
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
  readonly log: Log
}

export type AskActs = {
  readonly live: Pick<LiveSessions, 'end' | 'hold'>
  readonly store: {
    readonly sessions: Pick<Store['sessions'], 'get'>
    readonly reviews: Pick<Store['reviews'], 'wishReview'>
  }
}

const minuteMs = 60_000
/**
 * The opening of a session is in the audit log before the session is there: a receiver that answers at once, asks for something that
 * cannot be done yet. So long it is tried again, and so often. Milliseconds.
 */
const openingWithinMs = 5000
const tryEveryMs = 50

/** Its words are in the audit log; its user is told only that it waits. */
const pausedByReceiver: HoldWish = {
  kind: 'pause',
  waitMs: askedPauseMs,
  userText: 'It was paused until a reviewer lets it go on.',
}

export class Asks {
  readonly #parts: AskParts
  #acts: AskActs | undefined
  /** When each sink asked, in the last minute. */
  readonly #asked = new Map<string, number[]>()

  constructor(parts: AskParts) {
    this.#parts = parts
  }

  /** Once there are sessions. */
  actOn(acts: AskActs): void {
    this.#acts = acts
  }

  /** `line`: the number of the entry in the audit log that was answered. Never rejects. */
  async decide(sink: string, { ask, session, reason }: Ask, line: number): Promise<void> {
    const about = { sink, ask, session, reason, line }
    const asksInMinute = this.#count(sink)
    const may = mayOf(this.#parts.config().notify, sink)
    const refused = refusedAsk({ ask, may, asksInMinute })
    if (refused !== undefined) return this.#refuse(about, refused, asksInMinute)
    // Before it is done: what cannot be written down does not happen.
    if (!note(this.#parts, { kind: 'ask-followed', ...about })) return
    try {
      if (await this.#act(about)) return
      this.#refuse(about, ask === 'require-review' ? 'not-known' : 'not-open', asksInMinute)
    } catch (cause) {
      this.#parts.log.error({ sink, ask, session, cause: reasonOf(cause) }, 'an ask came to nothing')
      this.#refuse(about, 'not-available', asksInMinute)
    }
  }

  /** False if there is no such session. */
  async #act(about: Ask & { readonly sink: string }): Promise<boolean> {
    if (this.#acts === undefined) return false
    for (let waitedMs = 0; waitedMs <= openingWithinMs; waitedMs += tryEveryMs) {
      if (await this.#try(this.#acts, about)) return true
      const row = await this.#acts.store.sessions.get(about.session)
      if (row !== undefined && row.state !== 'open') return false
      await sleep(tryEveryMs)
    }
    return false
  }

  async #try(
    { live, store }: AskActs,
    { ask, session, reason, sink }: Ask & { readonly sink: string },
  ): Promise<boolean> {
    switch (ask) {
      case 'end':
        return live.end(session, `the receiver ${sink} asked for it`)
      case 'pause':
        return (await live.hold(session, pausedByReceiver)) !== 'not-open'
      case 'require-review':
        if ((await store.sessions.get(session)) === undefined) return false
        // Whoever asks again changes nothing.
        await store.reviews.wishReview({ session, by: sink, reason, atMs: this.#parts.clock.nowMs() })
        return true
    }
  }

  #refuse(about: Readonly<Record<string, string | number>>, code: AskRefusal, asksInMinute: number): void {
    if (asksInMinute <= maxAsksPerMinute + 1) note(this.#parts, { kind: 'ask-refused', ...about, code })
  }

  #count(sink: string): number {
    const nowMs = this.#parts.clock.nowMs()
    const recent = (this.#asked.get(sink) ?? []).filter(atMs => atMs > nowMs - minuteMs)
    const counted = [...recent, nowMs].slice(-(maxAsksPerMinute + 2))
    this.#asked.set(sink, counted)
    return counted.length
  }
}

function mayOf(sinks: readonly NotifySink[], name: string) {
  const sink = sinks.find(one => one.name === name)
  return sink?.kind === 'webhook' ? sink.may : []
}
