/** What a session has used up, against what the configuration lets it (`recording.limits`). */
import type { SessionLimits } from '../config/config.ts'
import type { Ending } from './session.ts'

/** The rate of output is an average over so long: a burst is no endless output. */
export const rateWindowMs = 60_000

type Sample = { readonly atMs: number; readonly outputBytes: number }

export class Usage {
  #outputBytes = 0
  /** Of the last minute, oldest first, as often as somebody looked. */
  readonly #samples: Sample[]
  readonly #beganMs: number

  /** Times are milliseconds by a clock that nobody sets back. */
  constructor(beganMs: number) {
    this.#beganMs = beganMs
    this.#samples = [{ atMs: beganMs, outputBytes: 0 }]
  }

  /** Bytes went to the user. */
  sent(bytes: number): void {
    this.#outputBytes += bytes
  }

  /** Why the session has to end now, if so. Looked at every half second, so that a session goes beyond its limits by no more than that. */
  over(limits: SessionLimits, recordedBytes: number, nowMs: number): Ending | undefined {
    const perSecond = this.#rate(nowMs)
    if (recordedBytes > (limits.recordedBytes ?? Infinity))
      return ending(`its recording is as large as one may be (${inWords(limits.recordedBytes)})`)
    if (nowMs - this.#beganMs > (limits.timeMs ?? Infinity))
      return ending(`it has lasted as long as one may (${Math.round((limits.timeMs ?? 0) / 1000)} seconds)`)
    if (this.#outputBytes > (limits.outputBytes ?? Infinity))
      return ending(`it has sent as much output as one may (${inWords(limits.outputBytes)})`)
    if (perSecond > (limits.outputBytesPerSecond ?? Infinity))
      return ending(`it has sent more than ${inWords(limits.outputBytesPerSecond)} a second for a minute`)
    return undefined
  }

  /** Bytes a second over the last minute; 0 while there was none. */
  #rate(nowMs: number): number {
    this.#samples.push({ atMs: nowMs, outputBytes: this.#outputBytes })
    while ((this.#samples[1]?.atMs ?? Infinity) <= nowMs - rateWindowMs) this.#samples.shift()
    const [oldest] = this.#samples
    if (oldest === undefined || nowMs - oldest.atMs < rateWindowMs) return 0
    return ((this.#outputBytes - oldest.outputBytes) * 1000) / (nowMs - oldest.atMs)
  }
}

function ending(why: string): Ending {
  return {
    reason: `limit: ${why}`,
    userText: `This session ends because ${why}. Connect again if there is more to do, and keep large output in a file on the target.`,
  }
}

function inWords(bytes = 0): string {
  for (const [unit, size] of [
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
  ] as const)
    if (bytes >= size && bytes % size === 0) return `${bytes / size} ${unit}`
  return `${bytes} bytes`
}
