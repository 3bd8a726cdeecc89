/**
 * Decisions made with one key wait ten seconds before they are sent, so that a wrong key can be taken back: the gateway's log never hears of
 * what was undone. Leaving the page sends what waits.
 */

export const undoMs = 10_000

export type Waiting = {
  readonly id: number
  /** What is going to happen, for people: "Acknowledged". */
  readonly what: string
  readonly findings: readonly string[]
}

type Send = (isLeaving: boolean) => void
type Kept = Waiting & { readonly send: Send; readonly timer: ReturnType<typeof setTimeout> }

export class DelayedDecisions {
  #kept: Kept[] = []
  #last = 0
  readonly #changed: () => void

  /** `changed` is called when something begins or ends to wait. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get waiting(): readonly Waiting[] {
    return this.#kept
  }

  add(what: string, findings: readonly string[], send: Send): void {
    const id = ++this.#last
    const timer = setTimeout(() => this.#send(id, false), undoMs)
    this.#kept = [...this.#kept, { id, what, findings, send, timer }]
    this.#changed()
  }

  /** Takes the last one back. False if nothing waits any more. */
  undo(): boolean {
    const last = this.#kept.at(-1)
    if (last === undefined) return false
    this.#drop(last)
    return true
  }

  /** Sends everything at once. `isLeaving`: the page goes away, and nobody waits for answers. */
  flush(isLeaving = false): void {
    for (const { id } of this.#kept) this.#send(id, isLeaving) // each replaces the list: this one stays as it was
  }

  #send(id: number, isLeaving: boolean): void {
    const kept = this.#kept.find(one => one.id === id)
    if (kept === undefined) return
    this.#drop(kept)
    kept.send(isLeaving)
  }

  #drop(kept: Kept): void {
    clearTimeout(kept.timer)
    this.#kept = this.#kept.filter(one => one !== kept)
    this.#changed()
  }
}
