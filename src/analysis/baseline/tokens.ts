/**
 * What of a command line or a statement is counted. Three families: the commands (programs, or kinds of statement), their shapes
 * (with options, without values), and words of their arguments. Time is linear in the text, whatever it holds.
 */
import { withoutLiterals } from '../sql/shape.ts'

/** Of one event, in the order in which they stand. */
export type Tokens = {
  readonly commands: readonly string[]
  readonly shapes: readonly string[]
  readonly words: readonly string[]
}

/** What is read of a text. */
const maxTextLength = 4096
/** Of one event; a pipeline of more is counted up to here. */
const maxCommands = 32
const maxWords = 64

/** Programs that run what follows them. */
const wrappers = new Set(['sudo', 'doas', 'env', 'nohup', 'nice', 'time', 'command', 'exec', 'builtin'])

export function tokensOf(protocol: string, text: string): Tokens {
  const head = text.length > maxTextLength ? text.slice(0, maxTextLength) : text
  return protocol === 'postgres' ? tokensOfStatement(head) : tokensOfLine(head)
}

function tokensOfLine(line: string): Tokens {
  const commands: string[] = []
  const shapes: string[] = []
  const words: string[] = []
  for (const argv of simpleCommands(line)) {
    const at = startOf(argv)
    const name = baseName(argv[at] ?? '')
    let shape = name
    for (let next = at + 1; next < argv.length; next++) {
      const word = argv[next] ?? ''
      if (word.charCodeAt(0) === dash) shape += ` ${optionOf(word)}`
      else if (words.length < maxWords) words.push(`${name} ${word}`)
    }
    commands.push(name)
    shapes.push(shape)
  }
  return { commands, shapes, words }
}

/** Where the program stands: behind wrappers and assignments, unless there is nothing else. */
function startOf(argv: readonly string[]): number {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (!wrappers.has(word) && !isAssignment(word)) return at
  }
  return 0
}

function isAssignment(word: string): boolean {
  const equals = word.indexOf('=')
  if (equals < 1) return false
  for (let at = 0; at < equals; at++) if (!isOfName(word.charCodeAt(at))) return false
  return true
}

/** Letters, digits and `_`. */
function isOfName(code: number): boolean {
  const small = code | 0x20
  return (small >= 0x61 && small <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x5f
}

const dash = 0x2d

const plain = 0
const blank = 1
const operator = 2
const quote = 3

const kinds = new Uint8Array(128)
for (const character of ' \t') kinds[character.charCodeAt(0)] = blank
for (const character of '|;&\n()') kinds[character.charCodeAt(0)] = operator
for (const character of `'"`) kinds[character.charCodeAt(0)] = quote

/** Splits at blanks and control operators outside quotes; quotes fall away. No expansion, no here-documents. */
function simpleCommands(line: string): string[][] {
  const lists: string[][] = []
  let argv: string[] = []
  let word = ''
  /** What is behind it and before `at` is of the word, too, and has no quotes in it. */
  let from = 0
  let at = 0
  while (at <= line.length && lists.length < maxCommands) {
    const code = at < line.length ? line.charCodeAt(at) : end
    const kind = code < kinds.length ? kinds[code] : plain
    if (kind === plain) {
      at++
      continue
    }
    if (at > from) word += line.slice(from, at)
    if (kind === quote) {
      const closing = line.indexOf(code === 0x27 ? "'" : '"', at + 1)
      const stop = closing === -1 ? line.length : closing
      word += line.slice(at + 1, stop)
      from = at = closing === -1 ? stop : stop + 1
      continue
    }
    if (word !== '') argv.push(word)
    word = ''
    if (kind === operator && argv.length > 0) {
      lists.push(argv)
      argv = []
    }
    from = ++at
  }
  return lists
}

/** The end of a line ends its last command. */
const end = 0x0a

function baseName(program: string): string {
  const slash = program.lastIndexOf('/')
  return slash === -1 || slash === program.length - 1 ? program : program.slice(slash + 1)
}

/** `--output=x` is `--output`. */
function optionOf(word: string): string {
  const equals = word.indexOf('=')
  return equals === -1 ? word : word.slice(0, equals)
}

function tokensOfStatement(text: string): Tokens {
  const shape = (withoutLiterals(text) ?? text).toLowerCase().replaceAll(/\s+/g, ' ').trim()
  const words = shape.match(/[a-z_\u0080-\uffff][\w$.\u0080-\uffff]*/g) ?? []
  return { commands: [words[0] ?? '(none)'], shapes: [shape], words: words.slice(1, maxWords) }
}
