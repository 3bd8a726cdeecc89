/**
 * Passwords that people make on the web page and paste where a client asks for one (DESIGN §7). Random, short-lived, bound to one
 * login on one target, and used once; by policy for some minutes and connections from one address.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { Protocol } from '../model.ts'
import type { Principal } from './principal.ts'
import { plainAddress } from './source-address.ts'

/** What makes a password of ours recognisable, to people and to programs that look for secrets in the wrong places. */
export const passwordPrefix = 'sp-'

/** Random bits of a password. 28 letters of 5 bits: guessing is hopeless at any rate, so no try has to be counted. */
const passwordLetters = 28

/** 32 letters and digits without i, l, o and u: nobody takes one for another, and no shell, URL or pgpass line needs quoting. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** From the page to the prompt, in milliseconds: a few minutes for a paste, too few for a password that lies about. */
export const firstUseWithinMs = 5 * 60_000

/** Passwords of one person at once: some tools on some targets. More would be a list that nobody reads. */
export const maxPasswordsPerPrincipal = 20

/** All together: a company that comes to work in the same five minutes. Each takes less than a kilobyte. */
export const maxPasswords = 10_000

/** Longer texts are no password of ours and are not even hashed. Characters. */
const maxPasswordCharacters = 64

/** How often and how long a rule lets one password be used (`allow[].passwords`). */
export type PasswordReuse = { readonly forMs: number; readonly connections: number }

/** Where a password leads. */
export type PasswordPlace = { readonly target: string; readonly login: string }

export type PasswordWish = PasswordPlace & {
  readonly principal: Principal
  /** The browser's sign-in that makes it: the password ends with it. */
  readonly browserSession: string
  /** For the audit log: where the browser is. */
  readonly browser: string
  /** Several connections instead of one, from this address alone. */
  readonly reusableFrom?: string
}

/** What its owner may see of a password: never the password. */
export type PasswordView = PasswordPlace & {
  readonly id: string
  /** The only address that it works from; undefined: any. */
  readonly sourceAddress: string | undefined
  /** Unused, it ends here. Milliseconds since the epoch, as all times. */
  readonly firstUseBeforeMs: number
  readonly expiresAtMs: number
  readonly connections: number
  readonly used: number
}

export type IssueResult =
  | { readonly kind: 'issued'; readonly password: string; readonly view: PasswordView }
  | { readonly kind: 'refused'; readonly code: 'too-many' | 'not-reusable'; readonly userText: string }

/** What the client that sends a password asks for. Texts are typed by strangers. */
export type PasswordUse = {
  readonly sourceAddress: string
  readonly protocol: Protocol
  /** As typed, for the audit log. */
  readonly userName: string
  readonly target?: string | undefined
  readonly login?: string | undefined
  /** A user name without separator: the target or the login. */
  readonly bare?: string | undefined
}

export type RedeemResult =
  | {
      readonly kind: 'proven'
      readonly principal: Principal
      readonly id: string
      /** Where it leads, which may complete what the user name leaves out. */
      readonly place: PasswordPlace
    }
  /** For the audit log only: to the client every reason looks alike. */
  | {
      readonly kind: 'refused'
      readonly why: PasswordRefusal
      readonly owner?: Principal
      readonly id?: string
    }

export type PasswordRefusal =
  | 'unknown'
  | 'other-address'
  | 'other-target'
  | 'other-login'
  | 'no-longer-reusable'

export type ConnectionPasswordsParts = {
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  /** What policy says now of using a password more than once; undefined: it may not. Asked at each use. */
  readonly reuse: (
    principal: Principal,
    place: PasswordPlace,
    sourceAddress: string,
  ) => PasswordReuse | undefined
}

type Entry = {
  readonly key: string
  readonly principal: Principal
  browserSession: string
  readonly view: Omit<PasswordView, 'used'>
  readonly reusable: boolean
  /** By a clock that nobody sets back, in microseconds. */
  readonly issuedAtUs: number
  readonly firstUseBeforeUs: number
  readonly expiresAtUs: number
  used: number
}

const texts = {
  'too-many': `You have ${maxPasswordsPerPrincipal} passwords already, or too many people have some. Revoke one, or wait until they end.`,
  'not-reusable': 'Policy does not allow a password for several connections there.',
}

/**
 * The passwords that count now. In memory and as SHA-256 only: a restart ends them all, and nobody finds one in a file. Whether its
 * person may still open the session is decided anew each time, at the door.
 */
export class ConnectionPasswords {
  readonly #parts: ConnectionPasswordsParts
  /** By SHA-256 of the password, so that looking up takes no time that depends on how much of it was right. */
  readonly #entries = new Map<string, Entry>()
  readonly #onRevoked = new Set<(id: string) => void>()

