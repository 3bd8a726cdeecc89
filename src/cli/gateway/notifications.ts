/** Telling others what happens: the thread that does it, what its news mean here, and what receivers ask for. */
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Config } from '../../config/config.ts'
import type { NotifySink } from '../../config/notify-schema.ts'
import type { Clock } from '../../clock.ts'
import type { Log } from '../../log.ts'
import { endOfLog } from '../../notify/audit-feed.ts'
import type { LaneState, Retried } from '../../notify/lane.ts'
import type { SinkPlan } from '../../notify/notify-messages.ts'
import type { Position } from '../../notify/position.ts'
import { type HeardNews, NotifyThread, type Overview } from '../../notify/notify-thread.ts'
import { note } from '../audit-note.ts'
import { foldersOf } from '../folders.ts'
import type { Metrics } from '../metrics.ts'
import { type AskActs, Asks } from './asks.ts'
import { productVersion } from '../product-version.ts'
import type { Closers } from './ground.ts'

export type NotificationsParts = {
  readonly config: () => Config
  readonly audit: AuditLog
  readonly clock: Clock
  readonly log: Log
}

/** Begins with what is configured; started early, so that it closes late and still tells how sessions ended. */
export function startNotifications(
  { metrics, ...parts }: NotificationsParts & { readonly metrics: Metrics },
  closers: Closers,
): Notifications {
  const notifications = new Notifications(parts)
  metrics.watchNotify(() => notifications.lanes)
  notifications.adopt()
  closers.push(() => notifications.close())
  return notifications
}

export class Notifications {
  readonly #parts: NotificationsParts
  #thread: NotifyThread | undefined
  #plans = '[]'
  readonly #asks: Asks
  #changing: Promise<void> = Promise.resolve()

  constructor(parts: NotificationsParts) {
    this.#parts = parts
    this.#asks = new Asks(parts)
  }

  /** Once there are sessions. */
  actOn(acts: AskActs): void {
    this.#asks.actOn(acts)
  }

  /** Starts with what is configured now; after a reload, again if that has changed. */
  adopt(): void {
    const plans = this.#parts.config().notify.map(planOf)
    const told = JSON.stringify(plans)
    if (told === this.#plans) return
    this.#plans = told
    const begin = endOfLog(foldersOf(this.#parts.config()).audit)
    this.#changing = this.#changing.then(() => this.#change(plans, begin))
  }

  get lanes(): readonly LaneState[] {
    return this.#thread?.lanes ?? []
  }

  async overview(): Promise<Overview> {
    return (await this.#thread?.overview()) ?? { sinks: [], letters: [] }
  }

  /** The audit log has it before anything is sent. */
  async retry(letter: string, by: string): Promise<Retried> {
    if (!(await this.#has(letter))) return { kind: 'no-letter' }
    this.#parts.audit.append({ kind: 'letter-retried', letter, by })
    return (await this.#thread?.retry(letter)) ?? { kind: 'no-letter' }
  }

  async drop(letter: string, by: string): Promise<boolean> {
    if (!(await this.#has(letter))) return false
    this.#parts.audit.append({ kind: 'letter-dropped', letter, by })
    return (await this.#thread?.drop(letter)) ?? false
  }

  async resume(sink: string, by: string): Promise<boolean> {
    const isResumed = (await this.#thread?.resume(sink)) ?? false
    if (isResumed) this.#parts.audit.append({ kind: 'sink-resumed', sink, by })
    return isResumed
  }

  async close(): Promise<void> {
    await this.#changing
    await this.#thread?.close()
  }

  async #has(letter: string): Promise<boolean> {
    return (await this.overview()).letters.some(({ id }) => id === letter)
  }

  /** One after the other: two threads would share cursors. */
  async #change(sinks: readonly SinkPlan[], begin: Position): Promise<void> {
    await this.#thread?.close()
    this.#thread = undefined
    if (sinks.length === 0) return
    const { gateway } = this.#parts.config()
    const { audit: auditFolder, notify: folder } = foldersOf({ gateway })
    const producer = { gateway: gateway.name, version: productVersion }
    this.#thread = new NotifyThread(
      { auditFolder, indexFolder: gateway.data, folder, begin, producer, sinks },
      news => this.#hear(news),
    )
  }

  #hear(news: HeardNews): void {
    sayInLog(news, this.#parts.log)
    if (news.kind === 'disabled')
      note(this.#parts, { kind: 'sink-disabled', sink: news.sink, reason: news.reason })
    if (news.kind === 'ask') void this.#asks.decide(news.sink, news.ask, news.sequence)
  }
}

/** With the secrets in the clear: it goes to the thread and nowhere else. */
function planOf(sink: NotifySink): SinkPlan {
  const { name, events, format, content } = sink
  switch (sink.kind) {
    case 'file':
      return sink
    case 'syslog':
      return { name, events, format, content, kind: 'syslog', ...sink.server }
    case 'otlp': {
      const { kind, url, authority, attempts, giveUpMs } = sink
      const token = sink.token?.reveal()
      return { name, events, format, content, kind, url, token, authority, attempts, giveUpMs }
    }
    case 'webhook': {
      const { kind, url, authority, attempts, giveUpMs } = sink
      const secrets = sink.secrets.map(secret => secret.reveal())
      return { name, events, format, content, kind, url, secrets, authority, attempts, giveUpMs }
    }
  }
}

function sayInLog(news: HeardNews, log: Log): void {
  switch (news.kind) {
    case 'failing':
      return log.warn({ sink: news.sink, reason: news.reason }, 'a sink takes nothing; it is tried again')
    case 'recovered':
      return log.info({ sink: news.sink, afterMs: news.afterMs }, 'a sink takes messages again')
    case 'dead':
      return log.error(
        { sink: news.sink, letter: news.letter, reason: news.reason },
        'a message became a dead letter',
      )
    case 'disabled':
      return log.error({ sink: news.sink, reason: news.reason }, 'a sink wants nothing any more')
    case 'lost-place':
      return log.warn({ sink: news.sink, reason: news.reason }, 'a sink lost its place')
    case 'unreadable':
      return log.error({ sink: news.sink, lines: news.lines }, 'lines of the audit log cannot be read')
    case 'broken':
      return log.error({ reason: news.reason }, 'the notifying thread failed, and is started again')
    case 'ask':
    case 'state':
      return
  }
}
