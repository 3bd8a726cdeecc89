/** What the storage of recordings needs of a bucket: a few operations, in our words, so that what to do next can be tested without one. */
import type { Readable } from 'node:stream'

/** Why an operation failed, as far as it matters for what to do next. */
export type BucketProblem =
  /** Network, time, 5xx, throttling: again later. */
  | 'away'
  /** Signature, account, permission: again later, and somebody has to act. */
  | 'refused'
  | 'no-bucket'
  | 'no-object'
  /** The upload was completed, aborted, or removed by a rule of the bucket. */
  | 'no-upload'
  /** The bucket has another object of this name already. */
  | 'exists'
  /** Object lock or legal hold forbids it. */
  | 'locked'
  | 'other'

export class BucketError extends Error {
  readonly problem: BucketProblem

  /** `message` names the server's error code, never a credential. */
  constructor(problem: BucketProblem, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'BucketError'
    this.problem = problem
  }
}

export type LockMode = 'compliance' | 'governance'

/** How an object is kept from being deleted. */
export type Protection = {
  readonly lock?: { readonly mode: LockMode; readonly untilMs: number }
  readonly hold: boolean
}

export type ObjectFacts = {
  readonly bytes: number
  /** Without quotes; of most servers the MD5, or that of the parts' MD5s with `-<parts>`. */
  readonly etag: string
  /** Undefined where the bucket keeps no versions. */
  readonly version: string | undefined
  readonly protection: Protection
}

export type Part = { readonly number: number; readonly bytes: number; readonly etag: string }
export type Version = { readonly version: string; readonly isMarker: boolean }
/** Of one version, and only if it still is that object. */
export type Range = {
  readonly from: number
  readonly bytes: number
  readonly etag: string
  readonly version: string | undefined
}

/** All reject with a BucketError. `body` is not changed until they have settled. */
export type Bucket = {
  readonly put: (key: string, body: Buffer, protection: Protection) => Promise<void>
  /** Begins an upload in parts; gives its id. */
  readonly create: (key: string, protection: Protection) => Promise<string>
  /** Gives the part's ETag. */
  readonly putPart: (key: string, upload: string, number: number, body: Buffer) => Promise<string>
  /** By number. */
  readonly parts: (key: string, upload: string) => Promise<readonly Part[]>
  /** Uploads under way of exactly this key, oldest first. */
  readonly uploads: (key: string) => Promise<readonly string[]>
  readonly complete: (key: string, upload: string, parts: readonly Part[]) => Promise<void>
  readonly abort: (key: string, upload: string) => Promise<void>
  /** Undefined if there is none, or a delete marker hides it. */
  readonly head: (key: string, version?: string) => Promise<ObjectFacts | undefined>
  /** A whole object, or a part of it. */
  readonly read: (key: string, range?: Range) => Promise<Readable>
  /** Of exactly this key, newest first; one with version `null` where the bucket keeps none. */
  readonly versions: (key: string) => Promise<readonly Version[]>
  readonly remove: (key: string, version?: string) => Promise<void>
  readonly lock: (key: string, lock: NonNullable<Protection['lock']>) => Promise<void>
  readonly hold: (key: string, on: boolean) => Promise<void>
  /** Names and sizes of all objects whose key begins like that. */
  readonly list: (prefix: string) => AsyncIterable<{ readonly key: string; readonly bytes: number }>
  /** Whether the bucket has object lock; undefined if it may not be asked. */
  readonly hasObjectLock: () => Promise<boolean | undefined>
  readonly close: () => void
}
