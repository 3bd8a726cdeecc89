/**
 * Enrolled keys (DESIGN §7): a key that signed in a connection whose person confirmed it, with a tick of its own and the code,
 * signs that person in until tonight, from the network that it came from, without a browser.
 */
import { randomBytes } from 'node:crypto'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { EnrolledKeysConfig } from '../config/config.ts'
import { contains, networkAround, parseAddress, parseNetwork } from '../config/network.ts'
import type { EnrolledKeyRow } from '../model.ts'
import type { EnrolledKeyStore } from '../store/store.ts'
import { endOfDay, timeOfDay } from './end-of-day.ts'
import type { ProvenKey } from './key-proof.ts'
import { type Principal, principalOfKey } from './principal.ts'

/** Keys of one person at once: a few machines in a few networks. More would be a list that nobody reads. */
export const maxKeysPerPrincipal = 20

/** Rows stay after their end so long, so that the table can answer what the audit log says. Milliseconds. */
const keepExpiredMs = 7 * 86_400_000

/** What the configuration says now. */
export type EnrolmentRules = EnrolledKeysConfig & {
  /** The issuer of people: keys enrolled under another count no more. */
  readonly issuer: string
  readonly sessionMs: number
}

/** What the tick would mean. */
export type EnrolmentTerms = {
  readonly network: string
  readonly expiresAtMs: number
  /** `23:59`, on the gateway's clock. */
  readonly until: string
}

/** For whoever tells the person that something happened to their keys (mail, chat). */
export type KeyNotice = {
  readonly kind: 'key-enrolled' | 'key-revoked'
  readonly principal: Principal
  readonly row: EnrolledKeyRow
}

export type EnrolResult =
  | { readonly kind: 'enrolled'; readonly row: EnrolledKeyRow; readonly until: string }
  | {
      readonly kind: 'refused'
      readonly code: 'not-offered' | 'key-of-another' | 'too-many'
      readonly userText: string
    }

export type KeySignIn =
  | {
      readonly kind: 'signed-in'
      readonly principal: Principal
      readonly row: EnrolledKeyRow
      /** `23:59`, on the gateway's clock. */
      readonly until: string
    }
  /** For the log only: to the client every reason looks alike. */
  | { readonly kind: 'not-enrolled'; readonly why: 'off' | 'kind-of-key' | 'unknown' | 'network' }

export type EnrolledKeysParts = {
  readonly store: EnrolledKeyStore
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
  readonly rules: () => EnrolmentRules
  readonly notify?: (notice: KeyNotice) => void
}

const texts = {
  'not-offered': 'That key cannot be enrolled here, so it was not.',
  'key-of-another': 'That key signs somebody else in, so it was not enrolled for you. Use a key of your own.',
  'too-many': `You have ${maxKeysPerPrincipal} enrolled keys already, so that one was not added. Revoke one first.`,
}

export class EnrolledKeys {
  readonly #parts: EnrolledKeysParts
  readonly #onRevoked = new Set<(id: string) => void>()

  constructor(parts: EnrolledKeysParts) {
    this.#parts = parts
  }

  /** Whether the tick can be offered for this key: never for the key inside a certificate, which has its own end. */
  mayBeEnrolled(proven: ProvenKey): boolean {
    return proven.fields.certificate === undefined && this.#isAccepted(proven)
  }

  /** What enrolling now would mean; undefined where it is off or would end at once. */
  terms(principal: Principal, sourceAddress: string): EnrolmentTerms | undefined {
    const rules = this.#parts.rules()
    const nowMs = this.#parts.clock.nowMs()
    const network = networkAround(sourceAddress, rules)
    const end = rules.for === 'until-midnight' ? endOfDay(nowMs, rules.timeZone) : nowMs + rules.for
    const expiresAtMs = Math.min(end, nowMs + rules.sessionMs, principal.fields.expiresAtMs)
    const offered = rules.enabled && principal.fields.issuer === rules.issuer
    if (!offered || network === undefined || expiresAtMs <= nowMs) return undefined
    return { network, expiresAtMs, until: timeOfDay(expiresAtMs, rules.timeZone) }
  }

