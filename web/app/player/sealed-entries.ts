/** What happened in a recording that only this page can read: found by the gateway's own modules, as in recordings that it reads itself. */
import { EntryReader } from '../../../src/analysis/analyst/entry-reader.ts'
import type { Told } from '../../../src/analysis/analyst/teller.ts'
import type { EntryView, SessionFact } from '../../../src/api/schema.ts'
import { openingFactsIn } from '../../../src/api/v1/replay/opening-words.ts'
import { entryOf } from '../../../src/analysis/analyst/drafted-entry.ts'
import { viewOf } from '../../../src/api/v1/replay/entry-view.ts'
import type { EventRecord } from '../../../src/recorder/event.ts'

/** Of each kind, in order of time. */
export type SealedFound = {
  readonly commands: readonly EntryView[]
  /** Connections that were forwarded, too. */
  readonly files: readonly EntryView[]
  /** Lines that screens showed, to search in. */
  readonly screens: readonly EntryView[]
  /** What the details say of a recording that the gateway can read. */
  readonly facts: readonly SessionFact[]
}

/** Entries of one recording that a page keeps. */
const maxEntries = 200_000
/** Events that may be of the opening. */
const openingEvents = 64

export class SealedEntries {
  readonly #reader = new EntryReader('ssh')
  readonly #place: { readonly session: string; readonly openedAtMs: number }
  readonly #entries = new Map<number, EntryView>()
  #opening: EventRecord[] = []

  constructor(session: string, openedAtMs: number) {
    this.#place = { session, openedAtMs }
  }

  take(records: readonly EventRecord[]): void {
    if (this.#opening.length < openingEvents) this.#opening.push(...records.slice(0, openingEvents))
    for (const record of records) this.#keep(this.#reader.take(record))
  }

  end(): SealedFound {
    this.#keep(this.#reader.end())
    const all = [...this.#entries.values()].toSorted((a, b) => a.offsetMs - b.offsetMs || a.number - b.number)
    const of = (...kinds: readonly EntryView['kind'][]): readonly EntryView[] =>
      all.filter(({ kind }) => kinds.includes(kind))
    return {
      commands: of('command'),
      files: of('file', 'forward'),
      screens: of('screen'),
      facts: [...openingFactsIn(this.#opening)],
    }
  }

  #keep(told: readonly Told[]): void {
    for (const one of told)
      if (this.#entries.size < maxEntries || this.#entries.has(one.number))
        this.#entries.set(one.number, viewOf(entryOf(one, this.#place), []))
  }
}
