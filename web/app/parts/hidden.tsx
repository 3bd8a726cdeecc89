/** Whatever people and targets typed, as text: never as HTML, and with every character that would not show or would reorder the rest. */
import type { ComponentChildren } from 'preact'
import { hiddenRun, hiddenRunInText, markOf } from './hidden-text.ts'

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
