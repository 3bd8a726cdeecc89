/** What hides in a text, and how it is shown instead. */

/**
 * What a reader cannot see or what changes how the rest is seen: control characters, formats (bidirectional, zero-width
 * and tag characters), separators, lone surrogates, and letters that are drawn as nothing. As src/api/hidden.ts has it.
 */
const hidden = String.raw`[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]`
export const hiddenRun = new RegExp(`${hidden}+`, 'gu')
/** The same but for what makes lines and columns. */
export const hiddenRunInText = new RegExp(`(?:(?![\\n\\t])${hidden})+`, 'gu')

/** How such characters are shown: each as its number. */
export function markOf(text: string): string {
  return Array.from(text, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`).join('')
}

/** The same where only a text can stand: what a title or a label says. One line. */
export function withMarks(text: string): string {
  return text.replaceAll(hiddenRun, markOf)
}

export function hasHidden(text: string): boolean {
  return text.search(hiddenRunInText) !== -1
}
