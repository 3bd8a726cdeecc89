/**
 * What sessions of a person are like, beside their commands: where they go, as whom, from where, how much they move. A session is compared with the
 * person's own sessions and with those of people in the same role, before it is learned.
 */
import type { SignalName } from '../../config/config.ts'
import { counted, lasting, minPeople, people, sized, spanned } from '../findings/words.ts'

/** A session as habits see it, at its end. */
export type SessionFacts = {
  readonly person: string
  readonly role: string
  readonly openedAtMs: number
  readonly endedAtMs: number
  readonly items: Readonly<Record<ItemKind, readonly string[]>>
  readonly volumes: Readonly<Record<VolumeName, number>>
  /** Another session of the person was open from another network. */
  readonly hasTwoSources: boolean
}

export const itemKinds = ['target', 'login', 'table', 'source'] as const
export type ItemKind = (typeof itemKinds)[number]
export const volumeNames = ['rows', 'bytes', 'files', 'durationMs', 'tables', 'targets'] as const
export type VolumeName = (typeof volumeNames)[number]

/** What a session adds to its unusualness, and why. */
export type HabitTerm = {
  readonly signal: SignalName
  readonly nats: number
  readonly observed: string
  readonly own?: string
  readonly peers?: string
  readonly everybody?: string
}

const dayMs = 86_400_000
/** Items of a kind that are remembered of one person; the ones not used for longest go. */
const maxItems = 2000
/** Sessions whose volumes are remembered. */
const maxVolumes = 200
/** Pooled volumes of peers that are compared with. */
const maxPooled = 2000
/** A day teaches so many new items of a kind, and so many volumes: whoever wants to teach a profile needs many days. */
const maxNewItemsOfDay = 30
const maxVolumesOfDay = 20
/** New items of one kind that are told one by one. */
const maxFirstsTold = 3
/** A value that the person reached in so many sessions before is in their own range. */
const ownRange = { sessions: 3, share: 0.9 } as const
/** Fewer sessions than this say nothing about what is usual. */
const minOwnSessions = 10
const minPeerSessions = 30
/** Days without a use from which on it counts as dormant. */
const dormantDays = 90
/** What one family of signals can add, in nats: no single one decides alone but volumes. */
const caps: Readonly<Record<'first-access' | 'dormancy' | 'volume' | 'breadth' | 'two-sources', number>> = {
  'first-access': 3.5,
  dormancy: 2,
  volume: 6,
  breadth: 4.5,
  'two-sources': 2.5,
}
/** Less than this is nothing to look at, however unusual. */
const floors: Readonly<Record<VolumeName, number>> = {
  rows: 500,
  bytes: 1_048_576,
  files: 10,
  durationMs: 1_800_000,
  tables: 8,
  targets: 4,
}
/** A spread on the logarithmic scale that everybody has: half as much again is the same. */
const minSpread = 0.35
/** Standard deviations of a normal distribution in a median absolute deviation. */
const madFactor = 1.4826
/** From so many deviations on it adds, and so much for each. */
export const freeDeviations = 2.5
export const natsOfDeviation = 0.9

