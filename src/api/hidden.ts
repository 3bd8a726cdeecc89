/**
 * What a reader cannot see or what changes how the rest is seen: control characters, formats (bidirectional, zero-width
 * and tag characters), separators, lone surrogates, and letters that are drawn as nothing.
 */
export const hiddenRun = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]+/gu

/** The same but for what makes lines and columns. */
export const hiddenRunInText =
  /(?:(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\u2800])+/gu

/** How such characters are shown: each as its number. */
export function markOf(hidden: string): string {
  return Array.from(hidden, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`).join('')
}
