/** Whether one of the patterns names the kind: a word, or its beginning with a `*` behind it. No patterns: all kinds. */
export function wants(patterns: readonly string[], kind: string): boolean {
  return patterns.length === 0 || patterns.some(pattern => matches(pattern, kind))
}

function matches(pattern: string, kind: string): boolean {
  return pattern.endsWith('*') ? kind.startsWith(pattern.slice(0, -1)) : pattern === kind
}
