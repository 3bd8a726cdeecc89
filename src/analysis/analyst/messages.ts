/** What the gateway and the analyst's thread say to each other. */
import type { ContentKeys } from '../../recorder/encryption/content-keys.ts'
import type { AnalystBatch, WatchedSession } from './session-observer.ts'

/** What the thread begins with. */
export type AnalystOptions = {
  /** Where index.db lies. */
  readonly dataFolder: string
  readonly recordingsFolder: string
  readonly rulesFolder?: string
  /** A folder of Sigma rules. */
  readonly sigmaFolder?: string
  /** For the observers; see observers.ts. */
  readonly observing?: unknown
  /** Terminals that are emulated at once. */
  readonly maxTerminals?: number
  /** The thread before this one was taken down by what it read, most likely. */
  readonly afterCrash?: boolean
}

/** How far reading is behind: bytes of open sessions that were not read, and how long what waits has waited. */
export type Lag = { readonly bytes: number; readonly waitedMs: number }

export type ToAnalyst =
  /** Sessions that there are; answered by `done`. */
  | {
      readonly kind: 'sessions'
      readonly id: number
      readonly sessions: readonly { readonly session: WatchedSession; readonly isOver: boolean }[]
    }
  /** Nothing is added to its recording any more. */
  | { readonly kind: 'over'; readonly session: string }
  /** Its recording was removed, or is to be; answered by `done`. */
  | { readonly kind: 'forget'; readonly id: number; readonly session: string }
  /** The whole index is thrown away; sessions are told anew. Answered by `done`. */
  | { readonly kind: 'anew'; readonly id: number }
  /** Opens an encrypted recording that is being written; before its session is told. */
  | { readonly kind: 'keys'; readonly session: string; readonly keys: ContentKeys }
  /** Nothing is added to it but its seal; answered by `done` when it was read. */
  | { readonly kind: 'finish'; readonly id: number; readonly session: string }
  /** It is sealed now. */
  | { readonly kind: 'forget-keys'; readonly session: string }
  | { readonly kind: 'fetched'; readonly session: string; readonly path?: string; readonly problem?: string }
  | { readonly kind: 'taken'; readonly batch: number }
  /** Answered by the thread's end. */
  | { readonly kind: 'stop' }

export type FromAnalyst =
  | { readonly kind: 'done'; readonly id: number; readonly problem?: string }
  | { readonly kind: 'batch'; readonly number: number; readonly batch: AnalystBatch }
  /** A recording is not in its folder; answered by `fetched`. */
  | { readonly kind: 'fetch'; readonly session: string; readonly recording: string }
  /** The copy is not needed any more. */
  | { readonly kind: 'release'; readonly session: string }
  | { readonly kind: 'trouble'; readonly session?: string; readonly text: string }
  | { readonly kind: 'lag'; readonly lag: Lag }
  /** How many sessions wait to be read, without those that are open; told when it changes. */
  | { readonly kind: 'behind'; readonly sessions: number }
