/**
 * Rules over all sessions of one person: who takes a little in each of many sessions shows in none of them. What was counted is kept on disk
 * together with how far each session was counted, so that a session that is read again, after a restart or by `reindex`, goes on where it was.
 */
import type { SessionObserver, WatchedSession } from '../analyst/session-observer.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { FindingDraft } from '../findings/finding.ts'
import { RuleFindings } from '../findings/rule-findings.ts'
import type { Catalogue } from './catalogue.ts'
import { type Counted, maxAgeMs, maxPeople, type WindowKeeper } from './window-keeper.ts'
import { WindowRules } from './window-rules.ts'

/** Sessions of one person of which it is known how far they were counted: as many as rules look back over, and room to spare. */
const maxSessions = 2000
const trimEveryMs = 86_400_000

/** `skip`: entries that were counted before. */
type Open = { readonly person: string; readonly rules: RuleFindings; skip: number; isNew: boolean }

type Person = {
  readonly windows: WindowRules
  readonly sessions: Map<string, Counted>
  settledMs: number
  /** The last opening that was counted. */
  newestMs: number
}

export class PersonWindows implements SessionObserver {
  readonly #catalogue: Catalogue
  readonly #off: ReadonlySet<string>
  readonly #keeper: WindowKeeper
  /** The one who was seen longest ago first; the others are on disk. */
  readonly #people = new Map<string, Person>()
  readonly #open = new Map<string, Open>()
  #trimmedMs = Number.NEGATIVE_INFINITY

  /** `off`: rules that make no findings. */
  constructor(catalogue: Catalogue, off: readonly string[], keeper: WindowKeeper) {
    this.#catalogue = catalogue
    this.#off = new Set(off)
    this.#keeper = keeper
  }

  /** What is counted is kept, so encrypted sessions are not. */
  opened(session: WatchedSession): readonly FindingDraft[] {
    if (session.isEncrypted === true) return []
    const book = { about: (id: string) => this.#catalogue.about(id), off: this.#off, versions: {} }
    const person = `${session.issuer}\n${session.subject}`
    const { sessions, settledMs, newestMs } = this.#of(person)
    const isSettled = session.openedAtMs <= Math.max(settledMs, newestMs - maxAgeMs)
    const skip = sessions.get(session.id)?.entries ?? (isSettled ? Number.POSITIVE_INFINITY : 0)
    this.#open.set(session.id, { person, rules: new RuleFindings(session.id, book), skip, isNew: false })
    return []
  }

  took(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[] {
    const open = this.#open.get(entry.session)
    if (open === undefined || open.skip-- > 0) return []
    const known = this.#of(open.person)
    const { windows, sessions } = known
    const { entries = 0, openedAtMs = entry.atMs - entry.offsetMs } = sessions.get(entry.session) ?? {}
    sessions.set(entry.session, { entries: entries + 1, openedAtMs })
    known.newestMs = Math.max(known.newestMs, openedAtMs)
    open.isNew = true
    return open.rules.take(entry, windows.take(entry, hits))
  }

  sealed({ id }: WatchedSession): readonly FindingDraft[] {
    const drafts = this.#open.get(id)?.rules.all() ?? []
    this.#leave(id)
    return drafts
  }

  dropped(session: string): void {
    this.#leave(session)
  }

  /** Nothing of a person stays, also not of sessions that are open. */
  forget(person: string): void {
    this.#people.delete(person)
    this.#keeper.drop(person)
  }

  /** All that was counted together, so that it fits: windows, and how far each session went into them. */
  #leave(session: string): void {
    const open = this.#open.get(session)
    this.#open.delete(session)
    if (open?.isNew !== true) return
    const known = this.#of(open.person)
    for (const [oldest, { openedAtMs }] of known.sessions) {
      if (known.sessions.size <= maxSessions) break
      known.sessions.delete(oldest)
      known.settledMs = Math.max(known.settledMs, openedAtMs)
    }
    const { windows, sessions, settledMs } = known
    this.#keeper.save(open.person, { windows: windows.state, sessions: [...sessions], settledMs })
    this.#trimIfDue()
  }

  #of(person: string): Person {
    const known = this.#people.get(person) ?? this.#loaded(person)
    this.#people.delete(person)
    this.#people.set(person, known)
    const [oldest] = this.#people.keys()
    if (this.#people.size > maxPeople && oldest !== undefined) this.#people.delete(oldest)
    return known
  }

  #loaded(person: string): Person {
    const { windows, sessions = [], settledMs = Number.NEGATIVE_INFINITY } = this.#keeper.load(person) ?? {}
    return {
      windows: new WindowRules(this.#catalogue, 'person', windows),
      sessions: new Map(sessions),
      newestMs: Math.max(...sessions.map(([, { openedAtMs }]) => openedAtMs)), // -Infinity without any
      settledMs: settledMs ?? Number.NEGATIVE_INFINITY, // which JSON has no word for
    }
  }

  #trimIfDue(): void {
    const nowMs = Date.now()
    if (nowMs - this.#trimmedMs < trimEveryMs) return
    this.#trimmedMs = nowMs
    this.#keeper.trim(nowMs)
  }
}
