/**
 * Regular expressions whose matching takes time linear in the text: the class of RE2, by simulation of all states at once (Thompson
 * 1968). What would need going back (look-around, back-references, possessive and atomic groups) is refused, with what it was.
 */

/** Of one expression, repetitions spread out. */
const maxStates = 2000
const maxNesting = 50

/** Matches one UTF-16 unit. */
type Unit = (code: number) => boolean

type State =
  | { readonly kind: 'unit'; readonly unit: Unit; next: number }
  | { readonly kind: 'split'; next: number; other: number }
  | { readonly kind: 'assert'; readonly holds: (text: string, at: number) => boolean; next: number }
  | { readonly kind: 'match' }

export type RegexFlags = {
  readonly ignoreCase: boolean
  readonly multiline: boolean
  readonly dotAll: boolean
}
export type LinearRegex = (text: string) => boolean

/** Throws RangeError with what it does not take. */
export function compileRegex(source: string, flags: RegexFlags): LinearRegex {
  const states = new RegexCompiler(source, flags).compile()
  return text => run(states, text)
}

/** Looks for a match anywhere in the text. */
function run(states: readonly State[], text: string): boolean {
  let current: number[] = []
  const marked = new Int32Array(states.length).fill(-1)
  const stack: number[] = []
  /** Adds a state and all that it reaches without a character; true if that is a match. */
  const add = (state: number, at: number, list: number[]): boolean => {
    stack.push(state)
    while (stack.length > 0) {
      const number = stack.pop() ?? 0
      if (marked[number] === at) continue
      marked[number] = at
      const found = states[number]
      if (found === undefined || found.kind === 'match') return true
      if (found.kind === 'unit') list.push(number)
      else if (found.kind === 'split') stack.push(found.other, found.next)
      else if (found.holds(text, at)) stack.push(found.next)
    }
    return false
  }
  for (let at = 0; ; at++) {
    if (add(0, at, current)) return true
    if (at === text.length) return false
    const code = text.charCodeAt(at)
    const next: number[] = []
    for (const number of current) {
      const state = states[number]
      if (state?.kind === 'unit' && state.unit(code) && add(state.next, at + 1, next)) return true
    }
    current = next
  }
}

/** A piece of the machine: where it starts, and how to lead its ends somewhere. */
type Fragment = { readonly start: number; readonly leadTo: (state: number) => void }

class RegexCompiler {
  readonly #source: string
  readonly #states: State[] = []
  #flags: RegexFlags
  #at = 0
  #depth = 0

  constructor(source: string, flags: RegexFlags) {
    this.#source = source
    this.#flags = flags
  }

  compile(): readonly State[] {
    const begin = this.#add({ kind: 'split', next: 0, other: 0 })
    const inline = /^\(\?([ims]+)\)/.exec(this.#source)
    if (inline !== null) {
      this.#flags = withLetters(this.#flags, inline[1] ?? '')
      this.#at = inline[0].length
    }
    const whole = this.#alternatives()
    if (this.#at < this.#source.length) throw new RangeError(`a ) too many, at ${this.#at}`)
    whole.leadTo(this.#add({ kind: 'match' }))
    this.#states[begin] = { kind: 'split', next: whole.start, other: whole.start }
    return this.#states
  }

  #add(state: State): number {
    if (this.#states.length >= maxStates) throw new RangeError(`more than ${maxStates} states`)
    return this.#states.push(state) - 1
  }

  #alternatives(): Fragment {
    if (++this.#depth > maxNesting) throw new RangeError(`nested deeper than ${maxNesting}`)
    let whole = this.#sequence()
    while (this.#take('|')) whole = this.#either(whole, this.#sequence())
    this.#depth--
    return whole
  }

  #either(one: Fragment, other: Fragment): Fragment {
    const start = this.#add({ kind: 'split', next: one.start, other: other.start })
    return {
      start,
      leadTo: state => {
        one.leadTo(state)
        other.leadTo(state)
      },
    }
  }

  #sequence(): Fragment {
    let whole = this.#nothing()
    while (this.#at < this.#source.length && !'|)'.includes(this.#source.charAt(this.#at))) {
      const from = this.#at
      const item = this.#item()
      whole = chain(whole, this.#repeated(item, from))
    }
    return whole
  }

  #nothing(): Fragment {
    return this.#assert(() => true)
  }

  #assert(holds: (text: string, at: number) => boolean): Fragment {
    const state: State = { kind: 'assert', holds, next: 0 }
    const start = this.#add(state)
    return { start, leadTo: next => void (state.next = next) }
  }

  #unit(unit: Unit): Fragment {
    const state: State = { kind: 'unit', unit, next: 0 }
    const start = this.#add(state)
    return { start, leadTo: next => void (state.next = next) }
  }

