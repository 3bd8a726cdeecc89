/** The sessions of a gateway until their recordings are sealed: to list and end them, and to end those whose time is over. */
import type { Fault } from '../errors.ts'
import type { EndedBy, SessionRow } from '../model.ts'
import type { LiveWatch } from '../recorder/live-watch.ts'
import type { Held, HoldResult, HoldWish } from './hold.ts'
import type { Ending, Session } from './session.ts'

const notReleased: Ending = {
  reason: 'held, and nobody let it go on',
  userText: 'This session was held by policy and nobody let it go on in time, so it ends. Connect again.',
}

/** A proof from before it was held proves nothing new. Issuers tell whole seconds. */
function waitsForSignIn(held: Held | undefined, authenticatedAtMs: number): boolean {
  return held?.kind === 'step-up' && authenticatedAtMs >= Math.floor(held.sinceMs / 1000) * 1000
}

/** How often limits are looked at; a session outlives its grant by no more. */
export const limitCheckIntervalMs = 500

/** A place that is kept for a session while it is being opened. */
export type ReservedPlace = { readonly release: () => void }

/** What opening and closing a session needs: here, or where the places of all processes are counted. */
export type SessionPlaces = {
  readonly reserve: (
    principal: string,
    max: number,
  ) => ReservedPlace | undefined | Promise<ReservedPlace | undefined>
  readonly add: (session: Session, principal: string) => void
  readonly remove: (id: string) => void
}

/** Sessions of this gateway that other processes relay. */
export type Elsewhere = {
  readonly rows: () => readonly SessionRow[]
  readonly countOf: (principal: string) => number
  /** Asks for its end; false if no such session is open there. */
  readonly end: (id: string, ending: Ending) => boolean
  /** Holds it. `ended`: it is not known that it waits, so it was told to end. */
  readonly hold: (id: string, wish: HoldWish) => Promise<HoldResult>
  /** False if it is not held there, or did not say that it goes on. */
  readonly release: (id: string) => Promise<boolean>
  readonly heldOf: (id: string) => Held | undefined
  /** Begins to watch it. */
  readonly watch: (id: string) => Watching
}

export type Watching =
  | { readonly kind: 'watching'; readonly watch: LiveWatch; readonly row: SessionRow }
  | { readonly kind: 'not-open' | 'too-many' }

export class LiveSessions {
  readonly #sessions = new Map<string, { session: Session; principal: string }>()
  /** Places of sessions that are being opened, by principal. */
  readonly #reserved = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  readonly #failure: () => Fault | undefined
  #elsewhere: Elsewhere | undefined

  /** `failure` says why nothing may go on, if so: without an audit log sessions end (invariant 2). */
  constructor(failure: () => Fault | undefined = () => undefined) {
    this.#failure = failure
    this.#timer = setInterval(() => this.checkLimits(), limitCheckIntervalMs)
    this.#timer.unref()
  }

  /** Counts, shows and ends those, too. */
  join(elsewhere: Elsewhere): void {
    this.#elsewhere = elsewhere
  }

  add(session: Session, principal: string): void {
    this.#sessions.set(session.id, { session, principal })
  }

