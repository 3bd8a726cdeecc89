/** What a person at a picker does. */
export type Key =
  | {
      readonly kind: 'up' | 'down' | 'page-up' | 'page-down' | 'first' | 'last'
      readonly text?: undefined
    }
  | { readonly kind: 'enter' | 'backspace' | 'clear' | 'escape' | 'interrupt'; readonly text?: undefined }
  | { readonly kind: 'text'; readonly text: string }

/** Of xterm and whatever calls itself so, in both of its cursor modes; without the escape character. */
const sequences: Readonly<Record<string, Key['kind']>> = {
  '[A': 'up',
  OA: 'up',
  '[B': 'down',
  OB: 'down',
  '[5~': 'page-up',
  '[6~': 'page-down',
  '[H': 'first',
  OH: 'first',
  '[1~': 'first',
  '[F': 'last',
  OF: 'last',
  '[4~': 'last',
}

const controls: Readonly<Record<string, Key['kind']>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\x7f': 'backspace',
  '\b': 'backspace',
  '\x15': 'clear', // ^U
  '\x10': 'up', // ^P
  '\x0e': 'down', // ^N
  '\x03': 'interrupt',
  '\x04': 'interrupt',
}

/** A whole escape sequence, or the escape key itself; then one character. */
const token = /\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])?|[^]/g // oxlint-disable-line eslint/no-control-regex

/**
 * The keys in what a terminal sent at once. Names of targets, logins and labels are ASCII, so is all text; what is no key
 * here is left out. A sequence that was cut in two counts as the escape key: terminals send them whole.
 */
export function keysIn(data: Buffer): readonly Key[] {
  return (data.toString('latin1').match(token) ?? []).flatMap(keyOf)
}

function keyOf(piece: string): readonly Key[] {
  if (piece === '\x1b') return [{ kind: 'escape' }]
  const kind = piece.startsWith('\x1b') ? sequences[piece.slice(1)] : controls[piece]
  if (kind !== undefined && kind !== 'text') return [{ kind }]
  return /^[ -~]$/.test(piece) ? [{ kind: 'text', text: piece }] : []
}
