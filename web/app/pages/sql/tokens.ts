/** Cuts SQL into words as PostgreSQL's scanner does (chapter 4.1), as far as printing it prettily needs. */

export type TokenKind = 'space' | 'word' | 'quoted' | 'string' | 'comment' | 'number' | 'parameter' | 'sign'
export type Token = { readonly kind: TokenKind; readonly text: string }

/** Tried in this order. Each matches at least one character; what matches none of them is a sign. */
const patterns: readonly (readonly [TokenKind, RegExp])[] = [
  ['space', /\s+/y],
  ['comment', /--[^\n]*/y],
  ['string', /[eE]'(?:[^'\\]|\\[\s\S]|'')*(?:'|$)/y],
  ['string', /(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|$)/y],
  ['quoted', /(?:[uU]&)?"(?:[^"]|"")*(?:"|$)/y],
  ['parameter', /\$\d+/y],
  ['number', /(?:\d[\d_]*)?\.?\d[\d_]*(?:[eE][+-]?\d+)?/y],
  ['word', /[\p{L}_\u0080-\u{10ffff}][\p{L}\p{N}_$\u0080-\u{10ffff}]*/uy],
  ['sign', /::|<=|>=|<>|!=|\|\||->>?|[^\s]/y],
]
const dollarTag = /\$(?:[\p{L}_][\p{L}\p{N}_]*)?\$/uy

/** All of the text: the tokens joined are the text again. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    const token = tokenAt(text, at)
    tokens.push(token)
    at += token.text.length
  }
  return tokens
}

function tokenAt(text: string, at: number): Token {
  if (text.startsWith('/*', at)) return { kind: 'comment', text: blockComment(text, at) }
  const dollar = matchAt(dollarTag, text, at)
  if (dollar !== undefined) {
    const end = text.indexOf(dollar, at + dollar.length)
    return { kind: 'string', text: end < 0 ? text.slice(at) : text.slice(at, end + dollar.length) }
  }
  for (const [kind, pattern] of patterns) {
    const match = matchAt(pattern, text, at)
    if (match !== undefined) return { kind, text: match }
  }
  return { kind: 'sign', text: text.charAt(at) }
}

/** Comments of this kind nest. */
function blockComment(text: string, at: number): string {
  let depth = 0
  for (let to = at; to < text.length; to++) {
    if (text.startsWith('/*', to)) depth++
    else if (text.startsWith('*/', to)) depth--
    else continue
    to++
    if (depth === 0) return text.slice(at, to + 1)
  }
  return text.slice(at)
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at
  const found = pattern.exec(text)?.[0]
  return found === undefined || found === '' ? undefined : found
}
