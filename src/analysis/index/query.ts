/**
 * The language of searches: words, "phrases", beginnings*, -without, OR, and filters. Nothing that somebody types is an error of the
 * database: what cannot be used is a problem with a text that says what to do.
 */
import { type EntryKind } from '../entry.ts'
import { kinds } from './schema.ts'
import { tokensOf } from './tokens.ts'

/** Characters of a query. */
const maxLength = 1000
/** Terms and filters of a query. */
const maxTerms = 32
/** Words of all terms: each is a list to walk along. */
const maxWords = 64
/** Values of one filter. */
const maxValues = 16
/** Of what has a star behind it: shorter ones begin too many words, and all their lists are read before the first match. */
const leastBeginning = 3
/** `-rf` is an option that is looked for, `-error` a word that must not be there. */
const longestOption = 3

/** Consecutive words; of the last, its beginning if `isPrefix`. */
export type Term = { readonly words: readonly string[]; readonly isPrefix: boolean }

export type SearchQuery = {
  /** All of these, each one of several. */
  readonly all: readonly (readonly Term[])[]
  readonly none: readonly Term[]
  readonly kinds: Choice<EntryKind>
  readonly users: Choice<string>
  readonly targets: Choice<string>
  readonly sessions: Choice<string>
  readonly rules: Choice<string>
  /** From the one, until before the other. */
  readonly afterMs?: number
  readonly beforeMs?: number
}
/** One of `any` if there are some, and none of `none`. */
type Choice<T> = { readonly any: readonly T[]; readonly none: readonly T[] }

export type ParsedQuery =
  | { readonly ok: true; readonly query: SearchQuery }
  | { readonly ok: false; readonly problem: string }

/** What is wrong with a query. */
class QueryProblem extends Error {}

export function parseQuery(text: string, nowMs: number): ParsedQuery {
  try {
    if (text.length > maxLength) throw new QueryProblem(`A search is at most ${maxLength} characters long.`)
    return { ok: true, query: new Building(nowMs).build(piecesOf(text)) }
  } catch (cause) {
    if (cause instanceof QueryProblem) return { ok: false, problem: cause.message }
    throw cause
  }
}

type Piece = {
  readonly isNot: boolean
  /** Of a filter. */
  readonly name: string | undefined
  readonly text: string
  readonly isQuoted: boolean
  readonly isPrefix: boolean
}

const filters = ['kind', 'user', 'target', 'session', 'before', 'after', 'rule'] as const
type FilterName = (typeof filters)[number]

/** A minus; the name of a filter; a text in quotes, which may not be closed, or one up to a blank. */
const piece = /(-?)(?:([a-z]+):(?=\S))?(?:"([^"]*)"?(\*?)|(\S+))/gy

function piecesOf(text: string): readonly (Piece | 'OR')[] {
  const pieces: (Piece | 'OR')[] = []
  let negated = false
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at] ?? '')) {
      at++
      continue
    }
    piece.lastIndex = at
    const match = piece.exec(text)
    if (match === null) throw new QueryProblem('This search cannot be read.') // nothing leads here
    at = piece.lastIndex
    if (match[0] === 'OR') pieces.push('OR')
    else if (match[0] === 'NOT') negated = true
    else {
      pieces.push(pieceOf(match, negated))
      negated = false
    }
    if (pieces.length > maxTerms) throw new QueryProblem(`A search has at most ${maxTerms} terms.`)
  }
  if (negated) throw new QueryProblem('NOT stands before what is not wanted.')
  return pieces
}

function pieceOf(match: RegExpExecArray, negated: boolean): Piece {
  const [whole, minus = '', name, quoted, star = '', plain = ''] = match
  if (name !== undefined && (filters as readonly string[]).includes(name)) {
    const isNot = negated || minus !== ''
    return { isNot, name, text: quoted ?? plain, isQuoted: quoted !== undefined, isPrefix: false }
  }
  if (quoted !== undefined && name === undefined)
    return {
      isNot: negated || minus !== '',
      name: undefined,
      text: quoted,
      isQuoted: true,
      isPrefix: star !== '',
    }
  const isOption = minus !== '' && !new RegExp(`^-[^-]\\S{${longestOption},}`, 'u').test(whole)
  const text = minus === '' || isOption ? whole : whole.slice(1)
  return {
    isNot: negated || (minus !== '' && !isOption),
    name: undefined,
    text: text.replace(/\*+$/, ''),
    isQuoted: false,
    isPrefix: text.endsWith('*'),
  }
}

