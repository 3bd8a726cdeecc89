/**
 * One use of a grant, from sign-in to the last closed channel. `openSession` is the one door: the only way to a recording,
 * and through it to a credential and a target, for every protocol.
 */
import { randomBytes } from 'node:crypto'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Clock } from '../clock.ts'
import type { SessionLimits } from '../config/config.ts'
import { Fault, reasonOf } from '../errors.ts'
import { type Principal, principalKey } from '../identity/principal.ts'
import type { Log } from '../log.ts'
import type { Protocol, SessionRow } from '../model.ts'
import {
  type AccessWish,
  type Decision,
  decide,
  type Denial,
  type Grant,
  type Policy,
} from '../policy/decide.ts'
import type { Recorder, Recording } from '../recorder/recorder.ts'
import type { Store } from '../store/store.ts'
import type { Held, HoldWish } from './hold.ts'
import type { SessionPlaces } from './live.ts'
import { Usage } from './usage.ts'

/** What somebody typed, where they come from, and who they were proven to be. */
export type Wish = AccessWish & { readonly protocol: Protocol; readonly principal: Principal }

export type SessionParts = {
  readonly store: Store
  readonly audit: AuditLog
  readonly recorder: Recorder
  readonly live: SessionPlaces
  readonly clock: Clock
  readonly log: Log
  readonly owner: string
  /** The policy in force now; a reload changes what it returns. */
  readonly policy: () => Policy
  readonly maxSessionsPerPrincipal: () => number
  /** What one session may use up; without it as much as it likes. */
  readonly limits?: () => SessionLimits
  /** The recording is whole and the row closed: time for what is derived from it. */
  readonly onSealed: (session: SessionRow) => void
}

export type Opening =
  | { readonly kind: 'opened'; readonly session: Session }
  | { readonly kind: 'refused'; readonly userText: string }

/** Why a session ends, and what its user is told. */
export type Ending = { readonly reason: string; readonly userText: string }

/** With the end of the wait by a clock that nobody sets back. */
type Hold = Held & { readonly untilUs: number }

/** Evidence that access was granted and that a recording is open. */
class Session {
  readonly #issued = true
  readonly id: string
  readonly recording: Recording
  readonly row: SessionRow
  readonly #parts: SessionParts
  readonly #onEnd = new Set<(ending: Ending) => void>()
  readonly #onDecision = new Set<(grant: Grant) => void>()
  readonly #onHold = new Set<(held: Held | undefined) => void>()
  #hold: Hold | undefined
  /** The end of the first grant, by a clock that nobody sets back. */
  readonly #endsAtUs: number
  readonly #usage: Usage
  #grant: Grant
  #ending: Ending | undefined
  #closed: Promise<void> | undefined
  #lastActiveUs: number

  constructor(grant: Grant, recording: Recording, row: SessionRow, parts: SessionParts) {
    this.id = row.id
    this.#grant = grant
    this.recording = recording
    this.row = row
    this.#parts = parts
    this.#lastActiveUs = parts.clock.monotonicUs()
    this.#usage = new Usage(this.#lastActiveUs / 1000)
    this.#endsAtUs = this.#lastActiveUs + (grant.fields.validUntilMs - parts.clock.nowMs()) * 1000
    recording.onFailure(fault =>
      this.end({ reason: `recording failed: ${fault.message}`, userText: fault.userText }),
    )
  }

  static is(value: object): value is Session {
    return #issued in value
  }

  /** The grant as last decided. */
  get grant(): Grant {
    return this.#grant
  }

  get ended(): boolean {
    return this.#ending !== undefined
  }

  /** Bytes or requests went through: the idle limit counts from now. */
  touch(): void {
    this.#lastActiveUs = this.#parts.clock.monotonicUs()
  }

  /** Bytes went to the user. */
  sent(bytes: number): void {
    this.#usage.sent(bytes)
  }

