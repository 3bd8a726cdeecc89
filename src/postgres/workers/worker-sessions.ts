/** The sessions of a worker: their places are counted by the gateway, for all processes together. */
import type { Fault } from '../../errors.ts'
import { LiveSessions, type ReservedPlace, type SessionPlaces } from '../../session/live.ts'
import type { Session } from '../../session/session.ts'
import type { WorkerLink } from './ports.ts'

export class WorkerSessions implements SessionPlaces {
  readonly here: LiveSessions
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
    session.onHold(held => void this.#link.tell('holdChanged', { id: session.id, held }))
  }

  remove(id: string): void {
    this.here.remove(id)
    this.#link.tell('sessionOver', { id })
  }
}
