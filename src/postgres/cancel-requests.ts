/** Cancel requests as they come in from anybody: counted by source, and then looked up. */
import type { PostgresLimits } from '../config/config.ts'
import { sourceNetwork } from '../identity/source-network.ts'
import type { Log } from '../log.ts'
import type { Cancel } from './cancel-keys.ts'

export type CancelAsked = { readonly pid: number; readonly key: Buffer; readonly sourceAddress: string }

export type CancelRequestsParts = {
  readonly limits: () => PostgresLimits
  readonly clock: { readonly nowMs: () => number }
  readonly log: Log
}

export class CancelRequests {
  readonly #find: (pid: number, key: Buffer) => Cancel | undefined
  readonly #parts: CancelRequestsParts
  readonly #attempts = new CancelAttempts()

  constructor(find: (pid: number, key: Buffer) => Cancel | undefined, parts: CancelRequestsParts) {
    this.#find = find
    this.#parts = parts
  }

  /** Resolves when it was delivered, or came to nothing: nobody learns which. */
  async take({ pid, key, sourceAddress }: CancelAsked): Promise<void> {
    const { limits, clock, log } = this.#parts
    const source = sourceNetwork(sourceAddress)
    if (!this.#attempts.allow(source, limits().cancelsPerMinutePerSource, clock.nowMs())) return
    const cancel = this.#find(pid, key)
    if (cancel === undefined) log.info({ source }, 'a cancel request with a key that is none')
    await cancel?.(sourceAddress)
  }
}

/** So many sources are counted in one minute; beyond them nobody is told to go on guessing. */
const maxSources = 10_000
const minuteMs = 60_000

/** How often a source has tried to cancel in this minute. */
class CancelAttempts {
  readonly #counts = new Map<string, number>()
  #minute = -1

  /** Counts one; false if it is one too many. */
  allow(source: string, perMinute: number, nowMs: number): boolean {
    const minute = Math.floor(nowMs / minuteMs)
    if (minute !== this.#minute) this.#counts.clear()
    this.#minute = minute
    const count = (this.#counts.get(source) ?? 0) + 1
    if (count > perMinute || (count === 1 && this.#counts.size >= maxSources)) return false
    this.#counts.set(source, count)
    return true
  }
}
