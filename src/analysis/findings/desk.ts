/**
 * The desk where findings are looked at and decided on: the one place for the pages, the command line and tools. Who may not see
 * a session does not see its findings, nobody decides on their own, and every decision is in the audit log.
 */
import type { Principal } from '../../identity/principal.ts'
import type { FindingKind, FindingState, Severity } from '../../model.ts'
import type { FindingBody, FindingDraft } from './finding.ts'

/** Who asks: a person who signed in, or whoever the operating system lets open the admin socket. */
export type Asker =
  | { readonly kind: 'person'; readonly principal: Principal }
  | { readonly kind: 'local'; readonly name: string }

/** A refusal is a value; its text may be shown to who asked. */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false
      readonly why: 'not-found' | 'not-allowed' | 'conflict' | 'invalid'
      readonly text: string
    }

/** All that is said must hold; several values of one kind are alternatives. */
export type FindingFilter = {
  readonly state?: readonly FindingState[]
  readonly severity?: readonly Severity[]
  readonly kind?: readonly FindingKind[]
  readonly rule?: readonly string[]
  /** A name, or where there are pseudonyms, one of those. */
  readonly principal?: readonly string[]
  readonly session?: readonly string[]
  /** A name; `me` is who asks, `nobody` finds those without. */
  readonly assignee?: readonly string[]
  /** Left out: what is above the line. */
  readonly place?: 'queue' | 'below' | 'snoozed' | 'suppressed' | 'all'
  readonly cursor?: string
  readonly limit?: number
}

export type FindingView = {
  readonly id: string
  readonly state: FindingState
  readonly severity: Severity
  readonly unusualness?: number
  readonly sentence: string
  readonly kind: FindingKind
  readonly session: string
  readonly principal: string
  readonly target: string
  readonly atMs: number
  readonly createdAtMs: number
  readonly assignee?: string
  readonly rules: readonly string[]
  /** Others of the same group in the last 30 days that the asker may see. */
  readonly similar: number
  /** Why it is not in the queue, if so. */
  readonly below?: string
  /** It comes back to the queue then. */
  readonly snoozedUntilMs?: number
}

export type FindingInFull = FindingView &
  Omit<FindingBody, 'sentence'> & {
    /** Those in force that cover it. */
    readonly suppressions: readonly {
      readonly by: string
      readonly scope: Suppressing['scope']
      readonly untilMs: number
      readonly rationale: string
    }[]
    readonly context: readonly { readonly name: string; readonly value: string }[]
    readonly history: readonly {
      readonly atMs: number
      readonly by: string
      readonly what: string
      readonly note?: string
    }[]
    readonly mayDecide: boolean
    readonly refusal?: string
    readonly isMasked: boolean
    /** Requests to see the name that wait for somebody else's approval. */
    readonly unmaskings: readonly {
      readonly id: string
      readonly by: string
      readonly caseId: string
      readonly reason: string
      readonly mayApprove: boolean
    }[]
    /** Closing takes two, and somebody has begun. */
    readonly proposal?: { readonly by: string; readonly reason: string; readonly rationale: string }
  }

export type CloseReason = 'true-positive' | 'benign-expected' | 'rule-too-broad' | 'duplicate'
export type VerdictWord = 'expected' | 'explained' | 'escalate'
export type Closing = { readonly reason: CloseReason; readonly rationale: string }
export type VerdictOn = { readonly verdict: VerdictWord; readonly rationale: string }
export type Suppressing = {
  readonly scope: 'rule-person' | 'rule-target' | 'rule'
  readonly untilMs: number
  readonly rationale: string
}

/** What is stored about a person, in words; for themselves. */
export type OwnRecord = {
  readonly categories: readonly {
    readonly name: string
    readonly what: string
    readonly keptFor: string
    readonly seenBy: string
  }[]
  readonly baseline?: { readonly events: number; readonly sinceMs: number; readonly text: readonly string[] }
  readonly findings: readonly {
    readonly id: string
    readonly sentence: string
    readonly closedAtMs: number
    readonly reason: string
  }[]
}

export type Contesting = { readonly finding?: string; readonly session?: string; readonly text: string }

/** `next`: there may be more after that one, even of an empty page. */
export type FindingPage = {
  readonly items: readonly FindingView[]
  readonly next?: string
}

export type FindingCounts = Readonly<Record<FindingState, number>> & { readonly below: number }

export type FindingDesk = {
  /** Ranked: severity, then unusualness, then the newest. */
  readonly list: (filter: FindingFilter, asker: Asker) => Promise<FindingPage>
  /** How many there are in each state above the line, and below it all together, as far as the asker may see them. */
  readonly counts: (asker: Asker) => Promise<FindingCounts>
  readonly get: (id: string, asker: Asker) => Promise<Answer<FindingInFull>>
  readonly acknowledge: (id: string, asker: Asker) => Promise<Answer<FindingInFull>>
  /** `to`: `me`, `nobody`, or the name of somebody who has had to do with findings before. */
  readonly assign: (id: string, to: string, asker: Asker) => Promise<Answer<FindingInFull>>
  /** Where closing takes two, the first call proposes and the second, by somebody else, closes. */
  readonly close: (id: string, closing: Closing, asker: Asker) => Promise<Answer<FindingInFull>>
  /** `expected` and `explained` close, `expected` also teaches the baseline; `escalate` leaves it open and notes why. */
  readonly verdict: (id: string, verdict: VerdictOn, asker: Asker) => Promise<Answer<FindingInFull>>
  readonly reopen: (id: string, rationale: string, asker: Asker) => Promise<Answer<FindingInFull>>
  readonly suppress: (id: string, wish: Suppressing, asker: Asker) => Promise<Answer<FindingInFull>>
  /** Ends the suppressions that cover this finding, which comes back to the queue if it was suppressed. */
  readonly lift: (id: string, rationale: string, asker: Asker) => Promise<Answer<FindingInFull>>
  /** Puts one finding off until an instant, two weeks from now at most. It comes back earlier if it becomes graver, or somebody decides on it. */
  readonly snooze: (id: string, untilMs: number, asker: Asker) => Promise<Answer<FindingInFull>>
  /** Asks for the name; nothing shows until somebody else approves. */
  readonly unmask: (
    id: string,
    wish: { readonly caseId: string; readonly reason: string },
    asker: Asker,
  ) => Promise<Answer<FindingInFull>>
  readonly decideUnmask: (
    request: string,
    isApproved: boolean,
    asker: Asker,
  ) => Promise<Answer<FindingInFull>>
  /** Findings whose name somebody asked for, as far as the asker may approve it; also of targets that they do not review. */
  readonly approvals: (asker: Asker) => Promise<readonly FindingInFull[]>
  /** For the person themselves, and nobody else. */
  readonly ownRecord: (principal: Principal) => Promise<OwnRecord>
  /** What the person has to say, as a note on the finding, or on all findings of the session that they may see. */
  readonly contest: (principal: Principal, wish: Contesting) => Promise<Answer<undefined>>
  /** How many findings a session has that the asker may see, and the worst of them; for lists of sessions. */
  readonly ofSessions: (
    sessions: readonly string[],
    asker: Asker,
  ) => Promise<
    ReadonlyMap<
      string,
      { readonly findings: number; readonly worst?: Severity; readonly unusualness?: number }
    >
  >
  /** From the analysis: stores it, or adds to what the session has of that group. */
  readonly take: (draft: FindingDraft) => Promise<void>
  /** From the analysis: the session is over and all of it was read. */
  readonly sealed: (session: string) => Promise<void>
}
