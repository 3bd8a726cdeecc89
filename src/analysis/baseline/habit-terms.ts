/** What differs in a session from the person's own and from those of people in the same role. */
import type { SignalName } from '../../config/config.ts'
import { counted, minPeople, people, spanned } from '../findings/words.ts'
import { deviation, freeDeviations, natsOfDeviation } from './deviation.ts'
import {
  type Habit,
  type ItemKind,
  itemKinds,
  maxNewItemsOfDay,
  type SessionFacts,
  type VolumeName,
} from './habit.ts'
import { dateOf, itemWords, largestOf, middleOf, ownText, quantileOf, told } from './habit-words.ts'

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
/** Pooled volumes of peers that are compared with. */
const maxPooled = 2000
/** New items of one kind that are told one by one. */
const maxFirstsTold = 3
/** A value that the person reached in so many sessions before is in their own range. */
const ownRange = { sessions: 3, share: 0.9 } as const
/** Fewer sessions than this say nothing about what is usual. */
export const minOwnSessions = 10
export const minPeerSessions = 30
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
/** Whom a session is compared with: the person, people with the same role, and everybody else. */
export type Company = {
  readonly own: Habit | undefined
  readonly peers: readonly Habit[]
  readonly others: readonly Habit[]
}

/** What differs, largest first. */
export function termsOf(facts: SessionFacts, company: Company): readonly HabitTerm[] {
  const { own, peers } = company
  const terms = [
    ...capped(firsts(facts, company), caps['first-access']),
    ...capped(dormant(facts, own), caps.dormancy),
    ...capped(amounts(facts, own, peers, 'volume'), caps.volume),
    ...capped(amounts(facts, own, peers, 'breadth'), caps.breadth),
    ...capped(twoSources(facts, own), caps['two-sources']),
  ]
  return terms.filter(({ nats }) => nats >= 0.1).toSorted((a, b) => b.nats - a.nats)
}

function firsts(facts: SessionFacts, company: Company): readonly HabitTerm[] {
  const isNew = (of: ItemKind, item: string) => company.own?.items[of].has(item) !== true
  return itemKinds.flatMap(kind => {
    const fresh = facts.items[kind].filter(
      item => isNew(kind, item) && !(kind === 'login' && isNew('target', targetOf(item))),
    )
    const terms = fresh.slice(0, maxNewItemsOfDay).map(item => firstTerm(kind, item, facts, company))
    return terms.length <= maxFirstsTold ? terms : [together(kind, fresh, terms)]
  })
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

function firstTerm(
  kind: ItemKind,
  item: string,
  { role }: SessionFacts,
  { own, peers, others }: Company,
): HabitTerm {
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
        ? `too few people with the role ${role} to compare with`
        : `used by ${people(using, peers.length)} with the role ${role}`,
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
    const z = distance(value, ownValues, pooled)
    if (z === undefined) return []
    return [
      {
        signal,
        nats: (z - freeDeviations) * natsOfDeviation,
        observed: exceeds(name, value),
        own: ownText(own, ownRangeOf(name, ownValues)),
        peers: peerRangeOf(name, pooled, peers.length, facts.role),
      },
    ]
  })
}

/** From what is usual for the person and for peers, as far as there is enough of either; in deviations. */
function distance(value: number, own: readonly number[], pooled: readonly number[]): number | undefined {
  const deviations = [
    ...(own.length >= minOwnSessions ? [{ z: ownDeviation(value, own), weight: 0.6 }] : []),
    ...(pooled.length >= minPeerSessions ? [{ z: deviation(value, pooled), weight: 0.4 }] : []),
  ]
  if (deviations.length === 0) return undefined
  const weight = deviations.reduce((sum, one) => sum + one.weight, 0)
  return deviations.reduce((sum, one) => sum + one.z * one.weight, 0) / weight
}

function ownRangeOf(name: VolumeName, own: readonly number[]): string {
  return own.length < minOwnSessions
    ? 'too few sessions to compare with'
    : `median ${middleOf(name, own)}, largest ${largestOf(name, own)}`
}

function peerRangeOf(name: VolumeName, pooled: readonly number[], peers: number, role: string): string {
  return pooled.length < minPeerSessions
    ? `too few sessions of others with the role ${role} to compare with`
    : `median ${middleOf(name, pooled)}, 99 of 100 up to ${quantileOf(name, pooled)}, in ${counted(pooled.length, 'session')} of ${counted(peers, 'person', 'people')} with the role ${role}`
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

/** Together at most so much, each in proportion. */
function capped(terms: readonly HabitTerm[], most: number): readonly HabitTerm[] {
  const positive = terms.filter(({ nats }) => nats > 0)
  const total = positive.reduce((sum, { nats }) => sum + nats, 0)
  if (total <= most) return positive
  return positive.map(term => ({ ...term, nats: (term.nats * most) / total }))
}
