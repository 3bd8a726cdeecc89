/**
 * Splits a shell line into words and operators: quotes, escapes, substitutions, here-documents (POSIX Shell Command Language 2.2
 * to 2.7, and what bash adds). One pass, linear in the text. What it finds inside `$(…)`, `` `…` `` and `<(…)` is told as code
 * to be read in turn.
 */

export type Piece =
  | { readonly kind: 'text'; readonly text: string; readonly isQuoted: boolean }
  | {
      readonly kind: 'variable'
      readonly name: string
      readonly fallback: string
      readonly isQuoted: boolean
    }
  | { readonly kind: 'code'; readonly code: string; readonly isQuoted: boolean }

export type WordToken = {
  readonly kind: 'word'
  readonly pieces: readonly Piece[]
  readonly isObscured: boolean
}
export type OperatorToken = { readonly kind: 'operator'; readonly operator: string }
/** `fd` is what stood before it, such as `2` in `2>`. */
export type RedirectToken = { readonly kind: 'redirect'; readonly operator: string; readonly fd: string }
/** The text of a here-document; it belongs to the n-th `<<` of the line, counted from 0. */
export type HereDocument = { readonly text: string; readonly isQuoted: boolean }
export type Token = WordToken | OperatorToken | RedirectToken

export type Lexed = {
  readonly tokens: readonly Token[]
  readonly hereDocuments: readonly HereDocument[]
  /** A quote, a substitution or a here-document was not closed. */
  readonly isOpen: boolean
}

const operators = [';;&', '&&', '||', ';;', ';&', '|&', ';', '&', '|', '(', ')', '\n']
const redirects = ['<<<', '<<-', '&>>', '>>', '<<', '&>', '>|', '>&', '<&', '<>', '>', '<']
const nameStart = /[A-Za-z_]/
const nameRest = /\w/
const specials = '@*#?$!-0123456789'

export function lex(text: string): Lexed {
  return new Lexer(text).run()
}

class Lexer {
  readonly #text: string
  #at = 0
  readonly #tokens: Token[] = []
  #pieces: Piece[] = []
  #literal = ''
  /** Of `#literal`; to ask a text that is being put together for its end would copy it each time. */
  #last = ''
  #hasWord = false
  #quotedNothing = 0
  #isOpen = false
  /** Delimiters of here-documents whose text begins after this line. */
  #waiting: { delimiter: string; isQuoted: boolean; stripsTabs: boolean }[] = []
  #awaitsDelimiter: { stripsTabs: boolean } | undefined
  readonly #hereDocuments: HereDocument[] = []

  constructor(text: string) {
    this.#text = text
  }

