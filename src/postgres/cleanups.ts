/** What goes on after sessions have ended: credentials that are being removed. A gateway that stops waits for it. */
export class Cleanups {
  readonly #running = new Set<Promise<void>>()

  /** `work` never rejects, or what fails is nobody's here: the sweep goes on with it. */
  add(work: Promise<void>): void {
    const noted = work.catch(() => {}).finally(() => this.#running.delete(noted))
    this.#running.add(noted)
  }

  /** Resolves when none is left; each has limits of its own. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }
}
