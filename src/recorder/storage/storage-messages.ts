/** What the storage thread and whoever started it tell each other. */
import type { FaultCode } from '../../errors.ts'
import type { S3Access } from './s3-bucket.ts'
import type { StorageEvent } from './uploader.ts'

export type StorageStart = {
  readonly access: S3Access
  readonly folder: string
  readonly cacheFolder: string
}

/** Without an answer. */
export type StorageNews =
  | { readonly kind: 'opened'; readonly recording: string; readonly isFresh: boolean }
  | { readonly kind: 'finished'; readonly recording: string }
  | { readonly kind: 'release'; readonly ticket: number }

export type StorageQuestion =
  | { readonly kind: 'take-up' }
  | { readonly kind: 'fetch'; readonly recording: string }
  | { readonly kind: 'remove' | 'may-remove'; readonly recording: string }
  | { readonly kind: 'hold'; readonly recording: string; readonly on: boolean }
  | { readonly kind: 'close' }

export type ToStorage =
  | StorageNews
  | { readonly kind: 'ask'; readonly id: number; readonly question: StorageQuestion }

/** `ticket` is what to release. */
export type Answer = { readonly path?: string; readonly ticket?: number }

export type FromStorage =
  | { readonly kind: 'event'; readonly event: StorageEvent }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | {
      readonly kind: 'failed'
      readonly id: number
      readonly code: FaultCode | undefined
      readonly userText: string
      readonly log: string
    }
