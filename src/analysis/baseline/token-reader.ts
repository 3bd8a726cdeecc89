/** Turns texts into numbers of tokens, and lists of those into counts. One for all people of a baseline. */
import { Recent } from '../recent.ts'
import { CountTable } from './count-table.ts'
import { Dictionary } from './dictionary.ts'
import type { ActivityEvent } from './event.ts'
import { type Block, type Counted, type Family, pairOf } from './profile.ts'
import type { TokenId } from './tally.ts'
import { tokensOf } from './tokens.ts'

/** A text's tokens. */
type Interned = Readonly<Record<Family, readonly TokenId[]>>

/** People type the same lines again and again. */
const cacheLimits = { maxEntries: 20_000, maxCharacters: 2_097_152 }

export class TokenReader {
  readonly dictionary: Dictionary
  readonly #statements = new Recent<Interned>(cacheLimits)
  readonly #lines = new Recent<Interned>(cacheLimits)
  readonly #counts = new CountTable()

  constructor(texts: Iterable<string> = ['']) {
    this.dictionary = new Dictionary(texts)
  }

  read({ protocol, text }: ActivityEvent): Interned {
    const known = protocol === 'postgres' ? this.#statements : this.#lines
    const before = known.get(text)
    if (before !== undefined) return before
    const { commands, shapes, words } = tokensOf(protocol, text)
    const interned = {
      command: commands.map(command => this.dictionary.idOf(`c ${command}`)),
      shape: shapes.map(shape => this.dictionary.idOf(`s ${shape}`)),
      word: words.map(word => this.dictionary.idOf(`w ${word}`)),
    }
    known.set(text, interned)
    return interned
  }

  /** In order of their first appearance. */
  count(list: readonly number[]): Counted {
    const keys: number[] = []
    for (const key of list) if (this.#counts.add(key, 1) === 0) keys.push(key)
    const counts = keys.map(key => this.#counts.get(key))
    this.#counts.clear()
    return { keys, counts }
  }
}

/** The tokens of a block while it fills. */
export class OpenTokens {
  readonly #reader: TokenReader
  readonly #lists: Readonly<Record<Family, TokenId[]>> = { command: [], shape: [], word: [] }
  readonly #pairs: number[] = []
  #before: TokenId | undefined

  constructor(reader: TokenReader) {
    this.#reader = reader
  }

  add(event: ActivityEvent): void {
    const { command, shape, word } = this.#reader.read(event)
    for (const id of command) {
      this.#lists.command.push(id)
      if (this.#before !== undefined) this.#pairs.push(pairOf(this.#before, id))
      this.#before = id
    }
    for (const id of shape) this.#lists.shape.push(id)
    for (const id of word) this.#lists.word.push(id)
  }

  block(events: number): Block {
    const { command, shape, word } = this.#lists
    const reader = this.#reader
    return {
      events,
      counts: { command: reader.count(command), shape: reader.count(shape), word: reader.count(word) },
      pairs: reader.count(this.#pairs),
    }
  }
}
