/** Whatever people and targets typed, as text: never as HTML, and with every character that would not show or would reorder the rest. */
import type { ComponentChildren } from 'preact'

/**
 * What a reader cannot see or what changes how the rest is seen: control characters, formats (bidirectional, zero-width
 * and tag characters), separators, lone surrogates, and letters that are drawn as nothing. As src/api/hidden.ts has it.
 */
const hidden = String.raw`[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u115f\u1160\u3164\uffa0\u2800]`
const hiddenRun = new RegExp(`${hidden}+`, 'gu')
/** The same but for what makes lines and columns. */
const hiddenRunInText = new RegExp(`(?:(?![\\n\\t])${hidden})+`, 'gu')

/** How such characters are shown: each as its number. */
function markOf(text: string): string {
  return Array.from(text, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`).join('')
}

/** The same where only a text can stand: what a title or a label says. One line. */
export function withMarks(text: string): string {
  return text.replaceAll(hiddenRun, markOf)
}

export function hasHidden(text: string): boolean {
  return text.search(hiddenRunInText) !== -1
}

/** One line: a name, a target, a command. Line ends are marked too. What is longer than `max` characters is cut, and says so. */
export function Line({ text, max = 2000 }: { text: string; max?: number }) {
  const cut = text.length > max ? `${text.slice(0, max)}…` : text
  return <bdi>{marked(cut, hiddenRun)}</bdi>
}

/** Several lines, in a `pre` of whoever calls. */
export function Lines({ text }: { text: string }) {
  return <>{marked(text, hiddenRunInText)}</>
}

/** One line in which stretches are highlighted: pairs of start and end in UTF-16 units, in order. */
export function MarkedLine({ text, marks }: { text: string; marks: readonly (readonly [number, number])[] }) {
  const pieces: ComponentChildren[] = []
  let at = 0
  for (const [start, end] of marks) {
    if (start < at || end > text.length || end <= start) continue
    pieces.push(...marked(text.slice(at, start), hiddenRun))
    pieces.push(<strong class="hit">{marked(text.slice(start, end), hiddenRun)}</strong>)
    at = end
  }
  pieces.push(...marked(text.slice(at), hiddenRun))
  return <bdi>{pieces}</bdi>
}

function marked(text: string, run: RegExp): ComponentChildren[] {
  const pieces: ComponentChildren[] = []
  let at = 0
  for (const match of text.matchAll(run)) {
    if (match.index > at) pieces.push(text.slice(at, match.index))
    pieces.push(
      <mark class="hidden-text" title="A character that would not show">
        {markOf(match[0])}
      </mark>,
    )
    at = match.index + match[0].length
  }
  if (at < text.length) pieces.push(text.slice(at))
  return pieces
}
