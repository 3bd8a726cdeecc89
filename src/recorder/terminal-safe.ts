/**
 * Text of people and targets for printing to a terminal: whatever would move the cursor, colour, reorder or hide is shown
 * as a visible mark instead. Newlines and tabs stay unless asked otherwise.
 */
export function terminalSafe(text: string, options: { oneLine?: boolean } = {}): string {
  return text.replace(options.oneLine === true ? anyHidden : hidden, mark)
}

/** C0 but tab and newline, DEL, C1; soft hyphen, Arabic letter mark, Mongolian separator; zero width, bidi and invisible
 * operators; line separators; interlinear marks; byte order mark; tags; and halves of surrogate pairs. */
const hiddenRanges =
  '\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f' +
  '\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\ud800-\\udfff\\u{e0000}-\\u{e0fff}'
/** One of them, in the middle of JSON, where it can be written by its number. */
export const hiddenInJson: RegExp = new RegExp(`[${hiddenRanges}]`, 'gu')
const hidden = new RegExp(`[${hiddenRanges}]`, 'gu')
const anyHidden = new RegExp(`[\\n\\t${hiddenRanges}]`, 'gu')

/** The first picture of a control character, U+2400; DEL has its own. */
const pictures = 0x2400
const deletePicture = '\u2421'

function mark(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCodePoint(pictures + code)
  if (code === 0x7f) return deletePicture
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`
}
