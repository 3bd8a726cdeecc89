/**
 * What SQL does to the names that the protocol knows too: prepared statements and portals live in one namespace, whether they were
 * made by Parse and Bind or by PREPARE and DECLARE. This reads no more of SQL than that takes: where statements begin, and their first
 * words. What a function does to names cannot be seen; code in a DO that may do something to them is an effect of its own.
 */
import {
  endOfComment,
  endOfDollarQuoted,
  endOfEscaping,
  endOfLine,
  endOfQuoted,
  endOfWord,
  opensDollarQuote,
} from '../../analysis/sql/shape.ts'
import { nameKey } from '../wire/body-reader.ts'

export type NameEffect =
  | { readonly kind: 'prepare' | 'execute'; readonly name: string }
  /** `holds`: it may outlive its transaction. */
  | { readonly kind: 'declare'; readonly name: string; readonly holds: boolean }
  /** Without a name: all of them. */
  | { readonly kind: 'deallocate' | 'close'; readonly name?: string }
  | { readonly kind: 'discard-all' }
  /** A DO whose code runs text: names that there are may mean something else, or nothing, behind it. */
  | { readonly kind: 'hidden' }

/** Cheap and without false negatives: nothing else has an effect on names. */
const mayHaveEffect = /prepare|execute|deallocate|discard|declare|close/i

/**
 * Longer texts (UTF-16 units) are not read: it would keep everybody waiting. If the server then says that such a text did something
 * to names, they mean nothing any more.
 */
const maxTextLength = 256 * 1024

const none: readonly NameEffect[] = []

/** Effects in the order of their statements. `text` is as the client sent it, `escapes`: backslashes count in plain strings. */
export function nameEffects(text: string, escapes = false): readonly NameEffect[] {
  if (text.length > maxTextLength || !mayHaveEffect.test(text)) return none
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
    case 'do':
      return { kind: 'hidden' } // none of the words above stands anywhere else in most of them
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
    const text = this.#text
    const at = this.#at
    const code = text.charCodeAt(at)
    if (code <= space) this.#at++
    else if (code === quote) this.#skipTo(this.#endOfString(at + 1, this.#escapes))
    else if (code === doubleQuote) this.#quotedName()
    else if (code === dollar) this.#dollars()
    else if (code === dash && text.charCodeAt(at + 1) === dash) this.#at = endOfLine(text, at)
    else if (code === slash && text.charCodeAt(at + 1) === star) this.#skipTo(endOfComment(text, at))
    else if (isWordStart(code)) this.#word()
    else this.#mark(text[at] ?? '')
  }

  /** What has no end hides the rest: the server will not have it. */
  #skipTo(end: number): void {
    this.#at = end === -1 ? this.#text.length : end
  }

  #endOfString(from: number, escapes: boolean): number {
    return escapes ? endOfEscaping(this.#text, from) : endOfQuoted(this.#text, from, quote)
  }

  #quotedName(): void {
    const from = this.#at
    this.#skipTo(endOfQuoted(this.#text, from + 1, doubleQuote))
    this.#add(this.#text.slice(from, this.#at))
  }

  #dollars(): void {
    const end = endOfDollarQuoted(this.#text, this.#at)
    if (end !== -1) this.#at = end
    else if (opensDollarQuote(this.#text, this.#at)) this.#skipTo(-1)
    else this.#mark('$')
  }

  #word(): void {
    const from = this.#at
    const end = endOfWord(this.#text, from)
    const isEscapeString = end === from + 1 && (this.#text.charCodeAt(from) | 0x20) === letterE
    if (isEscapeString && this.#text.charCodeAt(end) === quote)
      return this.#skipTo(this.#endOfString(end + 1, true))
    this.#at = end
    if (this.#words.length < maxWords) this.#add(this.#text.slice(from, end).toLowerCase())
  }

  #add(word: string): void {
    if (this.#words.length < maxWords) this.#words.push(word)
  }

  /** Rules and functions have statements inside; they begin none here. */
  #mark(character: string): void {
    this.#at++
    if (character === ';') {
      if (this.#depth === 0) this.#endStatement()
      return
    }
    if (character === '(') this.#depth++
    else if (character === ')') this.#depth = Math.max(0, this.#depth - 1)
    else this.#add('')
  }

  #endStatement(): void {
    if (this.#words.length > 0) this.#statements.push(this.#words)
    this.#words = []
    this.#depth = 0
  }
}

const [space, quote, doubleQuote, dollar, dash, slash, star, letterE] = [
  0x20, 0x27, 0x22, 0x24, 0x2d, 0x2f, 0x2a, 0x65,
]

function isWordStart(code: number): boolean {
  const letter = code | 0x20
  return (letter >= 0x61 && letter <= 0x7a) || code === 0x5f || code >= 0x80
}
