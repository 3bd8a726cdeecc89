/**
 * Reads a shell line into the commands that it would run, as far as that can be known without running it: through pipelines and
 * compounds, substitutions, wrappers (`sudo`, `xargs`, `env`), code in strings (`sh -c`, `eval`, `ssh host '…'`), here-documents
 * that feed a shell, and one level of encodings. Variables that the line itself sets are put in their place.
 *
 * It is no shell: functions, globs and arithmetic stay as they are. Time is linear in the text and bounded by the limits below.
 */
import type { Assignment, CommandSource, ShellCommand, ShellReading } from './command.ts'
import { decodeBase64, decodeHex, decodePrintf } from './decode.ts'
import { type HereDocument, lex, type Piece, type Token, type WordToken } from './lexer.ts'
import { codeOf, unwrap } from './wrapper.ts'

/** Longer texts are read up to here. */
export const maxReadLength = 256 * 1024
/** Commands of one text. */
const maxCommands = 2000
/** Code in code. */
const maxDepth = 6
/** All code in strings together, in times of the text itself: whoever nests them pays with what is not read. */
const maxCodeFactor = 4
const minCodeLength = 16 * 1024
/** What a variable may stand for. */
const maxValueLength = 4096
const maxVariables = 200

const reserved = new Set([
  'if',
  'then',
  'else',
  'elif',
  'fi',
  'do',
  'done',
  'while',
  'until',
  'esac',
  '{',
  '}',
  '!',
  'time',
  'coproc',
])
const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'ksh', 'ash', 'fish', 'rbash', 'mksh'])

export function readShell(text: string): ShellReading {
  return new Reading(text).finish()
}

class Reading {
  readonly #commands: ShellCommand[] = []
  readonly #variables = new Map<string, string>()
  readonly #decoded: string[] = []
  #pipelines = 0
  #isPart = false
  #isObscured = false
  #budget: number

  constructor(text: string) {
    const head = text.slice(0, maxReadLength)
    this.#isPart = head.length < text.length
    this.#budget = Math.max(minCodeLength, head.length * maxCodeFactor)
    this.#read(head, 'typed', 0)
  }

  finish(): ShellReading {
    this.#decodeWhatPipesDecode()
    return {
      commands: this.#commands,
      extent: this.#isPart ? 'part' : 'whole',
      decoded: this.#decoded,
      isObscured: this.#isObscured,
    }
  }

  #read(text: string, source: CommandSource, depth: number): void {
    if (depth > maxDepth || this.#budget < text.length) {
      this.#isPart = true
      return
    }
    if (depth > 0) this.#budget -= text.length
    const { tokens, hereDocuments, isOpen } = lex(text)
    if (isOpen) this.#isPart = true
    const walk = new Walk(tokens, hereDocuments)
    let pipeline = ++this.#pipelines
    let position = 0
    for (let simple = walk.next(); simple !== undefined; simple = walk.next()) {
      if (this.#commands.length >= maxCommands) {
        this.#isPart = true
        return
      }
      if (this.#add(simple, { pipeline, position, source }, depth)) position++
      if (simple.end !== '|' && simple.end !== '|&') {
        pipeline = ++this.#pipelines
        position = 0
      }
    }
  }

