/** Why a block has its score, in numbers that a person can check: the terms that add most. */
import type { Dictionary } from './dictionary.ts'
import type { ActivityEvent } from './event.ts'
import { featureNames, type Measured, type TokenPart } from './features.ts'
import { type LogisticModel, slopeOf } from './logistic.ts'
import type { Peers } from './population.ts'
import type { Block, Profile } from './profile.ts'

/** How many are told. */
const maxTerms = 5
/** What adds less is noise. */
const minNats = 0.05
/** Fewer people than this are not told apart: "fewer than 5". */
const minPeople = 5

export type Term = {
  readonly signal: 'command' | 'shape' | 'word' | 'order' | 'level' | 'hour' | 'target' | 'persistence'
  /** The token, where there is one. */
  readonly value?: string
  /** What it adds to the score, in nats. */
  readonly nats: number
  /** How often in this block. */
  readonly observed?: number
  readonly own?: { readonly seen: number; readonly of: number }
  readonly peers?: { readonly people: number | '<5'; readonly of: number }
  readonly text: string
}

export type Explained = {
  readonly measured: Measured
  readonly model: LogisticModel
  readonly block: Block
  readonly own: Profile
  readonly peers: Peers
  readonly extra: { readonly hours: number; readonly target: number; readonly persistence: number }
  readonly events: readonly ActivityEvent[]
  readonly dictionary: Dictionary
}

/** Largest first. */
export function explain(explained: Explained): Term[] {
  const tokens = explained.measured.tokens.map(part => tokenTerm(part, explained))
  return [...tokens, ...wholeTerms(explained)].toSorted((a, b) => b.nats - a.nats).slice(0, maxTerms)
}

function tokenTerm({ family, token, nats }: TokenPart, explained: Explained): Term {
  const { block, own, peers, dictionary } = explained
  const value = dictionary.textOf(token).slice(2)
  const { keys, counts } = block.counts[family]
  const observed = counts[keys.indexOf(token)] ?? 0
  const ownSeen = own.slow[family].of(token)
  const [seen, of] = [Math.round(ownSeen), Math.round(own.slow[family].total)]
  const [users, people] = [peers.users(family, token, ownSeen), peers.people]
  const others = users < minPeople ? `fewer than ${minPeople}` : String(users)
  return {
    signal: family,
    value,
    nats: rounded(nats),
    observed,
    own: { seen, of },
    peers: { people: users < minPeople ? '<5' : users, of: people },
    text: `${JSON.stringify(value)} ${times(observed)}: before ${times(seen)} in ${of} of this person; ${others} of ${people} others have used it`,
  }
}

function wholeTerms({ measured, model, extra, events, own }: Explained): Term[] {
  const { features } = measured
  const level = ['level-own-against-peers', 'level-damped', 'level-new'] as const
  const nats = level.reduce((sum, name) => {
    const at = featureNames.indexOf(name)
    return sum + slopeOf(model, at) * Math.max(0, features[at] ?? 0)
  }, 0)
  const pair = featureNames.indexOf('pair')
  const from = new Date(events[0]?.atMs ?? 0).toISOString()
  const terms: Term[] = [
    { signal: 'level', nats, text: 'differs more from this person’s history than their blocks usually do' },
    {
      signal: 'order',
      nats: slopeOf(model, pair) * ((features[pair] ?? 0) - (model.means[pair] ?? 0)),
      text: 'commands follow one another in an order that is rather that of others',
    },
    {
      signal: 'hour',
      nats: extra.hours,
      text: `an hour at which this person is seldom active (from ${from})`,
    },
    {
      signal: 'target',
      nats: extra.target,
      text: `first use of a target by this person, after ${own.events} events`,
    },
    {
      signal: 'persistence',
      nats: Math.max(0, extra.persistence),
      text: 'follows blocks that differed, too',
    },
  ]
  return terms.filter(term => term.nats >= minNats).map(term => ({ ...term, nats: rounded(term.nats) }))
}

function rounded(nats: number): number {
  return Math.round(nats * 1000) / 1000
}

function times(count: number): string {
  return count === 1 ? 'once' : count === 0 ? 'never' : `${count} times`
}
