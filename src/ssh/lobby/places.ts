/** How many lobbies each person has open: connections without a session count nowhere else. */
export class LobbyPlaces {
  readonly #taken = new Map<string, number>()

  /** Takes a place unless the person has `max`; the returned function gives it back, once. */
  take(person: string, max: number): (() => void) | undefined {
    const taken = this.#taken.get(person) ?? 0
    if (taken >= max) return undefined
    this.#taken.set(person, taken + 1)
    let mine = true
    return () => {
      if (mine) this.#giveBack(person)
      mine = false
    }
  }

  #giveBack(person: string): void {
    const left = (this.#taken.get(person) ?? 1) - 1
    if (left > 0) this.#taken.set(person, left)
    else this.#taken.delete(person)
  }
}
