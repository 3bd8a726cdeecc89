/**
 * What the HTTP interface of the pages and of other tools says and hears, as plain types. Everything below `/api/v1`. Imports nothing
 * but the nouns, so that the pages share it. Times are Unix milliseconds, offsets and durations milliseconds. Texts of people and targets are hostile.
 */
import type { Protocol, SessionState } from '../model.ts'

export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical'

/** One page of a list. `next` goes into `?cursor=`; without it the list is over. */
export type Page<T> = { readonly items: readonly T[]; readonly next?: string }

/** An RFC 9457 document (`application/problem+json`). */
export type ProblemDocument = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Of a query or a body: what is wrong with it, all of it. */
  readonly problems?: readonly { readonly where: string; readonly text: string }[]
}

/** GET /me */
export type Me = {
  readonly name: string
  readonly email?: string
  readonly roles: readonly string[]
  readonly mayReview: boolean
  /** Goes into `X-Sallyport-Token` with each request that changes something, if a cookie signed in. */
  readonly formToken: string
  readonly signedInUntilMs: number
  readonly gateway: { readonly name: string; readonly version: string; readonly timeMs: number }
  /** People have pseudonyms in findings until unmasked. */
  readonly pseudonyms: boolean
}

export type Integrity = 'verified' | 'unverified' | 'failed' | 'live' | 'interrupted' | 'removed'

export type SessionSummary = {
  readonly id: string
  readonly protocol: Protocol
  readonly state: SessionState
  readonly principal: string
  readonly target: string
  readonly login: string
  readonly role: string
  readonly sourceAddress: string
  readonly openedAtMs: number
  readonly endedAtMs?: number
  readonly endReason?: string
  readonly labels: Readonly<Record<string, string>>
  readonly integrity: Integrity
  /** When that was found; the file has not changed since. */
  readonly checkedAtMs?: number
  readonly encrypted: boolean
  /** Of what is indexed so far; undefined while nothing is known. */
  readonly counts?: {
    readonly commands: number
    readonly statements: number
    readonly files: number
    readonly rows: number
    readonly bytes: number
    /** Of its duration: stretches of more than ten seconds without input and output are left out. */
    readonly activeMs: number
  }
  readonly findings: number
  readonly worst?: Severity
  /** Higher is more unusual; undefined without a baseline. */
  readonly unusualness?: number
  readonly reviewedBy: readonly string[]
  /** Receivers of messages that asked for a review, where the asker reviews the session. */
  readonly reviewWantedBy: readonly string[]
  /** Who is to review it, if somebody said so. */
  readonly assignee?: string
  /** It is paused, or waits until its person signs in again; then it ends. */
  readonly held?: {
    readonly kind: 'pause' | 'step-up'
    readonly sinceMs: number
    readonly untilMs: number
  }
}

/**
 * GET /sessions?from&to&principal&target&login&source&protocol&state&longer&shorter&severity&finding=1&reviewed=0|1&assignee&id&named&cursor&limit (newest first). A key may be
 * repeated; each `named` is or is not a part of the person's, the target's or the login's name; a value that begins with `-` filters out. `state=terminated`:
 * ended, and by somebody's hand; `longer` and `shorter`: at least, and less than, so many milliseconds.
 * GET /sessions/histogram with the same filters.
 */
export type SessionPage = Page<SessionSummary> & {
  /** Of all pages, as far as the person may see them; a lower bound if `isTotalExact` is false. */
  readonly total: number
  readonly isTotalExact: boolean
}

export type Histogram = {
  readonly bucketMs: number
  readonly buckets: readonly {
    readonly fromMs: number
    readonly sessions: number
    readonly withFindings: number
  }[]
}

/** `isEmpty`: nothing is known, and `value` says in words why. */
export type SessionFact = { readonly name: string; readonly value: string; readonly isEmpty?: true }

/** GET /sessions/:id */
export type SessionDetail = SessionSummary & {
  readonly issuer: string
  readonly subject: string
  /** What the recording says of the opening: why, policy version, client, certificate serial or minted role, and whatever else is known, in order of reading. */
  readonly facts: readonly SessionFact[]
  readonly recording: {
    readonly bytes?: number
    readonly sha256?: string
    readonly keepUntilMs?: number
    readonly removed?: { readonly atMs: number; readonly rule: string }
    readonly holds: number
  }
  readonly mayEnd: boolean
  /** People who have to give a verdict until it counts as reviewed: two where policy wants four eyes. */
  readonly verdictsNeeded: number
  /** Why this person may not give a verdict, if so. */
  readonly reviewRefusal?: string
  readonly verdicts: readonly Verdict[]
}

