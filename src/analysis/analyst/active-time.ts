/** How much of a session somebody or something was busy: what an auditor has to look at, as the player counts it when it skips. */
import { carriesData, type EventRecord } from '../../recorder/event.ts'

/** Quiet for longer is idle, from its beginning. As in the player. */
const idleUs = 10_000_000
/** What came or went, besides bytes: input that is only counted, statements and their results, the end. */
const busy: ReadonlySet<string> = new Set(['input-count', 'statement', 'result', 'end'])

export class ActiveTime {
  #lastUs = 0
  #us = 0

  take({ us, event }: EventRecord): void {
    if (!carriesData(event) && !busy.has(event.type)) return
    const quietUs = us - this.#lastUs
    this.#lastUs = us
    if (quietUs > 0 && quietUs <= idleUs) this.#us += quietUs
  }

  /** Milliseconds until the last event that was taken. */
  get ms(): number {
    return Math.round(this.#us / 1000)
  }
}
