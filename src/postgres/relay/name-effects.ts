/**
 * What SQL does to the names that the protocol knows too: prepared statements and portals live in one namespace, whether they were
 * made by Parse and Bind or by PREPARE and DECLARE. This reads no more of SQL than that takes: where statements begin, and their first
 * words. What a function or DO does to names cannot be seen.
 */
import { nameKey } from '../wire/body-reader.ts'

export type NameEffect =
  | { readonly kind: 'prepare' | 'execute'; readonly name: string }
  /** `holds`: it may outlive its transaction. */
  | { readonly kind: 'declare'; readonly name: string; readonly holds: boolean }
  /** Without a name: all of them. */
  | { readonly kind: 'deallocate' | 'close'; readonly name?: string }
  | { readonly kind: 'discard-all' }

/** Cheap and without false negatives: nothing else has an effect on names. */
const mayHaveEffect = /prepare|execute|deallocate|discard|declare|close/i

const none: readonly NameEffect[] = []

/** Effects in the order of their statements. `text` is as the client sent it, `escapes`: backslashes count in plain strings. */
export function nameEffects(text: string, escapes = false): readonly NameEffect[] {
  if (!mayHaveEffect.test(text)) return none
  const effects: NameEffect[] = []
  const holds = /with\s+hold/i.test(text)
  for (const words of firstWords(text, escapes)) {
    const effect = effectOf(words, holds)
    if (effect !== undefined) effects.push(effect)
  }
  return effects
}

function effectOf([first, second, third]: readonly string[], holds: boolean): NameEffect | undefined {
  const name = second === undefined ? undefined : nameOf(second)
  switch (first) {
    case 'prepare':
      return name === undefined || second === 'transaction' ? undefined : { kind: 'prepare', name }
    case 'execute':
      return name === undefined ? undefined : { kind: 'execute', name }
    case 'declare':
      return name === undefined ? undefined : { kind: 'declare', name, holds }
    case 'close':
      return allOr('close', second, name)
    case 'deallocate':
      return second === 'prepare' && third !== undefined
        ? allOr('deallocate', third, nameOf(third))
        : allOr('deallocate', second, name)
    case 'discard':
      return second === 'all' ? { kind: 'discard-all' } : undefined
    default:
      return undefined
  }
}

function allOr(
  kind: 'close' | 'deallocate',
  word: string | undefined,
  name: string | undefined,
): NameEffect | undefined {
  if (word === 'all') return { kind }
  return name === undefined ? undefined : { kind, name }
}

/** The key of a name as the protocol's maps have it: its UTF-8 bytes, one character each, as many as count. */
function nameOf(word: string): string {
  const plain = word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word
  return nameKey(Buffer.from(plain, 'utf8').toString('latin1'))
}

/** So many words of each statement are looked at: `deallocate prepare x`. */
const maxWords = 3

/** Everything that hides a semicolon, what counts parentheses, and words. Sticky, one alternative for each character that can begin one. */
const space = /[\s\0]+|--[^\n\r]*/y
const word = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y
const quoted = /"(?:[^"]|"")*"?/y
const plainString = /'(?:[^']|'')*'?/y
const escapeString = /'(?:[^'\\]|''|\\[\s\S])*'?/y
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y

/** The first words of each statement: lower case, quoted names with their quotes. */
export function firstWords(text: string, escapes = false): readonly (readonly string[])[] {
  return new WordReader(text, escapes).read()
}

class WordReader {
  readonly #text: string
  readonly #escapes: boolean
  readonly #statements: string[][] = []
  #words: string[] = []
  #at = 0
  #depth = 0

  constructor(text: string, escapes: boolean) {
    this.#text = text
    this.#escapes = escapes
  }

  read(): readonly (readonly string[])[] {
    while (this.#at < this.#text.length) this.#step()
    this.#endStatement()
    return this.#statements
  }

  #step(): void {
    if (this.#match(space) !== undefined || this.#comment() || this.#string()) return
    const name = this.#match(word)?.toLowerCase() ?? this.#match(quoted)
    if (name !== undefined) return this.#word(name)
    this.#mark(this.#text[this.#at] ?? '')
    this.#at++
  }

  #word(name: string): void {
    if (this.#words.length < maxWords) this.#words.push(name)
  }

  /** Rules and functions have statements inside; they begin none here. */
  #mark(character: string): void {
    if (character === '(') this.#depth++
    else if (character === ')') this.#depth = Math.max(0, this.#depth - 1)
    else if (character === ';' && this.#depth === 0) this.#endStatement()
    else if (this.#words.length < maxWords && character !== ';') this.#words.push('')
  }

  #endStatement(): void {
    if (this.#words.length > 0) this.#statements.push(this.#words)
    this.#words = []
    this.#depth = 0
  }

  /** Comments nest. */
  #comment(): boolean {
    if (!this.#text.startsWith('/*', this.#at)) return false
    let depth = 0
    do {
      const open = this.#text.indexOf('/*', this.#at)
      const close = this.#text.indexOf('*/', this.#at)
      if (close === -1) {
        this.#at = this.#text.length
        return true
      }
      const opens = open !== -1 && open < close
      depth += opens ? 1 : -1
      this.#at = (opens ? open : close) + 2
    } while (depth > 0)
    return true
  }

  #string(): boolean {
    const character = this.#text[this.#at]
    if (character === "'") return this.#quotes(this.#escapes)
    if (character === '$') return this.#dollars()
    if ((character === 'e' || character === 'E') && this.#text[this.#at + 1] === "'") {
      this.#at++
      return this.#quotes(true)
    }
    return false
  }

  #quotes(escapes: boolean): boolean {
    this.#match(escapes ? escapeString : plainString)
    return true
  }

  #dollars(): boolean {
    const tag = this.#match(dollarTag)
    if (tag === undefined) return false
    const end = this.#text.indexOf(tag, this.#at)
    this.#at = end === -1 ? this.#text.length : end + tag.length
    return true
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found === undefined) return undefined
    this.#at += found.length
    return found
  }
}
