/** What is asked of the thread that reads the index, and what it answers. */
import type { EntryHit } from '../entry.ts'
import type { IndexReader } from './index-reader.ts'
import type {
  EntriesWish,
  EntryPage,
  IndexedEntry,
  IndexedSession,
  SearchAnswer,
  SearchWish,
  TargetName,
} from './search-types.ts'

export type Question =
  | { readonly kind: 'search'; readonly wish: SearchWish; readonly nowMs: number }
  | { readonly kind: 'entries'; readonly wish: EntriesWish }
  | { readonly kind: 'entry'; readonly session: string; readonly number: number }
  | { readonly kind: 'hits'; readonly session: string }
  | { readonly kind: 'sessions'; readonly ids: readonly string[] }
  | { readonly kind: 'targets' }
  | { readonly kind: 'progress' }

export type Answers = {
  readonly search: SearchAnswer
  readonly entries: EntryPage
  readonly entry: IndexedEntry | undefined
  readonly hits: readonly EntryHit[]
  readonly sessions: ReadonlyMap<string, IndexedSession>
  readonly targets: readonly TargetName[]
  readonly progress: ReturnType<IndexReader['progress']>
}

/** `isCold`: the index may not be in memory any more, and is to be read once. */
export type SearchWorkerData = { readonly dataFolder: string; readonly isCold: boolean }

/** `reopen`: the file is another one now. */
export type Asked = { readonly id: number; readonly question: Question } | { readonly kind: 'reopen' }
export type Answered =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly problem: string }
