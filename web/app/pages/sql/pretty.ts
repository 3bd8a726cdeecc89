/** SQL with a line for each clause. Changes nothing but space: every word, sign and comment stays as it was written. */
import { type Token, tokensOf } from './tokens.ts'

/** Longer texts are shown as they came: nobody reads them for their shape. */
const maxPrettyCharacters = 100_000
const indent = '  '

const clauses = new Set(
  (
    'select from where group having order limit offset fetch union intersect except window returning values set ' +
    'insert update delete merge using into with on join left right full inner cross and or when begin commit rollback'
  ).split(' '),
)
/** These go on in the line of the word before them. */
const continues: Readonly<Record<string, readonly string[]>> = {
  join: ['left', 'right', 'full', 'inner', 'outer', 'cross', 'natural'],
  into: ['insert', 'merge'],
  from: ['delete', 'distinct'],
  update: ['for', 'do'],
  set: ['update', 'do'],
  select: ['all'],
  and: ['between'],
}
const deeper = new Set(['and', 'or', 'on', 'when'])

export function pretty(sql: string): string {
  if (sql.length > maxPrettyCharacters) return sql
  const printer = new Printer()
  for (const token of tokensOf(sql.trim())) printer.take(token)
  return printer.text()
}

class Printer {
  readonly #lines: string[] = []
  #line = ''
  #hadSpace = false
  #depth = 0
  #before = ''
  #isBetween = false
  /** Depths of the parentheses that hold a query: those that do not stay in their line. */
  readonly #broken: boolean[] = []

  take(token: Token): void {
    if (token.kind === 'space') this.#hadSpace = true
    else if (token.kind === 'comment') this.#comment(token.text)
    else if (token.text === '(') this.#open()
    else if (token.text === ')') this.#close()
    else if (token.text === ';') this.#end()
    else this.#word(token)
  }

  text(): string {
    this.#newLine()
    return this.#lines.join('\n')
  }

  #word({ kind, text }: Token): void {
    const word = kind === 'word' ? text.toLowerCase() : ''
    if (word === 'between') this.#isBetween = true
    if (clauses.has(word) && this.#mayBreak() && !this.#goesOn(word)) this.#newLine(deeper.has(word) ? 1 : 0)
    if (word === 'and') this.#isBetween = false
    this.#add(text)
    this.#before = word === '' ? text : word
  }

  #goesOn(word: string): boolean {
    if (word === 'and' && this.#isBetween) return true
    return this.#line.trim() === '' || (continues[word] ?? []).includes(this.#before)
  }

  #mayBreak(): boolean {
    return this.#broken.at(-1) !== false || this.#before === '('
  }

  #open(): void {
    this.#add('(')
    this.#broken.push(false)
    this.#before = '('
  }

  #close(): void {
    if (this.#broken.pop() === true) {
      this.#depth--
      this.#newLine()
    }
    this.#add(')')
    this.#before = ')'
  }

  #end(): void {
    this.#add(';')
    this.#newLine()
    this.#before = ''
  }

  #comment(text: string): void {
    this.#add(text)
    if (text.startsWith('--')) this.#newLine()
  }

  /** A query in parentheses gets lines of its own. */
  #newLine(more = 0): void {
    if (this.#before === '(' && this.#broken.length > 0) {
      this.#broken[this.#broken.length - 1] = true
      this.#depth++
    }
    if (this.#line.trim() !== '') this.#lines.push(this.#line.trimEnd())
    this.#line = indent.repeat(this.#depth + more)
    this.#hadSpace = false
  }

  #add(text: string): void {
    const needsSpace = this.#hadSpace && this.#line.trim() !== ''
    this.#line += needsSpace ? ` ${text}` : text
    this.#hadSpace = false
  }
}
