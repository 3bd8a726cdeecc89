import type { SessionCatalogue } from '../store/session-catalogue.ts'
import type { FetchedRecording } from '../recorder/storage/recording-store.ts'
import type { SigningAuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Secret } from '../config/secret.ts'
import type { BrowserHalf } from '../identity/browser-half.ts'
import type { ConnectionPasswords } from '../identity/connection-passwords.ts'
import type { EnrolledKeys } from '../identity/enrolled-keys.ts'
import type { Issuer } from '../identity/issuer.ts'
import type { MachineTokens } from '../identity/machine-token.ts'
import type { Principal, PrincipalRules } from '../identity/principal.ts'
import type { Log } from '../log.ts'
import type { KeptView } from '../recorder/retention/view.ts'
import type { EndedBy, SessionRow, SessionState, SignInRow, Signer } from '../model.ts'
import type { Watching } from '../session/live.ts'
import type { ApiDeps } from './v1/deps.ts'
import type { KeyAsk } from '../credentials/key-changes.ts'
import type { KeyChange } from '../credentials/key-ring.ts'
import type { RecordingStore } from '../recorder/storage/recording-store.ts'
import type { ClientEndpoint, OAuthEndpoint, PostgresEndpoint } from './command-lines.ts'
import type { Place } from './places.ts'
import type { NotifyDoor } from './notify-routes.ts'
import type { FindingDoor } from './finding-routes.ts'
import type { RetentionDoor } from './retention-routes.ts'
import type { SearchDoor } from './search-routes.ts'

/** What the web pages and the admin socket need of the rest of the gateway. `main.ts` hands it in. */
type CommonDeps = {
  readonly store: { readonly sessions: SessionList; readonly signIns: SignIns }
  readonly audit: { append(event: WebAuditEvent): void }
  readonly clock: Clock
  readonly log: Log
}

export type WebDeps = CommonDeps & {
  /** The origin that browsers use, without a slash at its end (`web.url`). */
  readonly webUrl: string
  /** True where a reverse proxy ends TLS: then the last `X-Forwarded-For` is the browser's address. */
  readonly behindProxy?: boolean
  readonly gatewayName: string
  readonly issuer: Issuer
  readonly identity: PrincipalRules
  readonly waiting: BrowserHalf
  readonly keys: Pick<EnrolledKeys, 'terms' | 'listOf' | 'revoke'>
  readonly passwords: Pick<ConnectionPasswords, 'issue' | 'listOf' | 'revoke' | 'signedInAnew' | 'signedOut'>
  /** Hears of everybody who has signed in on the pages. */
  readonly onSignIn?: (principal: Principal) => void
  /** What the policy of this very moment lets somebody open from that address. */
  readonly places: (principal: Principal, sourceAddress: string) => readonly Place[]
  /** Where clients reach the gateway, as far as it listens for them. */
  readonly endpoints: () => Endpoints
  readonly machines: Pick<MachineTokens, 'verify'>
  /** Signs the certificates that machines get for their tokens. */
  readonly signInAuthority: Signer
  /** The same for X.509; undefined where no listener takes such certificates. */
  readonly signInX509Authority: Signer | undefined
  /** Whether the policy of this very moment lets a person see a session; never one's own. */
  readonly mayReview: (principal: Principal, session: SessionRow) => boolean
  /** Those sessions, newest first: `next` leads on if there are more. */
  readonly reviewable: (principal: Principal, wish: SessionListWish) => Promise<SessionListPage>
  /** How long recordings are kept, in the order of the sessions. */
  readonly kept: (sessions: readonly SessionRow[]) => Promise<readonly KeptView[]>
  /** A finished session as its screen showed it. */
  readonly transcript: (session: SessionRow) => Promise<string>
  /** Its recording as a file; pages open encrypted ones in the browser. */
  readonly stored?: (session: SessionRow) => Promise<FetchedRecording>
  /** In the text format of Prometheus, for whoever has the token; without one there is no such page. */
  readonly metrics?: () => Promise<string>
  readonly metricsToken?: () => Secret | undefined
  /** What the interface for the auditors' pages and for tools needs besides; without it there is none. */
  readonly api?: ApiDeps
  /** Where the auditors' pages were built to, if not into `web/dist`. */
  readonly appFolder?: string
}

export type Endpoints = {
  readonly ssh?: ClientEndpoint
  readonly postgres?: PostgresEndpoint
  readonly oauth?: OAuthEndpoint
}

export type AdminDeps = CommonDeps & {
  readonly catalogue: Pick<SessionCatalogue, 'page'>
  readonly live: LiveSessions
  /** By `SessionRow.recording`. */
  readonly recordings: Pick<RecordingStore, 'fetch'>
  /** Reads the configuration again: all or nothing. */
  readonly reload: () => Promise<ReloadResult>
  readonly retention: RetentionDoor
  readonly findings: FindingDoor
  readonly analysis: SearchDoor
  readonly notify: NotifyDoor
  /** Notes a reading, and proves that it did. */
  readonly appendSigned: SigningAuditLog['appendSigned']
  /** Removes what crashed sessions left: how many leases went, and how many roles wait. */
  readonly sweep: () => Promise<{ readonly removed: number; readonly left: number }>
  /** Rotates, activates or revokes a key of the gateway. Throws Fault KEY_CHANGE_REFUSED. */
  readonly changeKeys: (ask: KeyAsk, by: string) => Promise<readonly KeyChange[]>
  /** In the text format of Prometheus. */
  readonly metrics: () => Promise<string>
  /** Tries the issuer and the targets, for `sallyport check`. */
  readonly probe: () => Promise<
    readonly { readonly what: string; readonly ok: boolean; readonly text: string }[]
  >
}

export type ReloadResult =
  | { readonly ok: true; readonly endedSessions: number }
  | { readonly ok: false; readonly problems: string }

export interface LiveSessions {
  /** False if no such session is open here. */
  end(id: string, reason: string, by: EndedBy): boolean
  watch(id: string): Watching
  list(): readonly { readonly id: string }[]
}

/** The part of the store that lists sessions. `before` is the page's last row. */
export interface SessionList {
  get(id: string): Promise<SessionRow | undefined>
  list(wish: { limit: number; before?: SessionCursor; state?: SessionState }): Promise<readonly SessionRow[]>
}

export type SessionListWish = { readonly limit: number; readonly before?: SessionCursor | undefined }
export type SessionListPage = {
  readonly rows: readonly SessionRow[]
  readonly next: SessionCursor | undefined
}

/** Newest first: by opening, then by id where two opened in the same millisecond. */
export type SessionCursor = { readonly openedAtMs: number; readonly id: string }

/** The part of the store that keeps browser sign-ins, by the SHA-256 of their cookie. */
export interface SignIns {
  insert(row: SignInRow): Promise<void>
  find(tokenHash: string, nowMs: number): Promise<SignInRow | undefined>
  remove(tokenHash: string): Promise<void>
  removeExpired(nowMs: number): Promise<number>
}

/** What is written to the audit log from here. */
export type WebAuditEvent = {
  readonly kind:
    | 'sign-in'
    | 'code-shown'
    | 'refusal'
    | 'recording-read'
    | 'search'
    | 'index-rebuilt'
    | 'watch-begin'
    | 'watch-end'
    | 'key-enrolled'
    | 'key-revoked'
    | 'password-made'
    | 'password-revoked'
  readonly [field: string]: string | number
}
