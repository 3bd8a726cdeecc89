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
/** Counts of the back-off behind a command, for peers. */
const pairPriorEvents = 5

/** What one token adds to the features that are sums; indices as in `featureNames`. */
export type TokenPart = {
  readonly family: Family
  readonly token: TokenId
  readonly parts: readonly [number, number][]
}

/** Where levels start, before a person has some of their own. */
const levelPriors: readonly [Prior, Prior, Prior] = [
  { mean: -1, spread: 0.4 },
  { mean: -1, spread: 0.4 },
  { mean: 0.05, spread: 0.05 },
]

export type Measured = { readonly features: Features; readonly tokens: readonly TokenPart[] }

/** Measures a block; `withTokens` also says what each token added. `vocabulary` is how many tokens are known. */
export function measure(
  block: Block,
  own: Profile,
  peers: Peers,
  vocabulary: number,
  withTokens: boolean,
): Measured {
  const tokens: TokenPart[] = []
  const told = withTokens ? tokens : undefined
  const sums = measureCommands(block, own, peers, vocabulary, told)
  const shape = measureFamily('shape', 6, { block, own, peers, vocabulary }, told)
  const word = measureFamily('word', 7, { block, own, peers, vocabulary }, told)
  const pair = measurePairs(block, own, peers, vocabulary)
  const features = [...sums, shape, word, pair]
  const levelled = levelValues(features)
  const [first, second, third] = own.levels
  features.push(
    first.deviation(levelled[0], levelPriors[0]),
    second.deviation(levelled[1], levelPriors[1]),
    third.deviation(levelled[2], levelPriors[2]),
  )
  return { features, tokens }
}

/** Of accepted blocks the levels of a person are made. */
export function learnLevels(own: Profile, features: Features): void {
  const values = levelValues(features)
  own.levels.forEach((level, index) => level.add(values[index] ?? 0))
}

function levelValues(features: Features): readonly [number, number, number] {
  return [features[0] ?? 0, features[2] ?? 0, features[5] ?? 0]
}

function measureCommands(
  { counts, events }: Block,
  own: Profile,
  peers: Peers,
  vocabulary: number,
  told: TokenPart[] | undefined,
): number[] {
  const tally = own.slow.command
  const people = Math.max(1, peers.people)
  const unseen = unseenShare * vocabulary
  const peersTotal = peers.total('command')
  const distinct = Math.max(1, counts.command.size)
  const damped = dampedTotal(counts.command)
  const all = Math.max(1, totalOf(counts.command), events)
  const sums = [0, 0, 0, 0, 0, 0]
  for (const [token, count] of counts.command) {
    const seen = tally.of(token)
    const peersSeen = peers.of('command', token)
    const expected = (peersSeen + unseenShare) / (peersTotal + unseen)
    const slow = ratio(expected, seen, tally.total)
    const fast = ratio(expected, own.fast.of(token), own.fast.total)
    const weight = Math.log1p(count) / damped
    const unique = uniqueness(seen / Math.max(1, tally.total), peersSeen / Math.max(1, peersTotal))
    const rare = 1 - Math.min(1, peers.users('command', token) / people)
    const parts: [number, number][] = [
      [0, (count / all) * slow],
      [1, (count / all) * fast],
      [2, weight * slow],
      [3, slow / distinct],
      [4, weight * unique * rare],
      [5, seen === 0 ? weight : 0],
    ]
    for (const [index, value] of parts) sums[index] = (sums[index] ?? 0) + value
    told?.push({ family: 'command', token, parts })
  }
  return sums
}

/** 1: only others do this. −1: only this person does. */
function uniqueness(ownShare: number, peersShare: number): number {
  return ownShare === 0 ? 1 : -ownShare / (ownShare + peersShare)
}

type Scene = {
  readonly block: Block
  readonly own: Profile
  readonly peers: Peers
  readonly vocabulary: number
}

function measureFamily(
  family: Family,
  index: number,
  { block, own, peers, vocabulary }: Scene,
  told: TokenPart[] | undefined,
): number {
  const counts = block.counts[family]
  const damped = dampedTotal(counts)
  const peersTotal = peers.total(family) + unseenShare * vocabulary
  let sum = 0
  for (const [token, count] of counts) {
    const expected = (peers.of(family, token) + unseenShare) / peersTotal
    const value =
      (Math.log1p(count) / damped) * ratio(expected, own.slow[family].of(token), own.slow[family].total)
    sum += value
    told?.push({ family, token, parts: [[index, value]] })
  }
  return sum
}

function measurePairs({ pairs }: Block, own: Profile, peers: Peers, vocabulary: number): number {
  const peersTotal = peers.total('command') + unseenShare * vocabulary
  const damped = dampedTotal(pairs)
  let sum = 0
  for (const [pair, count] of pairs) {
    const [head, next] = [headOf(pair), nextOf(pair)]
    const alone = (peers.of('command', next) + unseenShare) / peersTotal
    const expected = (peers.pair(pair) + pairPriorEvents * alone) / (peers.head(head) + pairPriorEvents)
    const kinds = (own.kinds.get(head) ?? 0) + 1
    const ownAlone =
      (own.slow.command.of(next) + priorEvents * alone) / (own.slow.command.total + priorEvents)
    const usual = (own.pairs.of(pair) + kinds * ownAlone) / ((own.heads.get(head) ?? 0) + kinds)
    sum += (Math.log1p(count) / damped) * clip(Math.log(expected / usual))
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

function totalOf(counts: ReadonlyMap<number, number>): number {
  let total = 0
  for (const count of counts.values()) total += count
  return total
}

function dampedTotal(counts: ReadonlyMap<number, number>): number {
  let total = 0
  for (const count of counts.values()) total += Math.log1p(count)
  return Math.max(total, Math.LN2)
}