  /** Why the session has to end for what it has used up, if so. */
  get overLimit(): Ending | undefined {
    const { limits, clock } = this.#parts
    if (limits === undefined) return undefined
    return this.#usage.over(limits(), this.recording.recordedBytes, clock.monotonicUs() / 1000)
  }

  /** What it waits for, if so, and since when. */
  get held(): Held | undefined {
    if (this.#hold === undefined) return undefined
    const { kind, sinceMs, untilMs, userText } = this.#hold
    return { kind, sinceMs, untilMs, userText }
  }

  /** Nobody has let it go on for as long as it was to wait. */
  get heldTooLong(): boolean {
    return this.#hold !== undefined && this.#parts.clock.monotonicUs() >= this.#hold.untilUs
  }

  /** Holds it; one that is paused stays so, and nobody makes the wait longer. */
  hold({ kind, waitMs, userText }: HoldWish): void {
    if (this.ended) return
    const { nowMs, monotonicUs } = this.#parts.clock
    const before = this.#hold
    const isNews = before === undefined || (before.kind === 'step-up' && kind === 'pause')
    const nowUs = monotonicUs()
    const untilUs = Math.min(nowUs + waitMs * 1000, before?.untilUs ?? Infinity)
    const sinceMs = nowMs()
    this.#hold = {
      kind: isNews ? kind : before.kind,
      userText: isNews ? userText : before.userText,
      sinceMs,
      untilMs: sinceMs + (untilUs - nowUs) / 1000,
      untilUs,
    }
    if (isNews) this.#tellHold()
  }

