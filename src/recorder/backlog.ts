/** A relay stops reading from its sockets while a recording's backlog is above this ... */
export const maxBacklogBytes: number = 2 * 1024 * 1024
/** ... and goes on when it has come down to this. */
export const drainedBytes: number = 1024 * 1024

/** All recordings of a process together: past this, each that has more than its share waits too ... */
export const maxTotalBacklogBytes: number = 32 * 1024 * 1024
/** ... until all together have come down to this. */
export const drainedTotalBytes: number = 16 * 1024 * 1024
/** What a recording may have waiting whatever the others do, so that a few that move data do not stop who types. */
export const shareBytes: number = 64 * 1024

/** Event bytes of all recordings of a process that are not in their files yet. */
export class TotalBacklog {
  #bytes = 0
  readonly #waiting = new Set<() => void>()

  get bytes(): number {
    return this.#bytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }

  wrote(bytes: number): void {
    this.#bytes -= bytes
    if (this.#bytes > drainedTotalBytes) return
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }

  /** Calls back once, when all together have come down. */
  whenDrained(wake: () => void): void {
    this.#waiting.add(wake)
  }
}

/** Event bytes of one recording that are not in its file yet, among those of all. */
export class Backlog {
  readonly #total: TotalBacklog
  #bytes = 0
  #resolves: (() => void)[] = []
  #isOver = false
  readonly #look = (): void => this.#resume()

  constructor(total: TotalBacklog) {
    this.#total = total
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Whether whoever records should stop reading until `whenDrained`. */
  get isTooLong(): boolean {
    if (this.#bytes > maxBacklogBytes) return true
    return this.#bytes > shareBytes && this.#total.bytes > maxTotalBacklogBytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
    this.#total.add(bytes)
  }

  wrote(bytes: number): void {
    this.#bytes -= bytes
    this.#total.wrote(bytes)
    this.#resume()
  }

  /** Nothing is written any more: nobody waits. */
  giveUp(): void {
    this.#isOver = true
    this.#resume()
  }

  whenDrained(): Promise<void> {
    if (this.#isDrained) return Promise.resolve()
    return new Promise(resolve => {
      this.#resolves.push(resolve)
      this.#total.whenDrained(this.#look)
    })
  }

  get #isDrained(): boolean {
    if (this.#isOver || this.#bytes <= shareBytes) return true
    return this.#bytes <= drainedBytes && this.#total.bytes <= drainedTotalBytes
  }

  #resume(): void {
    if (this.#resolves.length === 0) return
    if (!this.#isDrained) return this.#total.whenDrained(this.#look)
    for (const resolve of this.#resolves.splice(0)) resolve()
  }
}
