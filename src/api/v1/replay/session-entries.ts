/**
 * What happened in a session, read from its recording where the index does not have it yet. As the index has it, without rules and with the
 * grammar's words as far as they were recorded.
 */
import { EntryReader } from '../../../analysis/analyst/entry-reader.ts'
import { redact, redactStatement } from '../../../analysis/analyst/redact.ts'
import type { Told } from '../../../analysis/analyst/teller.ts'
import type { Entry, EntryKind } from '../../../analysis/entry.ts'
import { carriesData, type TextEvent } from '../../../recorder/event.ts'
import { FormatProblem } from '../../../recorder/format.ts'
import { readRecording } from '../../../recorder/reader.ts'

/** Entries of one session that are kept for those who ask next: more is what the index is for. */
const maxEntries = 100_000
/** Characters of a text, as in the index. */
const maxTextLength = 8192

/** All but what screens showed. Of a damaged recording, what comes before the damage. */
export function entriesIn(file: string): readonly Entry[] {
  const reader = readRecording(file)
  const { session, protocol, openedAt } = reader.header
  const place = { session, openedAtMs: Date.parse(openedAt) }
  const read = new EntryReader(protocol)
  const facts = new RecordedFacts()
  const entries = new Map<number, Entry>()
  const take = (told: readonly Told[]): void => {
    for (const one of told)
      if (one.draft.kind !== 'screen' && (entries.size < maxEntries || entries.has(one.number)))
        entries.set(one.number, entryOf(one, place))
  }
  try {
    for (const record of reader.events()) {
      if (!carriesData(record.event)) facts.take(record.event)
      take(read.take(record))
    }
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error
  } finally {
    reader.close()
  }
  take(read.end())
  return [...entries.values()]
    .map(entry => facts.addTo(entry))
    .toSorted((a, b) => a.offsetMs - b.offsetMs || a.number - b.number)
}

function entryOf({ number, draft }: Told, place: { session: string; openedAtMs: number }): Entry {
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

/** What the grammar said of statements when they ran, as the recording has it. */
class RecordedFacts {
  readonly #of = new Map<number, Readonly<Record<string, unknown>>>()

  take({ type, fields }: TextEvent): void {
    const { statement, also } = fields
    if (typeof statement !== 'number' || this.#of.size >= maxEntries) return
    if (type === 'statement-facts') this.#of.set(statement, fields)
    if (type !== 'same-facts' || !Array.isArray(also)) return
    const known = this.#of.get(statement)
    for (const other of also) if (known !== undefined && typeof other === 'number') this.#of.set(other, known)
  }

  addTo(entry: Entry): Entry {
    const { statement } = entry
    const facts = statement === undefined ? undefined : this.#of.get(statement.statement)
    if (statement === undefined || facts === undefined) return entry
    const { class: known, fingerprint, tables } = facts
    return {
      ...entry,
      statement: {
        ...statement,
        ...(typeof known === 'string' ? { class: known } : {}),
        ...(typeof fingerprint === 'string' ? { fingerprint } : {}),
        ...(Array.isArray(tables) ? { tables: tables.map(nameOf).filter(name => name !== '') } : {}),
      },
    }
  }
}

function nameOf(table: unknown): string {
  const { schema, name } = (table ?? {}) as { schema?: unknown; name?: unknown }
  if (typeof name !== 'string') return ''
  return typeof schema === 'string' ? `${schema}.${name}` : name
}

/** Of some kinds, from a place on. */
export function pageOf(
  entries: readonly Entry[],
  kinds: readonly EntryKind[],
  from: number,
  limit: number,
): { readonly items: readonly Entry[]; readonly next: number | undefined; readonly total: number } {
  const wanted = entries.filter(({ kind }) => kinds.includes(kind))
  const next = from + limit
  return {
    items: wanted.slice(from, next),
    next: next < wanted.length ? next : undefined,
    total: wanted.length,
  }
}
