/** How bad: a shape, a colour and a word, so that no one of them is needed alone. */
import type { Severity as Name } from '../../../src/api/schema.ts'

/** Worst last. */
export const severities: readonly Name[] = ['info', 'low', 'medium', 'high', 'critical']

/** Circle, square, diamond, triangle, and an octagon that is filled. */
const shapes: Readonly<Record<Name, string>> = {
  info: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11z',
  low: 'M3 3h10v10H3z',
  medium: 'M8 1.5L14.5 8L8 14.5L1.5 8z',
  high: 'M8 1.5L15 14H1z',
  critical: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z',
}

export function Severity({ is, label = is }: { is: Name; label?: string | undefined }) {
  return (
    <span class={`severity ${is}`}>
      <SeverityShape is={is} />
      {label === '' ? <span class="unseen">{is}</span> : label}
    </span>
  )
}

/** The shape alone, for places that have its word elsewhere. */
export function SeverityShape({ is }: { is: Name }) {
  return (
    <svg class={`shape ${is}`} viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
      <path d={shapes[is]} />
    </svg>
  )
}

export function worstOf(names: readonly Name[]): Name | undefined {
  return names.toSorted((a, b) => severities.indexOf(b) - severities.indexOf(a))[0]
}
