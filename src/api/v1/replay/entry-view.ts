/** An entry as the interface says it: of the index, and in browsers that open an encrypted recording. */
import type { Entry, EntryHit } from '../../../analysis/entry.ts'
import type { EntryUsage, EntryView } from '../../schema.ts'

export function viewOf(entry: Entry, hits: readonly EntryHit[], usage?: EntryUsage): EntryView {
  const { number, kind, offsetMs, atMs, text, command, statement, file } = entry
  return {
    number,
    kind,
    offsetMs,
    atMs,
    text,
    detail: { ...command, ...statement, ...file },
    hits: hits.map(({ rule, severity }) => ({ rule, severity })),
    ...(usage === undefined ? {} : { usage }),
  }
}
