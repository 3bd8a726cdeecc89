/** Downloads on their way at once: so many of everybody, and not all of them one person's. */
import { tooBusy, tooManyDownloads } from '../refusals.ts'
import { type Answer, Refused } from '../route.ts'

export class DownloadPlaces {
  readonly #most: number
  readonly #mostOfOne: number
  readonly #taken = new Map<string, number>()

  constructor(most: number, mostOfOne: number) {
    this.#most = most
    this.#mostOfOne = mostOfOne
  }

  /** `work` calls what it is given when the last byte is gone; if it refuses or throws, that is done for it. */
  async during(person: string, work: (done: () => void) => Promise<Answer>): Promise<Answer> {
    const theirs = this.#taken.get(person) ?? 0
    if (theirs >= this.#mostOfOne) return new Refused(tooManyDownloads)
    if (this.#all() >= this.#most) return new Refused(tooBusy)
    this.#taken.set(person, theirs + 1)
    let isDone = false
    const done = (): void => {
      if (!isDone) this.#leave(person)
      isDone = true
    }
    try {
      const answer = await work(done)
      if (answer instanceof Refused) done()
      return answer
    } catch (cause) {
      done()
      throw cause
    }
  }

  #all(): number {
    return [...this.#taken.values()].reduce((sum, of) => sum + of, 0)
  }

  #leave(person: string): void {
    const left = (this.#taken.get(person) ?? 1) - 1
    if (left > 0) this.#taken.set(person, left)
    else this.#taken.delete(person)
  }
}