type Habit = {
  role: string
  firstMs: number
  lastMs: number
  sessions: number
  readonly items: Record<ItemKind, Map<string, number>>
  readonly newSessions: Record<ItemKind, number>
  readonly volumes: Record<VolumeName, number[]>
  twoSources: number
  day: number
  dayItems: number
  dayVolumes: number
}

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
    const own = this.#people.get(facts.person)
    const peers = this.#peers(facts)
    const terms = [
      ...capped(this.#firsts(facts, own, peers), caps['first-access']),
      ...capped(dormant(facts, own), caps.dormancy),
      ...capped(amounts(facts, own, peers, 'volume'), caps.volume),
      ...capped(amounts(facts, own, peers, 'breadth'), caps.breadth),
      ...capped(twoSources(facts, own), caps['two-sources']),
    ]
    return terms.filter(({ nats }) => nats >= 0.1).toSorted((a, b) => b.nats - a.nats)
  }

  learn(facts: SessionFacts): void {
    const habit = this.#people.get(facts.person) ?? newHabit(facts)
    this.#people.set(facts.person, habit)
    const day = Math.floor(facts.endedAtMs / dayMs)
    if (habit.day !== day) Object.assign(habit, { day, dayItems: 0, dayVolumes: 0 })
    habit.role = facts.role
    habit.lastMs = Math.max(habit.lastMs, facts.endedAtMs)
    habit.sessions++
    if (facts.hasTwoSources) habit.twoSources++
    for (const kind of itemKinds) learnItems(habit, kind, facts)
    if (habit.dayVolumes++ >= maxVolumesOfDay) return
    for (const name of volumeNames) {
      if (facts.volumes[name] === 0) continue // a session at a shell has no rows: it says nothing of those that have some
      const values = habit.volumes[name]
      values.push(Math.log1p(facts.volumes[name]))
      if (values.length > maxVolumes) values.shift()
    }
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
    const { sessions, items, volumes } = habit
    const most = (name: VolumeName): number | undefined => median(volumes[name])
    return [
      `${counted(sessions, 'session')} since ${dateOf(habit.firstMs)}.`,
      ...itemKinds.flatMap(kind => {
        const used = [...items[kind].keys()]
        if (used.length === 0) return []
        return `${counted(used.length, itemWords[kind].one, itemWords[kind].many)}: ${used.slice(-10).join(', ')}${used.length > 10 ? ', …' : ''}.`
      }),
      ...volumeNames.flatMap(name => {
        const middle = most(name)
        return middle === undefined ? [] : `Half of the sessions: up to ${told[name](Math.expm1(middle))}.`
      }),
    ]
  }

  #peers({ person, role }: Pick<SessionFacts, 'person' | 'role'>): readonly Habit[] {
    const peers: Habit[] = []
    for (const [name, habit] of this.#people) if (name !== person && habit.role === role) peers.push(habit)
    return peers
  }

  #firsts(facts: SessionFacts, own: Habit | undefined, peers: readonly Habit[]): readonly HabitTerm[] {
    const others = [...this.#people].filter(([name]) => name !== facts.person).map(([, habit]) => habit)
    return itemKinds.flatMap(kind => {
      const isNew = (of: ItemKind, item: string) => own?.items[of].has(item) !== true
      const fresh = facts.items[kind].filter(
        item => isNew(kind, item) && !(kind === 'login' && isNew('target', targetOf(item))),
      )
      const terms = fresh
        .slice(0, maxNewItemsOfDay)
        .map(item => firstTerm(kind, item, { facts, own, peers, others }))
      return terms.length <= maxFirstsTold ? terms : [together(kind, fresh, terms)]
    })
  }
}

const itemWords: Readonly<Record<ItemKind, { readonly one: string; readonly many: string }>> = {
  target: { one: 'target', many: 'targets' },
  login: { one: 'login', many: 'logins' },
  table: { one: 'table', many: 'tables' },
  source: { one: 'source network', many: 'source networks' },
}

const told: Readonly<Record<VolumeName, (value: number) => string>> = {
  rows: value => counted(Math.round(value), 'row'),
  bytes: sized,
  files: value => counted(Math.round(value), 'file'),
  durationMs: spanned,
  tables: value => counted(Math.round(value), 'different table'),
  targets: value => `${counted(Math.round(value), 'different target')} in ten minutes`,
}

/** Many at once are one observation. */
function together(kind: ItemKind, items: readonly string[], terms: readonly HabitTerm[]): HabitTerm {
  const most = terms.toSorted((a, b) => b.nats - a.nats)[0]
  return {
    signal: 'first-access',
    nats: terms.reduce((sum, { nats }) => sum + nats, 0),
    observed: `first use of ${counted(items.length, itemWords[kind].one, itemWords[kind].many)} by this person, such as ${items.slice(0, maxFirstsTold).join(', ')}`,
    ...(most?.own === undefined ? {} : { own: most.own }),
    ...(most?.peers === undefined ? {} : { peers: `the one that fewest use: ${most.peers}` }),
    ...(most?.everybody === undefined ? {} : { everybody: `the one that fewest use: ${most.everybody}` }),
  }
}

type Company = {
  readonly facts: SessionFacts
  readonly own: Habit | undefined
  readonly peers: readonly Habit[]
  readonly others: readonly Habit[]
}

