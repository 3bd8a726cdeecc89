/** Who sends tokens that are none: looking at one may cost the identity provider a question, so that guessing ends before that. A source is an IPv4 address, or a network of IPv6. */
import { createHash } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { sourceNetwork } from '../../identity/source-network.ts'
import { RateLimit } from '../rate-limit.ts'

/** Tokens that were good lately: whoever has one is looked at, whatever others send from the same address. */
const maxKnown = 1000

export class TokenGuesses {
  readonly #strangers: RateLimit
  /** SHA-256 of the headers, the oldest first. */
  readonly #known = new Set<string>()

  constructor(perMinute: number, clock: Clock) {
    this.#strangers = new RateLimit(perMinute, clock)
  }

  /** Whether what is said of who asks is to be looked at. Costs nothing. */
  mayTry(address: string, authorization: string | undefined): boolean {
    if (authorization === undefined || this.#known.has(hashOf(authorization))) return true
    return this.#strangers.has(sourceNetwork(address))
  }

  /** It was good. */
  knows(authorization: string | undefined): void {
    if (authorization === undefined) return
    this.#known.add(hashOf(authorization))
    for (const oldest of this.#known) if (this.#known.size > maxKnown) this.#known.delete(oldest)
  }

  /** Counts a refusal. False if it is one too many. */
  refused(address: string): boolean {
    return this.#strangers.allows(sourceNetwork(address))
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