  #add(
    simple: Simple,
    place: Pick<ShellCommand, 'pipeline' | 'position' | 'source'>,
    depth: number,
  ): boolean {
    if (simple.words.some(({ isObscured }) => isObscured)) this.#isObscured = true
    const { assignments, rest } = this.#assignmentsOf(simple.words, depth)
    const words = rest.flatMap(word => this.#expand(word, depth))
    if (words.length === 0) for (const { name, value } of assignments) this.#remember(name, value)
    const redirects = simple.redirects.map(({ operator, target }) => ({
      operator,
      target: target === undefined ? '' : this.#expand(target, depth).join(' '),
    }))
    const input = [
      ...simple.documents.map(({ text }) => text),
      ...redirects.filter(({ operator }) => operator === '<<<').map(({ target }) => target),
    ].join('\n')
    if (words.length === 0 && assignments.length === 0 && redirects.length === 0) return false
    const { argv, wrappers, assignments: wrapped } = unwrap(words)
    const name = baseName(argv[0] ?? '')
    this.#exported(name, argv)
    this.#commands.push({
      ...place,
      name,
      argv,
      words,
      wrappers,
      assignments: [...assignments, ...wrapped],
      redirects,
      input,
    })
    this.#readCode({ name, argv, input }, depth)
    return true
  }

  /** `export A=b`, `declare A=b` and the like are commands that assign, too. */
  #exported(name: string, argv: readonly string[]): void {
    if (!['export', 'declare', 'typeset', 'readonly', 'local', 'set'].includes(name)) return
    for (const word of argv.slice(1)) {
      const found = /^([A-Za-z_]\w*)=(.*)$/s.exec(word)
      if (found !== null) this.#remember(found[1] ?? '', found[2] ?? '')
    }
  }

  #readCode(
    { name, argv, input }: { name: string; argv: readonly string[]; input: string },
    depth: number,
  ): void {
    for (const code of codeOf(name, argv)) this.#read(code, 'code', depth + 1)
    if (input !== '' && shells.has(name)) this.#read(input, 'here-document', depth + 1)
    this.#decodeArguments(name, argv)
  }

  #assignmentsOf(
    words: readonly WordToken[],
    depth: number,
  ): { assignments: Assignment[]; rest: readonly WordToken[] } {
    const assignments: Assignment[] = []
    let at = 0
    for (; at < words.length; at++) {
      const word = words[at]
      const [first] = word?.pieces ?? []
      const found =
        first?.kind === 'text' && !first.isQuoted ? /^([A-Za-z_]\w*)\+?=(.*)$/s.exec(first.text) : null
      if (word === undefined || found === null) break
      const rest: Piece[] = [{ kind: 'text', text: found[2] ?? '', isQuoted: true }, ...word.pieces.slice(1)]
      const value = this.#expand({ ...word, pieces: rest }, depth).join(' ')
      assignments.push({ name: found[1] ?? '', value })
    }
    return { assignments, rest: words.slice(at) }
  }

  #remember(name: string, value: string): void {
    if (value.length <= maxValueLength && this.#variables.size < maxVariables)
      this.#variables.set(name, value)
  }

  /** Quotes fall away, known variables are put in; what is not quoted splits at blanks as a shell would. */
  #expand(word: WordToken, depth: number): string[] {
    const fields = ['']
    const add = (text: string): void => void (fields[fields.length - 1] += text)
    for (const piece of word.pieces) {
      if (piece.kind === 'text') add(piece.text)
      else if (piece.kind === 'code') {
        this.#read(piece.code, 'substitution', depth + 1)
        add(this.#resultOf(piece.code))
      } else if (piece.name === 'IFS') {
        this.#isObscured = true
        fields.push('')
      } else this.#addVariable(piece, fields, add)
    }
    const isQuoted = word.pieces.some(piece => piece.isQuoted)
    return fields.filter(field => field !== '' || isQuoted)
  }

  #addVariable(
    piece: Extract<Piece, { kind: 'variable' }>,
    fields: string[],
    add: (text: string) => void,
  ): void {
    const value = this.#variables.get(piece.name) ?? (piece.fallback === '' ? undefined : piece.fallback)
    if (value === undefined) add(`$${piece.name}`)
    else if (piece.isQuoted) add(value)
    else {
      const [first = '', ...others] = value.split(/\s+/)
      add(first)
      fields.push(...others)
    }
  }

  /** What a substitution certainly prints: `$(echo text)`, `$(which program)`. Everything else stays a substitution. */
  #resultOf(code: string): string {
    const words =
      /^\s*(?:echo(?:\s+-n)?|which|command\s+-v|printf)\s+(["']?)([\w./=+-]+)\1\s*(?:\|\|.*)?$/s.exec(code)
    return words?.[2] ?? `$(${code.trim()})`
  }

  /** `echo … | base64 -d | sh` and its like: what the first prints is decoded, and read where a shell gets it. */
  #decodeWhatPipesDecode(): void {
    const pipelines = Map.groupBy(this.#commands, ({ pipeline }) => pipeline)
    for (const commands of pipelines.values()) {
      const at = commands.findIndex(command => decoderOf(command) !== undefined)
      const decoder = commands[at]
      if (decoder === undefined) continue
      const text = printedBy(commands[at - 1]) ?? decoder.input
      const decoded = decoderOf(decoder)?.(text)
      if (decoded === undefined) continue
      this.#decoded.push(decoded)
      if (commands.slice(at + 1).some(({ name }) => shells.has(name))) this.#read(decoded, 'decoded', 1)
    }
  }

  #decodeArguments(name: string, argv: readonly string[]): void {
    if (name !== 'printf' && name !== 'echo') return
    for (const word of argv.slice(1)) {
      const decoded = decodePrintf(word)
      if (decoded !== undefined) this.#decoded.push(decoded)
    }
  }
}

