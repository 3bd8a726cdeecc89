/**
 * How a block differs from what its person usually does, as numbers that are sums over its tokens: naive Bayes of own against
 * peers (long memory, short memory, repetitions damped, each token once), uniqueness (Schonlau and Theus 2000), what is new to
 * the person, and pairs of commands with Witten–Bell back-off. The last three compare with the person's own usual level.
 */
import type { Block, Family } from './block.ts'
import type { Peers } from './population.ts'
import type { Prior, Profile } from './profile.ts'
import type { TokenId } from './tally.ts'

export const featureNames = [
  'own-against-peers',
  'own-lately-against-peers',
  'own-against-peers-damped',
  'own-against-peers-once',
  'uniqueness',
  'new-to-person',
  'shape',
  'word',
  'pair',
  'level-own-against-peers',
  'level-damped',
  'level-new',
] as const
export type Features = readonly number[]

/** How much one token can add, in nats: no single one decides. */
const maxTokenNats = 5
/** Events of everybody that a person's counts begin with. */
const priorEvents = 100
/** Of the tokens known, so many counts are spread evenly for those that nobody has used. */
const unseenShare = 0.05
/** Tokens that are told of a block; what adds less is noise. */
const maxTopTokens = 5
const minTokenNats = 0.05
/** Counts of the back-off behind a command, for peers. */
const pairPriorEvents = 5

/** A token, and what it adds to the log odds by all features that are sums over tokens. */
export type TokenPart = { readonly family: Family; readonly token: TokenId; readonly nats: number }

/** Where levels start, before a person has some of their own. */
const levelPriors: readonly [Prior, Prior, Prior] = [
  { mean: -1, spread: 0.4 },
  { mean: -1, spread: 0.4 },
  { mean: 0.05, spread: 0.05 },
]

export type Measured = {
  readonly features: Features
  /** Those that add most, largest first; none without slopes. */
  readonly tokens: readonly TokenPart[]
}

/** How many tokens are known; and what one unit of each feature adds, where tokens are to be told. */
type Measuring = { readonly vocabulary: number; readonly slopes?: readonly number[] }

type Scene = {
  readonly block: Block
  readonly own: Profile
  readonly peers: Peers
  readonly vocabulary: number
  readonly top: TopTokens | undefined
}

/** Measures a block; with `slopes` it also says which tokens add most. */
export function measure(
  block: Block,
  own: Profile,
  peers: Peers,
  { vocabulary, slopes }: Measuring,
): Measured {
  const top = slopes === undefined ? undefined : new TopTokens(slopes)
  const scene: Scene = { block, own, peers, vocabulary, top }
  sight.look(block, own, peers)
  const { slow, fast, damped, once, unique, fresh } = measureCommands(scene)
  const { levels } = own
  const features = [
    slow,
    fast,
    damped,
    once,
    unique,
    fresh,
    measureFamily('shape', 6, scene),
    measureFamily('word', 7, scene),
    measurePairs(scene),
    levels[0].deviation(slow, levelPriors[0]),
    levels[1].deviation(damped, levelPriors[1]),
    levels[2].deviation(fresh, levelPriors[2]),
  ]
  return { features, tokens: top?.tokens ?? [] }
}

/** The tokens that add most, and no others: a block has hundreds. */
class TopTokens {
  readonly #slopes: readonly number[]
  readonly tokens: TokenPart[] = []
  #least = minTokenNats

  constructor(slopes: readonly number[]) {
    this.#slopes = slopes
  }

  slope(feature: number): number {
    return this.#slopes[feature] ?? 0
  }

  /** What adds less than this is none of them. */
  get least(): number {
    return this.#least
  }

  add(family: Family, token: TokenId, nats: number): void {
    if (nats < minTokenNats) return
    const { tokens } = this
    const last = tokens.length - 1
    if (last + 1 < maxTopTokens) tokens.push(noPart)
    else if (nats <= (tokens[last]?.nats ?? 0)) return
    let at = tokens.length - 1
    for (; at > 0 && (tokens[at - 1]?.nats ?? 0) < nats; at--) tokens[at] = tokens[at - 1] ?? noPart
    tokens[at] = { family, token, nats }
    if (tokens.length === maxTopTokens) this.#least = tokens.at(-1)?.nats ?? minTokenNats
  }
}

const noPart: TokenPart = { family: 'command', token: 0, nats: 0 }

/** Of accepted blocks the levels of a person are made. */
export function learnLevels({ levels }: Profile, features: Features): void {
  levels[0].add(features[0] ?? 0)
  levels[1].add(features[2] ?? 0)
  levels[2].add(features[5] ?? 0)
}

/** What is known of what a block holds, by its place in the list; used again for each block. */
class Sight {
  own = new Float64Array(0)
  lately = new Float64Array(0)
  peers = new Float64Array(0)
  users = new Float64Array(0)
  /** How often the person went on after this command, and with how many different ones. */
  ownAfter = new Float64Array(0)
  ownKinds = new Float64Array(0)
  peersAfter = new Float64Array(0)
  ownOthers = new Float64Array(0)
  peersOthers = new Float64Array(0)

  /** Looks up the commands. */
  look({ counts, pairs }: Block, own: Profile, peers: Peers): void {
    this.#reserve(Math.max(counts.command.length, counts.shape.length, counts.word.length, pairs.length))
    own.slow.command.look(counts.command, this.own)
    own.fast.look(counts.command, this.lately)
    own.heads.look(counts.command, this.ownAfter)
    own.kinds.look(counts.command, this.ownKinds)
    peers.look('command', counts.command, this.own, this.peers)
    peers.lookUsers(counts.command, this.own, this.users)
    peers.lookHeads(counts.command, this.ownAfter, this.peersAfter)
  }