export type VerdictWord = 'expected' | 'explained' | 'escalate'

export type Verdict = {
  readonly by: string
  readonly atMs: number
  readonly verdict: VerdictWord
  readonly rationale: string
}

/** POST /sessions/:id/verdict, and POST /findings/:id/verdict */
export type VerdictWish = { readonly verdict: VerdictWord; readonly rationale: string }

/**
 * GET /sessions/:id/replay: how to play it. Chunks are fetched one by one (GET /sessions/:id/chunks/:number, the stored bytes, zstd within the
 * recording's frame; with `?count=` that one and so many after it, frame after frame, at most 64 and 1 MiB, so that a seek is one request; for sealed ones GET /sessions/:id/events/:number gives the events of a chunk as NDJSON if the gateway can read it).
 */
export type Replay = {
  /** An instant; all other times here, in keyframes and in events are offsets from it. */
  readonly openedAtMs: number
  readonly durationMs: number
  readonly channels: readonly {
    readonly channel: number
    readonly kind: string
    readonly columns: number
    readonly rows: number
    /** False where nobody asked for a terminal: its lines end with a line feed alone. */
    readonly isTerminal: boolean
  }[]
  readonly chunks: readonly {
    readonly number: number
    readonly fromMs: number
    readonly toMs: number
    readonly bytes: number
  }[]
  readonly keyframes: readonly {
    readonly number: number
    readonly channel: number
    readonly atMs: number
    readonly chunk: number
  }[]
  /** Output and input in equal stretches of the whole duration, for the bar. */
  readonly heat: { readonly output: readonly number[]; readonly input: readonly number[] }
  /** Stretches without any output, longer than ten seconds. */
  readonly idle: readonly { readonly fromMs: number; readonly toMs: number }[]
  /** Something is missing or damaged there. */
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number; readonly why: string }[]
}

/** GET /sessions/:id/keyframes/:number */
export type ReplayKeyframe = {
  readonly channel: number
  readonly atMs: number
  readonly columns: number
  readonly rows: number
  /** What xterm.js writes into an empty terminal of that size to look like it. */
  readonly screen: string
  /** The first event after it: of `chunk`, counted within the chunk. */
  readonly chunk: number
  readonly skipEvents: number
}

/** One line of GET /sessions/:id/events/:chunk and of the live WebSocket. */
export type ReplayEvent =
  | {
      readonly atMs: number
      readonly channel: number
      readonly type: 'output' | 'error-output' | 'input'
      readonly base64: string
    }
  | {
      readonly atMs: number
      readonly channel: number
      readonly type: 'resize' | 'pty'
      readonly columns: number
      readonly rows: number
    }
  | {
      readonly atMs: number
      readonly channel?: number
      readonly type: string
      readonly text: string
      /** Of SQL: its number, that of the statement which has its text, and of what an EXECUTE runs; and the name by which it is run. */
      readonly statement?: {
        readonly number: number
        readonly same?: number
        readonly executes?: number
        readonly name?: string
      }
    }

/**
 * GET /sessions/:id/commands, …/statements, …/files, with cursor and limit. In the order in which they became known, at their end or two seconds after
 * their start: one may come behind another that began later.
 */
export type EntryView = {
  readonly number: number
  readonly kind: 'command' | 'statement' | 'file' | 'screen' | 'forward'
  readonly offsetMs: number
  readonly atMs: number
  readonly text: string
  readonly detail: Readonly<Record<string, string | number | boolean | readonly string[]>>
  readonly hits: readonly { readonly rule: string; readonly severity: Severity }[]
  /** Of statements and commands, where the index knows the session. */
  readonly usage?: EntryUsage
}

/** How usual a statement of this shape, or this program, is. Over all sessions that the gateway keeps, so that "new" means new. */
export type EntryUsage = {
  /** Of a command: what is counted. */
  readonly program?: string
  /** Nothing like it is known of this person, or on this target, from before. */
  readonly isNewForPerson: boolean
  readonly isNewForTarget: boolean
  /** By this person in the 30 days until then. */
  readonly ownTimes: number
  /** By everybody in the same days, where they are at least five (docs/privacy.md). */
  readonly everybody?: {
    readonly times: number
    readonly people: number
    readonly isLowerBound: boolean
  }
  /** So many did it at some time that not all were asked whether they did lately: nothing is known of everybody. */
  readonly isUncounted?: boolean
}

