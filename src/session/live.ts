/** The sessions that are open in this process: to list and end them, and to end those whose time is over. */
import type { Clock } from '../clock.ts'
import type { Session } from './session.ts'

/** How often limits are looked at; a session outlives its grant by no more. */
export const limitCheckIntervalMs = 500

export class LiveSessions {
  readonly #sessions = new Map<string, { session: Session; principal: string }>()
  readonly #clock: Clock
  readonly #timer: NodeJS.Timeout

  constructor(clock: Clock) {
    this.#clock = clock
    this.#timer = setInterval(() => this.checkLimits(), limitCheckIntervalMs)
    this.#timer.unref()
  }

  add(session: Session, principal: string): void {
    this.#sessions.set(session.id, { session, principal })
  }

  remove(id: string): void {
    this.#sessions.delete(id)
  }

  get size(): number {
    return this.#sessions.size
  }

  countOf(principal: string): number {
    return [...this.#sessions.values()].filter(entry => entry.principal === principal).length
  }

  list(): readonly Session[] {
    return [...this.#sessions.values()].map(entry => entry.session)
  }

  /** False if no such session is open here. */
  end(id: string, reason: string): boolean {
    const entry = this.#sessions.get(id)
    entry?.session.end({ reason, userText: `This session was ended: ${reason}.` })
    return entry !== undefined
  }

  /** After the policy changed: whoever lost the right loses the session. Returns how many ended. */
  decideAgain(): number {
    const sessions = this.list()
    for (const session of sessions) session.decideAgain()
    return sessions.filter(session => session.ended).length
  }

  /** Ends what is past its grant or idle for too long. */
  checkLimits(): void {
    for (const session of this.list()) {
      const { validUntilMs, idleTimeoutMs } = session.grant.fields
      if (this.#clock.nowMs() >= validUntilMs) session.decideAgain()
      else if (session.idleMs >= idleTimeoutMs) {
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