  /** After a large block it stays large: blocks have a limit. */
  #reserve(length: number): void {
    if (length <= this.own.length) return
    const list = (): Float64Array<ArrayBuffer> => new Float64Array(Math.max(256, length * 2))
    ;[this.own, this.lately, this.peers, this.users] = [list(), list(), list(), list()]
    ;[this.ownAfter, this.ownKinds, this.peersAfter] = [list(), list(), list()]
    ;[this.ownOthers, this.peersOthers] = [list(), list()]
  }
}

const sight = new Sight()

type CommandSums = Readonly<Record<'slow' | 'fast' | 'damped' | 'once' | 'unique' | 'fresh', number>>

function measureCommands({ block, own, peers, vocabulary, top }: Scene): CommandSums {
  const list = block.counts.command
  const { keys, counts, weights, length } = list
  const { own: ofOwn, lately, peers: ofPeers, users } = sight
  const total = own.slow.command.total
  const people = Math.max(1, peers.people)
  const peersTotal = peers.total('command')
  const fastTotal = own.fast.total
  const expectedTotal = peersTotal + unseenShare * vocabulary
  const distinct = Math.max(1, length)
  const all = Math.max(1, list.total, block.events)
  let slowSum = 0
  let fastSum = 0
  let dampedSum = 0
  let onceSum = 0
  let uniqueSum = 0
  let newSum = 0
  for (let at = 0; at < length; at++) {
    const count = counts[at] ?? 0
    const seen = ofOwn[at] ?? 0
    const peersSeen = ofPeers[at] ?? 0
    const expected = (peersSeen + unseenShare) / expectedTotal
    const slow = ratio(expected, seen, total)
    const fast = ratio(expected, lately[at] ?? 0, fastTotal)
    const weight = weights[at] ?? 0
    const share = count / all
    const unique = uniqueness(seen / Math.max(1, total), peersSeen / Math.max(1, peersTotal))
    const odd = weight * unique * (1 - Math.min(1, (users[at] ?? 0) / people))
    const fresh = seen === 0 ? weight : 0
    slowSum += share * slow
    fastSum += share * fast
    dampedSum += weight * slow
    onceSum += slow / distinct
    uniqueSum += odd
    newSum += fresh
    if (top === undefined) continue
    const ofSlow = top.slope(0) * share + top.slope(2) * weight + top.slope(3) / distinct
    const nats = ofSlow * slow + top.slope(1) * share * fast + top.slope(4) * odd + top.slope(5) * fresh
    if (nats >= top.least) top.add('command', keys[at] ?? 0, nats)
  }
  return {
    slow: slowSum,
    fast: fastSum,
    damped: dampedSum,
    once: onceSum,
    unique: uniqueSum,
    fresh: newSum,
  }
}

/** 1: only others do this. −1: only this person does. */
function uniqueness(ownShare: number, peersShare: number): number {
  return ownShare === 0 ? 1 : -ownShare / (ownShare + peersShare)
}

function measureFamily(
  family: Family,
  feature: number,
  { block, own, peers, vocabulary, top }: Scene,
): number {
  const list = block.counts[family]
  const { keys, weights, length } = list
  const { ownOthers: ofOwn, peersOthers: ofPeers } = sight
  own.slow[family].look(list, ofOwn)
  peers.look(family, list, ofOwn, ofPeers)
  const { total } = own.slow[family]
  const peersTotal = peers.total(family) + unseenShare * vocabulary
  const slope = top?.slope(feature) ?? 0
  let least = top?.least ?? Number.POSITIVE_INFINITY
  let sum = 0
  for (let at = 0; at < length; at++) {
    const expected = ((ofPeers[at] ?? 0) + unseenShare) / peersTotal
    const value = (weights[at] ?? 0) * ratio(expected, ofOwn[at] ?? 0, total)
    sum += value
    if (slope * value < least || top === undefined) continue
    top.add(family, keys[at] ?? 0, slope * value)
    least = top.least
  }
  return sum
}

function measurePairs({ block, own, peers, vocabulary }: Scene): number {
  const { weights, heads, nexts, length } = block.pairs
  const { own: ownSeen, peers: peersSeen, ownAfter, ownKinds, peersAfter } = sight
  const { ownOthers: ofOwn, peersOthers: ofPeers } = sight
  own.pairs.look(block.pairs, ofOwn)
  peers.lookPairs(block.pairs, ofOwn, ofPeers)
  const { total } = own.slow.command
  const peersTotal = peers.total('command') + unseenShare * vocabulary
  let sum = 0
  for (let at = 0; at < length; at++) {
    const head = heads[at] ?? 0
    const next = nexts[at] ?? 0
    const alone = ((peersSeen[next] ?? 0) + unseenShare) / peersTotal
    const expected =
      ((ofPeers[at] ?? 0) + pairPriorEvents * alone) / ((peersAfter[head] ?? 0) + pairPriorEvents)
    const kinds = (ownKinds[head] ?? 0) + 1
    const ownAlone = ((ownSeen[next] ?? 0) + priorEvents * alone) / (total + priorEvents)
    const usual = ((ofOwn[at] ?? 0) + kinds * ownAlone) / ((ownAfter[head] ?? 0) + kinds)
    sum += (weights[at] ?? 0) * clip(Math.log(expected / usual))
  }
  return sum
}

/** Log ratio in nats of peers' share of a token against the person's; their counts begin with those of their peers. */
function ratio(expected: number, seen: number, total: number): number {
  return clip(Math.log((expected * (total + priorEvents)) / (seen + priorEvents * expected)))
}

function clip(nats: number): number {
  return Math.max(-maxTokenNats, Math.min(maxTokenNats, nats))
}
