/** Rules over a history in a file, by the code that judges sessions as they run: each event, what a session adds up to, and what a person does. */
import { Judge } from './analyst/judge.ts'
import type { Draft } from './analyst/teller.ts'
import type { HistoryEvent } from './history.ts'
import type { Catalogue, RuleHit } from './rules/catalogue.ts'
import { WindowRules } from './rules/window-rules.ts'
import type { Grammar } from './sql/grammar.ts'

/** A history that names no sessions: a person on a target for whom nothing happened for so long begins a new one. */
export const sessionGapMs = 3_600_000
/** Sessions and people that are counted at once; the one that was seen longest ago goes. */
const maxSessions = 2000
const maxPeople = 2000

type Session = { readonly windows: WindowRules; readonly openedAtMs: number; lastMs: number; entries: number }

export class HistoryRules {
  readonly #catalogue: Catalogue
  readonly #judge: Judge
  readonly #sessions = new Map<string, Session>()
  readonly #people = new Map<string, WindowRules>()

  constructor(catalogue: Catalogue, grammar: Grammar) {
    this.#catalogue = catalogue
    this.#judge = new Judge(catalogue, grammar)
  }

  /** Events in order of time. Rules of single lines first, then those that this event completes. */
  async of(event: HistoryEvent): Promise<readonly RuleHit[]> {
    const { principal, atMs } = event
    const name = event.session ?? `${principal}\n${event.target}\n${event.protocol}`
    const session = this.#sessionOf(name, event)
    const place = { session: name, openedAtMs: session.openedAtMs }
    const draft = draftOf(event, (atMs - session.openedAtMs) * 1000)
    const told = { number: session.entries++, draft, isOver: true }
    const { entry, hits } = await this.#judge.judge(told, place)
    const all = [...hits, ...session.windows.take(entry, hits)]
    const ofPerson = newest(
      this.#people,
      principal,
      maxPeople,
      () => new WindowRules(this.#catalogue, 'person'),
    )
    return [...all, ...ofPerson.take(entry, all)].map(({ rule: id, severity, technique }) => ({
      id,
      severity,
      technique,
    }))
  }

  #sessionOf(name: string, { atMs, session }: HistoryEvent): Session {
    const known = this.#sessions.get(name)
    if (known !== undefined && session === undefined && atMs - known.lastMs > sessionGapMs)
      this.#sessions.delete(name)
    const open = newest(this.#sessions, name, maxSessions, () => ({
      windows: new WindowRules(this.#catalogue),
      openedAtMs: atMs,
      lastMs: atMs,
      entries: 0,
    }))
    open.lastMs = atMs
    return open
  }
}

/** Made if it is not there, and moved to the end; the oldest goes if there are too many. */
function newest<T>(all: Map<string, T>, key: string, most: number, make: () => T): T {
  const found = all.get(key) ?? make()
  all.delete(key)
  all.set(key, found)
  const [oldest] = all.keys()
  if (all.size > most && oldest !== undefined) all.delete(oldest)
  return found
}

function draftOf({ protocol, text }: HistoryEvent, us: number): Draft {
  return protocol === 'postgres'
    ? { kind: 'statement', us, text, statement: { statement: 0, class: 'other', tables: [] } }
    : { kind: 'command', us, text, command: { channel: 0, found: 'exec', sure: 1 } }
}
