/**
 * The nouns of Sallyport as plain types. Imports nothing, so that every part (the web pages too) can share it.
 * The words are those of ARCHITECTURE.md; times are milliseconds since the Unix epoch unless a name says otherwise.
 */

export type Protocol = 'ssh' | 'postgres'

/** What a channel of an SSH session is for; policy allows each kind on its own. */
export type ChannelKind = 'shell' | 'exec' | 'sftp' | 'forward' | 'agent'

/** Who, as proven by an issuer. The key is (issuer, subject); the e-mail is for reading, and for rules only if verified. */
export type PrincipalFields = {
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly email: string | undefined
  readonly emailVerified: boolean
  readonly groups: readonly string[]
  /** When the issuer last saw the person prove who they are (`auth_time`, else `iat`). */
  readonly authenticatedAtMs: number
  /** From this instant on the proof no longer counts and the person signs in again. */
  readonly expiresAtMs: number
}

/** Who ends sessions by hand. A row's reason begins with it: `a reviewer ended it: …`. */
export const endedByHand = ['a reviewer', 'an operator'] as const
export type EndedBy = (typeof endedByHand)[number]

export type SessionState = 'open' | 'ended' | 'interrupted'

/** The row that lists a session. The recording holds everything else. */
export type SessionRow = {
  readonly id: string
  readonly protocol: Protocol
  readonly issuer: string
  readonly subject: string
  readonly principalName: string
  readonly target: string
  readonly login: string
  readonly role: string
  readonly sourceAddress: string
  readonly owner: string
  readonly openedAtMs: number
  readonly endedAtMs: number | undefined
  readonly state: SessionState
  readonly endReason: string | undefined
  /** Path relative to the recordings folder. */
  readonly recording: string
  /** Those of the target when the session was opened; undefined in rows of older versions. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Under a grant that policy calls emergency access. */
  readonly breakGlass?: true | undefined
}

/** Keeps what was recorded, whatever the policy of retention says: of one session, or of all of a person, also those to come. */
export type HoldRow = {
  readonly id: string
  /** A session; or the person with `issuer`, `subject` and `person`, their name when it was placed. */
  readonly session: string | undefined
  readonly issuer: string | undefined
  readonly subject: string | undefined
  readonly person: string | undefined
  /** Holds of one case are released together. */
  readonly caseName: string | undefined
  /** Who wants it, and why. */
  readonly who: string
  readonly why: string
  /** Undefined: until it is released. */
  readonly untilMs: number | undefined
  readonly placedAtMs: number
  readonly releasedAtMs: number | undefined
}

/** That the recording of a session is to be removed, and once it is done, was. */
export type PurgeRow = {
  readonly session: string
  /** The text that the tombstone in the log of sessions is the hash of; the audit log holds it too. */
  readonly decision: string
  readonly cause: 'policy' | 'request'
  /** The rule or the reason, for people. */
  readonly rule: string
  readonly decidedAtMs: number
  readonly finishedAtMs: number | undefined
  /** Why it could not be removed yet, if it was tried. */
  readonly problem: string | undefined
}

/** How much the action matters, whoever does it; `critical` is the worst. */
export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical'

export type FindingKind = 'rule' | 'baseline' | 'integrity' | 'sample'
export type FindingState = 'new' | 'acknowledged' | 'closed'

/** Something in a session that a reviewer should look at, and what became of it. A session has one of each group. */
export type FindingRow = {
  readonly id: string
  readonly session: string
  /** A rule, or a signal of the baselines. */
  readonly group: string
  readonly kind: FindingKind
  readonly state: FindingState
  readonly severity: Severity
  /** Higher differs more; undefined where nothing was compared. */
  readonly unusualness: number | undefined
  /** `below`: past the budget of its day, or the person's share of it. `shadow`: kept, and shown to no reviewer. */
  readonly place: 'queue' | 'below' | 'suppressed' | 'shadow'
  readonly placeReason: string | undefined
  readonly protocol: Protocol
  readonly issuer: string
  readonly subject: string
  readonly principalName: string
  /** What stands for the name until it is unmasked; undefined where names are shown. */
  readonly alias: string | undefined
  readonly target: string
  readonly login: string
  readonly role: string
  readonly rules: readonly string[]
  /** When it happened, and when it was noticed first and last. */
  readonly atMs: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
  /** As `principalKey` gives it, and the name. */
  readonly assignee: string | undefined
  readonly assigneeName: string | undefined
  readonly closedAtMs: number | undefined
  readonly closeReason: string | undefined
  /** Where closing takes two: what the first of them wants, as JSON. */
  readonly proposal: string | undefined
  /** Somebody wants to look at it then: until that instant it is not in the queue. */
  readonly snoozedUntilMs?: number | undefined
  /** What it says, as JSON; the analysis knows its form. */
  readonly body: string
}

