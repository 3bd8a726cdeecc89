/** The tables of `state.db`. Columns have the names of the model's fields; what may be undefined there is null here. */
import type {
  CheckRow,
  CommentRow,
  EnrolledKeyRow,
  FindingEventRow,
  FindingRow,
  HoldRow,
  LeaseRow,
  PurgeRow,
  ReviewWishRow,
  SessionAssigneeRow,
  ReadingRow,
  SavedViewRow,
  SessionRow,
  SessionVerdictRow,
  SuppressionRow,
  UnmaskRow,
  WatchedRow,
} from '../model.ts'

type Nullable<T> = { [K in keyof T]: undefined extends T[K] ? Exclude<T[K], undefined> | null : T[K] }

/** `labels` is JSON of a map of texts; `isPurged` is 1 once the recording was removed by rule; `breakGlass` is 1 or null. */
export type SessionTable = Nullable<Omit<SessionRow, 'labels' | 'breakGlass'>> & {
  labels: string | null
  isPurged: number
  breakGlass: number | null
}
export type LeaseTable = Nullable<LeaseRow>
export type HostKeyTable = { target: string; algorithm: string; key: string; firstSeenAtMs: number }
/** `principal` is JSON of PrincipalFields. */
export type SignInTable = { tokenHash: string; principal: string; createdAtMs: number; expiresAtMs: number }
/** `principal` is JSON of PrincipalFields; issuer and subject are taken out of it to look for. */
export type EnrolledKeyTable = Nullable<Omit<EnrolledKeyRow, 'principal'>> & {
  issuer: string
  subject: string
  principal: string
}
export type HoldTable = Nullable<HoldRow>
export type PurgeTable = Nullable<PurgeRow>
/** `rules` is a JSON list; `rank` is what findings are ordered by. */
export type FindingTable = Nullable<Omit<FindingRow, 'rules' | 'snoozedUntilMs'>> & {
  rules: string
  rank: number
  snoozedUntilMs: number | null
}
export type FindingEventTable = Nullable<FindingEventRow>
/** `rules` is a JSON list. */
export type SuppressionTable = Nullable<Omit<SuppressionRow, 'rules'>> & { rules: string | null }
export type UnmaskTable = Nullable<UnmaskRow>
export type CommentTable = Nullable<CommentRow>
/** `stretches` is JSON. */
export type WatchedTable = Omit<WatchedRow, 'stretches'> & { stretches: string }
export type SessionVerdictTable = SessionVerdictRow
export type SavedViewTable = SavedViewRow
export type ReadingTable = ReadingRow
export type CheckTable = Nullable<Omit<CheckRow, 'isWhole' | 'isSealed' | 'isEncrypted'>> & {
  isWhole: number
  isSealed: number
  isEncrypted: number
}
export type MigrationTable = { version: number; name: string; appliedAtMs: number }

export type Tables = {
  sessions: SessionTable
  leases: LeaseTable
  hostKeys: HostKeyTable
  signIns: SignInTable
  enrolledKeys: EnrolledKeyTable
  holds: HoldTable
  purges: PurgeTable
  findings: FindingTable
  findingEvents: FindingEventTable
  suppressions: SuppressionTable
  unmaskings: UnmaskTable
  comments: CommentTable
  watched: WatchedTable
  sessionVerdicts: SessionVerdictTable
  reviewWishes: ReviewWishRow
  sessionAssignees: SessionAssigneeRow
  savedViews: SavedViewTable
  readings: ReadingTable
  recordingChecks: CheckTable
  migrations: MigrationTable
}
