/**
 * The gateway's state: sessions, leases, host keys, sign-ins. Asynchronous, so that PostgreSQL can stand behind it for
 * several gateways. Every method throws Fault STORE_UNAVAILABLE when the store cannot answer; callers then refuse.
 */
import type {
  EnrolledKeyRow,
  HoldRow,
  HostKeyRow,
  LeaseRow,
  LeaseState,
  PurgeRow,
  SessionRow,
  SessionState,
  SignInRow,
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

export interface Store {
  readonly sessions: SessionStore
  readonly leases: LeaseStore
  readonly hostKeys: HostKeyStore
  readonly signIns: SignInStore
  readonly enrolledKeys: EnrolledKeyStore
  readonly holds: HoldStore
  readonly purges: PurgeStore
  /** Safe to call twice; whatever comes after it is refused. */
  close(): Promise<void>
}
