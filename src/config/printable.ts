/** Controls, formats (bidi overrides among them), separators other than a blank, surrogates and unassigned code points. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu

/**
 * Text that somebody else typed, fit to be shown in one line of a terminal or a log: whatever could move the cursor,
 * turn the direction of text or break the line is written as `\u{…}`. A text over `maxLength` characters is cut.
 */
export function printable(text: string, maxLength = 4096): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
  return cut.replace(UNPRINTABLE, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}
