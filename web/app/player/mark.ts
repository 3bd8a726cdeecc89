/** What is worth a look on the bar: findings, and what met a rule without becoming one. */
import type { EntryView, FindingSummary, Severity } from '../../../src/api/schema.ts'

export type Mark = {
  readonly offsetMs: number
  readonly severity: Severity
  /** Why: the sentence of the finding, or what met the rule. */
  readonly text: string
  readonly rules: readonly string[]
  readonly finding?: Pick<FindingSummary, 'id' | 'state'>
}

/** A finding stands a moment beside the command that it is about. Milliseconds. */
const sameMs = 1000

/** In order of time. What met a rule is not told twice: the finding says more. */
export function marksOf(
  findings: readonly FindingSummary[],
  commands: readonly EntryView[],
  openedAtMs: number,
): Mark[] {
  const found = findings.map(({ id, state, atMs, severity, sentence, rules }) => ({
    offsetMs: atMs - openedAtMs,
    severity,
    text: sentence,
    rules,
    finding: { id, state },
  }))
  const isFound = (rule: string, offsetMs: number): boolean =>
    found.some(mark => mark.rules.includes(rule) && Math.abs(mark.offsetMs - offsetMs) <= sameMs)
  const hit = commands.flatMap(({ offsetMs, hits, text }) =>
    hits
      .filter(({ rule }) => !isFound(rule, offsetMs))
      .map(({ rule, severity }) => ({ offsetMs, severity, text, rules: [rule] })),
  )
  return [...found, ...hit].toSorted((a, b) => a.offsetMs - b.offsetMs)
}

/** Those that would lie on each other, by what one takes of the bar, are one. Milliseconds. */
export function groupsOf(marks: readonly Mark[], widthMs: number): Mark[][] {
  const groups: Mark[][] = []
  for (const mark of marks) {
    const last = groups.at(-1)
    const from = last?.[0]?.offsetMs
    if (last !== undefined && from !== undefined && mark.offsetMs - from < widthMs) last.push(mark)
    else groups.push([mark])
  }
  return groups
}
