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
  for (const argv of simpleCommands(line).slice(0, maxCommands)) {
    const at = argv.findIndex(word => !wrappers.has(word) && !/^\w+=/.test(word))
    const [program, ...rest] = argv.slice(Math.max(0, at))
    if (program === undefined) continue
    const name = baseName(program)
    commands.push(name)
    shapes.push([name, ...rest.filter(word => word.startsWith('-')).map(optionOf)].join(' '))
    for (const word of rest)
      if (!word.startsWith('-') && words.length < maxWords) words.push(`${name} ${word}`)
  }
  return { commands, shapes, words }
}

/** Splits at blanks and control operators outside quotes; quotes fall away. No expansion, no here-documents. */
function simpleCommands(line: string): string[][] {
  const lists: string[][] = []
  let argv: string[] = []
  let word = ''
  let quote = ''
  const endWord = (): void => {
    if (word !== '') argv.push(word)
    word = ''
  }
  const endCommand = (): void => {
    endWord()
    if (argv.length > 0) lists.push(argv)
    argv = []
  }
  for (const character of line) {
    if (quote !== '') {
      if (character === quote) quote = ''
      else word += character
    } else if (character === "'" || character === '"') quote = character
    else if (character === ' ' || character === '\t') endWord()
    else if ('|;&\n()'.includes(character)) endCommand()
    else word += character
  }
  endCommand()
  return lists
}

function baseName(program: string): string {
  return program.slice(program.lastIndexOf('/') + 1) || program
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
