/** A query as SQLite's FTS5 takes it. Everything in it that somebody typed is a string in quotes, of letters and digits alone. */
import type { Term } from './query.ts'
import { anyTag } from './schema.ts'

/** Words of `tags`: one of each list, and none of `none`. */
export type Tags = { readonly all: readonly (readonly string[])[]; readonly none: readonly string[] }

/** What may stand for a word besides the word itself: tags of the people and targets that are called so. */
export type Wanted = { readonly terms: readonly Term[]; readonly names: readonly string[] }

/**
 * Where names stand for words, one word at least has to be in the text. Queries that say only what is not wanted begin with everything.
 */
export function matchOf(all: readonly Wanted[], none: readonly Term[], tags: Tags): string {
  const isNamed = all.some(({ names }) => names.length > 0)
  const parts = [
    ...all.map(({ terms, names }) => `${inText(terms)}${names.length === 0 ? '' : ` OR ${inTags(names)}`}`),
    ...(isNamed ? [inText(all.flatMap(({ terms }) => terms))] : []),
    ...tags.all.map(inTags),
  ]
  if (parts.length === 0) parts.push(inTags([anyTag]))
  const wanted = parts.map(part => `(${part})`).join(' AND ')
  const unwanted = [
    ...none.map(term => `(text : ${stringOf(term)})`),
    ...(tags.none.length === 0 ? [] : [inTags(tags.none)]),
  ]
  return unwanted.reduce((expression, part) => `(${expression}) NOT ${part}`, wanted)
}

function inText(terms: readonly Term[]): string {
  return `(text : ${anyOf(terms.map(stringOf))})`
}

function inTags(words: readonly string[]): string {
  return `(tags : ${anyOf(words.map(quote))})`
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