  constructor(parts: ConnectionPasswordsParts) {
    this.#parts = parts
  }

  /** Makes a password. In the audit log before anybody has it; throws where it cannot be written. */
  issue(wish: PasswordWish): IssueResult {
    this.#sweep()
    const { principal, reusableFrom } = wish
    if (this.#entries.size >= maxPasswords || this.#of(principal).length >= maxPasswordsPerPrincipal)
      return this.#refuseIssue('too-many', wish)
    if (reusableFrom === undefined) return this.#issue(wish, undefined)
    const reuse = this.#parts.reuse(principal, wish, plainAddress(reusableFrom))
    return reuse === undefined ? this.#refuseIssue('not-reusable', wish) : this.#issue(wish, reuse)
  }

  /** Whose password it is, if it counts for this connection. Using it up and finding it are one step. */
  redeem(password: string, use: PasswordUse): RedeemResult {
    const entry = this.#entries.get(keyOf(password))
    if (entry === undefined || this.#dropIfOver(entry)) return { kind: 'refused', why: 'unknown' }
    const why = this.#objection(entry, use)
    if (why === undefined) return this.#use(entry, use)
    const { principal, view } = entry
    // Whoever else has it could try on from elsewhere: a password that leaves its address is over.
    if (why === 'other-address') this.#revoke(entry, 'used from another address', use.sourceAddress)
    return { kind: 'refused', why, owner: principal, id: view.id }
  }

  /** The person's passwords that count now, newest first. */
  listOf(principal: Principal): readonly PasswordView[] {
    this.#sweep()
    return this.#of(principal)
      .map(({ view, used }) => ({ ...view, used }))
      .toReversed()
  }

  /** False if there is no such password of theirs. Ends the sessions that it opened, too. */
  revoke(id: string, principal: Principal, browser: string): boolean {
    this.#sweep()
    const entry = this.#of(principal).find(one => one.view.id === id)
    if (entry === undefined) return false
    this.#revoke(entry, 'by its owner', browser)
    return true
  }

  /** The browser session that made them is over, and so are they. Sessions that they opened go on, as others do. */
  signedOut(browserSession: string): void {
    for (const entry of this.#entries.values())
      if (entry.browserSession === browserSession) this.#end(entry, 'signed out', undefined)
  }

  /**
   * The same browser signed in anew and has another cookie. Whoever is still the same person keeps their passwords, which end when they
   * would have ended; those of anybody else are over.
   */
  signedInAnew(before: string, after: string, principal: Principal): void {
    const { issuer, subject } = principal.fields
    for (const entry of this.#entries.values()) {
      if (entry.browserSession !== before) continue
      const { fields } = entry.principal
      if (fields.issuer === issuer && fields.subject === subject) entry.browserSession = after
      else this.#end(entry, 'somebody else signed in', undefined)
    }
  }

  /** Tells of every password that is revoked, by its id, until the returned function is called. */
  onRevoked(listener: (id: string) => void): () => void {
    this.#onRevoked.add(listener)
    return () => void this.#onRevoked.delete(listener)
  }

  #issue(wish: PasswordWish, reuse: PasswordReuse | undefined): IssueResult {
    const password = makePassword()
    const entry = this.#entryFor(wish, keyOf(password), reuse)
    const { id, sourceAddress, connections, expiresAtMs } = entry.view
    this.#parts.audit.append({
      kind: 'password-made',
      ...whoAndWhere(entry),
      id,
      connections,
      until: new Date(expiresAtMs).toISOString(),
      from: sourceAddress ?? 'any',
      browser: wish.browser,
    })
    this.#entries.set(entry.key, entry)
    return { kind: 'issued', password, view: { ...entry.view, used: 0 } }
  }

