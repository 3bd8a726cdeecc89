/** Which statements are shown: pure, from what the address says. */
import { isNew } from '../../session/usage.ts'
import type { Statement } from './statement.ts'
import { type Look, lookOf, looks } from './look.ts'

export type Filter = {
  readonly words: readonly string[]
  readonly looks: readonly Look[]
  readonly onlyFirst: boolean
  readonly onlyHits: boolean
  readonly fingerprint: string | undefined
}

export function filterOf(query: URLSearchParams): Filter {
  const only = query.getAll('only')
  return {
    words: (query.get('text') ?? '')
      .toLowerCase()
      .split(/\s+/)
      .filter(word => word !== ''),
    looks: query.getAll('class').filter((name): name is Look => Object.hasOwn(looks, name)),
    onlyFirst: only.includes('first'),
    onlyHits: only.includes('hits'),
    fingerprint: query.get('fingerprint') ?? undefined,
  }
}

/** All words are in the text, a table, or the SQLSTATE; all else holds too. */
export function matches(filter: Filter, statement: Statement): boolean {
  const { words, looks: wanted, onlyFirst, onlyHits, fingerprint } = filter
  if (wanted.length > 0 && !wanted.includes(lookOf(statement))) return false
  if (onlyFirst && !isNew(statement.usage)) return false
  if (onlyHits && statement.hits.length === 0) return false
  if (fingerprint !== undefined && statement.fingerprint !== fingerprint) return false
  if (words.length === 0) return true
  const text = [statement.text, ...statement.tables, statement.sqlstate ?? ''].join(' ').toLowerCase()
  return words.every(word => text.includes(word))
}

/** The statement that runs at a moment: the last that began by then, or the first of all. */
export function statementAt(statements: readonly Statement[], offsetMs: number): Statement | undefined {
  let [low, high] = [0, statements.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((statements[middle]?.offsetMs ?? 0) <= offsetMs) low = middle + 1
    else high = middle
  }
  return statements[Math.max(0, low - 1)]
}
