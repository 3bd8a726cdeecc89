/** `!!`, `!$`, `!ls`, `!-2`, `!?x?`, each with modifiers such as `:2` (bash, zsh: history expansion). */
const reference = /!(?:[!$^*#]|-?\d+|\?[^?\s]{1,100}\??|[A-Za-z][\w./-]{0,100})(?::[\w$^*-]{1,20})*/g

/** Whether a shell may have put something from its history into this line. */
export function refersToHistory(text: string): boolean {
  return text.search(reference) >= 0
}

/**
 * A shell prints the line that it made of references before it runs it. `row` is what followed on the screen: the line, if what
 * was written without a reference stands in it, in its place, or if it was entered before.
 */
export function expansionOf(text: string, row: string, before: ReadonlySet<string>): string | undefined {
  const shown = row.trimEnd()
  const parts = text.split(reference)
  if (parts.every(part => part.trim() === '')) return before.has(shown) ? shown : undefined
  let at = 0
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1
    const found = isLast ? shown.length - part.length : shown.indexOf(part, at)
    if (found < at || (index === 0 && found !== 0) || !shown.startsWith(part, found)) return undefined
    at = found + part.length
  }
  return shown
}
