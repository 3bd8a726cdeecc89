/**
 * Takes passwords out of a statement's text before it is recorded: a linear scan for literals that stand where PostgreSQL takes a
 * secret, and for those that the configuration lists. It is an aid and no boundary: a password that is computed, sent as a parameter,
 * written into a comment or a name, or kept in a table, looks like anything else.
 */
import {
  endOfComment,
  endOfDollarQuoted,
  endOfEscaping,
  endOfLine,
  endOfQuoted,
  endOfWord,
  opensDollarQuote,
} from './shape.ts'
import { matchesWildcard } from '../../config/wildcard.ts'

const masked = '[masked]'
/** Nothing is a secret without one of these, but for the patterns of the configuration. */
const hints = /password|passwd|credentials|:\/\//i
/** A literal behind one of these words is a secret: roles, user mappings and other OPTIONS, COPY … CREDENTIALS. */
const secretWords = new Set(['password', 'passwd', 'sslpassword', 'credentials'])
/** In a connection string (dblink, CREATE SUBSCRIPTION, FDW), quotes doubled or escaped as they stand in a literal. */
const connectionPassword =
  /((?:ssl)?passw(?:or)?d\s*=\s*)(?:''(?:[^'\\]|\\.)*''|\\'(?:[^'\\]|\\[^'])*\\'|[^\s'\\]+)/gi
/** `://user:` of a connection URI; what follows up to an `@` is its password. */
const uriUser = /:\/\/[^\s:@/']*:/g
const uriPassword = /[^\s@']*/y
/** In a statement inside of a string: EXECUTE 'ALTER ROLE x PASSWORD ''y'''. */
const quotedPassword = /(passw(?:or)?d\s+(?:e|n|u&)?)(?:''(?:[^']|'''')*''|\\'(?:[^'\\]|\\[^'])*\\')/gi
/** Dollar quotes inside of dollar quotes are looked into so deep. */
const maxDepth = 4

/** `patterns`: literals of which nothing is to be kept; `*` stands for any characters, the whole literal is compared. */
export function secretScan(patterns: readonly string[]): (text: string) => string {
  return text => {
    const mayHave = hints.test(text) || (patterns.length > 0 && /['$]/.test(text))
    return mayHave ? new Scan(text, patterns, 0).run() : text
  }
}

class Scan {
  readonly #text: string
  readonly #patterns: readonly string[]
  readonly #depth: number
  #result = ''
  #copied = 0
  #at = 0
  /** The last token was a word behind which a literal is a secret, or such a literal, which may go on in the next. */
  #isSecret = false
  /** A dollar quote that nothing closes: the server will not have the text, and others are not looked for to its end again and again. */
  #isOpenEnded = false

  constructor(text: string, patterns: readonly string[], depth: number) {
    this.#text = text
    this.#patterns = patterns
    this.#depth = depth
  }

  run(): string {
    while (this.#at < this.#text.length) this.#step()
    return this.#copied === 0 ? this.#text : this.#result + this.#text.slice(this.#copied)
  }

  #step(): void {
    const text = this.#text
    const character = text[this.#at] ?? ''
    if (/\s/.test(character)) this.#at++
    else if (text.startsWith('--', this.#at)) this.#at = endOfLine(text, this.#at)
    else if (text.startsWith('/*', this.#at)) this.#at = orEnd(endOfComment(text, this.#at), text)
    else if (character === "'") this.#string(this.#at, false)
    else if (character === '$') this.#dollar()
    else if (character === '"') this.#name()
    else if (/[\w\u0080-\uffff]/.test(character)) this.#word()
    else {
      // `password = 'x'` is how some write it; anything else ends the hope for a secret.
      this.#isSecret &&= character === '='
      this.#at++
    }
  }

  /** A word, or the prefix of a string: E'…', N'…', B'…', X'…', U&'…'. */
  #word(): void {
    const start = this.#at
    const end = endOfWord(this.#text, start)
    const word = this.#text.slice(start, end).toLowerCase()
    if (this.#text[end] === "'" && /^[enbx]$/.test(word)) return this.#string(end, word === 'e')
    if (word === 'u' && this.#text.startsWith("&'", end)) return this.#string(end + 1, false)
    this.#isSecret = secretWords.has(word)
    this.#at = end
  }

  #name(): void {
    const end = orEnd(endOfQuoted(this.#text, this.#at + 1, 0x22), this.#text)
    this.#isSecret = secretWords.has(this.#text.slice(this.#at + 1, end - 1).toLowerCase())
    this.#at = end
  }

  /** `open`: where its quote stands. */
  #string(open: number, isEscaping: boolean): void {
    const text = this.#text
    const end = orEnd(isEscaping ? endOfEscaping(text, open + 1) : endOfQuoted(text, open + 1, 0x27), text)
    const body = text.slice(open + 1, text[end - 1] === "'" && end - 1 > open ? end - 1 : end)
    if (this.#isSecret) this.#replace(open, this.#endOfSecret(open, end, body), `'${masked}'`)
    else this.#literal(open + 1, body, false)
    this.#at = Math.max(this.#at, end)
  }

  /** A backslash at the end escapes the quote where standard_conforming_strings is off: then more is taken than there may be. */
  #endOfSecret(open: number, end: number, body: string): number {
    return body.endsWith('\\') ? orEnd(endOfEscaping(this.#text, open + 1), this.#text) : end
  }

  #dollar(): void {
    const text = this.#text
    const start = this.#at
    const end = this.#isOpenEnded ? -1 : endOfDollarQuoted(text, start)
    if (end === -1) return this.#openDollar(start)
    const tag = text.slice(start, text.indexOf('$', start + 1) + 1)
    const body = text.slice(start + tag.length, end - tag.length)
    if (this.#isSecret) this.#replace(start, end, `${tag}${masked}${tag}`)
    else this.#literal(start + tag.length, body, true)
    this.#at = end
  }

  /** It opens nothing, or what nothing closes: a secret that it may begin goes on to the end. */
  #openDollar(start: number): void {
    const opens = opensDollarQuote(this.#text, start)
    this.#isOpenEnded ||= opens
    if (opens && this.#isSecret) this.#replace(start, this.#text.length, `$$${masked}$$`)
    else this.#at++
  }

  /** A literal that is no secret by its place: by a pattern, or because of what stands in it. */
  #literal(start: number, body: string, isVerbatim: boolean): void {
    const within = this.#patterns.some(pattern => matchesWildcard(pattern, body))
      ? masked
      : this.#within(body, isVerbatim)
    if (within !== body) this.#replace(start, start + body.length, within)
    this.#isSecret = false
  }

  #within(body: string, isVerbatim: boolean): string {
    if (!hints.test(body)) return body
    const plain = withoutUriPasswords(body)
      .replace(connectionPassword, `$1${masked}`)
      .replace(quotedPassword, `$1''${masked}''`)
    // Between dollars stands a text as it is; between quotes, its own quotes are doubled.
    return isVerbatim && this.#depth < maxDepth
      ? new Scan(plain, this.#patterns, this.#depth + 1).run()
      : plain
  }

  #replace(from: number, to: number, text: string): void {
    this.#result += this.#text.slice(this.#copied, from) + text
    this.#copied = to
    this.#at = to
  }
}

/** Each character is looked at once: what is no password for one `://user:` is none for those within it. */
function withoutUriPasswords(body: string): string {
  let result = ''
  let copied = 0
  uriUser.lastIndex = 0
  for (let user = uriUser.exec(body); user !== null; user = uriUser.exec(body)) {
    uriPassword.lastIndex = uriUser.lastIndex
    const [password = ''] = uriPassword.exec(body) ?? []
    const end = uriUser.lastIndex + password.length
    if (password !== '' && body[end] === '@') {
      result += body.slice(copied, uriUser.lastIndex) + masked
      copied = end
    }
    uriUser.lastIndex = end
  }
  return copied === 0 ? body : result + body.slice(copied)
}

/** What nothing closes goes on to the end. */
function orEnd(end: number, text: string): number {
  return end === -1 ? text.length : end
}