  run(): Lexed {
    while (this.#at < this.#text.length) this.#step()
    this.#endWord()
    if (this.#waiting.length > 0) this.#isOpen = true
    return { tokens: this.#tokens, hereDocuments: this.#hereDocuments, isOpen: this.#isOpen }
  }

  #step(): void {
    const character = this.#text.charAt(this.#at)
    if (character === ' ' || character === '\t' || character === '\r') return this.#blank()
    if (character === '#' && !this.#hasWord) return this.#comment()
    if (character === '\\') return this.#escape()
    if (character === "'") return this.#single()
    if (character === '"') return this.#double()
    if (character === '$') return this.#dollar(false)
    if (character === '`') return this.#backquote(false)
    if (this.#processSubstitution(character)) return
    const redirect =
      character === '<' || character === '>' || character === '&' ? this.#match(redirects) : undefined
    if (redirect !== undefined) return this.#redirect(redirect)
    const operator = this.#match(operators)
    if (operator !== undefined) return this.#operator(operator)
    this.#add(character)
    this.#at++
  }

  #match(list: readonly string[]): string | undefined {
    return list.find(each => this.#text.startsWith(each, this.#at))
  }

  #blank(): void {
    this.#endWord()
    this.#at++
  }

  #comment(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end === -1 ? this.#text.length : end
  }

  #escape(): void {
    const next = this.#text.charAt(this.#at + 1)
    if (next !== '\n') {
      if (/\w/.test(next) && this.#isWithinWord() && this.#isCommandWord()) this.#quotedNothing++
      this.#add(next)
    }
    this.#at += 2
  }

  #single(): void {
    const end = this.#text.indexOf("'", this.#at + 1)
    if (end === -1) this.#isOpen = true
    const stop = end === -1 ? this.#text.length : end
    if (stop === this.#at + 1 && this.#isWithinWord() && isWordCharacter(this.#text.charAt(stop + 1)))
      this.#quotedNothing++
    this.#flush()
    this.#pieces.push({ kind: 'text', text: this.#text.slice(this.#at + 1, stop), isQuoted: true })
    this.#hasWord = true
    this.#at = stop + 1
  }

  #double(): void {
    const isEmpty =
      this.#text.charAt(this.#at + 1) === '"' && isWordCharacter(this.#text.charAt(this.#at + 2))
    if (isEmpty && this.#isWithinWord()) this.#quotedNothing++
    this.#flush()
    this.#hasWord = true
    this.#at++
    let quoted = ''
    const flush = (): void => {
      if (quoted !== '') this.#pieces.push({ kind: 'text', text: quoted, isQuoted: true })
      quoted = ''
    }
    while (this.#at < this.#text.length) {
      const character = this.#text.charAt(this.#at)
      if (character === '"') break
      if (character === '\\') {
        const next = this.#text.charAt(this.#at + 1)
        quoted += '$`"\\'.includes(next) ? next : next === '\n' ? '' : `\\${next}`
        this.#at += 2
      } else if (character === '$' || character === '`') {
        flush()
        if (character === '$') this.#dollar(true)
        else this.#backquote(true)
        quoted += this.#literal
        this.#literal = ''
        this.#last = ''
      } else {
        quoted += character
        this.#at++
      }
    }
    if (this.#at >= this.#text.length) this.#isOpen = true
    flush()
    this.#pieces.push({ kind: 'text', text: '', isQuoted: true })
    this.#at++
  }

  #dollar(isQuoted: boolean): void {
    const next = this.#text.charAt(this.#at + 1)
    if (next === '(' && this.#text.charAt(this.#at + 2) === '(') return this.#arithmetic()
    if (next === '(') return this.#substitution(isQuoted)
    if (next === '{') return this.#braced(isQuoted)
    if (next === "'" && !isQuoted) return this.#ansi()
    if (next === '"' && !isQuoted) {
      this.#at++
      return
    }
    this.#plainVariable(next, isQuoted)
  }

  #plainVariable(next: string, isQuoted: boolean): void {
    let end = this.#at + 1
    if (nameStart.test(next)) while (nameRest.test(this.#text.charAt(end)) && end < this.#text.length) end++
    else if (next !== '' && specials.includes(next)) end++
    if (end === this.#at + 1) {
      this.#add('$')
      this.#at++
      return
    }
    this.#variable(this.#text.slice(this.#at + 1, end), '', isQuoted)
    this.#at = end
  }

  #variable(name: string, fallback: string, isQuoted: boolean): void {
    this.#flush()
    this.#pieces.push({ kind: 'variable', name, fallback, isQuoted })
    this.#hasWord = true
  }

  /** `${NAME}`, `${NAME:-text}` and the like; only name and default are kept. */
  #braced(isQuoted: boolean): void {
    const end = this.#closing(this.#at + 2, '{', '}')
    const inside = this.#text.slice(this.#at + 2, end)
    const found = /^[#!]?(\w+|[@*#?$!-])(?::?[-=+](.*))?/s.exec(inside)
    this.#variable(found?.[1] ?? inside, found?.[2] ?? '', isQuoted)
    this.#at = end + 1
  }

  #arithmetic(): void {
    const end = this.#closing(this.#at + 2, '(', ')')
    this.#add(this.#text.slice(this.#at, end + 1))
    this.#at = end + 1
  }

  #substitution(isQuoted: boolean): void {
    const end = this.#closing(this.#at + 2, '(', ')')
    this.#code(this.#text.slice(this.#at + 2, end), isQuoted)
    this.#at = end + 1
  }

  #backquote(isQuoted: boolean): void {
    let end = this.#at + 1
    while (end < this.#text.length && this.#text.charAt(end) !== '`')
      end += this.#text.charAt(end) === '\\' ? 2 : 1
    if (end >= this.#text.length) this.#isOpen = true
    this.#code(this.#text.slice(this.#at + 1, end).replaceAll(/\\([`\\$])/g, '$1'), isQuoted)
    this.#at = end + 1
  }

  #code(code: string, isQuoted: boolean): void {
    this.#flush()
    this.#pieces.push({ kind: 'code', code, isQuoted })
    this.#hasWord = true
  }

  /** `<(…)` and `>(…)`. */
  #processSubstitution(character: string): boolean {
    if ((character !== '<' && character !== '>') || this.#text.charAt(this.#at + 1) !== '(') return false
    const end = this.#closing(this.#at + 2, '(', ')')
    this.#code(this.#text.slice(this.#at + 2, end), false)
    this.#at = end + 1
    return true
  }

  /** `$'…'` */
  #ansi(): void {
    let end = this.#at + 2
    while (end < this.#text.length && this.#text.charAt(end) !== "'")
      end += this.#text.charAt(end) === '\\' ? 2 : 1
    if (end >= this.#text.length) this.#isOpen = true
    const text = this.#text.slice(this.#at + 2, end)
    this.#flush()
    if (/(?:\\x[2-7][\da-fA-F]|\\[01][0-7]{2}|\\u00[2-7][\da-fA-F]){3}/.test(text)) this.#quotedNothing++
    this.#pieces.push({ kind: 'text', text: unescapeAnsi(text), isQuoted: true })
    this.#hasWord = true
    this.#at = end + 1
  }

  /** Where a bracket closes; quotes and brackets inside are passed over. The end of the text if nowhere. */
  #closing(from: number, open: string, close: string): number {
    let depth = 1
    let at = from
    for (; at < this.#text.length; at++) {
      const character = this.#text.charAt(at)
      if (character === '\\') at++
      else if (character === "'" || character === '"') at = this.#closingQuote(at, character)
      else if (character === open) depth++
      else if (character === close && --depth === 0) return at
    }
    this.#isOpen = true
    return this.#text.length
  }

  #closingQuote(from: number, quote: string): number {
    let at = from + 1
    while (at < this.#text.length && this.#text.charAt(at) !== quote)
      at += quote === '"' && this.#text.charAt(at) === '\\' ? 2 : 1
    return at
  }

  /** Right behind a letter of the same word. */
  #isWithinWord(): boolean {
    return isWordCharacter(this.#last)
  }

  #isCommandWord(): boolean {
    return this.#pieces.length === 0 && this.#tokens.at(-1)?.kind !== 'word'
  }