  #entryFor(wish: PasswordWish, key: string, reuse: PasswordReuse | undefined): Entry {
    const { nowMs, monotonicUs } = this.#parts.clock
    const { principal, browserSession, target, login, reusableFrom } = wish
    const [startMs, startUs] = [nowMs(), monotonicUs()]
    const lifeMs = Math.min(reuse?.forMs ?? firstUseWithinMs, principal.fields.expiresAtMs - startMs)
    const firstUseMs = Math.min(firstUseWithinMs, lifeMs)
    return {
      key,
      principal,
      browserSession,
      reusable: reuse !== undefined,
      view: Object.freeze({
        id: randomBytes(12).toString('base64url'),
        target,
        login,
        sourceAddress: reusableFrom === undefined ? undefined : plainAddress(reusableFrom),
        firstUseBeforeMs: startMs + firstUseMs,
        expiresAtMs: startMs + lifeMs,
        connections: reuse?.connections ?? 1,
      }),
      issuedAtUs: startUs,
      firstUseBeforeUs: startUs + firstUseMs * 1000,
      expiresAtUs: startUs + lifeMs * 1000,
      used: 0,
    }
  }

  #objection(entry: Entry, use: PasswordUse): PasswordRefusal | undefined {
    const { view } = entry
    const sourceAddress = plainAddress(use.sourceAddress)
    if (view.sourceAddress !== undefined && view.sourceAddress !== sourceAddress) return 'other-address'
    if (use.target !== undefined && use.target !== view.target) return 'other-target'
    if (use.login !== undefined && use.login !== view.login) return 'other-login'
    const { bare } = use
    const fits =
      bare === undefined || bare === view.target || (use.target !== undefined && bare === view.login)
    if (!fits) return use.target === undefined ? 'other-target' : 'other-login'
    return this.#mayBeUsedNow(entry, sourceAddress) ? undefined : 'no-longer-reusable'
  }

  /** By the rule of this moment, not by that of the moment when it was made. */
  #mayBeUsedNow({ reusable, principal, view, used, issuedAtUs }: Entry, sourceAddress: string): boolean {
    if (!reusable) return true
    const rule = this.#parts.reuse(principal, view, sourceAddress)
    const ageMs = (this.#parts.clock.monotonicUs() - issuedAtUs) / 1000
    return rule !== undefined && used < rule.connections && ageMs < rule.forMs
  }

  #use(entry: Entry, { sourceAddress, protocol, userName }: PasswordUse): RedeemResult {
    const { principal, view } = entry
    entry.used += 1
    if (entry.used >= view.connections) this.#entries.delete(entry.key)
    const { id, target, login } = view
    this.#parts.audit.append({
      kind: 'sign-in',
      method: 'password',
      ...whoAndWhere(entry),
      id,
      use: entry.used,
      protocol,
      userName,
      sourceAddress: plainAddress(sourceAddress),
    })
    return { kind: 'proven', principal, id, place: { target, login } }
  }

  #revoke(entry: Entry, why: string, from: string): void {
    this.#end(entry, why, from)
    for (const listener of this.#onRevoked) listener(entry.view.id)
  }

  /** Over first, then written: a log that fails must not keep a password alive. */
  #end(entry: Entry, why: string, from: string | undefined): void {
    this.#entries.delete(entry.key)
    const { id } = entry.view
    const where = from === undefined ? {} : { sourceAddress: from }
    this.#parts.audit.append({ kind: 'password-revoked', ...whoAndWhere(entry), id, why, ...where })
  }

  #refuseIssue(code: keyof typeof texts, wish: PasswordWish): IssueResult {
    const { browser: sourceAddress } = wish
    this.#parts.audit.append({
      kind: 'refusal',
      method: 'make-password',
      code,
      ...whoAndWhereOf(wish),
      sourceAddress,
    })
    return { kind: 'refused', code, userText: texts[code] }
  }

  #of(principal: Principal): readonly Entry[] {
    const { issuer, subject } = principal.fields
    return [...this.#entries.values()].filter(
      ({ principal: { fields } }) => fields.issuer === issuer && fields.subject === subject,
    )
  }

  #sweep(): void {
    for (const entry of this.#entries.values()) this.#dropIfOver(entry)
  }

  /** Both clocks: the steady one for how long, the wall's for what the person's own sign-in says. */
  #dropIfOver(entry: Entry): boolean {
    const nowUs = this.#parts.clock.monotonicUs()
    const over =
      nowUs >= entry.expiresAtUs ||
      (entry.used === 0 && nowUs >= entry.firstUseBeforeUs) ||
      this.#parts.clock.nowMs() >= entry.principal.fields.expiresAtMs
    if (over) this.#entries.delete(entry.key)
    return over
  }
}

function whoAndWhere({ principal, view }: Entry) {
  return whoAndWhereOf({ principal, ...view })
}

function whoAndWhereOf({ principal, target, login }: PasswordPlace & { readonly principal: Principal }) {
  const { issuer, subject, name } = principal.fields
  return { issuer, subject, principal: name, target, login }
}

function makePassword(): string {
  return passwordPrefix + Array.from(randomBytes(passwordLetters), byte => alphabet[byte % 32]).join('')
}

/** Spaces and line ends around it are the clipboard's. What cannot be one of ours gets the key of nothing. */
function keyOf(password: string): string {
  const text = password.trim()
  const possible = text.startsWith(passwordPrefix) && text.length <= maxPasswordCharacters
  return createHash('sha256')
    .update(possible ? text : '')
    .digest('base64url')
}
