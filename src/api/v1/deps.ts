/** What the interface needs of the rest of the gateway, besides what the pages need anyway. */
import type { AuditEvent, SignedLine } from '../../audit/audit-log.ts'
import type { FindingDesk } from '../../analysis/findings/desk.ts'
import type { SearchThread } from '../../analysis/index/search-thread.ts'
import type { Principal } from '../../identity/principal.ts'
import type { EndedBy, SessionRow, Severity } from '../../model.ts'
import type { Policy } from '../../policy/rules.ts'
import type { BundleParts } from '../../recorder/bundle/bundle.ts'
import type { RecordingStore } from '../../recorder/storage/recording-store.ts'
import type { Held, HoldResult, HoldWish } from '../../session/hold.ts'
import type { Watching } from '../../session/live.ts'
import type { SessionCatalogue } from '../../store/session-catalogue.ts'
import type { ReviewStore } from '../../store/store.ts'
import type { PolicyView } from '../schema.ts'
import type { Integrity } from './integrity.ts'
import type { WebParts } from '../answers.ts'
import type { RecordingChecks, Trust } from './recording-checks.ts'
import type { Readings } from './readings.ts'
import type { ReadingThreads } from './replay/reading-thread.ts'

export type ApiDeps = {
  readonly version: string
  /** In force at this moment. */
  readonly policy: () => Policy
  readonly catalogue: SessionCatalogue
  readonly reviews: ReviewStore
  readonly audit: { append(event: AuditEvent): void }
  readonly appendSigned: (event: AuditEvent) => Promise<SignedLine>
  /** What proves recordings elsewhere: for bundles. */
  readonly proofs: () => Pick<BundleParts, 'keys' | 'keyList' | 'checkpoint' | 'origin'>
  readonly recordings: Pick<RecordingStore, 'fetch'>
  /** Where those are that were not stored elsewhere. */
  readonly recordingsFolder: string
  readonly live: {
    /** False if no such session is open. */
    end(id: string, reason: string, by: EndedBy): boolean
    hold(id: string, wish: HoldWish): Promise<HoldResult>
    /** False if it is not held, or does not say that it goes on. */
    release(id: string): Promise<boolean>
    heldOf(id: string): Held | undefined
    watch(id: string): Watching
    rows(): readonly SessionRow[]
  }
  readonly findings?: FindingDesk
  readonly integrity?: Integrity
  readonly index?: Pick<SearchThread, 'search' | 'entries' | 'sessions' | 'targets'>
  /** Version and text of the policy, without anything secret. */
  readonly policyText: () => Pick<PolicyView, 'version' | 'text'>
  /** Sessions with a finding of these severities are reviewed when two people gave a verdict. */
  readonly fourEyes: () => readonly Severity[]
  /** Requests of one person in a minute; lower in tests. */
  readonly perMinute?: { readonly light: number; readonly heavy: number }
  /** What recordings are checked with. */
  readonly trust: () => Trust
  /** People have pseudonyms in findings until unmasked. */
  readonly pseudonyms: () => boolean
  /** The person whose access token this is; rejects with a Fault TOKEN_REFUSED or ISSUER_UNAVAILABLE. Undefined: no tokens are taken. */
  readonly bearer?: (token: string) => Promise<Principal>
}

/** With what the routes share. */
export type ApiParts = WebParts &
  ApiDeps & {
    readonly readings: Readings
    readonly reading: ReadingThreads
    readonly checks: RecordingChecks
  }
