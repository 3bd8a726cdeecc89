/** What one person usually does, as counts; and how unusual their accepted blocks were, as a level to compare with. */
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

/** Counts of one block of events. */
export type Block = {
  readonly events: number
  readonly counts: Readonly<Record<Family, ReadonlyMap<TokenId, number>>>
  /** Of commands, one after the other. */
  readonly pairs: ReadonlyMap<number, number>
}

/** Levels of a person are means over some fifty blocks; older ones fade. */
const levelDecay = 0.98
/** So many blocks of everybody stand in until a person has their own. */
const levelPriorBlocks = 10

/** Running mean and spread of one feature over accepted blocks. */
export class Level {
  #weight = 0
  #sum = 0
  #squares = 0

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

export class Profile {
  readonly slow: Readonly<Record<Family, Tally>> = {
    command: new Tally(),
    shape: new Tally(),
    word: new Tally(),
  }
  readonly fast: FadingTally = new FadingTally()
  readonly pairs: Tally = new Tally()
  /** How often a command was followed by any, and by how many different ones. */
  readonly heads: Map<TokenId, number> = new Map()
  readonly kinds: Map<TokenId, number> = new Map()
  readonly levels: readonly [Level, Level, Level] = [new Level(), new Level(), new Level()]
  events = 0

  /** Learns an accepted block. */
  learn(block: Block): void {
    for (const family of families) {
      for (const [token, count] of block.counts[family]) this.slow[family].add(token, count)
      this.slow[family].trim(maxTokensOfFamily)
    }
    for (const [token, count] of block.counts.command) this.fast.add(token, count)
    this.fast.age(block.events)
    this.fast.trim(maxTokensOfFamily)
    this.#learnPairs(block)
    this.events += block.events
  }

  #learnPairs({ pairs }: Block): void {
    for (const [pair, count] of pairs) {
      const head = headOf(pair)
      if (this.pairs.of(pair) === 0) this.kinds.set(head, (this.kinds.get(head) ?? 0) + 1)
      this.pairs.add(pair, count)
      this.heads.set(head, (this.heads.get(head) ?? 0) + count)
    }
    this.pairs.trim(maxTokensOfFamily)
  }
}
