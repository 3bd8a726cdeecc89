/** Words as the index knows them: SQLite's unicode61 with diacritics removed. Close enough for showing where a match is. */

export type Token = { readonly word: string; readonly start: number; readonly end: number }

/** unicode61 takes letters, numbers and private characters; marks belong to the letter before. */
const wordPattern = /[\p{L}\p{N}\p{Co}][\p{L}\p{N}\p{Co}\p{M}]*/gu

/** Positions are UTF-16 units. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  for (const match of text.matchAll(wordPattern))
    tokens.push({ word: fold(match[0]), start: match.index, end: match.index + match[0].length })
  return tokens
}

function fold(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is the usual case, and needs nothing but small letters
  if (/^[\u0000-\u007f]*$/.test(word)) return word.toLowerCase()
  return word
    .normalize('NFD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
}
