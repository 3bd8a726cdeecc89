/** What somebody types into the search box, as far as a page needs to understand it: docs/search.md has the whole. */

export type Term = {
  readonly start: number
  readonly end: number
  readonly isNot: boolean
  readonly field: string | undefined
  readonly value: string
  readonly isQuoted: boolean
  /** A quotation that is not closed. */
  readonly isOpen: boolean
}

const termPattern = /(-?)(?:([a-z]+):)?(?:"((?:[^"\\]|\\.)*)("?)|(\S+))/gi

export function termsOf(query: string): readonly Term[] {
  return Array.from(query.matchAll(termPattern), match => {
    const [text, not = '', field, quoted, close, plain = ''] = match
    return {
      start: match.index,
      end: match.index + text.length,
      isNot: not === '-',
      field: field?.toLowerCase(),
      value: quoted ?? plain,
      isQuoted: quoted !== undefined,
      isOpen: quoted !== undefined && close !== '"',
    }
  })
}

/** The value of the first term of a field that is not negated. */
export function fieldIn(query: string, field: string): string {
  return termsOf(query).find(term => term.field === field && !term.isNot)?.value ?? ''
}

/** The query with this value for the field, in place of what it had; an empty value takes it out. */
export function withField(query: string, field: string, value: string): string {
  const old = termsOf(query).filter(term => term.field === field && !term.isNot)
  const rest = old.reduceRight((text, { start, end }) => `${text.slice(0, start)} ${text.slice(end)}`, query)
  const plain = rest.replaceAll(/(^|\s)\s+/g, '$1').trim()
  const added = value === '' ? '' : `${field}:${quoted(value)}`
  return [plain, added].filter(text => text !== '').join(' ')
}

function quoted(value: string): string {
  return /^[^\s"\\-][^\s"\\]*$/.test(value) ? value : `"${value.replaceAll(/["\\]/g, '\\$&')}"`
}

/** What can be said of a query before it is asked; the gateway has the last word. */
export function adviceOn(query: string): string | undefined {
  const terms = termsOf(query)
  if (terms.some(({ isOpen }) => isOpen))
    return 'A quotation mark is open. Close it to look for the words in this order.'
  const words = terms.filter(({ isNot }) => !isNot)
  if (terms.length > 0 && words.length === 0) return 'Only words to leave out. Add one to look for.'
  return undefined
}