  #item(): Fragment {
    const character = this.#source.charAt(this.#at++)
    if (character === '(') return this.#group()
    if (character === '[') return this.#unit(this.#classOf())
    if (character === '.') return this.#unit(this.#flags.dotAll ? () => true : code => code !== 10)
    if (character === '^') return this.#assert(this.#flags.multiline ? atLineStart : (_, at) => at === 0)
    if (character === '$')
      return this.#assert(this.#flags.multiline ? atLineEnd : (text, at) => at === text.length)
    if (character === '\\') return this.#escaped()
    if ('*+?'.includes(character)) throw new RangeError(`nothing to repeat before ${character}`)
    return this.#unit(this.#literal(character.charCodeAt(0)))
  }

  #group(): Fragment {
    if (this.#take('?')) {
      const kind = /^(?:P?<[A-Za-z_]\w*>|[ims]*:)/.exec(this.#source.slice(this.#at, this.#at + 80))?.[0]
      if (kind === undefined)
        throw new RangeError(
          `a group of a kind that needs going back: (?${this.#source.slice(this.#at, this.#at + 2)}`,
        )
      this.#at += kind.length
      if (kind.endsWith(':')) return this.#inside(withLetters(this.#flags, kind.slice(0, -1)))
    }
    return this.#inside(this.#flags)
  }

  #inside(flags: RegexFlags): Fragment {
    const before = this.#flags
    this.#flags = flags
    const whole = this.#alternatives()
    this.#flags = before
    if (!this.#take(')')) throw new RangeError('a group is not closed')
    return whole
  }

  #escaped(): Fragment {
    const letter = this.#source.charAt(this.#at)
    if (letter === 'b' || letter === 'B') {
      this.#at++
      return this.#assert((text, at) => isWordEdge(text, at) === (letter === 'b'))
    }
    if (letter === 'A') {
      this.#at++
      return this.#assert((_, at) => at === 0)
    }
    if (letter === 'z' || letter === 'Z') {
      this.#at++
      return this.#assert((text, at) => at === text.length)
    }
    if (/[1-9kgGKRXpPC]/.test(letter)) throw new RangeError(`\\${letter}`)
    const escape = this.#escape()
    return this.#unit(typeof escape === 'number' ? this.#literal(escape) : escape)
  }

  /** Behind a backslash, in or out of brackets: a class, or the number of a character. */
  #escape(): Unit | number {
    const letter = this.#source.charAt(this.#at++)
    const known = classes[letter]
    if (known !== undefined) return known
    const control = controls[letter]
    if (control !== undefined) return control
    if (letter === 'x' || letter === 'u') {
      const digits = /^(?:\{([\da-fA-F]{1,4})\}|([\da-fA-F]{2,4}))/.exec(
        this.#source.slice(this.#at, this.#at + 6),
      )
      const length = letter === 'x' && digits?.[1] === undefined ? 2 : (digits?.[0].length ?? 0)
      if (digits === null) throw new RangeError(`\\${letter} without its digits`)
      this.#at += length
      return Number.parseInt(digits[1] ?? digits[0].slice(0, length), 16)
    }
    if (letter === '' || /[A-Za-z0-9]/.test(letter)) throw new RangeError(`\\${letter}`)
    return letter.charCodeAt(0)
  }

  #classOf(): Unit {
    const isNegated = this.#take('^')
    const units: Unit[] = []
    for (let isFirst = true; isFirst || this.#source.charAt(this.#at) !== ']'; isFirst = false) {
      if (this.#at >= this.#source.length) throw new RangeError('a class is not closed')
      const posix = /^\[:(\w+):\]/.exec(this.#source.slice(this.#at, this.#at + 12))
      if (posix !== null) {
        const named = posixClasses[posix[1] ?? '']
        if (named === undefined) throw new RangeError(`[:${posix[1]}:]`)
        this.#at += posix[0].length
        units.push(named)
      } else units.push(this.#range())
    }
    this.#at++
    return code => units.some(unit => unit(code)) !== isNegated
  }

  #range(): Unit {
    const low = this.#classItem()
    if (typeof low !== 'number') return low
    if (this.#source.charAt(this.#at) !== '-' || this.#source.charAt(this.#at + 1) === ']')
      return this.#literal(low)
    this.#at++
    const high = this.#classItem()
    if (typeof high !== 'number' || high < low) throw new RangeError('a range of a class goes backwards')
    const within = (code: number): boolean => code >= low && code <= high
    return this.#flags.ignoreCase ? code => caseOf(code).some(within) : within
  }

  #classItem(): Unit | number {
    const character = this.#source.charAt(this.#at++)
    return character === '\\'
      ? this.#source.charAt(this.#at) === 'b'
        ? (this.#at++, 8)
        : this.#escape()
      : character.charCodeAt(0)
  }

  #literal(wanted: number): Unit {
    if (!this.#flags.ignoreCase) return code => code === wanted
    const both = caseOf(wanted)
    return code => both.includes(code)
  }

  /** What follows an item: `*`, `+`, `?`, `{2,5}`, each also with a `?` that changes nothing here. */
  #repeated(item: Fragment, from: number): Fragment {
    const counts = this.#counts()
    if (counts === undefined) return item
    const end = this.#at
    if (this.#take('+')) throw new RangeError('a possessive repetition')
    this.#take('?')
    const after = Math.max(end, this.#at)
    const [least, most] = counts
    let whole = least === 0 && most === 0 ? this.#nothing() : this.#copies(item, from, counts)
    if (this.#counts() !== undefined) throw new RangeError('a repetition of a repetition')
    this.#at = after
    if (least === 0 && most !== 0) whole = this.#optional(whole)
    return whole
  }

  /** At least once, at most so often; copies are made by reading the item again. */
  #copies(item: Fragment, from: number, [least, most]: readonly [number, number]): Fragment {
    if (most === Number.POSITIVE_INFINITY) {
      let whole = item
      let last = item
      for (let count = 1; count < least; count++) {
        last = this.#again(from)
        whole = chain(whole, last)
      }
      return { start: whole.start, leadTo: this.#loop(last).leadTo }
    }
    let whole = item
    for (let count = 1; count < most; count++) {
      const next = this.#again(from)
      whole = chain(whole, count < Math.max(1, least) ? next : this.#optional(next))
    }
    return whole
  }

  #again(from: number): Fragment {
    const before = this.#at
    this.#at = from
    const item = this.#item()
    this.#at = before
    return item
  }

  #loop(item: Fragment): Fragment {
    const state: State = { kind: 'split', next: item.start, other: 0 }
    const number = this.#add(state)
    item.leadTo(number)
    return { start: item.start, leadTo: next => void (state.other = next) }
  }

  #optional(item: Fragment): Fragment {
    const state: State = { kind: 'split', next: item.start, other: 0 }
    const start = this.#add(state)
    return {
      start,
      leadTo: next => {
        item.leadTo(next)
        state.other = next
      },
    }
  }

  #counts(): readonly [number, number] | undefined {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY]
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY]
    if (this.#take('?')) return [0, 1]
    const braces = /^\{(\d{1,4})(?:(,)(\d{0,4}))?\}/.exec(this.#source.slice(this.#at, this.#at + 12))
    if (braces === null) return undefined
    this.#at += braces[0].length
    const least = Number(braces[1])
    if (braces[2] === undefined) return [least, least]
    const most = braces[3] === '' || braces[3] === undefined ? Number.POSITIVE_INFINITY : Number(braces[3])
    if (most < least) throw new RangeError('a repetition goes backwards')
    return [least, most]
  }

  #take(character: string): boolean {
    if (this.#source.charAt(this.#at) !== character) return false
    this.#at++
    return true
  }
}

function chain(one: Fragment, other: Fragment): Fragment {
  one.leadTo(other.start)
  return { start: one.start, leadTo: other.leadTo }
}

function withLetters(flags: RegexFlags, letters: string): RegexFlags {
  return {
    ignoreCase: flags.ignoreCase || letters.includes('i'),
    multiline: flags.multiline || letters.includes('m'),
    dotAll: flags.dotAll || letters.includes('s'),
  }
}

const isDigit: Unit = code => code >= 48 && code <= 57
const isLower: Unit = code => code >= 97 && code <= 122
const isUpper: Unit = code => code >= 65 && code <= 90
const isWord: Unit = code => isDigit(code) || isLower(code) || isUpper(code) || code === 95
const isSpace: Unit = code => code === 32 || (code >= 9 && code <= 13) || code === 0xa0
const not =
  (unit: Unit): Unit =>
  code =>
    !unit(code)

const classes: Readonly<Record<string, Unit>> = {
  d: isDigit,
  D: not(isDigit),
  w: isWord,
  W: not(isWord),
  s: isSpace,
  S: not(isSpace),
}
const posixClasses: Readonly<Record<string, Unit>> = {
  alpha: code => isLower(code) || isUpper(code),
  digit: isDigit,
  alnum: code => isDigit(code) || isLower(code) || isUpper(code),
  upper: isUpper,
  lower: isLower,
  space: isSpace,
  word: isWord,
  xdigit: code => isDigit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70),
}
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, a: 7, e: 27, 0: 0 }

function caseOf(code: number): readonly number[] {
  const letter = String.fromCharCode(code)
  return [code, letter.toLowerCase().charCodeAt(0), letter.toUpperCase().charCodeAt(0)]
}

function isWordEdge(text: string, at: number): boolean {
  const isBefore = at > 0 && isWord(text.charCodeAt(at - 1))
  const isAfter = at < text.length && isWord(text.charCodeAt(at))
  return isBefore !== isAfter
}

function atLineStart(text: string, at: number): boolean {
  return at === 0 || text.charCodeAt(at - 1) === 10
}

function atLineEnd(text: string, at: number): boolean {
  return at === text.length || text.charCodeAt(at) === 10
}
