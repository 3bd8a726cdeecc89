/** What is kept of events until they are scored together. */
import type { Interned } from './block.ts'
import type { ActivityEvent } from './event.ts'
import { type HourRun, hourSince1970 } from './hours.ts'

export class OpenBlock {
  /** The tokens of each event; only the first `size` ones are of this block. */
  readonly texts: Interned[] = []
  size = 0
  hours: HourRun[] = []
  /** Where the person had not been, in order of the first visit. */
  newTargets: string[] = []
  #target: string | undefined
  #hour = Number.NaN

  get fromMs(): number {
    return this.hours[0]?.fromMs ?? 0
  }

  get toMs(): number {
    return this.hours.at(-1)?.toMs ?? 0
  }

  add({ target, atMs }: ActivityEvent, interned: Interned, known: ReadonlySet<string>): void {
    this.texts[this.size++] = interned
    if (target !== this.#target) this.#visit(target, known)
    this.#countHour(atMs)
  }

  /** Begins anew. Lists of a block are used again: most people go on for thousands of them. */
  clear(): void {
    this.size = 0
    this.hours = []
    if (this.newTargets.length > 0) this.newTargets = []
    this.#target = undefined
    this.#hour = Number.NaN
  }

  #visit(target: string, known: ReadonlySet<string>): void {
    if (!known.has(target) && !this.newTargets.includes(target)) this.newTargets.push(target)
    this.#target = target
  }

  #countHour(atMs: number): void {
    const hour = hourSince1970(atMs)
    const run = this.hours.at(-1)
    if (hour !== this.#hour || run === undefined) {
      this.#hour = hour
      this.hours.push({ fromMs: atMs, toMs: atMs, events: 1 })
      return
    }
    run.events++
    run.toMs = atMs
  }
}
