/** Why a block has its score, in numbers that a person can check: the terms that add most. */
import type { Block, Family } from './block.ts'
import type { Dictionary } from './dictionary.ts'
import { featureNames, type Measured, type TokenPart } from './features.ts'
import { type LogisticModel, slopeOf } from './logistic.ts'
import type { Peers } from './population.ts'
import type { Profile } from './profile.ts'

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
  readonly fromMs: number
  readonly dictionary: Dictionary
}

/**
 * Numbers are taken now, while they are what the score was made of; words are made of them when somebody asks, since most blocks are
 * scored and never shown. Largest first.
 */
export function explain(explained: Explained): () => readonly Term[] {
  const { dictionary, fromMs, own } = explained
  const tokens = explained.measured.tokens.map(part => tokenFact(part, explained))
  const whole = wholeFacts(explained)
  const ownEvents = own.events
  let terms: readonly Term[] | undefined
  return () => {
    terms ??= [
      ...tokens.map(fact => tokenTerm(fact, dictionary)),
      ...whole.map(fact => wholeTerm(fact, fromMs, ownEvents)),
    ]
      .toSorted((a, b) => b.nats - a.nats)
      .slice(0, maxTerms)
    return terms
  }
}

type TokenFact = TokenPart & {
  readonly observed: number
  readonly seen: number
  readonly of: number
  readonly users: number
  readonly people: number
}

function tokenFact({ family, token, nats }: TokenPart, { block, own, peers }: Explained): TokenFact {
  const { keys, counts } = block.counts[family]
  const ownSeen = own.slow[family].of(token)
  return {
    family,
    token,
    nats,
    observed: counts[keys.indexOf(token)] ?? 0,
    seen: Math.round(ownSeen),
    of: Math.round(own.slow[family].total),
    users: peers.users(family, token, ownSeen),
    people: peers.people,
  }
}

function tokenTerm(fact: TokenFact, dictionary: Dictionary): Term {
  const { family, token, nats, observed, seen, of, users, people } = fact
  const value = dictionary.textOf(token)
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

type WholeFact = { readonly signal: Exclude<Term['signal'], Family>; readonly nats: number }

const levels = (['level-own-against-peers', 'level-damped', 'level-new'] as const).map(name =>
  featureNames.indexOf(name),
)
const pair = featureNames.indexOf('pair')

function wholeFacts({ measured: { features }, model, extra }: Explained): readonly WholeFact[] {
  let level = 0
  for (const at of levels) level += slopeOf(model, at) * Math.max(0, features[at] ?? 0)
  const order = slopeOf(model, pair) * ((features[pair] ?? 0) - (model.means[pair] ?? 0))
  const facts: WholeFact[] = []
  const add = (signal: WholeFact['signal'], nats: number): void => {
    if (nats >= minNats) facts.push({ signal, nats })
  }
  add('level', level)
  add('order', order)
  add('hour', extra.hours)
  add('target', extra.target)
  add('persistence', extra.persistence)
  return facts
}

function wholeTerm({ signal, nats }: WholeFact, fromMs: number, ownEvents: number): Term {
  return { signal, nats: rounded(nats), text: wholeText(signal, fromMs, ownEvents) }
}

function wholeText(signal: WholeFact['signal'], fromMs: number, ownEvents: number): string {
  switch (signal) {
    case 'level':
      return 'differs more from this person’s history than their blocks usually do'
    case 'order':
      return 'commands follow one another in an order that is rather that of others'
    case 'hour':
      return `an hour at which this person is seldom active (from ${new Date(fromMs).toISOString()})`
    case 'target':
      return `first use of a target by this person, after ${ownEvents} events`
    case 'persistence':
      return 'follows blocks that differed, too'
  }
}

function rounded(nats: number): number {
  return Math.round(nats * 1000) / 1000
}

function times(count: number): string {
  return count === 1 ? 'once' : count === 0 ? 'never' : `${count} times`
}
