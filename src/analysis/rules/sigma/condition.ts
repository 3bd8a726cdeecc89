/** The condition of a Sigma rule: `selection and not 1 of filter_*`. Grammar: Sigma specification 2, appendix "condition". */

export type Condition =
  | { readonly kind: 'search'; readonly name: string }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }

/** A condition of more words or deeper parentheses is no rule that somebody wrote. */
const maxWords = 500
const maxNesting = 50

/** `names` are the searches of the rule. Throws RangeError with what cannot be read. */
export function parseCondition(text: string, names: readonly string[]): Condition {
  return new ConditionParser(text, names).parse()
}

class ConditionParser {
  readonly #words: readonly string[]
  readonly #names: readonly string[]
  #at = 0
  #depth = 0

  constructor(text: string, names: readonly string[]) {
    this.#words = text.match(/[()|]|[^\s()|]+/g) ?? []
    this.#names = names
  }

  parse(): Condition {
    if (this.#words.length > maxWords) throw new RangeError(`more than ${maxWords} words`)
    if (this.#words.includes('|'))
      throw new RangeError('an aggregation behind "|": what is counted is written as a correlation')
    const condition = this.#or()
    if (this.#at < this.#words.length)
      throw new RangeError(`"${this.#words[this.#at]}" where the condition should end`)
    return condition
  }

  #or(): Condition {
    return this.#joined('or', () => this.#joined('and', () => this.#not()))
  }

  #joined(kind: 'and' | 'or', next: () => Condition): Condition {
    const of = [next()]
    while (this.#take(kind)) of.push(next())
    return anyOf(kind, of)
  }

  #not(): Condition {
    if (++this.#depth > maxNesting) throw new RangeError(`nested deeper than ${maxNesting}`)
    const condition = this.#take('not') ? { kind: 'not' as const, of: this.#not() } : this.#operand()
    this.#depth--
    return condition
  }

  #operand(): Condition {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new RangeError('it ends where a name should stand')
    if (word === '(') {
      const inner = this.#or()
      if (!this.#take(')')) throw new RangeError('a parenthesis is not closed')
      return inner
    }
    if (this.#isWord(this.#words[this.#at], 'of')) return this.#quantified(word)
    if (!this.#names.includes(word)) throw new RangeError(`there is no search "${word}"`)
    return { kind: 'search', name: word }
  }

  /** `1 of x*`, `any of x*`, `all of them`. */
  #quantified(quantity: string): Condition {
    this.#at++
    const pattern = this.#words[this.#at++] ?? ''
    const searches = this.#meant(pattern).map(name => ({ kind: 'search' as const, name }))
    if (searches.length === 0) throw new RangeError(`"${quantity} of ${pattern}" names no search`)
    if (/^(?:1|any)$/i.test(quantity)) return anyOf('or', searches)
    if (/^all$/i.test(quantity)) return anyOf('and', searches)
    throw new RangeError(`"${quantity} of": only 1, any and all are known`)
  }

  #meant(pattern: string): readonly string[] {
    if (this.#isWord(pattern, 'them')) return this.#names.filter(name => !name.startsWith('_'))
    const [head = '', tail] = pattern.split('*')
    if (tail === undefined) return this.#names.filter(name => name === pattern)
    return this.#names.filter(
      name => name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail),
    )
  }

  #take(word: string): boolean {
    if (!this.#isWord(this.#words[this.#at], word)) return false
    this.#at++
    return true
  }

  #isWord(word: string | undefined, expected: string): boolean {
    return word?.toLowerCase() === expected
  }
}

function anyOf(kind: 'and' | 'or', of: readonly Condition[]): Condition {
  const [only] = of
  return of.length === 1 && only !== undefined ? only : { kind, of }
}
