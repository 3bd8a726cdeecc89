/** Who watches how much: a wall of screens, and not all places of one session, which has few. */

/** Watches of one person at once, and of one session by one person: two windows, and one that has not noticed that it is gone. */
const maxOfPerson = 16
const maxOfSession = 3

export class WatchPlaces {
  readonly #taken = new Map<string, number>()

  /** Takes a place at once; gives what leaves it, or undefined if the person has as many as there may be. */
  take(person: string, session: string): (() => void) | undefined {
    const both = `${person}\n${session}`
    if (this.#of(person) >= maxOfPerson || this.#of(both) >= maxOfSession) return undefined
    this.#add(person, 1)
    this.#add(both, 1)
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      this.#add(person, -1)
      this.#add(both, -1)
    }
  }

  #of(key: string): number {
    return this.#taken.get(key) ?? 0
  }

  #add(key: string, more: number): void {
    const count = this.#of(key) + more
    if (count > 0) this.#taken.set(key, count)
    else this.#taken.delete(key)
  }
}
