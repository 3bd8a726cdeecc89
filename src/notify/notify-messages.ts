/** What the gateway and its notifying thread say to each other. */
import type { Letter } from './dead-letters.ts'
import type { LaneNews, LaneState, Retried } from './lane.ts'
import type { Producer } from './ocsf/mapped.ts'
import type { Position } from './position.ts'
import type { Format } from './render.ts'

/** A sink of the configuration with its secrets in the clear: for the thread alone. */
export type SinkPlan = {
  readonly name: string
  readonly events: readonly string[]
  readonly format: Format
  readonly content: boolean
} & (
  | { readonly kind: 'file'; readonly path: string; readonly rotateBytes: number; readonly keepFiles: number }
  | {
      readonly kind: 'syslog'
      readonly host: string
      readonly port: number
      readonly tls: { readonly authority: string | undefined } | undefined
    }
  | {
      readonly kind: 'webhook'
      readonly url: string
      readonly secrets: readonly string[]
      readonly authority: string | undefined
      readonly attempts: number
      readonly giveUpMs: number
    }
  | {
      readonly kind: 'otlp'
      readonly url: string
      readonly token: string | undefined
      readonly authority: string | undefined
      readonly attempts: number
      readonly giveUpMs: number
    }
)

export type NotifyStart = {
  readonly auditFolder: string
  /** Where the search index is. */
  readonly indexFolder: string
  readonly folder: string
  readonly begin: Position
  readonly producer: Producer
  readonly sinks: readonly SinkPlan[]
}

export type NotifyQuestion =
  | { readonly kind: 'overview' }
  | { readonly kind: 'retry'; readonly letter: string }
  | { readonly kind: 'drop'; readonly letter: string }
  | { readonly kind: 'resume'; readonly sink: string }
  | { readonly kind: 'close' }

export type NotifyAnswer = {
  readonly overview?: { readonly sinks: readonly LaneState[]; readonly letters: readonly Letter[] }
  readonly retried?: Retried
  /** Whether there was what was to be dropped or resumed. */
  readonly done?: boolean
}

export type ToNotify = { readonly id: number; readonly question: NotifyQuestion }

export type NotifyNews = LaneNews | { readonly kind: 'state'; readonly lanes: readonly LaneState[] }

export type FromNotify =
  | { readonly kind: 'news'; readonly news: NotifyNews }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: NotifyAnswer }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string }
