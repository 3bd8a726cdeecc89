/**
 * How a block differs from what its person usually does, as numbers that are sums over its tokens: naive Bayes of own against
 * peers (long memory, short memory, repetitions damped, each token once), uniqueness (Schonlau and Theus 2000), what is new to
 * the person, and pairs of commands with Witten–Bell back-off. The last three compare with the person's own usual level.
 */
import { type Block, type Family, headOf, nextOf, type Prior, type Profile } from './profile.ts'
import type { Peers } from './population.ts'
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
  const features = measureCommands(scene)
  features.push(measureFamily('shape', 6, scene), measureFamily('word', 7, scene), measurePairs(scene))
  const [first, second, third] = own.levels
  const levels = levelValues(features)
  features.push(
    first.deviation(levels[0], levelPriors[0]),
    second.deviation(levels[1], levelPriors[1]),
    third.deviation(levels[2], levelPriors[2]),
  )
  return { features, tokens: top?.tokens ?? [] }
}

/** The tokens that add most, and no others: a block has hundreds. */
class TopTokens {
  readonly #slopes: readonly number[]
  readonly tokens: TokenPart[] = []

  constructor(slopes: readonly number[]) {
    this.#slopes = slopes
  }

  slope(feature: number): number {
    return this.#slopes[feature] ?? 0
  }

  add(family: Family, token: TokenId, nats: number): void {
    if (nats < minTokenNats) return
    const least = this.tokens.at(-1)
    if (this.tokens.length === maxTopTokens && least !== undefined && nats <= least.nats) return
    let at = this.tokens.length
    while (at > 0 && (this.tokens[at - 1]?.nats ?? 0) < nats) at--
    this.tokens.splice(at, 0, { family, token, nats })
    if (this.tokens.length > maxTopTokens) this.tokens.pop()
  }
}

/** Of accepted blocks the levels of a person are made. */
export function learnLevels(own: Profile, features: Features): void {
  const values = levelValues(features)
  own.levels.forEach((level, index) => level.add(values[index] ?? 0))
}

function levelValues(features: Features): readonly [number, number, number] {
  return [features[0] ?? 0, features[2] ?? 0, features[5] ?? 0]
}

function measureCommands({ block, own, peers, vocabulary, top }: Scene): number[] {
  const { keys, counts } = block.counts.command
  const tally = own.slow.command
  const people = Math.max(1, peers.people)
  const [peersTotal, fastTotal] = [peers.total('command'), own.fast.total]
  const expectedTotal = peersTotal + unseenShare * vocabulary
  const distinct = Math.max(1, keys.length)
  const damped = dampedTotal(counts)
  const all = Math.max(1, totalOf(counts), block.events)
  let [slowSum, fastSum, dampedSum, onceSum, uniqueSum, newSum] = [0, 0, 0, 0, 0, 0]
  for (let at = 0; at < keys.length; at++) {
    const token = keys[at] ?? 0
    const count = counts[at] ?? 0
    const seen = tally.of(token)
    const peersSeen = peers.of('command', token, seen)
    const expected = (peersSeen + unseenShare) / expectedTotal
    const slow = ratio(expected, seen, tally.total)
    const fast = ratio(expected, own.fast.of(token), fastTotal)
    const weight = logOfOneMore(count) / damped
    const share = count / all
    const unique = uniqueness(seen / Math.max(1, tally.total), peersSeen / Math.max(1, peersTotal))
    const odd = weight * unique * (1 - Math.min(1, peers.users('command', token, seen) / people))
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
    top.add('command', token, nats)
  }
  return [slowSum, fastSum, dampedSum, onceSum, uniqueSum, newSum]
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
  const { keys, counts } = block.counts[family]
  const tally = own.slow[family]
  const damped = dampedTotal(counts)
  const peersTotal = peers.total(family) + unseenShare * vocabulary
  const slope = top?.slope(feature) ?? 0
  let sum = 0
  for (let at = 0; at < keys.length; at++) {
    const token = keys[at] ?? 0
    const seen = tally.of(token)
    const expected = (peers.of(family, token, seen) + unseenShare) / peersTotal
    const value = (logOfOneMore(counts[at] ?? 0) / damped) * ratio(expected, seen, tally.total)
    sum += value
    top?.add(family, token, slope * value)
  }
  return sum
}

function measurePairs({ block, own, peers, vocabulary }: Scene): number {
  const { keys, counts } = block.pairs
  const tally = own.slow.command
  const peersTotal = peers.total('command') + unseenShare * vocabulary
  const damped = dampedTotal(counts)
  let sum = 0
  for (let at = 0; at < keys.length; at++) {
    const pair = keys[at] ?? 0
    const head = headOf(pair)
    const next = nextOf(pair)
    const seen = tally.of(next)
    const ownPair = own.pairs.of(pair)
    const ownHead = own.heads.get(head)
    const alone = (peers.of('command', next, seen) + unseenShare) / peersTotal
    const expected =
      (peers.pair(pair, ownPair) + pairPriorEvents * alone) / (peers.head(head, ownHead) + pairPriorEvents)
    const kinds = own.kinds.get(head) + 1
    const ownAlone = (seen + priorEvents * alone) / (tally.total + priorEvents)
    const usual = (ownPair + kinds * ownAlone) / (ownHead + kinds)
    sum += (logOfOneMore(counts[at] ?? 0) / damped) * clip(Math.log(expected / usual))
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

function totalOf(counts: readonly number[]): number {
  let total = 0
  for (const count of counts) total += count
  return total
}

function dampedTotal(counts: readonly number[]): number {
  let total = 0
  for (const count of counts) total += logOfOneMore(count)
  return Math.max(total, Math.LN2)
}

/** Most counts of a block are small. */
const logs = Float64Array.from({ length: 256 }, (_, count) => Math.log1p(count))

function logOfOneMore(count: number): number {
  return logs[count] ?? Math.log1p(count)
}
