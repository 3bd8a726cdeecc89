/** Numbers for tokens, so that counts are kept by number and a token's text once. */
import type { TokenId } from './tally.ts'

/** Tokens that have a number of their own; a memory of some 100 MB. Later ones share one number for each family. */
const maxTokens = 1_000_000
/** Longer tokens are cut: two that differ only after that are the same to us. */
export const maxTokenLength = 200

export class Dictionary {
  readonly #ids = new Map<string, TokenId>()
  readonly #texts: string[] = []

  constructor(texts: Iterable<string> = []) {
    for (const text of texts) this.#append(text)
  }

  get size(): number {
    return this.#texts.length
  }

  get texts(): readonly string[] {
    return this.#texts
  }

  idOf(text: string): TokenId {
    const short = text.length > maxTokenLength ? text.slice(0, maxTokenLength) : text
    return this.#ids.get(short) ?? (this.#texts.length < maxTokens ? this.#append(short) : this.#overflow())
  }

  textOf(id: TokenId): string {
    return this.#texts[id] ?? ''
  }

  #append(text: string): TokenId {
    const id = this.#texts.length
    this.#ids.set(text, id)
    this.#texts.push(text)
    return id
  }

  /** Whatever has no place any more. */
  #overflow(): TokenId {
    return this.#ids.get('') ?? 0
  }
}
