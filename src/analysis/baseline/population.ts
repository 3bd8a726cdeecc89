/** What everybody does together; from it, what a person's peers do: everybody but the person. */
import {
  type Block,
  families,
  type Family,
  flat,
  headOf,
  pairsIn,
  type Profile,
  tallies,
  talliesState,
} from './profile.ts'
import { Tally, type TokenId } from './tally.ts'

export type PopulationState = {
  readonly all: Readonly<Record<Family, readonly number[]>>
  readonly users: Readonly<Record<Family, readonly number[]>>
  readonly pairs: readonly number[]
  readonly heads: readonly number[]
  readonly people: number
}

export class Population {
  readonly all: Readonly<Record<Family, Tally>>
  readonly pairs: Tally
  readonly heads: Map<TokenId, number>
  /** How many people have used a token. */
  readonly users: Readonly<Record<Family, Map<TokenId, number>>>
  people: number

  constructor(state?: PopulationState) {
    this.all = tallies(state?.all)
    this.pairs = new Tally(pairsIn(state?.pairs))
    this.heads = new Map(pairsIn(state?.heads))
    this.users = {
      command: new Map(pairsIn(state?.users.command)),
      shape: new Map(pairsIn(state?.users.shape)),
      word: new Map(pairsIn(state?.users.word)),
    }
    this.people = state?.people ?? 0
  }

  get state(): PopulationState {
    const { command, shape, word } = this.users
    return {
      all: talliesState(this.all),
      users: { command: flat(command), shape: flat(shape), word: flat(word) },
      pairs: flat(this.pairs.counts),
      heads: flat(this.heads),
      people: this.people,
    }
  }

  /** Takes a person's part out of what everybody does. */
  forget(own: Profile): void {
    if (own.events > 0) this.people = Math.max(0, this.people - 1)
    for (const family of families) {
      const users = this.users[family]
      for (const [token, count] of own.slow[family].counts) {
        this.all[family].take(token, count)
        lower(users, token, 1)
      }
    }
    for (const [pair, count] of own.pairs.counts) this.pairs.take(pair, count)
    for (const [head, count] of own.heads) lower(this.heads, head, count)
  }

  /** Before the person's own profile learns the block. */
  learn(block: Block, own: Profile): void {
    if (own.events === 0) this.people++
    for (const family of families) {
      const users = this.users[family]
      for (const [token, count] of block.counts[family]) {
        if (own.slow[family].of(token) === 0) users.set(token, (users.get(token) ?? 0) + 1)
        this.all[family].add(token, count)
      }
    }
    for (const [pair, count] of block.pairs) {
      this.pairs.add(pair, count)
      this.heads.set(headOf(pair), (this.heads.get(headOf(pair)) ?? 0) + count)
    }
  }
}

function lower(counts: Map<number, number>, key: number, by: number): void {
  const left = (counts.get(key) ?? 0) - by
  if (left > 0) counts.set(key, left)
  else counts.delete(key)
}

/** Everybody but some: what a person is compared with must not hold the person, nor whoever stands in for a stranger. */
export class Peers {
  readonly #population: Population
  readonly #without: readonly Profile[]

  constructor(population: Population, without: readonly Profile[]) {
    this.#population = population
    this.#without = without
  }

  get people(): number {
    return this.#rest(this.#population.people, profile => (profile.events > 0 ? 1 : 0))
  }

  of(family: Family, token: TokenId): number {
    return this.#rest(this.#population.all[family].of(token), profile => profile.slow[family].of(token))
  }

  total(family: Family): number {
    return this.#rest(this.#population.all[family].total, profile => profile.slow[family].total)
  }

  users(family: Family, token: TokenId): number {
    const all = this.#population.users[family].get(token) ?? 0
    return this.#rest(all, profile => (profile.slow[family].of(token) > 0 ? 1 : 0))
  }

  pair(pair: number): number {
    return this.#rest(this.#population.pairs.of(pair), profile => profile.pairs.of(pair))
  }

  head(head: TokenId): number {
    return this.#rest(this.#population.heads.get(head) ?? 0, profile => profile.heads.get(head) ?? 0)
  }

  /** A profile that forgot some tokens has fewer than were counted for everybody, never more. */
  #rest(all: number, of: (profile: Profile) => number): number {
    let left = all
    for (const profile of this.#without) left -= of(profile)
    return Math.max(0, left)
  }
}
