/** Rows of a terminal that stood for a while and then had something else in their place: what nobody sees who looks later. */

/** Rows that are looked at besides the cursor's own, of one terminal. Some microseconds each. */
const maxWatched = 50_000
/** Rows above the cursor that are looked at when it goes up. */
const maxRows = 100
/** Notes of one terminal, and those that begin alike: meters and builds overwrite themselves all the time. */
const maxNotes = 200
const maxAlike = 3
/** Of the words that stood there, so many may be gone before it counts as another text. */
const maxKept = 0.5
/** What a prompt ends with. */
const promptEnd = /[$#%>❯»](?:\s|$)/gu
/** What pagers and editors of lines show for themselves. */
const ownTexts = /^(?:--more--|:$|\(end\)|\S{0,12}[([]?(?:reverse-|failed |bck-|fwd-)?i-search)/iu

type Standing = { readonly text: string; final?: string }

export class Overwritten {
  readonly #say: (text: string) => void
  /** By number, counted from the first row that the terminal ever had. */
  readonly #standing = new Map<number, Standing>()
  readonly #alike = new Map<string, number>()
  #watched = 0
  #notes = 0
  /** Rows above it have stood for a while. */
  #stoodAbove = -1

  constructor(say: (text: string) => void) {
    this.#say = say
  }

  /** The row with the cursor, and all above it, have stood for a while. */
  stood(row: number, text: string): void {
    this.#standing.clear()
    this.#standing.set(row, { text })
    this.#stoodAbove = row
  }

  /** The cursor goes up to a row: what stands from there on may be gone soon. */
  goesUp(to: number, textOf: (row: number) => string): void {
    const end = Math.min(this.#stoodAbove, to + maxRows)
    for (let row = to; row < end && this.#watched < maxWatched; row++) {
      if (this.#standing.has(row)) continue
      this.#watched++
      this.#standing.set(row, { text: textOf(row) })
    }
  }

  /** Rows before that one are gone: they stay as they are. */
  scrolled(before: number, textOf: (row: number) => string): void {
    for (const [row, standing] of this.#standing) if (row < before) standing.final ??= textOf(row)
  }

  /** Says what is not there any more. `shown` are all rows of the screen: one that moved is still there. */
  check(textOf: (row: number) => string, shown: () => readonly string[]): void {
    for (const [row, { text, final }] of this.#standing) {
      const now = final ?? textOf(row)
      if (now !== text && isReplaced(text, now) && !shown().includes(text)) this.#note(text.trim())
    }
    this.#standing.clear()
  }

  /** The screen is another one. */
  forget(): void {
    this.#standing.clear()
    this.#stoodAbove = -1
  }

  #note(text: string): void {
    const [begin = ''] = wordsOf(text)
    const alike = this.#alike.get(begin) ?? 0
    if (alike >= maxAlike || this.#notes >= maxNotes) return
    this.#alike.set(begin, alike + 1)
    this.#notes++
    this.#say(`[overwritten] ${text}`)
  }
}

/** Whether another text stands there now, or none: no longer or shorter version of it, no meter that went on, no line that was edited. */
export function isReplaced(before: string, after: string): boolean {
  const [was, is] = [before.trim(), after.trim()]
  const words = wordsOf(was)
  if (words.size === 0 || ownTexts.test(was) || ownTexts.test(is)) return false
  if (is === '') return true
  const typed = behindPrompt(was)
  const isOther = typed === '' || !is.includes(typed)
  const isShorter = was.startsWith(is) && is.length >= was.length / 2
  if (!isOther || isShorter || is.startsWith(was) || isEdited(was, is)) return false
  const now = wordsOf(is)
  const kept = [...words].filter(word => now.has(word)).length
  return kept / words.size < maxKept
}

/** What follows the last prompt of a line, or all of it. */
function behindPrompt(line: string): string {
  const last = [...line.matchAll(promptEnd)].at(-1)
  return last === undefined ? line : line.slice(last.index + last[0].length).trim()
}

/** Whether both begin with the same prompt. */
function isEdited(was: string, is: string): boolean {
  let same = 0
  while (same < was.length && was[same] === is[same]) same++
  return was.slice(0, same).search(promptEnd) !== -1
}

/** Counts that went on are the same word; a long number is one of its own. */
function wordsOf(text: string): Set<string> {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? []
  return new Set(words.map(word => (word.length < 8 ? word.replaceAll(/\p{N}+/gu, '0') : word)))
}
