/**
 * The gateway's state: sessions, leases, host keys, sign-ins. Asynchronous, so that PostgreSQL can stand behind it for
 * several gateways. Every method throws Fault STORE_UNAVAILABLE when the store cannot answer; callers then refuse.
 */
import type {
  CheckRow,
  CommentRow,
  EnrolledKeyRow,
  FindingEventRow,
  FindingKind,
  FindingRow,
  FindingState,
  HoldRow,
  HostKeyRow,
  LeaseRow,
  LeaseState,
  PurgeRow,
  ReadingRow,
  ReviewWishRow,
  SessionAssigneeRow,
  SavedViewRow,
  SessionRow,
  SessionState,
  SessionVerdictRow,
  Severity,
  SignInRow,
  SuppressionRow,
  UnmaskRow,
  WatchedRow,
  WatchedStretch,
} from '../model.ts'

export interface SessionStore {
  insert(row: SessionRow): Promise<void>
  /** Closes an open session. False if it is not open (or not known), and then nothing changes: the first end counts. */
  end(id: string, end: SessionEnd): Promise<boolean>
  get(id: string): Promise<SessionRow | undefined>
  /** Newest first. */
  list(query: SessionQuery): Promise<readonly SessionRow[]>
  /** Open sessions of other owners: with the data folder locked, those of processes that are gone. */
  openNotOf(owner: string): Promise<readonly SessionRow[]>
  /** Those that have ended and whose recording was not removed yet, by their end, oldest first. */
  retained(query: RetainedQuery): Promise<readonly SessionRow[]>
  /** Everybody who had sessions under that name; several people may share one. */
  /** Under emergency access, since an instant; the oldest first. */
  emergencySince(fromMs: number, limit: number): Promise<readonly SessionRow[]>
  peopleNamed(name: string): Promise<readonly KeyOwner[]>
}

export type RetainedQuery = {
  readonly limit: number
  /** Only those that come after this row, for the next page. */
  readonly after?: { readonly endedAtMs: number; readonly id: string } | undefined
}

export type SessionEnd = {
  readonly endedAtMs: number
  readonly state: Exclude<SessionState, 'open'>
  readonly endReason: string
}

export type SessionQuery = {
  /** At most so many rows. */
  readonly limit: number
  /** Only those older than this row, for the next page. */
  readonly before?: Pick<SessionRow, 'openedAtMs' | 'id'> | undefined
  readonly state?: SessionState | undefined
  /** As `principalKey` gives it: issuer, newline, subject. */
  readonly subjectKey?: string | undefined
}

/** Leases are on disk (fsync) when these return, since a credential is made right after. */
export interface LeaseStore {
  insert(row: LeaseRow): Promise<void>
  /** intended → live → ending; repeating a state is fine. Throws TypeError for a step back or an unknown lease. */
  advance(id: string, state: LeaseState): Promise<void>
  /** Removing what is gone is fine: the sweep and the session may both come. */
  remove(id: string): Promise<void>
  /** Oldest first. */
  list(): Promise<readonly LeaseRow[]>
}

export interface HostKeyStore {
  of(target: string): Promise<readonly HostKeyRow[]>
  /**
   * Keeps the key if the target has none yet, and gives back what holds for the target from now on. If that is not
   * the key that was shown, somebody else was first and the caller must refuse.
   */
  learn(row: HostKeyRow): Promise<readonly HostKeyRow[]>
}

export interface SignInStore {
  insert(row: SignInRow): Promise<void>
  /** Undefined if there is none, or if it has expired at that instant. */
  find(tokenHash: string, nowMs: number): Promise<SignInRow | undefined>
  remove(tokenHash: string): Promise<void>
  /** Gives back how many were removed. */
  removeExpired(nowMs: number): Promise<number>
}

/** A row counts while it is neither expired nor revoked at the instant asked about. */
export interface EnrolledKeyStore {
  /**
   * Keeps the row unless the same key counts for another person now: a key says who somebody is, so it is of one person.
   * An earlier row of the same person, key and network ends. False if nothing was kept.
   */
  enrol(row: EnrolledKeyRow): Promise<boolean>
  /** Those that count, of one key; all of one person. */
  find(fingerprint: string, nowMs: number): Promise<readonly EnrolledKeyRow[]>
  /** Those that count, of one person, newest first. */
  listOf(owner: KeyOwner, nowMs: number): Promise<readonly EnrolledKeyRow[]>
  used(id: string, nowMs: number): Promise<void>
  /** False if it is not theirs or did not count any more. */
  revoke(id: string, owner: KeyOwner, nowMs: number): Promise<boolean>
  /** Removes rows that expired before the instant, revoked ones too. Gives back how many. */
  removeExpired(beforeMs: number): Promise<number>
}

