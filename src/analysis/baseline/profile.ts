/** What one person usually does, as counts; and how unusual their accepted blocks were, as a level to compare with. */
import type { Block, Family } from './block.ts'
import { CountTable } from './count-table.ts'
import { FadingTally, Tally } from './tally.ts'

/** Tokens of a family that are kept for one person; a profile is at most some 2 MB. */
const maxTokensOfFamily = 20_000

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
  /** Not there in states of earlier versions. */
  readonly fastTotal?: number
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
    this.fast = new FadingTally(pairsIn(state?.fast), state?.fastWeight, state?.fastTotal)
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
      fastTotal: this.fast.weighedTotal,
      pairs: flat(this.pairs.counts),
      heads: flat(this.heads),
      kinds: flat(this.kinds),
      levels: [first.state, second.state, third.state],
      events: this.events,
    }
  }

  /** Learns an accepted block, and tells it what it has now of each. */
  learn(block: Block): void {
    const { command, shape, word } = this.slow
    shape.learn(block.counts.shape, maxTokensOfFamily)
    word.learn(block.counts.word, maxTokensOfFamily)
    if (command.learn(block.counts.command, maxTokensOfFamily)) this.#trimHeads()
    this.fast.addAll(block.counts.command)
    this.fast.age(block.events)
    this.fast.trim(maxTokensOfFamily)
    this.#learnPairs(block)
    this.events += block.events
  }

  /** Of commands that are not kept, nothing is kept of what came after them. */
  #trimHeads(): void {
    for (const table of [this.heads, this.kinds]) {
      const kept = [...table].filter(([command]) => this.slow.command.of(command) > 0)
      table.clear()
      for (const [command, count] of kept) table.add(command, count)
    }
  }

  #learnPairs(block: Block): void {
    const { command } = block.counts
    const { counts, heads, learned, length } = block.pairs
    const { after, kinds } = afterCommands(command.length)
    this.pairs.learn(block.pairs, maxTokensOfFamily)
    for (let at = 0; at < length; at++) {
      const head = heads[at] ?? 0
      const count = counts[at] ?? 0
      if (learned[at] === count) kinds[head] = (kinds[head] ?? 0) + 1
      after[head] = (after[head] ?? 0) + count
    }
    if (block.followed.length < command.length) block.followed = new Float64Array(command.keys.length)
    for (let at = 0; at < command.length; at++) {
      const token = command.keys[at] ?? 0
      const count = after[at] ?? 0
      block.followed[at] = count > 0 ? this.heads.add(token, count) + count : this.heads.get(token)
      if ((kinds[at] ?? 0) > 0) this.kinds.add(token, kinds[at] ?? 0)
    }
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

/** How often something came after each command of a block, and what was new; used again for each block. */
const afterScratch = { after: new Float64Array(256), kinds: new Float64Array(256) }

function afterCommands(length: number): { readonly after: Float64Array; readonly kinds: Float64Array } {
  if (length > afterScratch.after.length)
    return { after: new Float64Array(length), kinds: new Float64Array(length) }
  afterScratch.after.fill(0, 0, length)
  afterScratch.kinds.fill(0, 0, length)
  return afterScratch
}