  /** Lets it go on. False if it was not held. */
  release(): boolean {
    if (this.#hold === undefined || this.ended) return false
    this.#hold = undefined
    this.touch()
    this.#tellHold()
    return true
  }

  /** Hears when it begins to wait, and when it goes on: whoever reads the client stops or goes on. */
  onHold(listener: (held: Held | undefined) => void): void {
    this.#onHold.add(listener)
    const { held } = this
    if (held !== undefined) listener(held)
  }

  #tellHold(): void {
    const { held } = this
    for (const listener of this.#onHold) listener(held)
  }

  get idleMs(): number {
    if (this.#hold !== undefined) return 0 // it may not do anything
    return (this.#parts.clock.monotonicUs() - this.#lastActiveUs) / 1000
  }

  /** The time of the grant is over, by the wall's clock or by the one that only runs. */
  get expired(): boolean {
    const { nowMs, monotonicUs } = this.#parts.clock
    return nowMs() >= this.#grant.fields.validUntilMs || monotonicUs() >= this.#endsAtUs
  }

  /**
   * Decides again, at this instant and by the policy in force (invariant 10). A denial ends the session; so does the end of
   * the first grant, which deciding again never moves.
   */
  decideAgain(): Decision {
    const nowMs = this.#parts.clock.nowMs()
    const { principal, target, login, sourceAddress, validUntilMs } = this.#grant.fields
    const wasOver = this.expired
    const decision = decide(
      this.#parts.policy(),
      principal,
      { target: target.name, login, sourceAddress },
      nowMs,
    )
    if (decision.kind === 'deny') {
      this.end({
        reason: `no longer allowed: ${decision.denial.code}`,
        userText: endedByPolicy(decision.denial),
      })
    } else if (wasOver) {
      this.end({
        reason: 'grant ended',
        userText: 'The time allowed for this session is over. Connect again if you may.',
      })
    } else if (!sameTarget(decision.grant, this.#grant)) {
      this.end({
        reason: 'target changed',
        userText: 'The configuration of this target changed. Connect again.',
      })
    } else {
      this.#grant = decision.grant.endingNoLaterThan(validUntilMs)
      for (const listener of this.#onDecision) listener(this.#grant)
    }
    return decision
  }

  /** Hears of each grant that was decided again: what runs under the old one may not be allowed by it. */
  onDecision(listener: (grant: Grant) => void): void {
    this.#onDecision.add(listener)
  }

  onEnd(listener: (ending: Ending) => void): void {
    if (this.#ending === undefined) this.#onEnd.add(listener)
    else listener(this.#ending)
  }

  /** Ends the session once; the protocol's listeners tell the user and close the sockets. */
  end(ending: Ending): void {
    if (this.#ending !== undefined) return
    this.#ending = ending
    for (const listener of this.#onEnd) this.#tell(listener, ending)
    this.#onEnd.clear()
    this.#onDecision.clear()
    this.#onHold.clear()
    this.close().catch((cause: unknown) => {
      this.#parts.log.error({ session: this.id, cause: reasonOf(cause) }, 'closing the session failed')
    })
  }

  /** A listener that fails must not keep the others from closing what they opened. */
  #tell(listener: (ending: Ending) => void, ending: Ending): void {
    try {
      listener(ending)
    } catch (cause) {
      this.#parts.log.error({ session: this.id, cause: reasonOf(cause) }, 'ending the session failed')
    }
  }

  /** Seals the recording, then closes the row and tells the audit log. Called once everything was forwarded. */
  close(): Promise<void> {
    this.#ending ??= { reason: 'closed', userText: '' }
    return (this.#closed ??= this.#close(this.#ending.reason).finally(() => this.#parts.live.remove(this.id)))
  }

  async #close(reason: string): Promise<void> {
    const sealed = await this.recording.seal(reason).then(
      () => true,
      (cause: unknown) => {
        this.#parts.log.error(
          { session: this.id, cause: reasonOf(cause) },
          'the recording could not be sealed',
        )
        return false
      },
    )
    this.#parts.audit.append({
      kind: 'session-close',
      session: this.id,
      ...whoAndWhere(this.row),
      reason,
      sealed: sealed ? 'yes' : 'no',
    })
    if (!sealed) return // the next start finishes it
    const endedAtMs = this.#parts.clock.nowMs()
    await this.#parts.store.sessions.end(this.id, { endedAtMs, state: 'ended', endReason: reason })
    this.#parts.onSealed(this.row)
  }
}
export type { Session }

/** Each entry of the audit log says whose session it is about: whoever collects them need not have the others. */
export function whoAndWhere(row: SessionRow) {
  const { issuer, subject, principalName: principal, sourceAddress, protocol, target, login } = row
  return { issuer, subject, principal, sourceAddress, protocol, target, login }
}

function endedByPolicy(denial: Denial): string {
  return `You may no longer use this target, so the session ends. ${denial.userText}`
}

/** The same server, and proven by the same keys. */
function sameTarget(a: Grant, b: Grant): boolean {
  return identityOf(a) === identityOf(b)
}

function identityOf(grant: Grant): string {
  const { target } = grant.fields
  const { name, host, port } = target
  const proof = target.protocol === 'ssh' ? [target.hostKeys, target.hostAuthorities] : [target.tls]
  return JSON.stringify([name, host, port, ...proof])
}

/** Decides, and if allowed opens the row, the audit entry and the recording, in this order. Never throws. */
export async function openSession(wish: Wish, parts: SessionParts): Promise<Opening> {
  try {
    const decision = decide(parts.policy(), wish.principal, wish, parts.clock.nowMs())
    if (decision.kind === 'deny') return refuse(wish, parts, decision.denial)
    if (decision.grant.fields.target.protocol !== wish.protocol) return otherDoor(wish, parts, decision.grant)
    const place = await parts.live.reserve(principalKey(wish.principal), parts.maxSessionsPerPrincipal())
    if (place === undefined) return tooMany(wish, parts)
    try {
      return { kind: 'opened', session: await startSession(decision.grant, wish, parts) }
    } finally {
      place.release()
    }
  } catch (cause) {
    parts.log.error({ cause: reasonOf(cause) }, 'a session could not be opened')
    return { kind: 'refused', userText: userTextOf(cause) }
  }
}

/** Only a Fault's text is meant for users. */
export function userTextOf(thrown: unknown): string {
  return thrown instanceof Fault
    ? thrown.userText
    : 'The gateway could not open this session. Tell the operator.'
}

function describe(wish: Wish) {
  const { issuer, subject, name } = wish.principal.fields
  const who = { issuer, subject, principal: name, sourceAddress: wish.sourceAddress, protocol: wish.protocol }
  return { ...who, target: wish.target ?? wish.bare ?? '', login: wish.login ?? '' }
}

function refuse(wish: Wish, parts: SessionParts, denial: Denial): Opening {
  const reasons = denial.reasons.map(reason => `${reason.role}: ${reason.text}`).join('; ')
  parts.audit.append({ kind: 'refusal', ...describe(wish), code: denial.code, reasons })
  return { kind: 'refused', userText: denial.userText }
}

/** Said only to those who may reach the target: by its own door. */
function otherDoor(wish: Wish, parts: SessionParts, grant: Grant): Opening {
  const { name, protocol } = grant.fields.target
  parts.audit.append({ kind: 'refusal', ...describe(wish), target: name, code: 'other-protocol' })
  const client = protocol === 'ssh' ? 'an SSH client' : 'a PostgreSQL client'
  return { kind: 'refused', userText: `The target ${name} is reached with ${client}.` }
}

function tooMany(wish: Wish, parts: SessionParts): Opening {
  parts.audit.append({ kind: 'refusal', ...describe(wish), code: 'too-many-sessions' })
  return { kind: 'refused', userText: 'You have too many open sessions. Close one and connect again.' }
}

async function startSession(grant: Grant, wish: Wish, parts: SessionParts): Promise<Session> {
  const id = newSessionId(parts.clock.nowMs())
  const { login, role, target, ruleLine, breakGlass } = grant.fields
  parts.audit.append({
    kind: 'session-open',
    session: id,
    ...describe(wish),
    target: target.name,
    login,
    role,
    ruleLine,
    ...(breakGlass === true ? { breakGlass } : {}),
  })
  try {
    const key = await parts.recorder.newKey()
    const recording = parts.recorder.open(grant, { session: id, protocol: wish.protocol }, key)
    const session = await storeSession(grant, rowFor(id, grant, wish, recording, parts), recording, parts)
    parts.live.add(session, principalKey(wish.principal))
    return session
  } catch (cause) {
    parts.audit.append({
      kind: 'session-close',
      session: id,
      ...describe(wish),
      reason: `could not be opened: ${reasonOf(cause)}`,
    })
    throw cause
  }
}

async function storeSession(
  grant: Grant,
  row: SessionRow,
  recording: Recording,
  parts: SessionParts,
): Promise<Session> {
  await parts.store.sessions.insert(row).catch(async (cause: unknown) => {
    await recording.seal('the session could not be stored')
    throw cause
  })
  return new Session(grant, recording, row, parts)
}

function rowFor(id: string, grant: Grant, wish: Wish, recording: Recording, parts: SessionParts): SessionRow {
  const { issuer, subject, name } = wish.principal.fields
  return {
    id,
    protocol: wish.protocol,
    issuer,
    subject,
    principalName: name,
    target: grant.fields.target.name,
    login: grant.fields.login,
    role: grant.fields.role,
    sourceAddress: wish.sourceAddress,
    owner: parts.owner,
    openedAtMs: parts.clock.nowMs(),
    endedAtMs: undefined,
    state: 'open',
    endReason: undefined,
    recording: recording.path,
    labels: grant.fields.target.labels,
    ...(grant.fields.breakGlass === true ? { breakGlass: true } : {}),
  }
}

/** Crockford's base 32: no I, L, O or U, so that an id can be read out over a telephone. */
const idAlphabet = '0123456789abcdefghjkmnpqrstvwxyz'

/** 9 characters of milliseconds, so that ids sort by time, and 11 of chance (55 bits). */
export function newSessionId(nowMs: number): string {
  let time = ''
  for (let rest = nowMs, digit = 0; digit < 9; digit++, rest = Math.floor(rest / 32))
    time = idAlphabet[rest % 32] + time
  return time + Array.from(randomBytes(11), value => idAlphabet[value % 32]).join('')
}
