/** Statements of one shape together: what differs in literals only has one fingerprint. */
import type { EntryUsage } from '../../../../src/api/schema.ts'
import { rowsShown } from '../../../../src/recorder/sql-tag.ts'
import { classLookOf, graver, type Look } from './look.ts'
import { outcomeOf, type Statement } from './statement.ts'

export type Group = {
  /** The fingerprint, or the text of a statement that has none. */
  readonly key: string
  readonly statements: readonly Statement[]
  /** The text of the first. */
  readonly text: string
  readonly look: Look
  /** Returned or changed. */
  readonly rows: number
  readonly bytes: number
  readonly totalMs: number
  readonly longestMs: number
  readonly errors: number
  /** Of the first: a shape is new once. */
  readonly usage: EntryUsage | undefined
  readonly firstMs: number
  readonly lastMs: number
}

/** The most frequent first; of equals, the earlier. */
export function groupsOf(statements: readonly Statement[]): readonly Group[] {
  const byKey = new Map<string, Statement[]>()
  for (const statement of statements) {
    const key = statement.fingerprint ?? `text ${statement.text}`
    const known = byKey.get(key)
    if (known === undefined) byKey.set(key, [statement])
    else known.push(statement)
  }
  const groups = [...byKey].map(([key, members]) => groupOf(key, members))
  return groups.toSorted((a, b) => b.statements.length - a.statements.length || a.firstMs - b.firstMs)
}

function groupOf(key: string, statements: readonly Statement[]): Group {
  const first = statements[0]
  const sum = (of: (statement: Statement) => number | undefined): number =>
    statements.reduce((total, statement) => total + (of(statement) ?? 0), 0)
  return {
    key,
    statements,
    text: first?.text ?? '',
    look: statements.map(classLookOf).reduce(graver, 'other'),
    rows: sum(rowsShown),
    bytes: sum(({ bytes }) => bytes),
    totalMs: sum(({ durationMs }) => durationMs),
    longestMs: Math.max(0, ...statements.map(({ durationMs = 0 }) => durationMs)),
    errors: statements.filter(statement => outcomeOf(statement) !== 'done').length,
    usage: first?.usage,
    firstMs: first?.atMs ?? 0,
    lastMs: statements.at(-1)?.atMs ?? 0,
  }
}

/** How many ran in each of as many equal stretches of the session. */
export function sparkline(
  statements: readonly Statement[],
  durationMs: number,
  buckets: number,
): readonly number[] {
  const counts = Array.from({ length: buckets }, () => 0)
  for (const { offsetMs } of statements) {
    const bucket = Math.min(
      buckets - 1,
      Math.max(0, Math.floor((offsetMs / Math.max(1, durationMs)) * buckets)),
    )
    counts[bucket] = (counts[bucket] ?? 0) + 1
  }
  return counts
}