/** GET /sessions/:id/statements adds these to `detail`: class, fingerprint, tables, rows, bytes, durationMs, sqlstate, message, blocked, transaction. */
export type StatementText = {
  /** GET /sessions/:id/statements/:number: everything of one. */
  readonly number: number
  readonly text: string
  readonly normalised?: string
  readonly parameters: readonly {
    readonly type?: string
    readonly value: string | null
    readonly masked: boolean
  }[]
  readonly columns: readonly string[]
  readonly head: readonly (readonly (string | null)[])[]
  readonly facts: readonly { readonly name: string; readonly value: string }[]
}

/** GET, POST /sessions/:id/comments */
export type Comment = {
  readonly id: string
  readonly by: string
  readonly atMs: number
  readonly offsetMs?: number
  readonly text: string
}
export type CommentWish = { readonly offsetMs?: number; readonly text: string }

/** POST /sessions/:id/watched: what stretches were played. GET: who watched how much of it. */
export type WatchedWish = {
  readonly stretches: readonly { readonly fromMs: number; readonly toMs: number }[]
}
/** GET /sessions/:id/watched: one for each person, the last one first. */
export type Watched = {
  readonly by: string
  readonly lastMs: number
  readonly stretches: readonly { readonly fromMs: number; readonly toMs: number }[]
}

/** POST /sessions/:id/assign, with the name of somebody who has opened a session here, `me` or `nobody`: an AssignWish. */

/** POST /sessions/:id/end, …/pause and …/resume */
export type EndWish = { readonly reason: string }

/** GET /search?q&kind&session&cursor&limit */
export type SearchPage = Page<SearchHit> & {
  readonly total: number
  readonly isTotalExact: boolean
  readonly tookMs: number
  /** On the first page of a search for plain words: sessions that are named so, the newest of them (`GET /sessions?named=` has all). */
  readonly named?: {
    readonly words: readonly string[]
    readonly items: readonly NamedSession[]
    readonly total: number
    readonly isTotalExact: boolean
  }
}
export type NamedSession = Pick<
  SessionSummary,
  'id' | 'protocol' | 'principal' | 'target' | 'login' | 'openedAtMs'
>
export type SearchHit = {
  readonly session: string
  readonly entry: number
  readonly kind: EntryView['kind']
  readonly atMs: number
  readonly offsetMs: number
  readonly principal: string
  readonly target: string
  /** The text around the match. */
  readonly text: string
  /** Where the matches are in it: pairs of start and end, in UTF-16 units. */
  readonly marks: readonly (readonly [number, number])[]
}

export type FindingState = 'new' | 'acknowledged' | 'closed'

/** GET /findings?state&severity&rule&principal&session&assignee&cursor&limit, ranked. */
export type FindingSummary = {
  readonly id: string
  readonly state: FindingState
  readonly severity: Severity
  readonly unusualness?: number
  /** One sentence that says what was observed. */
  readonly sentence: string
  readonly kind: 'rule' | 'baseline' | 'integrity' | 'sample'
  readonly session: string
  /** A pseudonym until it is unmasked, where pseudonyms are on. */
  readonly principal: string
  readonly target: string
  readonly atMs: number
  readonly createdAtMs: number
  readonly assignee?: string
  readonly rules: readonly string[]
  readonly similar: number
  /** Why it is not in the queue, if so: `place=below`, `suppressed` or `all` asks for those, too. */
  readonly below?: string
  /** Somebody put it off: it comes back to the queue then. `place=snoozed` asks for those. */
  readonly snoozedUntilMs?: number
}

/** GET /findings/counts: how many are in each state above the line, and open below it, as far as the person may see them. */
export type FindingCounts = Readonly<Record<FindingState, number>> & { readonly below: number }

