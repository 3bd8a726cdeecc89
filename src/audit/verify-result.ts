/** What a check of a recording or an audit log found: whole, or the first record that is not and where it begins. */
export type VerifyResult =
  | {
      readonly ok: true
      readonly kind: 'recording' | 'audit-log' | 'session-log'
      readonly session?: string
      readonly records: number
      /** False for what still grows, or was cut off. */
      readonly sealed: boolean
      /** Ids of the keys whose signatures were checked. */
      readonly signedBy: readonly string[]
      /** What the reader should know besides, in sentences. */
      readonly notes: readonly string[]
    }
  | {
      readonly ok: false
      readonly file: string
      /** Counts from 0. */
      readonly record: number
      /** In bytes from the start of the file. */
      readonly offset: number
      readonly reason: string
    }