  #add(text: string): void {
    this.#literal += text
    this.#last = text.slice(-1)
    this.#hasWord = true
  }

  #flush(): void {
    if (this.#literal !== '') this.#pieces.push({ kind: 'text', text: this.#literal, isQuoted: false })
    this.#literal = ''
    this.#last = ''
  }

  #endWord(): void {
    if (!this.#hasWord) return
    this.#flush()
    const pieces = this.#pieces
    const word: WordToken = { kind: 'word', pieces, isObscured: this.#quotedNothing > 0 }
    this.#pieces = []
    this.#hasWord = false
    this.#quotedNothing = 0
    if (this.#awaitsDelimiter === undefined) {
      this.#tokens.push(word)
      return
    }
    const delimiter = pieces.map(piece => (piece.kind === 'text' ? piece.text : '')).join('')
    const isQuoted = pieces.some(piece => piece.isQuoted)
    this.#waiting.push({ delimiter, isQuoted, ...this.#awaitsDelimiter })
    this.#awaitsDelimiter = undefined
  }

  #redirect(operator: string): void {
    const fd = /^\d+$/.test(this.#literal) && this.#pieces.length === 0 ? this.#literal : ''
    if (fd === '') this.#endWord()
    else {
      this.#literal = ''
      this.#last = ''
      this.#hasWord = false
    }
    this.#at += operator.length
    this.#tokens.push({ kind: 'redirect', operator, fd })
    if (operator === '<<' || operator === '<<-') this.#awaitsDelimiter = { stripsTabs: operator === '<<-' }
  }

  #operator(operator: string): void {
    this.#endWord()
    this.#at += operator.length
    this.#tokens.push({ kind: 'operator', operator })
    if (operator === '\n') this.#readHereDocuments()
  }

  #readHereDocuments(): void {
    for (const { delimiter, isQuoted, stripsTabs } of this.#waiting.splice(0)) {
      const lines: string[] = []
      let isClosed = false
      while (this.#at < this.#text.length && !isClosed) {
        const end = this.#text.indexOf('\n', this.#at)
        const stop = end === -1 ? this.#text.length : end
        const whole = this.#text.slice(this.#at, stop)
        const line = stripsTabs ? whole.replace(/^\t+/, '') : whole
        this.#at = stop + 1
        if (line === delimiter) isClosed = true
        else lines.push(line)
      }
      if (!isClosed) this.#isOpen = true
      this.#hereDocuments.push({ text: lines.join('\n'), isQuoted })
    }
  }
}

function isWordCharacter(character: string): boolean {
  return /^\w$/.test(character)
}

const ansiEscapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  e: '\u001B',
  E: '\u001B',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** What `$'…'`, `echo -e` and `printf` make of backslashes. Unknown escapes stay as they are. */
export function unescapeAnsi(text: string): string {
  return text.replaceAll(
    /((?:\\(?:x[\da-fA-F]{1,2}|0?[0-7]{1,3}))+)|\\(?:u([\da-fA-F]{1,4})|U([\da-fA-F]{1,6})|([abeEfnrtv])|([\\'"?]))/g,
    (whole, bytes?: string, short?: string, long?: string, letter?: string, plain?: string) => {
      const digits = short ?? long
      if (bytes !== undefined) return utf8Of(bytes)
      if (digits !== undefined) return codePoint(Number.parseInt(digits, 16), whole)
      return letter === undefined ? (plain ?? whole) : (ansiEscapes[letter] ?? whole)
    },
  )
}

/** Numbers are bytes, and a character of UTF-8 may be several of them. */
function utf8Of(escapes: string): string {
  const bytes = Array.from(escapes.matchAll(/\\(?:x([\da-fA-F]{1,2})|0?([0-7]{1,3}))/g), ([, hex, octal]) =>
    hex === undefined ? Number.parseInt(octal ?? '', 8) & 0xff : Number.parseInt(hex, 16),
  )
  return Buffer.from(bytes).toString('utf8')
}

function codePoint(code: number, otherwise: string): string {
  return code <= 0x10_ff_ff ? String.fromCodePoint(code) : otherwise
}