/** GET /findings/:id */
export type FindingDetail = FindingSummary & {
  readonly why: readonly {
    /** What was seen. */
    readonly observed: string
    /** What is usual: for the person, for peers, for everybody; each with its number of events and window. */
    readonly own?: string
    readonly peers?: string
    readonly everybody?: string
    /** Log odds that it adds. */
    readonly adds?: number
    readonly entry?: number
    readonly offsetMs?: number
  }[]
  readonly quotes: readonly { readonly entry: number; readonly offsetMs: number; readonly text: string }[]
  readonly techniques: readonly { readonly id: string; readonly name: string }[]
  readonly benign: readonly string[]
  readonly quality: readonly string[]
  readonly versions: Readonly<Record<string, string>>
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
  /** What keeps findings like it quiet: POST /findings/:id/lift (LiftWish) ends that before its time. */
  readonly suppressions: readonly {
    readonly by: string
    readonly scope: SuppressWish['scope']
    readonly untilMs: number
    readonly rationale: string
  }[]
  /** Requests to see the name that wait for somebody else's approval: POST /findings/:id/unmaskings/:request (UnmaskDecision). */
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

/** POST /findings/:id/{acknowledge, assign, close, lift, reopen, snooze, suppress, unmask, verdict}: each answers with the FindingDetail as it is then. */
export type CloseWish = { readonly reason: CloseReason; readonly rationale: string }
export type AssignWish = { readonly to: string }
export type SuppressWish = {
  readonly scope: 'rule-person' | 'rule-target' | 'rule'
  readonly untilMs: number
  readonly rationale: string
}
/** Two weeks from now at most. */
export type SnoozeWish = { readonly untilMs: number }
export type LiftWish = { readonly rationale: string }
export type ReopenWish = { readonly rationale: string }
export type UnmaskDecision = { readonly approve: boolean }
export type UnmaskWish = { readonly caseId: string; readonly reason: string }

/** GET /integrity */
export type IntegrityView = {
  readonly origin: string
  readonly treeSize: number
  readonly checkpoints: readonly { readonly size: number; readonly atMs: number; readonly note: string }[]
  readonly keys: readonly {
    readonly purpose: string
    readonly keyId: string
    readonly publicKeyPem: string
    readonly state: string
  }[]
  readonly publishers: readonly {
    readonly place: string
    readonly lastMs?: number
    readonly problem?: string
  }[]
}

/** GET /integrity/keys: the signed key list, as `sallyport keys export` prints it (recordings/README.md). A browser checks it with a pinned key. */
/** GET /integrity/consistency?from&to (sizes of two checkpoints): that the larger tree begins with the smaller one (RFC 6962, 2.1.2). */
export type ConsistencyView = {
  readonly from: number
  readonly to: number
  /** Hashes, base64. */
  readonly proof: readonly string[]
}
/**
 * GET /sessions/:id/recording: the recording's file, byte for byte as it is stored, its proofs at its end: what a browser verifies.
 * GET /sessions/:id/exports/:format: a download in one of the formats of `sallyport export` (asciicast-v2, asciicast-v3, text, csv, ndjson, sql,
 * files-csv, html, bundle). GET /sessions/:id/report: the evidence report, one HTML page to print. All are in the audit log before their first byte.
 */

/** GET /policy (read only), POST /policy/explain */
export type PolicyView = {
  readonly version: string
  readonly text: string
  readonly roles: readonly {
    readonly name: string
    readonly members: string
    readonly allows: readonly string[]
    readonly reviews: readonly string[]
  }[]
  readonly targets: readonly {
    readonly name: string
    readonly protocol: Protocol
    readonly labels: Readonly<Record<string, string>>
  }[]
}
export type ExplainWish = {
  readonly principal: string
  readonly groups: readonly string[]
  readonly target: string
  readonly login: string
}
export type Explanation = { readonly allowed: boolean; readonly text: string }

/** GET /connect */
export type ConnectView = {
  readonly places: readonly {
    readonly target: string
    readonly protocol: Protocol
    readonly logins: readonly string[]
    readonly labels: Readonly<Record<string, string>>
    /** Lines to copy: what it is for, and the line; and how it is where the gateway's certificate is of a private authority. */
    readonly lines: readonly {
      readonly name: string
      readonly text: string
      readonly withAuthority?: string | undefined
    }[]
    readonly takesPassword: boolean
  }[]
  /** Whether the word "browser" counts as a password of PostgreSQL clients here. */
  readonly browserSignIn: boolean
}
/** POST /connect/password */
export type PasswordWish = { readonly target: string; readonly login: string }
export type Password = {
  readonly password: string
  readonly validUntilMs: number
  readonly connections: number
  readonly line: string
  /** The same, where the gateway's certificate is of a private authority. */
  readonly lineWithAuthority?: string | undefined
}

/** GET /me/sessions: SessionPage of one's own. GET /me/data: what is stored about the person. */
export type OwnData = {
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
  readonly views: readonly {
    readonly atMs: number
    readonly by: string
    readonly session: string
    readonly purpose: string
  }[]
}
/** GET, POST /me/views, DELETE /me/views/:id: lists that somebody keeps, with their filters. */
export type SavedView = {
  readonly id: string
  readonly name: string
  /** `sessions`, `findings` or `search`. */
  readonly page: string
  /** As in the address of the page, without its question mark. */
  readonly query: string
}
export type SavedViewWish = Omit<SavedView, 'id'>
/** POST /me/contest */
export type ContestWish = { readonly finding?: string; readonly session?: string; readonly text: string }