function firstTerm(kind: ItemKind, item: string, { facts, own, peers, others }: Company): HabitTerm {
  const using = peers.filter(peer => peer.items[kind].has(item)).length
  const share = peers.length >= minPeople ? using / peers.length : 0
  // Who often goes to new places surprises less by going to another one.
  const rated = own !== undefined && own.sessions >= minOwnSessions ? [own] : peers
  const sessions = rated.reduce((sum, habit) => sum + habit.sessions, 0)
  const fresh = rated.reduce((sum, habit) => sum + habit.newSessions[kind], 0)
  const surprise = Math.log((sessions + 2) / (fresh + 1))
  const everybody = others.filter(other => other.items[kind].has(item)).length
  return {
    signal: 'first-access',
    nats: Math.max(0, Math.min(2.5, surprise)) * (1 - share),
    observed: `first use of the ${itemWords[kind].one} ${item} by this person`,
    own: ownText(own, `not used before`),
    peers:
      peers.length < minPeople
        ? `too few people with the role ${facts.role} to compare with`
        : `used by ${people(using, peers.length)} with the role ${facts.role}`,
    everybody:
      others.length < minPeople
        ? 'too few people to compare with'
        : `used by ${people(everybody, others.length)}`,
  }
}

/** Of a login, which is `LOGIN@TARGET`. That nobody was there says so of all logins, and counts once. */
function targetOf(login: string): string {
  return login.slice(login.indexOf('@') + 1)
}

function dormant({ items, openedAtMs }: SessionFacts, own: Habit | undefined): readonly HabitTerm[] {
  if (own === undefined) return []
  const daysOf = (kind: ItemKind, item: string): number => {
    const lastMs = own.items[kind].get(item)
    return lastMs === undefined ? 0 : (openedAtMs - lastMs) / dayMs
  }
  return (['target', 'login'] as const).flatMap(kind =>
    items[kind].flatMap((item): HabitTerm[] => {
      const days = daysOf(kind, item)
      if (days < dormantDays || (kind === 'login' && daysOf('target', targetOf(item)) >= dormantDays))
        return []
      const lastMs = own.items[kind].get(item)
      return [
        {
          signal: 'dormancy',
          nats: 1 + Math.log(days / dormantDays),
          observed: `first use of the ${itemWords[kind].one} ${item} in ${counted(Math.floor(days), 'day')}`,
          own: ownText(own, `last used ${dateOf(lastMs ?? 0)}`),
        },
      ]
    }),
  )
}

const families: Readonly<Record<'volume' | 'breadth', readonly VolumeName[]>> = {
  volume: ['rows', 'bytes', 'files', 'durationMs'],
  breadth: ['tables', 'targets'],
}

function amounts(
  facts: SessionFacts,
  own: Habit | undefined,
  peers: readonly Habit[],
  signal: 'volume' | 'breadth',
): readonly HabitTerm[] {
  return families[signal].flatMap((name): HabitTerm[] => {
    const value = facts.volumes[name]
    if (value < floors[name]) return []
    const ownValues = own?.volumes[name] ?? []
    const pooled = peers.length >= minPeople ? pool(peers, name) : []
    const deviations = [
      ...(ownValues.length >= minOwnSessions ? [{ z: ownDeviation(value, ownValues), weight: 0.6 }] : []),
      ...(pooled.length >= minPeerSessions ? [{ z: deviation(value, pooled), weight: 0.4 }] : []),
    ]
    if (deviations.length === 0) return []
    const weight = deviations.reduce((sum, one) => sum + one.weight, 0)
    const z = deviations.reduce((sum, one) => sum + one.z * one.weight, 0) / weight
    return [
      {
        signal,
        nats: (z - freeDeviations) * natsOfDeviation,
        observed: exceeds(name, value),
        ...(ownValues.length < minOwnSessions
          ? { own: ownText(own, 'too few sessions to compare with') }
          : {
              own: ownText(own, `median ${middleOf(name, ownValues)}, largest ${largestOf(name, ownValues)}`),
            }),
        peers:
          pooled.length < minPeerSessions
            ? `too few sessions of others with the role ${facts.role} to compare with`
            : `median ${middleOf(name, pooled)}, 99 of 100 up to ${quantileOf(name, pooled)}, in ${counted(pooled.length, 'session')} of ${counted(peers.length, 'person', 'people')} with the role ${facts.role}`,
      },
    ]
  })
}

