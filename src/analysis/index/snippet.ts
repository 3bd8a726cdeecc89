/** The part of a text around what was found in it, and where in that part it is. */
import type { Term } from './query.ts'
import { type Token, tokensOf } from './tokens.ts'

/** Of a text that is shown whole. */
const maxShown = 320
/** Before the first match, where the text is longer. */
const before = 80
/** Marks of one text: more do not help to find it. */
const maxMarks = 50

export type Snippet = { readonly text: string; readonly marks: readonly (readonly [number, number])[] }

export function snippetOf(text: string, terms: readonly Term[]): Snippet {
  const marks = marksIn(text, terms)
  const first = marks[0]?.[0] ?? 0
  const from = text.length <= maxShown || first <= before ? 0 : safeCut(text, first - before)
  const to = text.length - from <= maxShown ? text.length : safeCut(text, from + maxShown)
  const [head, tail] = [from > 0 ? '…' : '', to < text.length ? '…' : '']
  const moved = head.length - from
  return {
    text: `${head}${text.slice(from, to)}${tail}`,
    marks: marks
      .filter(([start, end]) => start >= from && end <= to)
      .map(([start, end]) => [start + moved, end + moved] as const),
  }
}

/** Never between the halves of a character. */
function safeCut(text: string, at: number): number {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}

function marksIn(text: string, terms: readonly Term[]): (readonly [number, number])[] {
  const tokens = tokensOf(text)
  const marks: (readonly [number, number])[] = []
  for (let at = 0; at < tokens.length && marks.length < maxMarks; ) {
    const lengths = terms.filter(term => isAt(tokens, at, term)).map(({ words }) => words.length)
    const length = Math.max(0, ...lengths)
    const [first, last] = [tokens[at], tokens[at + length - 1]]
    if (length > 0 && first !== undefined && last !== undefined) marks.push([first.start, last.end])
    at += Math.max(1, length)
  }
  return marks
}

function isAt(tokens: readonly Token[], at: number, { words, isPrefix }: Term): boolean {
  return words.every((word, index) => {
    const there = tokens[at + index]?.word
    if (there === undefined) return false
    return isPrefix && index === words.length - 1 ? there.startsWith(word) : there === word
  })
}