export type KeyOwner = Pick<EnrolledKeyRow['principal'], 'issuer' | 'subject'>

export interface HoldStore {
  /** On the disk when this returns. */
  insert(row: HoldRow): Promise<void>
  /** Those that nobody released, the oldest first; some may be over. */
  unreleased(): Promise<readonly HoldRow[]>
  /** False if there is none that is not released. */
  release(id: string, nowMs: number): Promise<boolean>
}

export interface PurgeStore {
  /** All of them are on the disk when this returns, or none. */
  insert(rows: readonly PurgeRow[]): Promise<void>
  get(session: string): Promise<PurgeRow | undefined>
  /** Those that are not finished, by session. */
  pending(limit: number, after?: string): Promise<readonly PurgeRow[]>
  finish(session: string, nowMs: number): Promise<void>
  /** Why it cannot be finished yet. */
  note(session: string, problem: string): Promise<void>
  /** Takes back what is not finished. */
  drop(session: string): Promise<void>
  /** Takes the person out of the rows of their sessions whose recording was removed. Gives back how many. */
  forgetPerson(person: KeyOwner): Promise<number>
}

/** Findings, what people did about them, and what they do not want to see. */
export interface FindingStore {
  /**
   * Inserts it, or renews what the session has of the group: `severity`, `unusualness`, `rules`, `updatedAtMs` and `body`. All else stays as it
   * was: the id, whom it is about, its place and what people decided. But of another severity or with more rules nobody has agreed to close
   * it: then the proposal is taken back, and this is true. And nothing is put off any longer that ranks higher than before.
   */
  put(row: FindingRow): Promise<boolean>
  get(id: string): Promise<FindingRow | undefined>
  ofSession(session: string): Promise<readonly FindingRow[]>
  ofSessions(sessions: readonly string[]): Promise<readonly FindingRow[]>
  /** Ranked: severity, then unusualness, then the newest. */
  list(query: FindingQuery): Promise<readonly FindingRow[]>
  /** How many a list without an end would have. */
  count(query: Omit<FindingQuery, 'limit' | 'after'>): Promise<number>
  /** All on whose sessions there are findings. */
  targets(): Promise<readonly FindingTarget[]>
  /** Those that were noticed in that time, the oldest first. */
  between(fromMs: number, untilMs: number, limit: number): Promise<readonly FindingRow[]>
  /** What a session has of a group. */
  ofGroup(session: string, group: string): Promise<FindingRow | undefined>
  /** Those of a time that stand above or below the line, ranked; without what they say. */
  placedBetween(fromMs: number, untilMs: number, limit: number): Promise<readonly PlacedFinding[]>
  /** Open findings of baselines about a person above the line, noticed before. */
  countOpenBaselines(person: KeyOwner, beforeMs: number): Promise<number>
  closedOfPerson(person: KeyOwner, limit: number): Promise<readonly FindingRow[]>
  setPlace(id: string, place: FindingRow['place'], reason: string | undefined): Promise<void>
  /**
   * Changes what is decided if nobody else was faster: only from one of these states and with that proposal, and notes it in the history, both or
   * neither. On the disk when it returns. False if it was not changed.
   */
  decide(id: string, from: FindingFrom, to: FindingDecision, event: FindingEventRow): Promise<boolean>
  note(event: FindingEventRow): Promise<void>
  historyOf(id: string): Promise<readonly FindingEventRow[]>
  suppress(row: SuppressionRow): Promise<void>
  /** On the disk when it returns. */
  liftSuppressions(ids: readonly string[], nowMs: number): Promise<void>
  /** In force at that instant. */
  suppressions(nowMs: number): Promise<readonly SuppressionRow[]>
  askUnmask(row: UnmaskRow): Promise<void>
  unmasking(id: string): Promise<UnmaskRow | undefined>
  unmaskingsOf(finding: string): Promise<readonly UnmaskRow[]>
  unmaskingsSince(sinceMs: number): Promise<readonly UnmaskRow[]>
  /** False if somebody has decided before. */
  decideUnmask(
    id: string,
    by: string,
    byName: string,
    atMs: number,
    untilMs: number | undefined,
  ): Promise<boolean>
  /** Somebody who has had to do with findings under that name; as `by` of their events. */
  reviewersNamed(name: string): Promise<readonly string[]>
  /** Removes findings that were closed before, with their histories, and whatever was never looked at since. Gives back how many. */
  removeBefore(closedMs: number, untouchedMs: number): Promise<number>
  removeUnmaskingsBefore(ms: number): Promise<number>
  /** Takes a person out: their findings, with histories. */
  removeOfPerson(person: KeyOwner): Promise<number>
}

/** What ranking needs. */
export type PlacedFinding = Pick<
  FindingRow,
  | 'id'
  | 'kind'
  | 'state'
  | 'severity'
  | 'unusualness'
  | 'createdAtMs'
  | 'place'
  | 'placeReason'
  | 'issuer'
  | 'subject'
