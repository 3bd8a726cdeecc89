import { randomInt } from 'node:crypto'
import type { SshLimits } from '../config/config.ts'

type Limits = Pick<
  SshLimits,
  'maxUnauthenticatedConnections' | 'maxUnauthenticatedPerSource' | 'randomDropFrom' | 'randomDropPercent'
>

const busy = 'The gateway is busy. Try again later.'

/**
 * The chance, in percent, that one more is turned away while `count` have not signed in: as MaxStartups of sshd_config(5), from
 * `randomDropPercent` at `randomDropFrom` in a straight line to 100 at `maxUnauthenticatedConnections`.
 */
export function dropPercent(count: number, limits: Limits): number {
  const { maxUnauthenticatedConnections: full, randomDropFrom: from, randomDropPercent: percent } = limits
  if (count >= full) return 100
  if (count < from) return 0
  return percent + ((100 - percent) * (count - from)) / (full - from)
}

/**
 * Connections that nobody has signed in on yet, all together and by source. When all places are taken, a source that has
 * fewer of them than another gets one of that other's, so that a few sources cannot keep everybody else out. Before that, chance
 * turns away the others: a flood from many sources does not get all places at once, and whoever tries again gets in.
 */
export class Strangers {
  /** In order of arrival; each is told when it has to make room. */
  readonly #bySource = new Map<string, Set<() => void>>()
  #count = 0
  readonly #drawPercent: () => number

  /** `drawPercent` gives a number from 0 to 99 that nobody can foresee. */
  constructor(drawPercent: () => number = () => randomInt(100)) {
    this.#drawPercent = drawPercent
  }

  /** Why nobody from this source may come in now, or undefined. */
  refusal(source: string, limits: Limits): string | undefined {
    const own = this.#bySource.get(source)?.size ?? 0
    if (own >= limits.maxUnauthenticatedPerSource) {
      return 'Too many connections from your address are waiting for sign-in. Try again later.'
    }
    const outranking = this.#largest(own + 2)
    if (this.#count >= limits.maxUnauthenticatedConnections) return evictFrom(outranking)
    const drops = outranking === undefined && this.#drawPercent() < dropPercent(this.#count, limits)
    return drops ? busy : undefined
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

  /** The places of the source that has most of them, if those are so many: it then stays at least as large as a newcomer's. */
  #largest(atLeast: number): Set<() => void> | undefined {
    let largest: Set<() => void> | undefined
    for (const places of this.#bySource.values()) if (places.size > (largest?.size ?? 0)) largest = places
    return largest !== undefined && largest.size >= atLeast ? largest : undefined
  }
}

/** The oldest goes, if there is one who may be asked to. */
function evictFrom(places: Set<() => void> | undefined): string | undefined {
  if (places === undefined) return busy
  const [oldest] = places
  oldest?.()
  return undefined
}
