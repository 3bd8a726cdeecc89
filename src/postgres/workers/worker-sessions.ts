/** The sessions of a worker: their places are counted by the gateway, for all processes together. */
import type { Fault } from '../../errors.ts'
import { LiveSessions, type ReservedPlace, type SessionPlaces } from '../../session/live.ts'
import type { Ending, Session } from '../../session/session.ts'
import type { WorkerLink } from './ports.ts'

/** Ends that came before their sessions; of more, the oldest are forgotten. */
const maxEarlyEnds = 1000

export class WorkerSessions implements SessionPlaces {
  readonly here: LiveSessions
  /** The gateway knows a session as soon as its row is stored, a moment before it is here. */
  readonly #earlyEnds = new Map<string, Ending>()
  readonly #link: WorkerLink

  constructor(link: WorkerLink, failure: () => Fault | undefined) {
    this.#link = link
    this.here = new LiveSessions(failure)
  }

  async reserve(principal: string, max: number): Promise<ReservedPlace | undefined> {
    const release = (place: number | undefined): void => {
      if (place !== undefined) this.#link.tell('release', { place })
    }
    const place = await this.#link.ask('reserve', { principal, max }, release)
    return place === undefined ? undefined : { release: () => release(place) }
  }

  add(session: Session, principal: string): void {
    this.here.add(session, principal)
    const early = this.#earlyEnds.get(session.id)
    this.#earlyEnds.delete(session.id)
    if (early !== undefined) session.end(early)
    session.onHold(held => void this.#link.tell('holdChanged', { id: session.id, held }))
  }

  end(id: string, ending: Ending): void {
    const session = this.here.list().find(one => one.id === id)
    if (session !== undefined) return session.end(ending)
    this.#earlyEnds.set(id, ending)
    const [oldest] = this.#earlyEnds.keys()
    if (this.#earlyEnds.size > maxEarlyEnds && oldest !== undefined) this.#earlyEnds.delete(oldest)
  }

  remove(id: string): void {
    this.here.remove(id)
    this.#link.tell('sessionOver', { id })
  }
}
