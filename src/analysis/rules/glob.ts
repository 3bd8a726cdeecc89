/**
 * Patterns of words: `*` is any text, `?` one character, `{a,b}` alternatives. Case counts. No regular expressions: the person
 * who is watched chooses the text, and matching takes time linear in it for every pattern.
 */

/** Alternatives of one pattern after its braces are spread. */
const maxAlternatives = 200

export type Glob = (text: string) => boolean

export function compileGlobs(patterns: readonly string[]): Glob {
  const alternatives = patterns.flatMap(spread)
  if (alternatives.length > maxAlternatives) throw new RangeError(`more than ${maxAlternatives} alternatives`)
  const plain = new Set(alternatives.filter(pattern => !/[*?]/.test(pattern)))
  const wild = new WildGlobs(alternatives.filter(pattern => /[*?]/.test(pattern)))
  return text => plain.has(text) || wild.matches(text)
}

/** A text is tried only with patterns that begin, or end, with its own first or last character. */
class WildGlobs {
  readonly #byFirst = new Map<number, Glob[]>()
  readonly #byLast = new Map<number, Glob[]>()
  readonly #others: Glob[] = []

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) this.#placeOf(pattern).push(compile(pattern))
  }

  matches(text: string): boolean {
    const first = this.#byFirst.get(text.charCodeAt(0))
    if (first?.some(glob => glob(text)) === true) return true
    const last = this.#byLast.get(text.charCodeAt(text.length - 1))
    if (last?.some(glob => glob(text)) === true) return true
    return this.#others.some(glob => glob(text))
  }

  #placeOf(pattern: string): Glob[] {
    const [first, last] = [pattern.charAt(0), pattern.charAt(pattern.length - 1)]
    if (first !== '*' && first !== '?') return listIn(this.#byFirst, first.charCodeAt(0))
    if (last !== '*' && last !== '?') return listIn(this.#byLast, last.charCodeAt(0))
    return this.#others
  }
}

function listIn(lists: Map<number, Glob[]>, key: number): Glob[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}

/** `a{b,c}` is `ab` and `ac`. Braces do not nest. */
function spread(pattern: string): string[] {
  const open = pattern.indexOf('{')
  const close = pattern.indexOf('}', open)
  if (open === -1 || close === -1) return [pattern]
  const rest = spread(pattern.slice(close + 1))
  return pattern
    .slice(open + 1, close)
    .split(',')
    .flatMap(each => rest.map(tail => `${pattern.slice(0, open)}${each}${tail}`))
}

function compile(pattern: string): Glob {
  return compileParts(pattern.split('*'), '?')
}

/**
 * Text that begins with the first part, ends with the last, and has the others between them in order. `anyOne` stands for any one
 * character. Between stars the parts are looked for from left to right; the first place is as good as any other.
 */
export function compileParts([head = '', ...parts]: readonly string[], anyOne: string): Glob {
  const tail = parts.pop()
  return text => {
    if (tail === undefined) return head.length === text.length && partAt(text, head, 0, anyOne)
    if (text.length < head.length + tail.length || !partAt(text, head, 0, anyOne)) return false
    if (!partAt(text, tail, text.length - tail.length, anyOne)) return false
    let at = head.length
    for (const part of parts) {
      const found = findPart(text, part, { from: at, end: text.length - tail.length }, anyOne)
      if (found === -1) return false
      at = found + part.length
    }
    return true
  }
}

function findPart(
  text: string,
  part: string,
  { from, end }: { readonly from: number; readonly end: number },
  anyOne: string,
): number {
  if (!part.includes(anyOne)) {
    const found = text.indexOf(part, from)
    return found === -1 || found + part.length > end ? -1 : found
  }
  for (let at = from; at + part.length <= end; at++) if (partAt(text, part, at, anyOne)) return at
  return -1
}

function partAt(text: string, part: string, at: number, anyOne: string): boolean {
  if (at < 0 || at + part.length > text.length) return false
  if (!part.includes(anyOne)) return text.startsWith(part, at)
  for (let offset = 0; offset < part.length; offset++)
    if (part[offset] !== anyOne && part[offset] !== text[at + offset]) return false
  return true
}
