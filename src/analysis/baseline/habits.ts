/**
 * What sessions of people are like, beside their commands: where they go, as whom, from where, how much they move. A session is compared with the
 * person's own sessions and with those of people in the same role, before it is learned.
 */
import { counted, minPeople } from '../findings/words.ts'
import {
  eachKind,
  type Habit,
  type ItemKind,
  itemKinds,
  learn,
  newHabit,
  type SessionFacts,
  volumeNames,
} from './habit.ts'
import { type HabitTerm, minOwnSessions, minPeerSessions, termsOf } from './habit-terms.ts'
import { dateOf, itemsInWords, volumeInWords } from './habit-words.ts'

/** As JSON. */
export type HabitsState = {
  readonly people: readonly (readonly [
    string,
    Omit<Habit, 'items'> & { readonly items: Record<ItemKind, readonly (readonly [string, number])[]> },
  ])[]
}

export class Habits {
  readonly #people = new Map<string, Habit>()

  constructor(state?: HabitsState) {
    for (const [name, { items, ...habit }] of state?.people ?? [])
      this.#people.set(name, { ...structuredClone(habit), items: eachKind(kind => new Map(items[kind])) })
  }

  get state(): HabitsState {
    return {
      people: [...this.#people].map(([name, { items, ...habit }]) => [
        name,
        { ...structuredClone(habit), items: eachKind(kind => [...items[kind]]) },
      ]),
    }
  }

  sessionsOf(person: string): { sessions: number; firstMs: number; lastMs: number } | undefined {
    return this.#people.get(person)
  }

  /** Of people with the role, without this one. */
  peersOf(facts: Pick<SessionFacts, 'person' | 'role'>): { people: number; sessions: number } {
    const peers = this.#peers(facts)
    return { people: peers.length, sessions: peers.reduce((sum, peer) => sum + peer.sessions, 0) }
  }

  /** Whether there is enough to compare with: the person's own sessions, or those of at least five peers. */
  knows(facts: SessionFacts): boolean {
    const { people: count, sessions } = this.peersOf(facts)
    return (
      (this.#people.get(facts.person)?.sessions ?? 0) >= minOwnSessions ||
      (count >= minPeople && sessions >= minPeerSessions)
    )
  }

  /** What differs, largest first; nothing is learned. */
  compare(facts: SessionFacts): readonly HabitTerm[] {
    if (!this.knows(facts)) return []
    return termsOf(facts, {
      own: this.#people.get(facts.person),
      peers: this.#peers(facts),
      others: [...this.#people].filter(([name]) => name !== facts.person).map(([, habit]) => habit),
    })
  }

  learn(facts: SessionFacts): void {
    const habit = this.#people.get(facts.person) ?? newHabit(facts)
    this.#people.set(facts.person, habit)
    learn(habit, facts)
  }

  /** False if nobody of that name is known. */
  forget(person: string): boolean {
    return this.#people.delete(person)
  }

  /** Those who have had no session since. */
  *unseenSince(ms: number): Generator<string> {
    for (const [name, { lastMs }] of this.#people) if (lastMs < ms) yield name
  }

  /** In words, for the person themselves. */
  inWords(person: string): readonly string[] {
    const habit = this.#people.get(person)
    if (habit === undefined) return []
    return [
      `${counted(habit.sessions, 'session')} since ${dateOf(habit.firstMs)}.`,
      ...itemKinds.flatMap(kind => itemsInWords(kind, [...habit.items[kind].keys()])),
      ...volumeNames.flatMap(name => volumeInWords(name, habit.volumes[name])),
    ]
  }

  #peers({ person, role }: Pick<SessionFacts, 'person' | 'role'>): readonly Habit[] {
    const peers: Habit[] = []
    for (const [name, habit] of this.#people) if (name !== person && habit.role === role) peers.push(habit)
    return peers
  }
}
