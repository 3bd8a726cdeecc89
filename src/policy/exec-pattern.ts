/**
 * Patterns of `exec`: `*` stands for any characters of one word, `?` for one. Neither matches what a shell gives a
 * meaning to, so that `systemctl restart app-*` cannot become `systemctl restart app-x; rm -rf /`. What the pattern says
 * literally matches itself, metacharacters too. docs/policy.md describes this for operators, with its limits.
 */

/** Longer commands match nothing: matching costs pattern × command. */
const MAX_COMMAND_BYTES = 16 * 1024

/**
 * Never matched by a wildcard: what shells separate, quote, expand or redirect by (`; & | $ ( ) < > ' " \ { } [ ] * ? ~ ! # ^`
 * and the backquote), blanks, control and format characters, and all separators.
 */
const SPECIAL = /[;&|`$()<>'"\\{}[\]*?~!#^\s\p{C}\p{Z}]/u

/** A path step to the parent folder, as `cat /var/log/../../etc/shadow` takes. */
const PARENT_STEP = /(^|[\s/=:,])\.\.($|[\s/:,])/

/** Whether the whole command, byte for byte, matches one of the patterns. Bytes that are not UTF-8 match nothing. */
export function matchesExec(patterns: readonly string[], command: Uint8Array): boolean {
  const text = decodeUtf8(command)
  return text !== undefined && patterns.some(pattern => matchesPattern(pattern, text))
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  if (bytes.length > MAX_COMMAND_BYTES) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function matchesPattern(pattern: string, command: string): boolean {
  if (PARENT_STEP.test(command) && !PARENT_STEP.test(pattern)) return false
  return walk(Array.from(pattern), Array.from(command))
}

/** Every place in the pattern that the command can have reached so far: no backtracking, so no command makes it slow. */
function walk(pattern: readonly string[], command: readonly string[]): boolean {
  let places = closure(pattern, [0])
  for (const [index, character] of command.entries()) {
    const startsWord = index === 0 || command[index - 1] === ' '
    const wild = !SPECIAL.test(character) && !(character === '-' && startsWord)
    const next = [...places].flatMap(place => step(pattern[place], place, character, wild))
    if (next.length === 0) return false
    places = closure(pattern, next)
  }
  return places.has(pattern.length)
}

function step(symbol: string | undefined, place: number, character: string, wild: boolean): number[] {
  if (symbol === '*') return wild ? [place] : []
  if (symbol === '?') return wild ? [place + 1] : []
  return symbol === character ? [place + 1] : []
}

/** A star may also stand for nothing. */
function closure(pattern: readonly string[], places: readonly number[]): Set<number> {
  const all = new Set<number>()
  for (let place of places) {
    all.add(place)
    while (pattern[place] === '*') all.add(++place)
  }
  return all
}
