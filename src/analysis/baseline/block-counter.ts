/** Counts the tokens of a block and the pairs of its commands. */
import { Block, type Interned, pairOf } from './block.ts'
import type { CountList } from './count-list.ts'
import type { TokenId } from './tally.ts'

const minLength = 1024
const none: Interned = { tokens: [], commands: 0, shapes: 0 }
/** Tokens of a block that is used again; what a larger one needs is not kept. */
const maxKept = 16_384

export class BlockCounter {
  #block = new Block()
  /** By number of a token: its place in the list that is being made, and one; 0 if it is not there. Of all families the largest number is below 2²⁰. */
  #places = new Uint32Array(minLength)
  /** A pair's place, and one, wherever its hash leads to. */
  #pairs = new Uint32Array(minLength)

  /** Counts the first `size` texts. The block is used again: what it says holds until the next one is counted. */
  count(texts: readonly Interned[], size: number): Block {
    const block = this.#emptied()
    block.events = size
    const { command, shape, word } = block.counts
    for (let at = 0; at < size; at++) this.#addCommands(texts[at] ?? none, command)
    this.#countPairs(texts, size, block)
    this.#finish(command)
    for (let at = 0; at < size; at++) this.#addShapes(texts[at] ?? none, shape)
    this.#finish(shape)
    for (let at = 0; at < size; at++) this.#addWords(texts[at] ?? none, word)
    this.#finish(word)
    return block
  }

  #emptied(): Block {
    const { command, shape, word } = this.#block.counts
    const { pairs } = this.#block
    if (command.length + shape.length + word.length + pairs.length > maxKept) this.#block = new Block()
    else command.length = shape.length = word.length = pairs.length = 0
    return this.#block
  }

  #addCommands({ tokens, commands }: Interned, list: CountList): void {
    this.#add(tokens, 0, commands, list)
  }

  #addShapes({ tokens, commands, shapes }: Interned, list: CountList): void {
    this.#add(tokens, commands, commands + shapes, list)
  }

  #addWords({ tokens, commands, shapes }: Interned, list: CountList): void {
    this.#add(tokens, commands + shapes, tokens.length, list)
  }

  #add(tokens: readonly TokenId[], from: number, to: number, list: CountList): void {
    for (let at = from; at < to; at++) {
      const token = tokens[at] ?? 0
      if (token >= this.#places.length) this.#grow(token)
      const place = this.#places[token] ?? 0
      if (place > 0) list.again(place - 1)
      else this.#places[token] = list.append(token) + 1
    }
  }

  #finish(list: CountList): void {
    for (let at = 0; at < list.length; at++) this.#places[list.keys[at] ?? 0] = 0
    list.weigh()
  }

  #countPairs(texts: readonly Interned[], size: number, { counts, pairs }: Block): void {
    const { keys } = counts.command
    let head = -1
    for (let text = 0; text < size; text++) {
      const { tokens, commands } = texts[text] ?? none
      for (let at = 0; at < commands; at++) {
        const next = (this.#places[tokens[at] ?? 0] ?? 1) - 1
        if (head >= 0) {
          const slot = this.#slotOf(pairs.heads, pairs.nexts, head, next)
          const place = this.#pairs[slot] ?? 0
          if (place > 0) pairs.again(place - 1)
          else {
            this.#pairs[slot] = pairs.appendPair(pairOf(keys[head] ?? 0, keys[next] ?? 0), head, next) + 1
            if (pairs.length * 2 > this.#pairs.length) this.#spread(pairs.heads, pairs.nexts, pairs.length)
          }
        }
        head = next
      }
    }
    if (this.#pairs.length > maxKept) this.#pairs = new Uint32Array(minLength)
    else this.#pairs.fill(0)
    pairs.weigh()
  }

  #slotOf(heads: Uint32Array, nexts: Uint32Array, head: number, next: number): number {
    const mask = this.#pairs.length - 1
    const mixed = Math.imul(Math.imul(head, 0x85_eb_ca_6b) ^ next, 0x9e_37_79_b1)
    let slot = (mixed ^ (mixed >>> 15)) & mask
    for (;;) {
      const place = this.#pairs[slot] ?? 0
      if (place === 0 || (heads[place - 1] === head && nexts[place - 1] === next)) return slot
      slot = (slot + 1) & mask
    }
  }

  #spread(heads: Uint32Array, nexts: Uint32Array, length: number): void {
    this.#pairs = new Uint32Array(this.#pairs.length * 2)
    for (let place = 0; place < length; place++)
      this.#pairs[this.#slotOf(heads, nexts, heads[place] ?? 0, nexts[place] ?? 0)] = place + 1
  }

  #grow(token: TokenId): void {
    const larger = new Uint32Array(Math.max(token + 1, this.#places.length * 2))
    larger.set(this.#places)
    this.#places = larger
  }
}