  /**
   * A place for a session that is about to open, or undefined if the principal has `max` of them: those that open at the same
   * time count too. Release it once the session is added, or could not be opened.
   */
  reserve(principal: string, max: number): ReservedPlace | undefined {
    const reserved = this.#reserved.get(principal) ?? 0
    if (this.countOf(principal) + reserved >= max) return undefined
    this.#reserved.set(principal, reserved + 1)
    return { release: () => this.#release(principal) }
  }

  #release(principal: string): void {
    const left = (this.#reserved.get(principal) ?? 1) - 1
    if (left > 0) this.#reserved.set(principal, left)
    else this.#reserved.delete(principal)
  }

  remove(id: string): void {
    this.#sessions.delete(id)
  }

  get size(): number {
    return this.#sessions.size
  }

  countOf(principal: string): number {
    const here = [...this.#sessions.values()].filter(entry => entry.principal === principal).length
    return here + (this.#elsewhere?.countOf(principal) ?? 0)
  }

  /** Of all processes. */
  rows(): readonly SessionRow[] {
    return [...this.list().map(({ row }) => row), ...(this.#elsewhere?.rows() ?? [])]
  }

  /** Of this process. */
  list(): readonly Session[] {
    return [...this.#sessions.values()].map(entry => entry.session)
  }

  /** False if no such session is open here. `by` is somebody who ended it by hand: rows say so. */
  end(id: string, reason: string, by?: EndedBy): boolean {
    const session = this.#sessions.get(id)?.session
    const ending = {
      reason: by === undefined ? reason : `${by} ended it: ${reason}`,
      userText: `This session was ended: ${reason}.`,
    }
    if (session === undefined) return this.#elsewhere?.end(id, ending) ?? false
    if (session.ended) return false
    session.end(ending)
    return true
  }

  /** Holds an open session, whatever process relays it. */
  async hold(id: string, wish: HoldWish): Promise<HoldResult> {
    const session = this.#sessions.get(id)?.session
    if (session === undefined) return (await this.#elsewhere?.hold(id, wish)) ?? 'not-open'
    if (session.ended) return 'not-open'
    session.hold(wish)
    return 'held'
  }

  /** Lets a session go on that was held. False if none of that id is. */
  async release(id: string): Promise<boolean> {
    const session = this.#sessions.get(id)?.session
    if (session === undefined) return (await this.#elsewhere?.release(id)) ?? false
    return session.release()
  }

  /** What an open session waits for, if it does. */
  heldOf(id: string): Held | undefined {
    const session = this.#sessions.get(id)?.session
    return session === undefined ? this.#elsewhere?.heldOf(id) : session.held
  }

  /** The person has proven anew who they are: those of their sessions that waited for that. */
  waitingForSignIn(principal: string, authenticatedAtMs: number): readonly string[] {
    const own = this.rows().filter(row => `${row.issuer}\n${row.subject}` === principal)
    return own.map(({ id }) => id).filter(id => waitsForSignIn(this.heldOf(id), authenticatedAtMs))
  }

  /** Begins to watch an open session. */
  watch(id: string): Watching {
    const session = this.#sessions.get(id)?.session
    if (session === undefined) return this.#elsewhere?.watch(id) ?? { kind: 'not-open' }
    if (session.ended) return { kind: 'not-open' }
    const watch = session.recording.watch()
    return watch === undefined ? { kind: 'too-many' } : { kind: 'watching', watch, row: session.row }
  }

  /** After the policy changed: whoever lost the right loses the session. Returns how many ended. */
  decideAgain(): number {
    const sessions = this.list().filter(session => !session.ended)
    for (const session of sessions) session.decideAgain()
    return sessions.filter(session => session.ended).length
  }

  /** Ends what is past its grant, has used up what it may, or is idle for too long. */
  checkLimits(): void {
    const failure = this.#failure()
    for (const session of this.list()) {
      const over = session.overLimit
      if (failure !== undefined) session.end({ reason: failure.message, userText: failure.userText })
      else if (session.expired) session.decideAgain()
      else if (over !== undefined) session.end(over)
      else if (session.heldTooLong) session.end(notReleased)
      else if (session.idleMs >= session.grant.fields.idleTimeoutMs) {
        session.end({
          reason: 'idle',
          userText: 'Nothing happened for too long, so this session ends. Connect again.',
        })
      }
    }
  }

  /** Ends everything and waits until the recordings are sealed. */
  async close(reason: string): Promise<void> {
    clearInterval(this.#timer)
    const sessions = this.list()
    for (const session of sessions)
      session.end({ reason, userText: 'The gateway is stopping. Connect again later.' })
    await Promise.allSettled(sessions.map(session => session.close()))
  }
}
