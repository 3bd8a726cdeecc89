/** A query as SQLite's FTS5 takes it. Everything in it that somebody typed is a string in quotes, of letters and digits alone. */
import type { Term } from './query.ts'

/** Words of `tags`: one of each list, and none of `none`. */
export type Tags = { readonly all: readonly (readonly string[])[]; readonly none: readonly string[] }

/** `everything` has a tag that each entry has, for queries that say only what is not wanted. */
export function matchOf(
  all: readonly (readonly Term[])[],
  none: readonly Term[],
  tags: Tags,
  everything: readonly string[],
): string {
  const parts = [
    ...all.map(terms => `text : ${anyOf(terms.map(stringOf))}`),
    ...tags.all.map(words => `tags : ${anyOf(words.map(quote))}`),
  ]
  if (parts.length === 0) parts.push(`tags : ${anyOf(everything.map(quote))}`)
  const wanted = parts.map(part => `(${part})`).join(' AND ')
  const unwanted = [
    ...none.map(term => `(text : ${stringOf(term)})`),
    ...(tags.none.length === 0 ? [] : [`(tags : ${anyOf(tags.none.map(quote))})`]),
  ]
  return unwanted.reduce((expression, part) => `(${expression}) NOT ${part}`, wanted)
}

function anyOf(strings: readonly string[]): string {
  return `(${strings.join(' OR ')})`
}

function stringOf({ words, isPrefix }: Term): string {
  return `${quote(words.join(' '))}${isPrefix ? ' *' : ''}`
}

/** FTS5 takes anything between double quotes as it is, and a quote as two. */
function quote(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}
