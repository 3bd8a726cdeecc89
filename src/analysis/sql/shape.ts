/**
 * A text with its literals taken out. Programs send the same statement a thousand times with other numbers and strings in it; what
 * the grammar says of one holds for all of its shape, as long as no fact was read out of a literal.
 *
 * Two texts of one shape have the same tokens except for the values of literals: the scan follows PostgreSQL's own lexer
 * (scan.l) for strings of every kind, numbers, quoted names, parameters and comments, with standard_conforming_strings on, and
 * gives no shape to a text that has anything in it that it does not follow.
 */

/** Longer texts have no shape: a scan on the event loop costs about a millisecond for each megabyte. */
const maxShapedLength = 8192

const other = 0
const letter = 1
const digit = 2
const quote = 3
const doubleQuote = 4
const dollar = 5
const dash = 6
const slash = 7
const dot = 8
const refused = 9

const classes = new Uint8Array(128)
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code)
  if (/[a-z_]/i.test(character)) classes[code] = letter
  else if (/\d/.test(character)) classes[code] = digit
}
classes[0] = refused
classes[0x27] = quote
classes[0x22] = doubleQuote
classes[0x24] = dollar
classes[0x2d] = dash
classes[0x2f] = slash
classes[0x2e] = dot

/** Characters that may go on a name: letters, digits, `_`, `$`, and everything beyond ASCII. */
const goesOn = new Uint8Array(128)
for (let code = 0; code < 128; code++) if (/[\w$]/.test(String.fromCharCode(code))) goesOn[code] = 1

/** scan.l: decinteger, hexinteger, octinteger, bininteger, numeric, real. */
const number =
  /0[xX](?:_?[\da-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|(?:\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?/y
const dollarTag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z\d_\u0080-\uffff]*)?\$/y
const parameter = /\$\d+/y

/** undefined: this text has none, and is looked up as it is. */
export function shapeOf(text: string): string | undefined {
  return text.length > maxShapedLength ? undefined : withoutLiterals(text)
}

/** The same, however long the text is. */
export function withoutLiterals(text: string): string | undefined {
  let shape = ''
  /** Everything before has been copied or replaced. */
  let copied = 0
  let at = 0
  const { length } = text
  while (at < length) {
    const code = text.charCodeAt(at)
    const kind = code < 128 ? classes[code] : letter
    switch (kind) {
      case letter: {
        const end = endOfWord(text, at)
        if (end - at > 1 || end === length) {
          at = end
          break
        }
        const next = text.charCodeAt(end)
        if (next === 0x27) {
          const isEscaping = (code | 0x20) === 0x65
          const stop = isEscaping ? endOfEscaping(text, end + 1) : endOfQuoted(text, end + 1, 0x27)
          if (stop === -1) return undefined
          shape += `${text.slice(copied, end)}'?'`
          copied = at = stop
        } else if (next === 0x26 && (code | 0x20) === 0x75 && isQuote(text.charCodeAt(end + 1)))
          return undefined
        else at = end
        break
      }
      case digit: {
        const end = endOfNumber(text, at)
        if (end === -1) return undefined
        shape += `${text.slice(copied, at)}0`
        copied = at = end
        break
      }
      case dot: {
        if (at + 1 >= length || classes[text.charCodeAt(at + 1)] !== digit) at++
        else {
          const end = endOfNumber(text, at)
          if (end === -1) return undefined
          shape += `${text.slice(copied, at)}0`
          copied = at = end
        }
        break
      }
      case quote: {
        const end = endOfQuoted(text, at + 1, 0x27)
        if (end === -1) return undefined
        shape += `${text.slice(copied, at)}'?'`
        copied = at = end
        break
      }
      case doubleQuote: {
        at = endOfQuoted(text, at + 1, 0x22)
        if (at === -1) return undefined
        break
      }
      case dollar: {
        const end = matchAt(parameter, text, at)
        if (end !== -1) {
          if (isWordPart(text, end)) return undefined
          at = end
          break
        }
        const stop = endOfDollarQuoted(text, at)
        if (stop === -1) return undefined
        shape += `${text.slice(copied, at)}$?$`
        copied = at = stop
        break
      }
      case dash: {
        if (text.charCodeAt(at + 1) !== 0x2d) at++
        else {
          // Only the comment goes: the end of its line may join two strings to one.
          shape += text.slice(copied, at)
          copied = at = endOfLine(text, at)
        }
        break
      }
      case slash: {
        if (text.charCodeAt(at + 1) !== 0x2a) at++
        else {
          const end = endOfComment(text, at)
          if (end === -1) return undefined
          shape += `${text.slice(copied, at)} `
          copied = at = end
        }
        break
      }
      case refused:
        return undefined
      case other:
      default:
        at++
    }
  }
  return copied === 0 ? text : shape + text.slice(copied)
}

function isQuote(code: number): boolean {
  return code === 0x27 || code === 0x22
}

function isWordPart(text: string, at: number): boolean {
  if (at >= text.length) return false
  const code = text.charCodeAt(at)
  return code >= 128 || goesOn[code] === 1
}

export function endOfWord(text: string, start: number): number {
  const { length } = text
  for (let at = start + 1; at < length; at++) {
    const code = text.charCodeAt(at)
    if (code < 128 && goesOn[code] === 0) return at
  }
  return length
}

/** A number that runs into a name or another dot is one of the lexer's errors, or of its oddities. */
function endOfNumber(text: string, start: number): number {
  const end = matchAt(number, text, start)
  return end === -1 || isWordPart(text, end) || text[end] === '.' ? -1 : end
}

/** After the closing quote; a doubled one stands for itself. -1 if there is none. */
export function endOfQuoted(text: string, start: number, mark: number): number {
  const character = String.fromCharCode(mark)
  let at = start
  for (;;) {
    at = text.indexOf(character, at)
    if (at === -1) return -1
    if (text.charCodeAt(at + 1) !== mark) return at + 1
    at += 2
  }
}

/** The same for E'…', where a backslash takes the next character's meaning away. */
export function endOfEscaping(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x5c) at++
    else if (code === 0x27) {
      if (text.charCodeAt(at + 1) !== 0x27) return at + 1
      at++
    }
  }
  return -1
}

/** After the closing tag, or -1 if this `$` opens nothing or nothing closes it. */
export function endOfDollarQuoted(text: string, start: number): number {
  const opened = matchAt(dollarTag, text, start)
  if (opened === -1) return -1
  const tag = text.slice(start, opened)
  const close = text.indexOf(tag, opened)
  return close === -1 ? -1 : close + tag.length
}

export function opensDollarQuote(text: string, at: number): boolean {
  return matchAt(dollarTag, text, at) !== -1
}

export function endOfLine(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x0a || code === 0x0d) return at
  }
  return text.length
}

/** Comments nest. */
export function endOfComment(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length - 1; at++) {
    const code = text.charCodeAt(at)
    const next = text.charCodeAt(at + 1)
    if (code === 0x2f && next === 0x2a) {
      depth++
      at++
    } else if (code === 0x2a && next === 0x2f) {
      at++
      if (--depth === 0) return at + 1
    }
  }
  return -1
}

function matchAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : -1
}
