import { html, raw } from 'hono/html'

/** A piece of a page. Everything put into `html` templates is escaped; only what passed through here and `raw` is not. */
export type Html = ReturnType<typeof html>

/**
 * What a reader cannot see or what changes how the rest is seen: control characters, formats (bidirectional, zero-width
 * and tag characters), separators, lone surrogates, and letters that are drawn as nothing.
 */
const hiddenRun = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]+/gu

/** The same but for what makes lines and columns. */
const hiddenRunInText = /(?:(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\u2800])+/gu

/** One line that somebody typed (a user name, a target, a person's name), as HTML in which every character shows. */
export function visibleLine(text: string, maxCharacters = 300): Html {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters)}…` : text
  return html`<bdi>${raw(marked(cut, hiddenRun))}</bdi>`
}

/** Lines from a recording: newlines and tabs stay, everything else that does not show is marked. */
export function visibleText(text: string): Html {
  return html`${raw(marked(text, hiddenRunInText))}`
}

/** Escapes what lies between the hidden characters, and writes those as numbers. */
function marked(text: string, hidden: RegExp): string {
  const parts: string[] = []
  let at = 0
  for (const match of text.matchAll(hidden)) {
    parts.push(
      escapeHtml(text.slice(at, match.index)),
      `<mark>${Array.from(match[0], numberOf).join('')}</mark>`,
    )
    at = match.index + match[0].length
  }
  parts.push(escapeHtml(text.slice(at)))
  return parts.join('')
}

function numberOf(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, character => entities[character] ?? '')
}