function decoderOf({ name, argv }: ShellCommand): ((text: string) => string | undefined) | undefined {
  const options = argv.slice(1)
  const decodes = options.some(option => /^(?:--decode|-[a-zA-Z]*[dD][a-zA-Z]*)$/.test(option))
  if ((name === 'base64' || name === 'base32') && decodes) return decodeBase64
  if (name === 'openssl' && options.some(option => option.includes('base64')) && decodes) return decodeBase64
  if (name === 'b64decode') return decodeBase64
  if (name === 'xxd' && options.some(option => /^-[a-z]*r/.test(option))) return decodeHex
  return undefined
}

function printedBy(command: ShellCommand | undefined): string | undefined {
  if (command === undefined || (command.name !== 'echo' && command.name !== 'printf')) return undefined
  return command.argv
    .slice(1)
    .filter(word => !/^-[neE]+$/.test(word))
    .join(' ')
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

type Simple = {
  readonly words: readonly WordToken[]
  readonly redirects: readonly { readonly operator: string; readonly target: WordToken | undefined }[]
  readonly documents: readonly HereDocument[]
  /** The operator behind it. */
  readonly end: string
}

/** Walks over tokens, from simple command to simple command; words of the grammar fall away. */
class Walk {
  readonly #tokens: readonly Token[]
  readonly #documents: readonly HereDocument[]
  #at = 0
  #document = 0

  constructor(tokens: readonly Token[], documents: readonly HereDocument[]) {
    this.#tokens = tokens
    this.#documents = documents
  }

  next(): Simple | undefined {
    if (this.#at >= this.#tokens.length) return undefined
    const words: WordToken[] = []
    const redirects: { operator: string; target: WordToken | undefined }[] = []
    const documents: HereDocument[] = []
    let end = ''
    while (this.#at < this.#tokens.length && end === '') {
      const token = this.#tokens[this.#at++]
      if (token?.kind === 'operator') end = token.operator
      else if (token?.kind === 'word') words.push(token)
      else if (token?.kind === 'redirect') this.#redirect(token.operator, redirects, documents)
    }
    return this.#withoutGrammar({ words, redirects, documents, end })
  }

  #redirect(operator: string, redirects: RedirectToken[], documents: HereDocument[]): void {
    if (operator === '<<' || operator === '<<-') {
      const document = this.#documents[this.#document++]
      if (document !== undefined) documents.push(document)
      return
    }
    const next = this.#tokens[this.#at]
    if (next?.kind === 'word') this.#at++
    redirects.push({ operator, target: next?.kind === 'word' ? next : undefined })
  }

  #withoutGrammar(simple: Simple): Simple {
    const begin = simple.words.findIndex(word => !reserved.has(plain(word)))
    const words = begin === -1 ? [] : simple.words.slice(begin)
    const first = plain(words[0])
    if (first === 'for' || first === 'select' || first === 'case' || first === 'function') words.length = 0
    if (
      simple.end === ')' &&
      words.length === 1 &&
      simple.redirects.length === 0 &&
      isPattern(plain(words[0]))
    )
      words.length = 0
    return { ...simple, words }
  }
}

type RedirectToken = { operator: string; target: WordToken | undefined }

/** `start)` of a `case`. */
function isPattern(text: string): boolean {
  return /[*?]/.test(text)
}

/** The text of a word that is not quoted and has no substitutions. */
function plain(word: WordToken | undefined): string {
  const [only, ...others] = word?.pieces ?? []
  return only?.kind === 'text' && !only.isQuoted && others.length === 0 ? only.text : ''
}
