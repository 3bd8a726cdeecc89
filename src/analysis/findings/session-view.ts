/** One session while it is observed: what rules and baselines need of it, bounded. */
import { sourceNetwork } from '../../identity/source-network.ts'
import type { WatchedSession } from '../analyst/session-observer.ts'
import type { ActivityEvent } from '../baseline/event.ts'
import type { SessionFacts } from '../baseline/habit.ts'
import type { Entry } from '../entry.ts'

/** Commands and statements that are compared; a session of more is known well by these. */
const maxEvents = 5000
const maxTables = 2000
/** Files and statements that began and did not end yet have the same number when they are told again. */
const minSure = 0.5

export class SessionView {
  readonly session: WatchedSession
  readonly person: string
  readonly source: string
  readonly events: ActivityEvent[] = []
  hasTwoSources = false
  /** Different targets of the person in ten minutes. */
  targets = 1
  #inferred = 0
  #commands = 0
  #rows = 0
  #bytes = 0
  #files = 0
  #lastMs: number
  readonly #tables = new Set<string>()

  constructor(session: WatchedSession) {
    this.session = session
    this.person = personKey(session)
    this.source = sourceNetwork(session.sourceAddress)
    this.#lastMs = session.openedAtMs
  }

  take({ kind, atMs, text, command, statement, file }: Entry): void {
    this.#lastMs = Math.max(this.#lastMs, atMs)
    if (this.session.isEncrypted === true) return // what is usual is kept: of these, what the list of sessions says anyway
    if (kind === 'file') {
      if (file?.direction === undefined) return
      this.#files++
      this.#bytes += file.bytes ?? 0
    }
    if (statement !== undefined) {
      if (statement.blocked === undefined) this.#addRows(statement)
    }
    if (kind !== 'command' && kind !== 'statement') return
    if (command !== undefined) {
      this.#commands++
      if (command.found !== 'exec') this.#inferred++
      if (command.sure < minSure) return
    }
    if (this.events.length >= maxEvents) return
    const { target, protocol } = this.session
    this.events.push({ principal: this.person, target, protocol, atMs, text })
  }

  #addRows({ rows, bytes, tables }: NonNullable<Entry['statement']>): void {
    this.#rows += rows ?? 0
    this.#bytes += bytes ?? 0
    for (const table of tables)
      if (this.#tables.size < maxTables) this.#tables.add(`${this.session.target}/${table}`)
  }

  get facts(): SessionFacts {
    const { target, login, role, openedAtMs } = this.session
    return {
      person: this.person,
      role,
      openedAtMs,
      endedAtMs: this.#lastMs,
      items: {
        target: [target],
        login: [`${login}@${target}`],
        table: [...this.#tables],
        source: [this.source],
      },
      volumes: {
        rows: this.#rows,
        bytes: this.#bytes,
        files: this.#files,
        durationMs: this.#lastMs - openedAtMs,
        tables: this.#tables.size,
        targets: this.targets,
      },
      hasTwoSources: this.hasTwoSources,
    }
  }

  /** How much of it was read off the screen, for people; undefined without commands. */
  get inferred(): { readonly of: number; readonly inferred: number } | undefined {
    return this.#commands === 0 ? undefined : { of: this.#commands, inferred: this.#inferred }
  }
}

export function personKey({ issuer, subject }: { issuer: string; subject: string }): string {
  return `${issuer}\n${subject}`
}
