/** The filters within a search, as far as the page writes them for people: docs/search.md has the whole language. */

/** Characters of a query, as the gateway bounds them. */
export const maxQuery = 1000

type Filter = { readonly start: number; readonly end: number; readonly name: string; readonly value: string }

/** A minus makes it another filter; in quotes there may be blanks; whatever stands in quotes itself is no filter. */
const pieces = /(?:(-?)([a-z]+):(?=\S)(?:"([^"]*)"?|(\S+)))|"[^"]*"?|\S+/g

function filtersIn(query: string): readonly Filter[] {
  return Array.from(query.matchAll(pieces)).flatMap(match => {
    const [text, minus, name, quoted, plain = ''] = match
    if (name === undefined || minus === '-') return []
    return [{ start: match.index, end: match.index + text.length, name, value: quoted ?? plain }]
  })
}

/** What the query says for a filter; empty if nothing. */
export function filterIn(query: string, name: string): string {
  return filtersIn(query).find(filter => filter.name === name)?.value ?? ''
}

/** The query with this value for the filter, in place of what it had; an empty value takes it out. */
export function withFilter(query: string, name: string, value: string): string {
  const old = filtersIn(query).filter(filter => filter.name === name)
  const rest = old.reduceRight(
    (text, { start, end }) => `${text.slice(0, start).trimEnd()} ${text.slice(end).trimStart()}`,
    query,
  )
  const plain = value.replaceAll('"', '').trim()
  const added = plain === '' ? '' : `${name}:${/[\s,]|^-/.test(plain) ? `"${plain}"` : plain}`
  return [rest.trim(), added].filter(text => text !== '').join(' ')
}

/** How a query says an instant, in UTC: a day where one begins there. `text` is what was written, for what is no instant. */
export function queryInstant(text: string, ms: number | undefined): string {
  if (ms === undefined || Number.isNaN(ms)) return text
  return new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace('T00:00:00Z', '')
}
