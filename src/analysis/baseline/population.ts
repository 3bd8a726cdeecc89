/** What everybody does together; from it, what a person's peers do: everybody but the person. */
import { type Block, families, type Family } from './block.ts'
import type { CountList } from './count-list.ts'
import { DenseTally } from './dense-tally.ts'
import { flat, pairsIn, type Profile } from './profile.ts'
import { Tally, type TokenId } from './tally.ts'

/** Pairs of commands that are kept for everybody, some 32 MB; what was seen least goes first. */
const maxPairs = 500_000

export type PopulationState = {
  readonly all: Readonly<Record<Family, readonly number[]>>
  readonly users: Readonly<Record<Family, readonly number[]>>
  readonly pairs: readonly number[]
  readonly heads: readonly number[]
  readonly people: number
}

/** Numbers of tokens are below the limit of the dictionary, and so is what is kept of them; pairs have a limit of their own. */
export class Population {
  readonly all: Readonly<Record<Family, DenseTally>>
  readonly pairs: Tally
  readonly heads: DenseTally
  /** How many people have used a token. */
  readonly users: Readonly<Record<Family, DenseTally>>
  people: number
  readonly #maxPairs: number

  /** `maxPairs` is for tests. */
  constructor(state?: PopulationState, options: { readonly maxPairs?: number } = {}) {
    this.all = tallies(state?.all)
    this.pairs = new Tally(pairsIn(state?.pairs))
    this.heads = new DenseTally(pairsIn(state?.heads))
    this.users = tallies(state?.users)
    this.people = state?.people ?? 0
    this.#maxPairs = options.maxPairs ?? maxPairs
  }

  get state(): PopulationState {
    return {
      all: talliesState(this.all),
      users: talliesState(this.users),
      pairs: flat(this.pairs.counts),
      heads: flat(this.heads.counts),
      people: this.people,
    }
  }

  /** Takes a person's part out of what everybody does. */
  forget(own: Profile): void {
    if (own.events > 0) this.people = Math.max(0, this.people - 1)
    for (const family of families) {
      for (const [token, count] of own.slow[family].counts) {
        this.all[family].take(token, count)
        this.users[family].take(token, 1)
      }
    }
    for (const [pair, count] of own.pairs.counts) this.pairs.take(pair, count)
    for (const [head, count] of own.heads) this.heads.take(head, count)
  }

  /** Before the person's own profile learns the block. */
  learn(block: Block, own: Profile): void {
    if (own.events === 0) this.people++
    for (const family of families) this.#learnFamily(block.counts[family], family, own)
    const { keys, counts, heads, length } = block.pairs
    for (let at = 0; at < length; at++) {
      const count = counts[at] ?? 0
      this.pairs.add(keys[at] ?? 0, count)
      this.heads.add(block.counts.command.keys[heads[at] ?? 0] ?? 0, count)
    }
    this.pairs.trim(this.#maxPairs)
  }

  #learnFamily({ keys, counts, length }: CountList, family: Family, own: Profile): void {
    const all = this.all[family]
    const users = this.users[family]
    const ofOwn = own.slow[family]
    for (let at = 0; at < length; at++) {
      const token = keys[at] ?? 0
      if (ofOwn.of(token) === 0) users.add(token, 1)
      all.add(token, counts[at] ?? 0)
    }
  }
}

function tallies(state?: Readonly<Record<Family, readonly number[]>>): Record<Family, DenseTally> {
  return {
    command: new DenseTally(pairsIn(state?.command)),
    shape: new DenseTally(pairsIn(state?.shape)),
    word: new DenseTally(pairsIn(state?.word)),
  }
}

function talliesState(of: Readonly<Record<Family, DenseTally>>): Record<Family, readonly number[]> {
  return { command: flat(of.command.counts), shape: flat(of.shape.counts), word: flat(of.word.counts) }
}

/**
 * Everybody but one or two: what a person is compared with must not hold the person, nor whoever stands in for a stranger. A profile that
 * forgot some tokens has fewer than were counted for everybody; what is left is never below nothing.
 *
 * What is looked up for many at once comes in their order in the first places of a list, and `own` is what the person's own counts said
 * of the same ones, which whoever asks has looked up before.
 */
export class Peers {
  readonly #population: Population
  readonly #own: Profile
  readonly #other: Stranger | undefined

  constructor(population: Population, own: Profile, other?: Stranger) {
    this.#population = population
    this.#own = own
    this.#other = other
  }

  get people(): number {
    const other = this.#other !== undefined && this.#other.profile.events > 0 ? 1 : 0
    return Math.max(0, this.#population.people - (this.#own.events > 0 ? 1 : 0) - other)
  }

  total(family: Family): number {
    const other = this.#other?.profile.slow[family].total ?? 0
    return Math.max(0, this.#population.all[family].total - this.#own.slow[family].total - other)
  }

  /** How often they used each token. */
  look(family: Family, tokens: CountList, own: Float64Array, found: Float64Array): void {
    this.#population.all[family].look(tokens, found)
    without(own, found, tokens.length)
    if (this.#other !== undefined) without(this.#other.last.counts[family].learned, found, tokens.length)
  }

  /** How many of them used each command. */
  lookUsers(commands: CountList, own: Float64Array, found: Float64Array): void {
    this.#population.users.command.look(commands, found)
    withoutUser(own, found, commands.length)
    if (this.#other !== undefined)
      withoutUser(this.#other.last.counts.command.learned, found, commands.length)
  }

  /** How often each pair was seen. */
  lookPairs(pairs: CountList, own: Float64Array, found: Float64Array): void {
    this.#population.pairs.look(pairs, found)
    without(own, found, pairs.length)
    if (this.#other !== undefined) without(this.#other.last.pairs.learned, found, pairs.length)
  }

  /** How often a command came after each of these. */
  lookHeads(commands: CountList, own: Float64Array, found: Float64Array): void {
    this.#population.heads.look(commands, found)
    without(own, found, commands.length)
    if (this.#other !== undefined) without(this.#other.last.followed, found, commands.length)
  }

  /** How many of them used one token; only where nobody stands in for a stranger. */
  users(family: Family, token: TokenId, ownSeen: number): number {
    return Math.max(0, this.#population.users[family].of(token) - (ownSeen > 0 ? 1 : 0))
  }
}

/** Somebody whose last block stands in for a stranger's: it knows what they had of all that is in it. */
export type Stranger = { readonly profile: Profile; readonly last: Block }

function without(own: Float64Array, found: Float64Array, length: number): void {
  for (let at = 0; at < length; at++) found[at] = Math.max(0, (found[at] ?? 0) - (own[at] ?? 0))
}

function withoutUser(own: Float64Array, found: Float64Array, length: number): void {
  for (let at = 0; at < length; at++) found[at] = Math.max(0, (found[at] ?? 0) - ((own[at] ?? 0) > 0 ? 1 : 0))
}
