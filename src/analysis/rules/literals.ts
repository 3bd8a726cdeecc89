/** Numbers and strings of a statement, in order: how a walk over a table goes on from one text to the next. */

/** Of one text. */
const maxLiterals = 16
const maxLength = 64
const literal = /'((?:[^']|'')*)'|(?<![\w$.])\d{1,15}(?:\.\d{1,15})?(?![\w$])/g

export type Literals = readonly (string | number)[]

export function literalsOf(text: string): Literals {
  const found: (string | number)[] = []
  for (const match of text.slice(0, 4096).matchAll(literal)) {
    if (found.length === maxLiterals) break
    found.push(valueOf(match[1] ?? match[0]))
  }
  return found
}

/** `'10'` comes after `'9'`. */
function valueOf(text: string): string | number {
  return /^\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : text.slice(0, maxLength)
}

/** 1: some are higher and none is lower; -1: the other way; 0: neither. */
export function directionOf(before: Literals, after: Literals): -1 | 0 | 1 {
  if (before.length !== after.length) return 0
  let direction: -1 | 0 | 1 = 0
  for (const [at, value] of after.entries()) {
    const order = compare(before[at], value)
    if (order === undefined || order * direction < 0) return 0
    if (order !== 0) direction = order
  }
  return direction
}

function compare(before: string | number | undefined, after: string | number): -1 | 0 | 1 | undefined {
  if (before === undefined || typeof before !== typeof after) return undefined
  return before === after ? 0 : before < after ? 1 : -1
}
