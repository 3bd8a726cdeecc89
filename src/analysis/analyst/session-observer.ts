/** What else looks at sessions within the analyst's thread: it is told what happened, and answers with drafts of findings. */
import type { Protocol } from '../../model.ts'
import type { Entry, EntryHit } from '../entry.ts'
import type { FindingDraft } from '../findings/finding.ts'

/** A session as the analyst knows it: who, where, as whom, and where its recording is. */
export type WatchedSession = {
  readonly id: string
  readonly protocol: Protocol
  readonly issuer: string
  readonly subject: string
  readonly principal: string
  readonly target: string
  readonly login: string
  readonly role: string
  readonly sourceAddress: string
  readonly openedAtMs: number
  /** Path relative to the recordings folder. */
  readonly recording: string
  readonly labels: Readonly<Record<string, string>>
  /**
   * Its recording is encrypted: what is learned of its entries may be looked at and compared, and must not be kept. Quotes are taken out of hits
   * before, and out of drafts after.
   */
  readonly isEncrypted?: boolean
}

/**
 * Hears of all sessions, one thing after the other, each session in order. Runs in the analyst's thread: it may take its time within
 * reason, blocks nothing else, and must bound what it remembers of sessions that are open. What it throws is logged, and nothing stops.
 *
 * A session may be analysed again from its start, after a restart of the gateway, or when it was put aside because too many were
 * open. Then `opened` comes again with `isAgain`, and everything after it: the same entries with the same numbers, and the drafts
 * of before are expected again.
 */
export interface SessionObserver {
  opened(session: WatchedSession, isAgain: boolean): readonly FindingDraft[]
  /**
   * An entry that still goes on: a command that runs, a statement without its result. At most once for each, and only where it takes
   * longer than a moment. `hits` are those of single lines and statements. `took` follows, with everything.
   */
  began?(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[]
  /** An entry that does not change any more, once each, in the order in which they were complete. All of its hits, those of windows too. */
  took(entry: Entry, hits: readonly EntryHit[]): readonly FindingDraft[]
  /** The recording is whole; nothing more comes. */
  sealed(session: WatchedSession): readonly FindingDraft[]
  /** It is put aside before its end: what is remembered of it may go, it will be opened again. */
  dropped?(session: string): void
  /** About once a second, whether there are sessions or not, with the wall's clock: what waits for no session is done. */
  attend?(nowMs: number): void
}

/** Rules over several entries. One for each session; it is told of an entry when that does not change any more. */
export interface SessionWindows {
  take(entry: Entry, hits: readonly EntryHit[]): readonly EntryHit[]
}

/** What the thread tells the gateway, a batch of one session at a time. */
export type AnalystBatch = {
  readonly session: string
  /** Those that met a rule, new or changed: the others are in the index, and the event loop has sessions to carry. */
  readonly entries: readonly Entry[]
  readonly hits: readonly EntryHit[]
  readonly drafts: readonly FindingDraft[]
  /** The recording is whole and all of it was read. */
  readonly isSealed: boolean
}
