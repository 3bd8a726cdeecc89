import { html, raw } from 'hono/html'
import { hiddenRun, hiddenRunInText, markOf } from './hidden.ts'

/** A piece of a page. Everything put into `html` templates is escaped; only what passed through here and `raw` is not. */
export type Html = ReturnType<typeof html>

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
    parts.push(escapeHtml(text.slice(at, match.index)), `<mark>${markOf(match[0])}</mark>`)
    at = match.index + match[0].length
  }
  parts.push(escapeHtml(text.slice(at)))
  return parts.join('')
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
