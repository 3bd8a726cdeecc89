/** Tells entries in the order in which they became known, each with its number, by the recording's own time and no other clock. */
import type { CommandDetail, EntryKind, FileDetail, StatementDetail } from '../entry.ts'

/**
 * What goes on for longer than this is told before it is over: a command that runs, a statement without its result. In microseconds of the
 * recording, so that it is the same whether the session is open or was sealed long ago.
 */
export const momentUs = 2_000_000

/** An entry before it has a number, its text as it was recorded. */
export type Draft = {
  readonly kind: EntryKind
  readonly us: number
  readonly text: string
  /** What runs in its place, or was encoded in it: looked at like the text. */
  readonly runs?: string
  /** A statement that the client ran by a name. */
  readonly isNamed?: boolean
  readonly command?: CommandDetail
  readonly statement?: StatementDetail
  readonly file?: FileDetail
}
/** `isOver`: it does not change any more. Otherwise it is told again. */
export type Told = { readonly number: number; readonly draft: Draft; readonly isOver: boolean }

/** An entry that goes on. */
export type Going = { number: number | undefined; isOver: boolean; readonly read: () => Draft }

/** Of those that have happened; then they are forgotten together. */
const maxDone = 1000

type Due = { readonly us: number; readonly run: () => void }

export class Teller {
  #next = 0
  #told: Told[] = []
  /** In order of time, those before `#done` have happened; what is added is hardly ever before the last one. */
  #due: Due[] = []
  #done = 0

  /** Everything that was told since. */
  take(): Told[] {
    const told = this.#told
    this.#told = []
    return told
  }

  /** Until when nothing happens by itself; undefined if nothing will. */
  get nextUs(): number | undefined {
    return this.#due[this.#done]?.us
  }

  /** The recording has come so far: what was to happen until then does. Before anything of that instant is taken. */
  settle(us: number): void {
    for (
      let next = this.#due[this.#done];
      next !== undefined && next.us <= us;
      next = this.#due[this.#done]
    ) {
      this.#done++
      next.run()
    }
    if (this.#done < maxDone) return
    this.#due = this.#due.slice(this.#done)
    this.#done = 0
  }

  at(us: number, run: () => void): void {
    let place = this.#due.length
    while (place > this.#done && (this.#due[place - 1]?.us ?? 0) > us) place--
    this.#due.splice(place, 0, { us, run })
  }

  once(draft: Draft): void {
    this.#told.push({ number: this.#next++, draft, isOver: true })
  }

  begin(us: number, read: () => Draft): Going {
    const going: Going = { number: undefined, isOver: false, read }
    this.at(us + momentUs, () => this.early(going))
    return going
  }

  /** It goes on: it is told as far as it is known. Once. */
  early(going: Going): void {
    if (!going.isOver && going.number === undefined) this.#tell(going)
  }

  finish(going: Going): void {
    if (going.isOver) return
    going.isOver = true
    this.#tell(going)
  }

  #tell(going: Going): void {
    going.number ??= this.#next++
    this.#told.push({ number: going.number, draft: going.read(), isOver: going.isOver })
  }
}
