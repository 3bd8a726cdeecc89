/**
 * What happened in a session, read from its recording where the index does not have it yet. As the index has it, without rules and with the
 * grammar's words as far as they were recorded.
 */
import { statSync } from 'node:fs'
import { entryOf } from '../../../analysis/analyst/drafted-entry.ts'
import { EntryReader } from '../../../analysis/analyst/entry-reader.ts'
import type { Told } from '../../../analysis/analyst/teller.ts'
import type { Entry, EntryKind } from '../../../analysis/entry.ts'
import { RecordedFacts } from '../../../analysis/sql/recorded-facts.ts'
import { carriesData, type EventRecord } from '../../../recorder/event.ts'
import { FormatProblem } from '../../../recorder/format.ts'
import { type ChunkPlace, headerOf, readRecording } from '../../../recorder/reader.ts'

/** Entries of one session that are kept for those who ask next: more is what the index is for. */
const maxEntries = 100_000
/** A recorder writes what it has after a second: what was not read by then did not happen. */
const writtenAfterMs = 2000

/** All entries of one recording but what screens showed. Of an open session's only what was added is read; of a damaged one, what comes before the damage. */
export class GrowingEntries {
  readonly #file: string
  readonly #place: { readonly session: string; readonly openedAtMs: number }
  readonly #read: EntryReader
  readonly #facts = new RecordedFacts()
  readonly #entries = new Map<number, Entry>()
  #bytes = 0
  /** Behind the last chunk that was read. */
  #next: ChunkPlace | undefined
  #isOver = false
  #damage: string | undefined

  /** Throws as `readRecording` does. */
  constructor(file: string) {
    this.#file = file
    const { session, protocol, openedAt } = headerOf(file)
    this.#place = { session, openedAtMs: Date.parse(openedAt) }
    this.#read = new EntryReader(protocol)
  }

  /** Why nothing is known of what comes behind; undefined while all of it can be read. */
  get damage(): string | undefined {
    return this.#damage
  }

  /** As far as the file goes; undefined if it is shorter than it was, and so another one. */
  now(nowMs: number): readonly Entry[] | undefined {
    const { size } = statSync(this.#file)
    if (size < this.#bytes) return undefined
    if (size > this.#bytes && !this.#isOver) this.#readOn()
    this.#bytes = size
    if (!this.#isOver) this.#wait(nowMs)
    return [...this.#entries.values()]
      .map(entry => withFacts(entry, this.#facts))
      .toSorted((a, b) => a.offsetMs - b.offsetMs || a.number - b.number)
  }

  #readOn(): void {
    const reader = readRecording(this.#file)
    try {
      for (const { offset, record, bytes, events } of reader.chunks(this.#next)) {
        for (const event of events) this.#takeEvent(event)
        this.#next = { offset: offset + bytes, record: record + 1 }
      }
      this.#isOver = reader.end?.kind === 'sealed'
    } catch (error) {
      if (!(error instanceof FormatProblem)) throw error
      this.#isOver = true
      this.#damage = error.reason
    } finally {
      reader.close()
    }
    if (this.#isOver) this.#take(this.#read.end())
  }

  /** What goes on is told when it has gone on for a moment. */
  #wait(nowMs: number): void {
    const untilUs = (nowMs - this.#place.openedAtMs - writtenAfterMs) * 1000
    for (let us = this.#read.nextUs; us !== undefined && us <= untilUs; us = this.#read.nextUs)
      this.#take(this.#read.settle(us))
  }

  #takeEvent(record: EventRecord): void {
    const { event } = record
    if (!carriesData(event)) this.#facts.take(event.type, event.fields)
    this.#take(this.#read.take(record))
  }

  #take(told: readonly Told[]): void {
    const entries = this.#entries
    for (const one of told)
      if (one.draft.kind !== 'screen' && (entries.size < maxEntries || entries.has(one.number)))
        entries.set(one.number, entryOf(one, this.#place))
  }
}

function withFacts(entry: Entry, facts: RecordedFacts): Entry {
  const { statement } = entry
  const known = statement === undefined ? undefined : facts.of(statement.statement)
  return statement === undefined || known === undefined
    ? entry
    : { ...entry, statement: { ...statement, ...known } }
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
