/** Numbers for tokens, so that counts are kept by number and a token's text once. */
import type { Family } from './block.ts'
import type { TokenId } from './tally.ts'

/** Tokens that have a number of their own; a memory of some 100 MB. Later ones share one number for all families. */
const maxTokens = 1_000_000
/** Longer tokens are cut: two that differ only after that are the same to us. */
const maxTokenLength = 198
/** The number of whatever has no place any more. */
const overflow: TokenId = 0

/** What texts begin with where they are kept. */
const prefixes: Readonly<Record<Family, string>> = { command: 'c ', shape: 's ', word: 'w ' }

export class Dictionary {
  readonly #ids: Readonly<Record<Family, Map<string, TokenId>>> = {
    command: new Map(),
    shape: new Map(),
    word: new Map(),
  }
  /** By number; the first one stands for all that came too late. */
  readonly #tokens: { readonly family: Family; readonly text: string }[] = [{ family: 'word', text: '' }]
  readonly #maxTokens: number

  /** `texts`: of another dictionary. `maxTokens` is for tests. */
  constructor(texts: readonly string[] = [], options: { readonly maxTokens?: number } = {}) {
    this.#maxTokens = options.maxTokens ?? maxTokens
    for (const text of texts.slice(1)) this.#append(familyOf(text), text.slice(2))
  }

  get size(): number {
    return this.#tokens.length
  }

  get texts(): readonly string[] {
    return this.#tokens.map(({ family, text }, id) => (id === overflow ? '' : `${prefixes[family]}${text}`))
  }

  idOf(family: Family, text: string): TokenId {
    const short = text.length > maxTokenLength ? text.slice(0, maxTokenLength) : text
    return this.#ids[family].get(short) ?? this.#append(family, detached(short))
  }

  textOf(id: TokenId): string {
    return this.#tokens[id]?.text ?? ''
  }

  #append(family: Family, text: string): TokenId {
    if (this.#tokens.length >= this.#maxTokens) return overflow
    this.#ids[family].set(text, this.#tokens.length)
    return this.#tokens.push({ family, text }) - 1
  }
}

function familyOf(text: string): Family {
  return text.startsWith('c ') ? 'command' : text.startsWith('s ') ? 'shape' : 'word'
}

/** A copy: a part of a longer text would keep all of that in memory. */
function detached(text: string): string {
  return ` ${text}`.slice(1)
}
