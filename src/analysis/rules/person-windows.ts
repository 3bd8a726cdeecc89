/**
 * Rules over all sessions of one person: who takes a little in each of many sessions shows in none of them. What it counted is not kept
 * when the gateway stops; it begins again then.
 */
import type { SessionObserver, WatchedSession } from '../analyst/session-observer.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { FindingDraft } from '../findings/finding.ts'
import { RuleFindings } from '../findings/rule-findings.ts'
import type { Catalogue } from './catalogue.ts'
import { WindowRules } from './window-rules.ts'

/** People who are counted; the one who was seen longest ago goes. */
const maxPeople = 1000

type Open = { readonly windows: WindowRules; readonly rules: RuleFindings }

export class PersonWindows implements SessionObserver {
  readonly #catalogue: Catalogue
  readonly #off: ReadonlySet<string>
  readonly #people = new Map<string, WindowRules>()
  readonly #open = new Map<string, Open>()

  /** `off`: rules that make no findings. */
  constructor(catalogue: Catalogue, off: readonly string[]) {
    this.#catalogue = catalogue
    this.#off = new Set(off)
  }

  /** What is analysed again was counted before. */
  opened(session: WatchedSession, isAgain: boolean): readonly FindingDraft[] {
    if (isAgain) return []
    const book = { about: (id: string) => this.#catalogue.about(id), off: this.#off, versions: {} }
    this.#open.set(session.id, { windows: this.#of(session), rules: new RuleFindings(session.id, book) })
    return []
  }

  took(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[] {
    const open = this.#open.get(entry.session)
    return open?.rules.take(entry, open.windows.take(entry, hits)) ?? []
  }

  sealed({ id }: WatchedSession): readonly FindingDraft[] {
    const drafts = this.#open.get(id)?.rules.all() ?? []
    this.#open.delete(id)
    return drafts
  }

  dropped(session: string): void {
    this.#open.delete(session)
  }

  #of({ issuer, subject }: WatchedSession): WindowRules {
    const person = `${issuer}\n${subject}`
    const windows = this.#people.get(person) ?? new WindowRules(this.#catalogue, 'person')
    this.#people.delete(person)
    this.#people.set(person, windows)
    const [oldest] = this.#people.keys()
    if (this.#people.size > maxPeople && oldest !== undefined) this.#people.delete(oldest)
    return windows
  }
}
