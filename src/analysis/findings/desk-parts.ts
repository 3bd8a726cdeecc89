/** What the desk is made of, and who is who at it. */
import type { AuditLog } from '../../audit/audit-log.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { principalKey } from '../../identity/principal.ts'
import type { Log } from '../../log.ts'
import type { FindingRow, Protocol, SessionRow } from '../../model.ts'
import { mayReview, reviewsAnything } from '../../policy/review.ts'
import { isMember } from '../../policy/rules.ts'
import type { FindingsSeen, FindingStore, SessionStore } from '../../store/store.ts'
import type { Aliases } from './aliases.ts'
import type { Answer, Asker, OwnRecord } from './desk.ts'
import { noSession } from './integrity-findings.ts'

export type DeskParts = {
  readonly store: FindingStore
  readonly sessions: Pick<SessionStore, 'get'>
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
  readonly log: Log
  readonly config: () => Pick<Config, 'analysis' | 'roles' | 'targets' | 'recording' | 'gateway'>
  readonly aliases: Aliases
  /** Hears of each finding that is new, or has become worse, of sessions that are open or were until a moment ago. */
  readonly onFinding?: (row: FindingRow, session: SessionRow) => void
  /** What baselines know of people; left out, nothing. */
  readonly profiles?: Profiles
}

export type Profiles = {
  /** A reviewer said that a session was expected: what was held back of it is learned. */
  readonly teach: (session: string) => void
  /** In words, for the person themselves. */
  readonly inWords: (person: {
    issuer: string
    subject: string
  }) => Promise<OwnRecord['baseline'] | undefined>
}

/** The gateway's own name in histories. */
export const gatewayName = 'gateway'

export function keyOf(asker: Asker): string {
  return asker.kind === 'person' ? principalKey(asker.principal) : `local ${asker.name}`
}

export function nameOf(asker: Asker): string {
  return asker.kind === 'person' ? asker.principal.fields.name : asker.name
}

/** Nobody sees findings in shadow mode, nor those of sessions that they may not see; nobody their own. */
export function maySee(parts: DeskParts, row: FindingRow, asker: Asker): boolean {
  if (row.place === 'shadow' || parts.config().analysis.shadow) return false
  if (row.session === noSession)
    return asker.kind === 'local' || reviewsAnything(parts.config(), asker.principal)
  return asker.kind === 'local' || mayReview(parts.config(), asker.principal, row).allowed
}

/** The same as a condition of the store, so that what one may not see takes no place in lists and counts. Undefined: all. */
export async function seenBy(parts: DeskParts, asker: Asker): Promise<FindingsSeen | undefined> {
  if (asker.kind === 'local') return undefined
  const { issuer, subject } = asker.principal.fields
  const all = await parts.store.targets()
  return {
    targets: all.filter(({ target, protocol }) => reviewsTarget(parts, asker, target, protocol)),
    butNotOf: { issuer, subject },
    ofNoSession: reviewsAnything(parts.config(), asker.principal),
  }
}

/** Whether the asker reviews sessions of others on the target. */
export function reviewsTarget(parts: DeskParts, asker: Asker, target: string, protocol: Protocol): boolean {
  if (asker.kind === 'local') return true
  return mayReview(parts.config(), asker.principal, { issuer: '', subject: '', target, protocol }).allowed
}

/** Whether policy lets the asker approve that names are shown. */
export function isApprover(parts: DeskParts, asker: Asker): boolean {
  if (asker.kind === 'local') return false
  const { pseudonyms } = parts.config().analysis
  const { fields } = asker.principal
  return parts
    .config()
    .roles.some(role => pseudonyms?.approvers.includes(role.name) === true && isMember(role, fields))
}

export function isConcerned(row: Pick<FindingRow, 'issuer' | 'subject'>, asker: Asker): boolean {
  if (asker.kind === 'local') return false
  const { issuer, subject } = asker.principal.fields
  return row.issuer === issuer && row.subject === subject
}

export const noFinding: Answer<never> = {
  ok: false,
  why: 'not-found',
  text: 'There is no such finding, or you may not see it.',
}

export function refused(why: 'not-allowed' | 'conflict' | 'invalid', text: string): Answer<never> {
  return { ok: false, why, text }
}

export const changedMeanwhile: Answer<never> = refused(
  'conflict',
  'Somebody else decided on this finding a moment ago. Look at it again.',
)

/** In UTF-16 units; a paragraph. */
const maxTextLength = 2000

/** A text of a person that says why: something, and not a book. */
export function checkText(text: string, what: string): Answer<string> {
  const trimmed = text.trim()
  if (trimmed === '') return refused('invalid', `Say why: ${what} is empty.`)
  if (trimmed.length > maxTextLength)
    return refused('invalid', `${what} is longer than ${maxTextLength} characters.`)
  return { ok: true, value: trimmed }
}
