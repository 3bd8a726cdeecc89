import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'

/** Keys and list indices from the root of the file. */
export type Path = readonly (string | number)[]

export type Position = { readonly line: number; readonly column: number }
export type SyntaxProblem = Position & { readonly message: string }

/** A configuration of a thousand targets has some hundred kilobytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024
/** Expanding aliases may multiply the document ("billion laughs"); nobody needs more of them by hand. */
const MAX_ALIASES = 100

/** A YAML file as plain values, that still knows the position of each. */
export class YamlFile {
  readonly value: unknown
  readonly #document: Document.Parsed
  readonly #lines: LineCounter

  private constructor(document: Document.Parsed, lines: LineCounter) {
    this.#document = document
    this.#lines = lines
    this.value = document.toJS({ maxAliasCount: MAX_ALIASES })
  }

  /** Parses YAML 1.2. Messages never quote the text, since it may hold a secret that somebody wrote down by mistake. */
  static parse(bytes: Uint8Array): YamlFile | readonly SyntaxProblem[] {
    if (bytes.length > MAX_FILE_BYTES)
      return [{ ...START, message: `is larger than ${MAX_FILE_BYTES} bytes` }]
    const text = decodeUtf8(bytes)
    if (text === undefined) return [{ ...START, message: 'is not UTF-8 text' }]
    try {
      return YamlFile.#parseText(text)
    } catch {
      // Thrown for aliases without bound and for nesting that exhausts the stack.
      return [{ ...START, message: `is nested too deeply, or has more than ${MAX_ALIASES} aliases` }]
    }
  }

  static #parseText(text: string): YamlFile | readonly SyntaxProblem[] {
    const lines = new LineCounter()
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: true,
      merge: false,
    })
    const found = [...document.errors, ...document.warnings].map(error => ({
      ...positionAt(lines, error.pos[0]),
      message: messageOf(error.code, error.message),
    }))
    const problems = [...firstOfEachLine(found), ...oddKeys(document, lines)]
    return problems.length > 0 ? problems : new YamlFile(document, lines)
  }

  /** Whether the file says anything at this path. */
  has(path: Path): boolean {
    return path.length === 0 || this.#find(path) !== undefined
  }

  /** Where the value at the path starts; where it is missing, where the nearest thing around it starts. */
  positionOf(path: Path): Position {
    for (let length = path.length; length > 0; length--) {
      const start = this.#find(path.slice(0, length))?.range?.[0]
      if (start !== undefined) return positionAt(this.#lines, start)
    }
    return START
  }

  /** The path without the index of a lone value that was read as a list of one. */
  asWritten(path: Path): Path {
    return path.filter((step, index) => step !== 0 || isSeq(this.#resolved(path.slice(0, index))))
  }

  /** Where the key itself stands, for keys that should not be there. */
  positionOfKey(path: Path, key: string): Position {
    const map = this.#resolved(path)
    const pair = isMap(map) ? map.items.find(item => isScalar(item.key) && item.key.value === key) : undefined
    const start = isNode(pair?.key) ? pair.key.range?.[0] : undefined
    return start === undefined ? this.positionOf(path) : positionAt(this.#lines, start)
  }

  #resolved(path: Path): Node | undefined {
    const node = this.#find(path)
    return isAlias(node) ? node.resolve(this.#document) : node
  }

  #find(path: Path): Node | undefined {
    let node: unknown = this.#document.contents
    for (const step of path) {
      const inside: unknown = isAlias(node) ? node.resolve(this.#document) : node
      // A lone value where a list may stand is read as a list of one.
      if (step === 0 && !isSeq(inside)) continue
      node = isMap(inside) || isSeq(inside) ? inside.get(step, true) : undefined
    }
    return isNode(node) ? node : undefined
  }
}

const START: Position = { line: 1, column: 1 }

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

const misread =
  'here or in the next line: indentation that does not fit (keys that belong together begin in the same column), a colon ' +
  'without a space after it, or text with a colon that is not in quotes'
const unclosed = 'a bracket, brace or quote that was opened before is not closed'

/** What whoever edits the file can look for. The library's own words are for those who know the grammar. */
const explanations: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'a tab stands where only spaces may indent',
  BAD_INDENT: 'this line is indented otherwise than the lines that it belongs to',
  BLOCK_AS_IMPLICIT_KEY: misread,
  MULTILINE_IMPLICIT_KEY: misread,
  BLOCK_IN_FLOW: unclosed,
  BAD_SCALAR_START: 'text that begins with @, ` or % must be in quotes',
  MULTIPLE_DOCS: 'a line of --- begins a second document; one file holds one',
  BAD_DQ_ESCAPE: 'an escape sequence that does not exist',
}

function messageOf(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'the same key stands here for the second time'
  if (code === 'BAD_ALIAS') return 'an alias here has no anchor before it'
  return `not valid YAML: ${explanationOf(code, message)}`
}

function explanationOf(code: string, message: string): string {
  if (message.startsWith('Flow ') || message.startsWith('Missing closing')) return unclosed
  // The library's other messages describe the kind of mistake; what may quote the file comes after a colon.
  return explanations[code] ?? message.split(':', 1)[0] ?? code
}

/** One mistake makes the library stumble more than once, over the same line. */
function firstOfEachLine(problems: readonly SyntaxProblem[]): SyntaxProblem[] {
  const lines = new Map(problems.toReversed().map(problem => [problem.line, problem]))
  return [...lines.values()].toReversed()
}

/** Keys must be plain text; `__proto__` would be lost on the way to a plain object, and so would its value. */
function oddKeys(document: Document.Parsed, lines: LineCounter): SyntaxProblem[] {
  const problems: SyntaxProblem[] = []
  visit(document, {
    Pair(_, pair) {
      if (isScalar(pair.key) && typeof pair.key.value === 'string' && pair.key.value !== '__proto__') return
      const start = isNode(pair.key) ? (pair.key.range?.[0] ?? 0) : 0
      problems.push({
        ...positionAt(lines, start),
        message: 'a key here is not plain text; put it in quotes',
      })
    },
  })
  return problems
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