>

export type FindingFrom = {
  readonly states: readonly FindingState[]
  readonly proposal: string | undefined
  /** Left out: of any. */
  readonly severity?: Severity
}
export type FindingDecision = Pick<
  FindingRow,
  | 'state'
  | 'assignee'
  | 'assigneeName'
  | 'closedAtMs'
  | 'closeReason'
  | 'proposal'
  | 'place'
  | 'placeReason'
  | 'snoozedUntilMs'
>

export type FindingTarget = Pick<FindingRow, 'protocol' | 'target'>

/** Findings about sessions on these targets, but not about this person's; and those of no session, if so told. */
export type FindingsSeen = {
  readonly targets: readonly FindingTarget[]
  readonly butNotOf: KeyOwner
  readonly ofNoSession: boolean
}

/** Several values of one kind are alternatives. */
export type FindingQuery = {
  readonly limit: number
  /** Undefined: all. */
  readonly seen?: FindingsSeen | undefined
  readonly states?: readonly FindingState[] | undefined
  readonly severities?: readonly Severity[] | undefined
  readonly kinds?: readonly FindingKind[] | undefined
  /** Groups, or rules within them. */
  readonly rules?: readonly string[] | undefined
  readonly sessions?: readonly string[] | undefined
  /** By their names. */
  readonly principals?: readonly string[] | undefined
  readonly assignees?: readonly (string | undefined)[] | undefined
  readonly places?: readonly FindingRow['place'][] | undefined
  readonly group?: string | undefined
  readonly person?: KeyOwner | undefined
  readonly sinceMs?: number | undefined
  /** Without those, or those alone, that nobody wants to see at that instant. */
  readonly awakeAtMs?: number | undefined
  readonly snoozedAtMs?: number | undefined
  /** The last row of the page before. */
  readonly after?: FindingRow | undefined
}

/** What reviewers leave on sessions, and who read what. */
export interface ReviewStore {
  /** On the disk when it returns. */
  comment(row: CommentRow): Promise<void>
  /** In the order in which they were written. */
  commentsOf(session: string): Promise<readonly CommentRow[]>
  /** Replaces what the person has seen of the session by what `merge` makes of it. */
  watch(
    row: Omit<WatchedRow, 'stretches'>,
    merge: (before: readonly WatchedStretch[]) => readonly WatchedStretch[],
  ): Promise<void>
  watchedOf(session: string): Promise<readonly WatchedRow[]>
  /** On the disk when it returns. */
  judge(row: SessionVerdictRow): Promise<void>
  /** On the disk when it returns. False if the same receiver asked for it before. */
  wishReview(row: ReviewWishRow): Promise<boolean>
  /** In the order in which they were asked. */
  reviewWishesOf(sessions: readonly string[]): Promise<readonly ReviewWishRow[]>

  /** Whether somebody of that name has ever opened a session here. */
  isReader(name: string): Promise<boolean>
  /** Gives a session to a reviewer, or without one takes it back. */
  assignSession(
    row: Omit<SessionAssigneeRow, 'assignee'> & { readonly assignee: string | undefined },
  ): Promise<void>
  assigneesOf(sessions: readonly string[]): Promise<readonly SessionAssigneeRow[]>
  /** In the order in which they were given. */
  verdictsOf(sessions: readonly string[]): Promise<readonly SessionVerdictRow[]>
  /** False if the person has so many already. */
  saveView(row: SavedViewRow, most: number): Promise<boolean>
  viewsOf(person: KeyOwner): Promise<readonly SavedViewRow[]>
  /** False if the person has none of that id. */
  removeView(id: string, person: KeyOwner): Promise<boolean>
  noteReading(row: ReadingRow): Promise<void>
  /** Who read the person's sessions, the newest first. */
  readingsAbout(person: KeyOwner, limit: number): Promise<readonly ReadingRow[]>
  /** Of everybody, the oldest first. */
  readingsSince(sinceMs: number, limit: number): Promise<readonly ReadingRow[]>
  removeReadingsBefore(beforeMs: number): Promise<number>
  /** Replaces what was found before. */
  noteCheck(row: CheckRow): Promise<void>
  checksOf(sessions: readonly string[]): Promise<readonly CheckRow[]>
}

export interface Store {
  readonly sessions: SessionStore
  readonly leases: LeaseStore
  readonly hostKeys: HostKeyStore
  readonly signIns: SignInStore
  readonly enrolledKeys: EnrolledKeyStore
  readonly holds: HoldStore
  readonly purges: PurgeStore
  readonly findings: FindingStore
  readonly reviews: ReviewStore
  /** Safe to call twice; whatever comes after it is refused. */
  close(): Promise<void>
}