/** What somebody did about a finding. `by`: as `principalKey` gives it, or a local user, or the gateway. */
export type FindingEventRow = {
  readonly finding: string
  readonly atMs: number
  readonly by: string
  readonly byName: string
  readonly what: string
  readonly note: string | undefined
}

/** Findings of a rule that nobody wants to see until an instant: of one person, on one target, or all. */
export type SuppressionRow = {
  readonly id: string
  readonly scope: 'rule-person' | 'rule-target' | 'rule'
  readonly group: string
  readonly issuer: string | undefined
  readonly subject: string | undefined
  readonly target: string | undefined
  /** The worst that it covers, and the rules; undefined in rows of older versions, which cover the whole group. */
  readonly severity: Severity | undefined
  readonly rules: readonly string[] | undefined
  readonly untilMs: number
  readonly owner: string
  readonly ownerName: string
  readonly rationale: string
  readonly createdAtMs: number
  readonly liftedAtMs: number | undefined
}

/** That somebody wants to know whom a finding is about. The name shows from the approval of another person on, until an instant. */
export type UnmaskRow = {
  readonly id: string
  readonly finding: string
  readonly caseId: string
  readonly reason: string
  readonly askedBy: string
  readonly askedByName: string
  readonly askedAtMs: number
  readonly decidedBy: string | undefined
  readonly decidedByName: string | undefined
  readonly decidedAtMs: number | undefined
  /** Undefined until it is approved; a refusal has none. */
  readonly untilMs: number | undefined
}

/** What PostgreSQL's grammar says that a statement does at its top; unparsable is a class of its own and never harmless. */
export type StatementClass =
  | 'read'
  | 'write'
  | 'ddl'
  | 'privilege'
  | 'session'
  | 'transaction'
  | 'copy'
  | 'program'
  | 'call'
  | 'other'
  | 'unparsable'

/** A table that a statement names. Without a schema, the search path decides which it is. */
export type StatementTable = {
  readonly schema?: string
  readonly name: string
  readonly columns?: readonly string[]
  readonly write: boolean
}

/** What PostgreSQL's own grammar says of one string of statements. */
export type StatementFacts = {
  readonly class: StatementClass
  /** The words of `deny.statements`, one for each thing that it does, nested ones included. */
  readonly kinds: readonly string[]
  readonly tables: readonly StatementTable[]
  readonly functions: readonly string[]
  /** Of the outermost UPDATE, DELETE or SELECT; undefined where there is none. */
  readonly hasWhere: boolean | undefined
  /** libpg-query's, hexadecimal. */
  readonly fingerprint: string | undefined
  /** How many statements the string has. */
  readonly statements: number
  /** Why it is unparsable. */
  readonly reason?: string
}

/** What somebody wrote about a session, or about a moment of it. */
export type CommentRow = {
  readonly id: string
  readonly session: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly atMs: number
  /** Since the session's opening; undefined: about all of it. */
  readonly offsetMs: number | undefined
  readonly text: string
}

/** From one offset to another, in milliseconds since the session's opening. */
export type WatchedStretch = { readonly fromMs: number; readonly toMs: number }

/** What one person has seen of a session. Stretches are in order and do not touch. */
export type WatchedRow = {
  readonly session: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly lastMs: number
  readonly stretches: readonly WatchedStretch[]
}

