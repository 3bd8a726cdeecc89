import { lex } from '../shell/lexer.ts'

/** What a prompt is: a shell's; the one for the next line of a command; another program's; or nothing that reads commands. */
export type Asker =
  | { readonly kind: 'shell'; readonly sure: number; readonly isKnown: boolean }
  | { readonly kind: 'continuation'; readonly program: string | undefined }
  | { readonly kind: 'program'; readonly program: string }
  | { readonly kind: 'nobody' }

const nobody: Asker = { kind: 'nobody' }

/** Prompts of one session that are remembered, and how long one may be. */
const maxKnown = 16
const maxPromptLength = 400
/** A shorter prompt is looked for at the beginning of rows only. */
const minUniqueLength = 5

/** Asks for a secret: what follows is never read, not even where the program shows it. */
const asksSecret =
  /(?:pass(?:word|phrase|code|wort)|\bpin\b|\botp\b|token|secret|verification|\bkey\b|code)[^$#%>]*[:?]\s*$/i
/** The same with the sign that ends prompts of shells: those say who and where besides. */
const asksSecretAsShell =
  /^[^\n~/@$#%>]{0,80}?(?:pass(?:word|phrase|code|wort)|\bpin\b|\botp\b|\btoken\b|\bsecret\b)[^~/@$#%>]{0,80}>\s*$/i
/** A question or a field of a form. */
const asks = /[:?]\s*$|\[[^\]]*\/[^\]]*\]\s*$/
/** Ends like the prompt of a shell. */
const looksLikeShell = /[$#%>❯➜»λ▶⟩\uE0B0-\uE0D4]\s{0,2}$/u
/** bash, dash: `> `. zsh says what is open: `dquote> `, `for cmdsubst> `. */
const continues =
  /^(?:>|(?:(?:[bd]?quote|for|while|until|if|then|else|elif|case|select|repeat|function|heredocd?|pipe|cmdand|cmdor|cmdsubst|subsh|cursh|array|math|braceparam|cond|foreach|errand|always) ?)+>) ?$/

const nextLine = /^> /
/** Prompts of one row that are told apart. */
const maxChain = 64

type Program = readonly [program: string, prompt: RegExp, next: RegExp | undefined]
const programs: readonly Program[] = [
  ['python', /^>>> $/, /^\.\.\. $/],
  ['psql', /^[\w.@-]+=[*!?]?[#>] $/, /^[\w.@-]+[-('"$*][*!?]?[#>] $/],
  ['mysql', /^(?:mysql|MySQL \[[^\]]*\]|MariaDB \[[^\]]*\])> $/, /^ {2,}(?:->|['"`]>|\/\*>) $/],
  ['sqlite3', /^sqlite> $/, /^ {2,3}\.{3}> $/],
  ['ipython', /^In \[\d+\]: $/, /^ +\.{3}: $/],
  ['irb', /^irb\([^)]*\):\d+(?::\d+)?[>*] $/, undefined],
  ['redis-cli', /^(?:redis )?[\w.-]+:\d+(?:\[\d+\])?(?:\(TX\))?> $/, undefined],
  ['mongosh', /^(?:[\w.-]+ \[[^\]]+\] )?(?:test|admin|mongo)> $/, undefined],
  ['gdb', /^\(gdb\) $/, undefined],
  ['sftp', /^s?ftp> $/, undefined],
  ['telnet', /^telnet> $/, undefined],
]

/** Prompts of those programs as a row begins with them. */
const ownPrompts = [/^>>> /, /^[\w.@-]+=[*!?]?[#>] /, /^(?:mysql|MariaDB \[[^\]]*\])> /, /^sqlite> /]

/** The prompts that a session's shells have shown, so that they are known again where nobody waits at them. */
export class KnownPrompts {
  readonly #known: string[] = []
  /** The same with any directory in place of theirs. */
  #shapes: RegExp[] = []

  /** What is asked for where the cursor stands behind `prompt`. `hasEditor`: a line editor is at work, as shells have one. */
  askerOf(prompt: string, hasEditor: boolean): Asker {
    if (prompt.length > maxPromptLength || asksForSecret(prompt)) return nobody
    const isKnown = this.#known.some(known => prompt.endsWith(known))
    const program = isKnown ? undefined : programOf(prompt)
    if (program !== undefined) return program
    if (continues.test(prompt) && !(isKnown || (this.#known.length === 0 && /^> ?$/.test(prompt))))
      return { kind: 'continuation', program: undefined }
    if (isKnown) return { kind: 'shell', sure: 0.95, isKnown }
    const isLike = this.#isLikeKnown(prompt)
    if (looksLikeShell.test(prompt)) return { kind: 'shell', sure: isLike ? 0.93 : 0.88, isKnown: isLike }
    return hasEditor && !asks.test(prompt) ? { kind: 'shell', sure: 0.5, isKnown: false } : nobody
  }

  /** Whether something asks for a command there. */
  isPrompt(prompt: string, hasEditor = false): boolean {
    return this.askerOf(prompt, hasEditor).kind !== 'nobody'
  }

  /** Whether the first prompt of the session may be taken for granted to continue nothing. */
  continuesAs(prompt: string): boolean {
    return continues.test(prompt)
  }

  /** The prompt was one: a command was entered at it. */
  learn(prompt: string): void {
    if (prompt.trim() === '' || prompt.length > maxPromptLength) return
    if (this.#known.some(known => known !== prompt && prompt.endsWith(known))) return // behind output without a newline
    const at = this.#known.indexOf(prompt)
    if (at === 0) return
    if (at > 0) this.#known.splice(at, 1)
    this.#known.unshift(prompt)
    this.#known.length = Math.min(this.#known.length, maxKnown)
    this.#shapes = this.#known.map(shapeOf).filter(shape => shape !== undefined)
  }

  /** The length of the known prompt that a row begins with, or of one that differs from it in the directory only. */
  find(row: string): number | undefined {
    const same = this.#known.filter(known => row.startsWith(known)).map(known => known.length)
    if (same.length > 0) return Math.max(...same)
    for (const shape of this.#shapes) {
      const found = shape.exec(row)
      if (found !== null) return found[0].length
    }
    return this.#findWithin(row)
  }

  /** The same, or the length of another program's prompt that nothing else looks like. */
  findAny(row: string): number | undefined {
    const program = ownPrompts
      .map(prompt => prompt.exec(row)?.[0].length)
      .find(length => length !== undefined)
    return this.find(row) ?? program
  }

  /** Prompts that stand at the beginning of a row, one behind the other: known ones, and those for the next line of a command. */
  chainIn(row: string): string[] {
    const chain: string[] = []
    for (let at = 0; chain.length < maxChain; ) {
      const prompt = this.#known.find(known => row.startsWith(known, at)) ?? nextLine.exec(row.slice(at))?.[0]
      if (prompt === undefined) break
      chain.push(prompt)
      at += prompt.length
    }
    return chain
  }

  /** Where a known prompt begins behind at most so many bytes that were typed before it came. */
  findBehind(row: string, typedBytes: number): { at: number; length: number } | undefined {
    for (const known of this.#known) {
      const at = row.indexOf(known)
      if (at > 0 && Buffer.byteLength(row.slice(0, at)) <= typedBytes) return { at, length: known.length }
    }
    return undefined
  }

  /** Whether a row ends with a question for a secret. */
  asksForSecret(row: string): boolean {
    return asksForSecret(row.trimEnd().slice(-maxPromptLength))
  }

  /** Behind output that did not end with a newline, or keys that were typed before the prompt came. */
  #findWithin(row: string): number | undefined {
    for (const known of this.#known) {
      const at = known.length >= minUniqueLength ? row.indexOf(known) : -1
      if (at >= 0) return at + known.length
    }
    return undefined
  }

  /** The same where nothing is known yet: up to the first sign that ends prompts. */
  guess(row: string): number | undefined {
    return this.find(row) ?? /^[^\n]{0,200}?[$#%>❯➜»λ] /u.exec(row)?.[0].length
  }

  #isLikeKnown(prompt: string): boolean {
    return this.#shapes.some(shape => shape.exec(prompt)?.[0] === prompt)
  }
}

function asksForSecret(prompt: string): boolean {
  return asksSecret.test(prompt) || asksSecretAsShell.test(prompt)
}

function programOf(prompt: string): Asker | undefined {
  for (const [program, first, next] of programs) {
    if (first.test(prompt)) return { kind: 'program', program }
    if (next?.test(prompt) === true) return { kind: 'continuation', program }
  }
  return undefined
}

/** The directory in a prompt, as it stands there. */
export function directoryIn(prompt: string): string | undefined {
  return directoryPart.exec(prompt)?.[1]
}

const directoryPart = /(?:^|[\s:([])([~/](?:[^\s:$#%>)\]]*))/

/** vi mode shown at the beginning changes while a line is edited: `[I] `, `[N] `. */
export function beginsWith(row: string, prompt: string): boolean {
  if (row.startsWith(prompt)) return true
  const mode = viMode.exec(prompt)?.[0]
  return (
    mode !== undefined && viMode.test(row) && row.slice(mode.length).startsWith(prompt.slice(mode.length))
  )
}

const viMode = /^\[[INVRP]\] /

/** A prompt with any directory in the place of its own. */
function shapeOf(prompt: string): RegExp | undefined {
  const found = directoryPart.exec(prompt)
  if (found?.[1] === undefined) return undefined
  const at = found.index + found[0].length - found[1].length
  const escaped = (text: string) => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
  const tail = prompt.slice(at + found[1].length)
  return tail === ''
    ? undefined
    : new RegExp(`^${escaped(prompt.slice(0, at))}[~/][^\\s$#%>]*?${escaped(tail)}`)
}

const closers = new Map([
  ['if', 'fi'],
  ['for', 'done'],
  ['while', 'done'],
  ['until', 'done'],
  ['select', 'done'],
  ['case', 'esac'],
  ['{', '}'],
])
const closing = new Set(closers.values())
/** A command begins behind these, too. */
const leading = new Set(['do', 'then', 'else', 'elif', '{', '!', 'if', 'while', 'until', 'time', ...closing])
const wantsMore = new Set(['|', '||', '&&', '|&'])

/** Whether a shell would ask for another line, as far as can be told without running anything. */
export function isOpen(text: string): boolean {
  const { tokens, isOpen } = lex(text)
  if (isOpen || /(?:^|[^\\])(?:\\\\)*\\$/.test(text)) return true
  const last = tokens.at(-1)
  if (last?.kind === 'operator' && wantsMore.has(last.operator)) return true
  let depth = 0
  let isFirst = true
  for (const token of tokens) {
    const piece = token.kind === 'word' ? token.pieces[0] : undefined
    const word: string = piece?.kind === 'text' && !piece.isQuoted && isFirst ? piece.text : ''
    if (closers.has(word)) depth++
    else if (closing.has(word)) depth--
    isFirst = token.kind === 'operator' || leading.has(word)
  }
  return depth > 0
}
