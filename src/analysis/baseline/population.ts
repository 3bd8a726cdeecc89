/** What everybody does together; from it, what a person's peers do: everybody but the person. */
import { type Block, families, type Family, headOf, type Profile } from './profile.ts'
import { Tally, type TokenId } from './tally.ts'

export class Population {
  readonly all: Readonly<Record<Family, Tally>> = {
    command: new Tally(),
    shape: new Tally(),
    word: new Tally(),
  }
  readonly pairs: Tally = new Tally()
  readonly heads: Map<TokenId, number> = new Map()
  /** How many people have used a token. */
  readonly users: Readonly<Record<Family, Map<TokenId, number>>> = {
    command: new Map(),
    shape: new Map(),
    word: new Map(),
  }
  people = 0

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
