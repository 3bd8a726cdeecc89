/** An entry of a session as it was told while its recording was read: here, and in browsers that open an encrypted one. */
import { redact, redactStatement } from '../../../analysis/analyst/redact.ts'
import type { Told } from '../../../analysis/analyst/teller.ts'
import type { Entry, EntryHit } from '../../../analysis/entry.ts'
import type { EntryUsage, EntryView } from '../../schema.ts'

/** Characters of a text, as in the index. */
const maxTextLength = 8192

export function entryOf({ number, draft }: Told, place: { session: string; openedAtMs: number }): Entry {
  const { kind, us, text, command, statement, file } = draft
  const offsetMs = Math.floor(us / 1000)
  const shown = kind === 'statement' ? redactStatement(text) : redact(text)
  return {
    session: place.session,
    number,
    kind,
    atMs: place.openedAtMs + offsetMs,
    offsetMs,
    text: shown.slice(0, maxTextLength),
    ...(command === undefined ? {} : { command }),
    ...(statement === undefined ? {} : { statement }),
    ...(file === undefined ? {} : { file }),
  }
}

/** As the interface says it. */
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
