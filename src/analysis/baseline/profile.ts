/** What one person usually does, as counts; and how unusual their accepted blocks were, as a level to compare with. */
import { CountTable } from './count-table.ts'
import { FadingTally, Tally, type TokenId } from './tally.ts'

/** Tokens of a family that are kept for one person; a profile is at most some 2 MB. */
const maxTokensOfFamily = 20_000

/** Families of tokens that are counted one by one; pairs are counted apart. */
export const families = ['command', 'shape', 'word'] as const
export type Family = (typeof families)[number]

/** A head token and the one that follows it in one number. Both are below 2²⁰. */
const pairFactor = 2 ** 20
export const pairOf = (head: TokenId, next: TokenId): number => head * pairFactor + next
export const headOf = (pair: number): TokenId => Math.floor(pair / pairFactor)
export const nextOf = (pair: number): TokenId => pair % pairFactor

/** Numbers of which each was seen so often; both lists are of one length. */
export type Counted = { readonly keys: readonly number[]; readonly counts: readonly number[] }

/** Counts of one block of events. */
export type Block = {
  readonly events: number
  readonly counts: Readonly<Record<Family, Counted>>
  /** Of commands, one after the other. */
  readonly pairs: Counted
}

/** Levels of a person are means over some fifty blocks; older ones fade. */
const levelDecay = 0.98
/** So many blocks of everybody stand in until a person has their own. */
const levelPriorBlocks = 10

/** Weight, sum and sum of squares. */
export type LevelState = readonly [number, number, number]

/** Running mean and spread of one feature over accepted blocks. */
export class Level {
  #weight = 0
  #sum = 0
  #squares = 0

  constructor([weight, sum, squares]: LevelState = [0, 0, 0]) {
    this.#weight = weight
    this.#sum = sum
    this.#squares = squares
  }

  get state(): LevelState {
    return [this.#weight, this.#sum, this.#squares]
  }

  add(value: number): void {
    this.#weight = this.#weight * levelDecay + 1
    this.#sum = this.#sum * levelDecay + value
    this.#squares = this.#squares * levelDecay + value * value
  }

  /** Standard deviations above the mean, with a prior. */
  deviation(value: number, prior: Prior): number {
    const weight = this.#weight + levelPriorBlocks
    const mean = (this.#sum + levelPriorBlocks * prior.mean) / weight
    const squares = (this.#squares + levelPriorBlocks * (prior.spread ** 2 + prior.mean ** 2)) / weight
    const spread = Math.sqrt(Math.max(0, squares - mean * mean)) + minSpread
    return Math.max(-maxDeviation, Math.min(maxDeviation, (value - mean) / spread))
  }
}

export type Prior = { readonly mean: number; readonly spread: number }
const minSpread = 0.02
const maxDeviation = 8

/** Counts as flat lists of token and count: a profile in JSON. */
export type ProfileState = {
  readonly slow: Readonly<Record<Family, readonly number[]>>
  readonly fast: readonly number[]
  readonly fastWeight: number
  readonly pairs: readonly number[]
  readonly heads: readonly number[]
  readonly kinds: readonly number[]
  readonly levels: readonly [LevelState, LevelState, LevelState]
  readonly events: number
}

export class Profile {
  readonly slow: Readonly<Record<Family, Tally>>
  readonly fast: FadingTally
  readonly pairs: Tally
  /** How often a command was followed by any, and by how many different ones. */
  readonly heads: CountTable
  readonly kinds: CountTable
  readonly levels: readonly [Level, Level, Level]
  events: number

  constructor(state?: ProfileState) {
    this.slow = tallies(state?.slow)
    this.fast = new FadingTally(pairsIn(state?.fast), state?.fastWeight)
    this.pairs = new Tally(pairsIn(state?.pairs))
    this.heads = tableOf(state?.heads)
    this.kinds = tableOf(state?.kinds)
    const [first, second, third] = state?.levels ?? []
    this.levels = [new Level(first), new Level(second), new Level(third)]
    this.events = state?.events ?? 0
  }

  get state(): ProfileState {
    const [first, second, third] = this.levels
    return {
      slow: talliesState(this.slow),
      fast: flat(this.fast.counts),
      fastWeight: this.fast.weight,
      pairs: flat(this.pairs.counts),
      heads: flat(this.heads),
      kinds: flat(this.kinds),
      levels: [first.state, second.state, third.state],
      events: this.events,
    }
  }

  /** Learns an accepted block. */
  learn(block: Block): void {
    for (const family of families) {
      const { keys, counts } = block.counts[family]
      const tally = this.slow[family]
      for (let at = 0; at < keys.length; at++) tally.add(keys[at] ?? 0, counts[at] ?? 0)
      tally.trim(maxTokensOfFamily)
    }
    const { keys, counts } = block.counts.command
    for (let at = 0; at < keys.length; at++) this.fast.add(keys[at] ?? 0, counts[at] ?? 0)
    this.fast.age(block.events)
    this.fast.trim(maxTokensOfFamily)
    this.#learnPairs(block)
    this.events += block.events
  }

  #learnPairs({ pairs }: Block): void {
    const { keys, counts } = pairs
    for (let at = 0; at < keys.length; at++) {
      const [pair, count] = [keys[at] ?? 0, counts[at] ?? 0]
      const head = headOf(pair)
      if (this.pairs.add(pair, count) === 0) this.kinds.add(head, 1)
      this.heads.add(head, count)
    }
    this.pairs.trim(maxTokensOfFamily)
  }
}

/** `token, count, token, count, …` */
export function flat(counts: Iterable<readonly [number, number]>): readonly number[] {
  return [...counts].flat()
}

export function* pairsIn(list: readonly number[] = []): Generator<readonly [number, number]> {
  for (let at = 0; at + 1 < list.length; at += 2) yield [list[at] ?? 0, list[at + 1] ?? 0]
}

function tableOf(list: readonly number[] = []): CountTable {
  const table = new CountTable()
  for (const [key, count] of pairsIn(list)) table.add(key, count)
  return table
}

function tallies(state?: Readonly<Record<Family, readonly number[]>>): Readonly<Record<Family, Tally>> {
  return {
    command: new Tally(pairsIn(state?.command)),
    shape: new Tally(pairsIn(state?.shape)),
    word: new Tally(pairsIn(state?.word)),
  }
}

function talliesState(of: Readonly<Record<Family, Tally>>): Record<Family, readonly number[]> {
  return { command: flat(of.command.counts), shape: flat(of.shape.counts), word: flat(of.word.counts) }
}
