/** What is asked of the index, and what it answers. Plain types, which cross threads. */
import type { Protocol } from '../../model.ts'
import type { Entry, EntryHit, EntryKind } from '../entry.ts'
import type { EntryUsage } from './usage.ts'

/**
 * What the asker may see: these targets, without the sessions of these people (nobody reviews their own). Nothing else is found,
 * and nothing else is counted. `all`: whoever the operating system lets ask.
 */
export type SearchScope = {
  readonly targets: 'all' | readonly TargetName[]
  readonly except?: readonly PersonName[]
}
export type TargetName = { readonly protocol: Protocol; readonly name: string }
export type PersonName = { readonly issuer: string; readonly subject: string }

export type SearchWish = {
  /** In the syntax of docs/search.md. */
  readonly text: string
  readonly scope: SearchScope
  readonly kinds?: readonly EntryKind[]
  readonly session?: string
  /** Of the page before. */
  readonly cursor?: string
  /** 1 to 200; 50 unless told. */
  readonly limit?: number
}

/** A query that cannot be used is a value, with a text for who asked. */
export type SearchAnswer =
  | { readonly ok: true; readonly page: FoundPage }
  | { readonly ok: false; readonly problem: string }

/** Newest first. */
export type FoundPage = {
  readonly items: readonly Found[]
  readonly next?: string
  /** Of all pages, within the scope; a lower bound if it is not exact. */
  readonly total: number
  readonly isTotalExact: boolean
  readonly tookMs: number
}

export type Found = {
  readonly session: string
  readonly entry: number
  readonly kind: EntryKind
  readonly atMs: number
  readonly offsetMs: number
  readonly principal: string
  readonly target: string
  readonly login: string
  /** The text around the match. Hostile. */
  readonly text: string
  /** Where the matches are in it: pairs of start and end, in UTF-16 units. */
  readonly marks: readonly (readonly [number, number])[]
}

export type EntriesWish = {
  readonly session: string
  readonly kinds: readonly EntryKind[]
  readonly cursor?: string
  /** 1 to 1000. */
  readonly limit: number
  /** Also says how usual each is. */
  readonly withUsage?: boolean
}
/** In the order in which entries became known, at their end or two seconds after their start: one may come behind another that began later. */
export type EntryPage = {
  readonly items: readonly IndexedEntry[]
  readonly next?: string
}
export type IndexedEntry = {
  readonly entry: Entry
  readonly hits: readonly EntryHit[]
  readonly usage?: EntryUsage
}

/** `waiting` and `reading` know a part; `sealed`: encrypted to auditors, so nothing is derived of it. */
export type IndexState = 'waiting' | 'reading' | 'done' | 'sealed' | 'gone' | 'failed'

export type SessionCounts = {
  readonly commands: number
  readonly statements: number
  readonly files: number
  /** Returned or changed by all statements; of statements and files. */
  readonly rows: number
  readonly bytes: number
  /** Of its duration, what was not idle, as far as it was read. */
  readonly activeMs: number
}

export type IndexedSession = {
  readonly state: IndexState
  /** Why it is not whole, for people. */
  readonly problem?: string
  readonly counts: SessionCounts
}
