import type { SshLimits } from '../config/config.ts'

type Limits = Pick<SshLimits, 'maxUnauthenticatedConnections' | 'maxUnauthenticatedPerSource'>

/**
 * Connections that nobody has signed in on yet, all together and by source. When all places are taken, a source that has
 * fewer of them than another gets one of that other's, so that a few sources cannot keep everybody else out.
 */
export class Strangers {
  /** In order of arrival; each is told when it has to make room. */
  readonly #bySource = new Map<string, Set<() => void>>()
  #count = 0

  /** Why nobody from this source may come in now, or undefined. */
  refusal(source: string, limits: Limits): string | undefined {
    const own = this.#bySource.get(source)?.size ?? 0
    if (own >= limits.maxUnauthenticatedPerSource) {
      return 'Too many connections from your address are waiting for sign-in. Try again later.'
    }
    if (this.#count < limits.maxUnauthenticatedConnections || this.#evictFor(own)) return undefined
    return 'The gateway is busy. Try again later.'
  }

  /** Counts one in; the returned function counts it out, once. `makeRoom` is called at most once and must close it. */
  enter(source: string, makeRoom: () => void): () => void {
    const evict = (): void => {
      leave()
      makeRoom()
    }
    const leave = (): void => this.#leave(source, evict)
    const places = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, places.add(evict))
    this.#count++
    return leave
  }

  #leave(source: string, evict: () => void): void {
    const places = this.#bySource.get(source)
    if (places?.delete(evict) !== true) return
    this.#count--
    if (places.size === 0) this.#bySource.delete(source)
  }

  /** The oldest of the largest source goes, if that source stays at least as large as the newcomer's. */
  #evictFor(own: number): boolean {
    let largest: Set<() => void> | undefined
    for (const places of this.#bySource.values()) if (places.size > (largest?.size ?? 0)) largest = places
    if (largest === undefined || largest.size < own + 2) return false
    const [oldest] = largest
    oldest?.()
    return true
  }
}