/** What a reviewer decided about a session. A later one of the same person replaces none: all are kept. */
export type SessionVerdictRow = {
  readonly id: string
  readonly session: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly atMs: number
  readonly verdict: 'expected' | 'explained' | 'escalate'
  readonly rationale: string
}

/** That a session is to be reviewed: a receiver of messages asked for it, and policy lets it. One of each receiver. */
export type ReviewWishRow = {
  readonly session: string
  /** The receiver's name. */
  readonly by: string
  readonly reason: string
  readonly atMs: number
}

/** Who is to review a session, as somebody said last. */
export type SessionAssigneeRow = {
  readonly session: string
  readonly assignee: string
  readonly by: string
  readonly atMs: number
}

/** A list with its filters, under a name, for one person. */
export type SavedViewRow = {
  readonly id: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly page: string
  /** As in the address of the page, without its question mark. */
  readonly query: string
  readonly createdAtMs: number
}

/** What a check of a recording found, whole file and all signatures. */
export type CheckRow = {
  readonly session: string
  /** Of the key list that it was checked with: another one may say otherwise. */
  readonly keysNumber: number
  readonly checkedAtMs: number
  /** As `fileStateOf` said before: of another state, the file is another one. */
  readonly fileState: string
  readonly bytes: number
  readonly sha256: string
  readonly isWhole: boolean
  readonly isSealed: boolean
  readonly isEncrypted: boolean
  /** Why it is not whole, if so. */
  readonly problem: string | undefined
}

/** That somebody read a recording or what was made of it. The audit log says it too; this is what people are shown about themselves. */
export type ReadingRow = {
  readonly session: string
  readonly issuer: string
  readonly subject: string
  readonly name: string
  readonly atMs: number
  readonly purpose: string
}

/** A lease goes intended → live → ending and is then removed. */
export type LeaseState = 'intended' | 'live' | 'ending'

export type LeaseKind = 'ssh-certificate' | 'postgres-role' | 'postgres-certificate'

/** The durable note that a credential exists (or may exist) and must be removed. */
export type LeaseRow = {
  readonly id: string
  readonly session: string
  readonly target: string
  readonly kind: LeaseKind
  /** What is needed to remove it: certificate serial, role name. Never a secret. */
  readonly detail: string
  readonly owner: string
  readonly state: LeaseState
  readonly createdAtMs: number
  /** After this instant the credential is worthless by itself; undefined if it never is. */
  readonly expiresAtMs: number | undefined
}

/** A host key that was trusted on first use and is enforced since. */
export type HostKeyRow = {
  readonly target: string
  readonly algorithm: string
  /** Base64 of the public key blob, as in known_hosts. */
  readonly key: string
  readonly firstSeenAtMs: number
}

/** A browser sign-in at the web pages; the cookie's value is stored only as its SHA-256. */
export type SignInRow = {
  readonly tokenHash: string
  readonly principal: PrincipalFields
  readonly createdAtMs: number
  readonly expiresAtMs: number
}

/** A key that signs its person in without a browser, from one network, until it expires (DESIGN §7). */
export type EnrolledKeyRow = {
  readonly id: string
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly fingerprint: string
  /** Base64 of the public key blob. */
  readonly key: string
  /** Who enrolled it. What they were then is what the key says now. */
  readonly principal: PrincipalFields
  /** The network that it works from, in CIDR form. */
  readonly network: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly lastUsedAtMs: number | undefined
  readonly revokedAtMs: number | undefined
}

/** A private key of the gateway, wherever it lives. Asynchronous, since it may live in an agent, a KMS or an HSM. */
export type Signer = {
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly keyId: string
  readonly algorithm: 'ed25519'
  /** SubjectPublicKeyInfo in PEM. */
  readonly publicKeyPem: string
  /** The raw 64-byte Ed25519 signature over `data` (RFC 8032). */
  readonly sign: (data: Uint8Array) => Promise<Buffer>
}

/** Appends all the bytes to a file or throws. A seam, so that tests can make it fail or hang. */
export type AppendSync = (fd: number, parts: readonly Uint8Array[]) => void

/** Runs what waits for the disk in this thread, watched by another. */
export type Watch = <T>(action: () => T) => T
