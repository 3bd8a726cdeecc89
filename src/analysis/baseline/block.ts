/** What is counted of one block of events. */
import { CountList } from './count-list.ts'
import type { TokenId } from './tally.ts'

/** Families of tokens that are counted one by one; pairs are counted apart. */
export const families = ['command', 'shape', 'word'] as const
export type Family = (typeof families)[number]

/** A head token and the one that follows it in one number. Both are below 2²⁰. */
const pairFactor = 2 ** 20
export const pairOf = (head: TokenId, next: TokenId): number => head * pairFactor + next

/** One token after the other: first the commands, then shapes, then words; and how many of the first two. */
export type Interned = {
  readonly tokens: readonly TokenId[]
  readonly commands: number
  readonly shapes: number
}

export class Block {
  events = 0
  readonly counts: Readonly<Record<Family, CountList>> = {
    command: new CountList(),
    shape: new CountList(),
    word: new CountList(),
  }
  /** Of commands, one after the other. */
  readonly pairs: PairList = new PairList()
  /** By the place of a command: how often the person went on after it altogether, once the block was learned. */
  followed: Float64Array = new Float64Array(0)

  become({ events, counts, pairs, followed }: Block): void {
    this.events = events
    for (const family of families) this.counts[family].become(counts[family])
    this.pairs.become(pairs)
    if (followed.length > this.followed.length) this.followed = new Float64Array(followed.length)
    this.followed.set(followed)
  }
}

/** Pairs, and the places of their commands among the commands of the block. */
export class PairList extends CountList {
  heads: Uint32Array = new Uint32Array(this.keys.length)
  nexts: Uint32Array = new Uint32Array(this.keys.length)

  appendPair(pair: number, head: number, next: number): number {
    const place = this.append(pair)
    this.#follow()
    this.heads[place] = head
    this.nexts[place] = next
    return place
  }

  override become(other: PairList): void {
    super.become(other)
    this.#follow()
    for (let at = 0; at < other.length; at++) {
      this.heads[at] = other.heads[at] ?? 0
      this.nexts[at] = other.nexts[at] ?? 0
    }
  }

  #follow(): void {
    if (this.heads.length === this.keys.length) return
    this.heads = longer(this.heads, this.keys.length)
    this.nexts = longer(this.nexts, this.keys.length)
  }
}

function longer(list: Uint32Array, length: number): Uint32Array {
  const larger = new Uint32Array(length)
  larger.set(list)
  return larger
}