function exceeds(name: VolumeName, value: number): string {
  if (name === 'durationMs') return `this session lasted ${spanned(value)}, longer than is usual`
  const what = name === 'bytes' ? `${told.bytes(value)} of results and files` : told[name](value)
  return `${what} in this session exceed what is usual`
}

function twoSources(facts: SessionFacts, own: Habit | undefined): readonly HabitTerm[] {
  if (!facts.hasTwoSources || own === undefined) return []
  return [
    {
      signal: 'two-sources',
      nats: Math.log((own.sessions + 2) / (own.twoSources + 1)),
      observed: 'a session from another source network was open at the same time',
      own: ownText(
        own,
        own.twoSources === 0 ? 'never so before' : `so before in ${counted(own.twoSources, 'session')}`,
      ),
    },
  ]
}

function ownText(own: Habit | undefined, text: string): string {
  if (own === undefined) return 'no session before this one'
  return `${text}; ${counted(own.sessions, 'session')} in ${lasting(Math.max(dayMs, own.lastMs - own.firstMs))}`
}

/** Deviations above the median on a logarithmic scale, robustly. */
export function deviation(value: number, logs: readonly number[]): number {
  const middle = median(logs) ?? 0
  const spread = median(logs.map(log => Math.abs(log - middle))) ?? 0
  return (Math.log1p(value) - middle) / (madFactor * spread + minSpread)
}

/** Reviewers said so, or it was never far off: then only peers can tell more. */
function ownDeviation(value: number, logs: readonly number[]): number {
  const reached = logs.filter(log => Math.expm1(log) >= value * ownRange.share).length
  const z = deviation(value, logs)
  return reached >= ownRange.sessions ? Math.min(z, freeDeviations) : z
}

function pool(peers: readonly Habit[], name: VolumeName): readonly number[] {
  const each = Math.max(1, Math.floor(maxPooled / Math.max(1, peers.length)))
  return peers.flatMap(peer => peer.volumes[name].slice(-each))
}

export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}

function middleOf(name: VolumeName, logs: readonly number[]): string {
  return told[name](Math.expm1(median(logs) ?? 0))
}

function largestOf(name: VolumeName, logs: readonly number[]): string {
  return told[name](Math.expm1(Math.max(...logs)))
}

function quantileOf(name: VolumeName, logs: readonly number[]): string {
  const sorted = logs.toSorted((a, b) => a - b)
  return told[name](Math.expm1(sorted[Math.floor((sorted.length - 1) * 0.99)] ?? 0))
}

/** Together at most so much, each in proportion. */
function capped(terms: readonly HabitTerm[], most: number): readonly HabitTerm[] {
  const positive = terms.filter(({ nats }) => nats > 0)
  const total = positive.reduce((sum, { nats }) => sum + nats, 0)
  if (total <= most) return positive
  return positive.map(term => ({ ...term, nats: (term.nats * most) / total }))
}

function newHabit({ role, openedAtMs, endedAtMs }: SessionFacts): Habit {
  return {
    role,
    firstMs: openedAtMs,
    lastMs: endedAtMs,
    sessions: 0,
    items: eachKind(() => new Map<string, number>()),
    newSessions: eachKind(() => 0),
    volumes: { rows: [], bytes: [], files: [], durationMs: [], tables: [], targets: [] },
    twoSources: 0,
    day: 0,
    dayItems: 0,
    dayVolumes: 0,
  }
}

function learnItems(habit: Habit, kind: ItemKind, { items, endedAtMs }: SessionFacts): void {
  const known = habit.items[kind]
  let hasNew = false
  for (const item of items[kind]) {
    if (!known.has(item)) {
      hasNew = true
      if (habit.sessions > 1 && habit.dayItems++ >= maxNewItemsOfDay) continue
    }
    known.delete(item) // the newest last
    known.set(item, endedAtMs)
  }
  if (hasNew && habit.sessions > 1) habit.newSessions[kind]++
  for (const oldest of known.keys()) {
    if (known.size <= maxItems) break
    known.delete(oldest)
  }
}

function eachKind<T>(make: (kind: ItemKind) => T): Record<ItemKind, T> {
  return { target: make('target'), login: make('login'), table: make('table'), source: make('source') }
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