  /** Enrols the key for the person who was just proven by the code. Throws where it cannot be audited or kept. */
  async enrol(proven: ProvenKey, principal: Principal, sourceAddress: string): Promise<EnrolResult> {
    const terms = this.mayBeEnrolled(proven) ? this.terms(principal, sourceAddress) : undefined
    if (terms === undefined) return this.#refuse('not-offered', proven, principal, sourceAddress)
    const refusal = await this.#refusalNow(proven, principal, terms.network)
    if (refusal !== undefined) return this.#refuse(refusal, proven, principal, sourceAddress)
    const row = this.#rowOf(proven, principal, terms)
    this.#note('key-enrolled', row, sourceAddress)
    await this.#parts.store.removeExpired(row.createdAtMs - keepExpiredMs)
    if (!(await this.#parts.store.enrol(row)))
      return this.#refuse('key-of-another', proven, principal, sourceAddress)
    this.#parts.notify?.({ kind: 'key-enrolled', principal, row })
    return { kind: 'enrolled', row, until: terms.until }
  }

  /** Whom the key that signed signs in, if it counts here and now. Throws Fault STORE_UNAVAILABLE, which refuses. */
  async signIn(proven: ProvenKey, sourceAddress: string): Promise<KeySignIn> {
    const rules = this.#parts.rules()
    if (!rules.enabled) return notEnrolled('off')
    if (!this.mayBeEnrolled(proven)) return notEnrolled('kind-of-key')
    const nowMs = this.#parts.clock.nowMs()
    const rows = (await this.#parts.store.find(proven.fields.key.fingerprint, nowMs)).filter(
      row => row.principal.issuer === rules.issuer && endOf(row, rules) > nowMs,
    )
    if (rows.length === 0 || !areOfOnePerson(rows)) return notEnrolled('unknown')
    const row = rows.find(one => isInside(sourceAddress, one.network))
    if (row === undefined) return notEnrolled('network')
    await this.#parts.store.used(row.id, nowMs)
    const until = timeOfDay(endOf(row, rules), rules.timeZone)
    return { kind: 'signed-in', principal: principalOfKey(row, proven, endOf(row, rules)), row, until }
  }

  /** The person's keys that count now, newest first. */
  async listOf(principal: Principal): Promise<readonly EnrolledKeyRow[]> {
    return await this.#parts.store.listOf(principal.fields, this.#parts.clock.nowMs())
  }

  /** False if there is no such key of theirs. */
  async revoke(id: string, principal: Principal, sourceAddress: string): Promise<boolean> {
    const row = (await this.listOf(principal)).find(one => one.id === id)
    if (row === undefined) return false
    this.#note('key-revoked', row, sourceAddress)
    const done = await this.#parts.store.revoke(id, principal.fields, this.#parts.clock.nowMs())
    if (!done) return false
    for (const listener of this.#onRevoked) listener(id)
    this.#parts.notify?.({ kind: 'key-revoked', principal, row })
    return true
  }

  /** Tells of every key that is revoked, by its id, until the returned function is called. */
  onRevoked(listener: (id: string) => void): () => void {
    this.#onRevoked.add(listener)
    return () => void this.#onRevoked.delete(listener)
  }

  #isAccepted({ fields: { facts } }: ProvenKey): boolean {
    const { enabled, accept } = this.#parts.rules()
    if (!enabled || accept === 'any') return enabled
    return facts.fido !== undefined && (accept === 'fido' || facts.fido.userVerified)
  }

  async #refusalNow(
    proven: ProvenKey,
    principal: Principal,
    network: string,
  ): Promise<'key-of-another' | 'too-many' | undefined> {
    const nowMs = this.#parts.clock.nowMs()
    const { fingerprint } = proven.fields.key
    const present = await this.#parts.store.find(fingerprint, nowMs)
    if (present.some(row => !isOf(row, principal))) return 'key-of-another'
    const others = (await this.listOf(principal)).filter(
      row => row.fingerprint !== fingerprint || row.network !== network,
    )
    return others.length >= maxKeysPerPrincipal ? 'too-many' : undefined
  }

  #rowOf(proven: ProvenKey, principal: Principal, terms: EnrolmentTerms): EnrolledKeyRow {
    const { key } = proven.fields
    return {
      id: randomBytes(12).toString('base64url'),
      fingerprint: key.fingerprint,
      key: key.blob.toString('base64'),
      principal: principal.fields,
      network: terms.network,
      createdAtMs: this.#parts.clock.nowMs(),
      expiresAtMs: terms.expiresAtMs,
      lastUsedAtMs: undefined,
      revokedAtMs: undefined,
    }
  }

  #note(kind: 'key-enrolled' | 'key-revoked', row: EnrolledKeyRow, sourceAddress: string): void {
    const { issuer, subject, name } = row.principal
    const { fingerprint, network, expiresAtMs } = row
    const until = new Date(expiresAtMs).toISOString()
    this.#parts.audit.append({
      kind,
      issuer,
      subject,
      principal: name,
      fingerprint,
      network,
      until,
      sourceAddress,
    })
  }

  #refuse(
    code: keyof typeof texts,
    proven: ProvenKey,
    principal: Principal,
    sourceAddress: string,
  ): EnrolResult {
    const { issuer, subject, name } = principal.fields
    const { fingerprint } = proven.fields.key
    const who = { issuer, subject, principal: name, fingerprint, sourceAddress }
    this.#parts.audit.append({ kind: 'refusal', method: 'enrol-key', code, ...who })
    return { kind: 'refused', code, userText: texts[code] }
  }
}

function notEnrolled(why: Extract<KeySignIn, { kind: 'not-enrolled' }>['why']): KeySignIn {
  return { kind: 'not-enrolled', why }
}

/** The earliest of what was promised and what the configuration says now. */
function endOf(row: EnrolledKeyRow, rules: EnrolmentRules): number {
  return Math.min(row.expiresAtMs, row.principal.expiresAtMs, row.createdAtMs + rules.sessionMs)
}

function isOf(row: EnrolledKeyRow, { fields }: Principal): boolean {
  return row.principal.issuer === fields.issuer && row.principal.subject === fields.subject
}

/** The store keeps it so; if it ever did not, nobody is signed in rather than the wrong one. */
function areOfOnePerson(rows: readonly EnrolledKeyRow[]): boolean {
  return new Set(rows.map(row => `${row.principal.issuer}\n${row.principal.subject}`)).size === 1
}

function isInside(sourceAddress: string, text: string): boolean {
  const address = parseAddress(sourceAddress)
  const network = parseNetwork(text)
  return address !== undefined && network.ok && contains(network.value, address)
}
