/** Recordings that a command reads by the path that it was told: they stay where they are until it says that it is done. */

/** A command that was killed says nothing. */
const longestMs = 12 * 3_600_000

export class ReadTickets {
  readonly #releases = new Map<number, { release: () => void; timer: NodeJS.Timeout }>()
  #last = 0

  keep(release: () => void): number {
    const ticket = ++this.#last
    const timer = setTimeout(() => this.release(ticket), longestMs).unref()
    this.#releases.set(ticket, { release, timer })
    return ticket
  }

  release(ticket: number): void {
    const kept = this.#releases.get(ticket)
    this.#releases.delete(ticket)
    clearTimeout(kept?.timer)
    kept?.release()
  }
}