class Building {
  readonly #nowMs: number
  readonly #all: Term[][] = []
  readonly #none: Term[] = []
  readonly #chosen = {
    kind: choice<EntryKind>(),
    user: choice(),
    target: choice(),
    session: choice(),
    rule: choice(),
  }
  #afterMs: number | undefined
  #beforeMs: number | undefined
  #words = 0

  constructor(nowMs: number) {
    this.#nowMs = nowMs
  }

  build(pieces: readonly (Piece | 'OR')[]): SearchQuery {
    for (const [at, piece] of pieces.entries()) {
      if (piece === 'OR') this.#checkOr(pieces[at - 1], pieces[at + 1])
      else if (piece.name !== undefined) this.#filter(piece.name as FilterName, piece)
      else this.#term(piece, pieces[at - 1] === 'OR')
    }
    const { kind, user, target, session, rule } = this.#chosen
    return {
      all: this.#all,
      none: this.#none,
      kinds: kind,
      users: user,
      targets: target,
      sessions: session,
      rules: rule,
      ...(this.#afterMs === undefined ? {} : { afterMs: this.#afterMs }),
      ...(this.#beforeMs === undefined ? {} : { beforeMs: this.#beforeMs }),
    }
  }

  #checkOr(...sides: readonly (Piece | 'OR' | undefined)[]): void {
    for (const side of sides) {
      if (side === undefined || side === 'OR')
        throw new QueryProblem('OR stands between two words or phrases.')
      if (side.isNot) throw new QueryProblem('OR cannot stand beside what is not wanted.')
      if (side.name !== undefined)
        throw new QueryProblem(
          'OR cannot stand beside a filter: give it several values, as in kind:command,file.',
        )
    }
  }

  #term(piece: Piece, goesOn: boolean): void {
    const words = tokensOf(piece.text).map(({ word }) => word)
    const last = words.at(-1)
    if (last === undefined)
      throw new QueryProblem(
        `There is no letter and no digit in ${quoted(piece.text)}, so it cannot be looked for.`,
      )
    if (piece.isPrefix && last.length < leastBeginning)
      throw new QueryProblem(`A star needs at least ${leastBeginning} characters before it.`)
    this.#words += words.length
    if (this.#words > maxWords) throw new QueryProblem(`A search has at most ${maxWords} words.`)
    const term: Term = { words, isPrefix: piece.isPrefix }
    if (piece.isNot) this.#none.push(term)
    else if (goesOn) this.#all.at(-1)?.push(term)
    else this.#all.push([term])
  }

  #filter(name: FilterName, { text, isNot, isQuoted }: Piece): void {
    if (name === 'before' || name === 'after') return this.#time(name, text, isNot)
    const values = (isQuoted ? [text] : text.split(','))
      .map(value => value.trim())
      .filter(value => value !== '')
    if (values.length === 0) throw new QueryProblem(`${name}: wants a value behind it.`)
    if (values.length > maxValues) throw new QueryProblem(`${name}: takes at most ${maxValues} values.`)
    if (name === 'kind') this.#chosen.kind[isNot ? 'none' : 'any'].push(...values.map(kindOf))
    else this.#chosen[name][isNot ? 'none' : 'any'].push(...values)
  }

  #time(name: 'before' | 'after', text: string, isNot: boolean): void {
    if (isNot) throw new QueryProblem('before: and after: are each other’s opposite, so they take no minus.')
    const ms = instantOf(text, this.#nowMs)
    if (ms === undefined)
      throw new QueryProblem(
        `${name}: wants a day (2026-11-22), a time (2026-11-22T09:00, UTC), or how long ago (2h, 7d).`,
      )
    if (name === 'after') this.#afterMs = Math.max(ms, this.#afterMs ?? ms)
    else this.#beforeMs = Math.min(ms, this.#beforeMs ?? ms)
  }
}

function choice<T = string>(): { any: T[]; none: T[] } {
  return { any: [], none: [] }
}

function kindOf(value: string): EntryKind {
  const kind = kinds.find(each => each === value.toLowerCase() || `${each}s` === value.toLowerCase())
  if (kind === undefined) throw new QueryProblem(`kind: is one of ${kinds.join(', ')}, not ${quoted(value)}.`)
  return kind
}

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Unix milliseconds. */
function instantOf(text: string, nowMs: number): number | undefined {
  const [, count, unit = ''] = /^(\d{1,5})([mhdw])$/.exec(text) ?? []
  if (count !== undefined) return nowMs - Number(count) * (units[unit] ?? 0)
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z?)?$/i.test(text)) return undefined
  const ms = Date.parse(text.includes('T') && !/z$/i.test(text) ? `${text}Z` : text)
  return Number.isNaN(ms) ? undefined : ms
}

/** Of what was typed, in an answer to who typed it. */
function quoted(text: string): string {
  return `“${text.slice(0, 40)}${text.length > 40 ? '…' : ''}”`
}
