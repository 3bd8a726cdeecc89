/** Where the target listens because the client asked it to: the only places that it may open streams from. */
import type { ChannelDecision, Grant } from '../../policy/decide.ts'
import { allowsForward, type ForwardPlace } from '../../policy/forward.ts'

/** Of one connection, those included that were asked for and not answered. */
export const maxListeners = 64

type Listener = { readonly channel: number; readonly place: ForwardPlace }

export class Listeners {
  readonly #listening = new Map<string, Listener>()
  #asked = 0

  /** Why the target is not asked for one more; undefined if it may be. */
  refusalOf(place: ForwardPlace): string | undefined {
    if (this.#listening.has(keyOf(place))) return 'The target listens there already.'
    if (this.#listening.size + this.#asked >= maxListeners)
      return 'The target listens in too many places for this connection.'
    return undefined
  }

  /** The target is being asked; its answer is to be told to `answered`. */
  ask(): void {
    this.#asked++
  }

  /** `place` with the port that it chose, or undefined if it refused. */
  answered(channel: number, place: ForwardPlace | undefined): void {
    this.#asked--
    if (place !== undefined) this.#listening.set(keyOf(place), { channel, place })
  }

  /** Forgets a place; gives back its number in the recording, or undefined if the target does not listen there. */
  remove(place: ForwardPlace): number | undefined {
    const listener = this.#listening.get(keyOf(place))
    this.#listening.delete(keyOf(place))
    return listener?.channel
  }

  get isEmpty(): boolean {
    return this.#listening.size === 0
  }

  has(place: ForwardPlace): boolean {
    return this.#listening.has(keyOf(place))
  }

  /** Whether a grant that was decided again covers all of them. */
  allowedBy(grant: Grant): ChannelDecision {
    for (const { place } of this.#listening.values()) {
      const decision = allowsForward(grant, { direction: 'from', place })
      if (!decision.allowed) return decision
    }
    return { allowed: true }
  }
}

/** Exactly what was asked for, and the port that came back: `localhost` and `127.0.0.1` are two listeners. */
function keyOf(place: ForwardPlace): string {
  return 'path' in place ? `path ${place.path}` : `port ${place.port} ${place.host}`
}
