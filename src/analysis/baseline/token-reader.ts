/** Turns texts into numbers of tokens. One for all people of a baseline. */
import { Recent } from '../recent.ts'
import type { Interned } from './block.ts'
import { Dictionary } from './dictionary.ts'
import type { ActivityEvent } from './event.ts'
import type { TokenId } from './tally.ts'
import { tokensOf } from './tokens.ts'

/** How many texts are known by heart, and how many characters of them. */
export type RememberedTexts = { readonly maxEntries: number; readonly maxCharacters: number }

/** People type the same lines again and again; twice as much is kept at most, of lines and of statements. */
const rememberedTexts: RememberedTexts = { maxEntries: 20_000, maxCharacters: 2_097_152 }

export class TokenReader {
  readonly dictionary: Dictionary
  readonly #statements: Recent<Interned>
  readonly #lines: Recent<Interned>

  constructor(texts: readonly string[] = [], remembered: RememberedTexts = rememberedTexts) {
    this.dictionary = new Dictionary(texts)
    this.#statements = new Recent(remembered)
    this.#lines = new Recent(remembered)
  }

  read({ protocol, text }: ActivityEvent): Interned {
    const known = protocol === 'postgres' ? this.#statements : this.#lines
    const before = known.get(text)
    if (before !== undefined) return before
    const { commands, shapes, words } = tokensOf(protocol, text)
    const tokens: TokenId[] = []
    for (const command of commands) tokens.push(this.dictionary.idOf('command', command))
    for (const shape of shapes) tokens.push(this.dictionary.idOf('shape', shape))
    for (const word of words) tokens.push(this.dictionary.idOf('word', word))
    const interned = { tokens, commands: commands.length, shapes: shapes.length }
    known.set(text, interned)
    return interned
  }
}
