/** All rules about shell lines, compiled once. A command is looked at only by clauses that its name can meet. */
import type { ShellReading } from '../shell/command.ts'
import { compileGlobs, type Glob } from './glob.ts'
import { SeenCommand } from './paths.ts'
import type { Clause, ShellRule } from './rule.ts'

/** A line, what was read in it, and its commands, each looked into once. */
export type SeenLine = {
  readonly text: string
  readonly reading: ShellReading
  readonly commands: readonly SeenCommand[]
}

export function seeLine(text: string, reading: ShellReading): SeenLine {
  return { text, reading, commands: reading.commands.map(command => new SeenCommand(command)) }
}

/** What of a rule the matcher looks at. */
type Looking = Pick<ShellRule, 'any' | 'all' | 'several' | 'line' | 'obscured' | 'except'>

type Test = (seen: SeenCommand, all: readonly SeenCommand[]) => boolean

/** A clause of a rule: where it stands, and what it asks of a command. */
type Compiled = {
  readonly rule: number
  readonly part: 'any' | 'all' | 'several' | 'except'
  readonly index: number
  readonly names: Glob | undefined
  readonly test: Test
}

/** Names of programs whose clauses are remembered; whoever is watched chooses them. */
const maxKnownNames = 5000

export class ShellMatcher {
  readonly #rules: readonly Looking[]
  readonly #clauses: readonly Compiled[]
  /** Places of rules that look at the line as it stands, too. */
  readonly #ofWholeLines: readonly number[]
  readonly #byName = new Map<string, readonly Compiled[]>()

  constructor(rules: readonly Looking[]) {
    this.#rules = rules
    this.#clauses = rules.flatMap(compileRule)
    this.#ofWholeLines = [...rules.keys()].filter(
      at => rules[at]?.line !== undefined || rules[at]?.obscured !== undefined,
    )
  }

  /** The places of the rules that a line meets, in their own order. */
  match({ text, reading, commands }: SeenLine): number[] {
    const met = new Map<number, Met>()
    for (const seen of commands) this.#look(seen, commands, met)
    const found = new Set<number>()
    for (const [at, known] of met) if (known.fulfils(this.#rules[at] ?? {})) found.add(at)
    for (const at of this.#ofWholeLines) if (meetsLine(this.#rules[at] ?? {}, text, reading)) found.add(at)
    return [...found].toSorted((a, b) => a - b)
  }

  /** A command that an exception of a rule covers does not count for that rule. */
  #look(seen: SeenCommand, all: readonly SeenCommand[], met: Map<number, Met>): void {
    const found = this.#candidates(seen.command.name).filter(({ test }) => test(seen, all))
    if (found.length === 0) return
    const excepted = new Set(found.filter(({ part }) => part === 'except').map(({ rule }) => rule))
    for (const clause of found) {
      if (excepted.has(clause.rule)) continue
      const known = met.get(clause.rule) ?? new Met()
      known.add(clause)
      met.set(clause.rule, known)
    }
  }

  #candidates(name: string): readonly Compiled[] {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const candidates = this.#clauses.filter(({ names }) => names === undefined || names(name))
    if (this.#byName.size < maxKnownNames) this.#byName.set(name, candidates)
    return candidates
  }
}

/** What of a rule a line has met so far. */
class Met {
  #any = false
  readonly #all = new Set<number>()
  readonly #several = new Set<number>()

  add({ part, index }: Compiled): void {
    if (part === 'any') this.#any = true
    else if (part === 'all') this.#all.add(index)
    else if (part === 'several') this.#several.add(index)
  }

  fulfils({ all, several }: Looking): boolean {
    if (this.#any) return true
    if (all !== undefined && this.#all.size === all.length) return true
    return several !== undefined && this.#several.size >= several.least
  }
}

function meetsLine(
  { line, obscured }: Looking,
  text: string,
  { decoded, isObscured }: ShellReading,
): boolean {
  if (obscured === true && isObscured) return true
  return line?.some(each => text.includes(each) || decoded.some(found => found.includes(each))) === true
}

function compileRule({ any = [], all = [], several, except = [] }: Looking, rule: number): Compiled[] {
  const parts = { any, all, several: several?.of ?? [], except }
  return (['any', 'all', 'several', 'except'] as const).flatMap(part =>
    parts[part].map((clause, index) => ({
      rule,
      part,
      index,
      names: clause.command === undefined ? undefined : compileGlobs(clause.command),
      test: compileClause(clause),
    })),
  )
}

function compileClause({ pipedTo, pipedFrom, ...clause }: Clause): Test {
  const tests = [...wordTests(clause), ...pathTests(clause)]
  if (pipedTo !== undefined) tests.push(neighbour(pipedTo, 'behind'))
  if (pipedFrom !== undefined) tests.push(neighbour(pipedFrom, 'before'))
  return (seen, all) => tests.every(test => test(seen, all))
}

/** The first and the last place in a pipeline where a clause is met. */
type Span = { readonly first: number; readonly last: number }

/** Looked for once in each line, so that a pipeline of thousands costs no more than its length. */
function neighbour(clause: Clause, side: 'before' | 'behind'): Test {
  const test = compileClause(clause)
  const names = clause.command === undefined ? undefined : compileGlobs(clause.command)
  const known = new WeakMap<readonly SeenCommand[], ReadonlyMap<number, Span>>()
  return ({ command: { pipeline, position } }, all) => {
    let spans = known.get(all)
    if (spans === undefined) {
      spans = spansOf(all, seen => names?.(seen.command.name) !== false && test(seen, all))
      known.set(all, spans)
    }
    const span = spans.get(pipeline)
    if (span === undefined) return false
    return side === 'behind' ? span.last > position : span.first < position
  }
}

function spansOf(all: readonly SeenCommand[], meets: (seen: SeenCommand) => boolean): Map<number, Span> {
  const spans = new Map<number, Span>()
  for (const seen of all) {
    if (!meets(seen)) continue
    const { pipeline, position } = seen.command
    spans.set(pipeline, { first: spans.get(pipeline)?.first ?? position, last: position })
  }
  return spans
}

/** All but the name, which has been looked at. */
function wordTests(clause: Clause): Test[] {
  const tests: Test[] = []
  const add = (patterns: readonly string[] | undefined, test: (glob: Glob) => Test): void => {
    if (patterns !== undefined) tests.push(test(compileGlobs(patterns)))
  }
  const hasArgument = (seen: SeenCommand, glob: Glob) =>
    seen.command.argv.some((word, at) => at > 0 && glob(word))
  add(clause.programPath, glob => seen => glob(seen.command.argv[0] ?? ''))
  add(clause.first, glob => seen => glob(seen.operands[0] ?? ''))
  for (const patterns of clause.arguments ?? []) add(patterns, glob => seen => hasArgument(seen, glob))
  add(clause.noArguments, glob => seen => !hasArgument(seen, glob))
  for (const options of clause.options ?? []) tests.push(optionTest(options))
  add(clause.wrapped, glob => seen => seen.command.wrappers.some(glob))
  add(clause.source, glob => seen => glob(seen.command.source))
  add(clause.input, glob => seen => seen.command.input !== '' && glob(seen.command.input))
  if (clause.bare !== undefined) tests.push(({ operands }) => (operands.length === 0) === clause.bare)
  if (clause.contains !== undefined) tests.push(containsTest(clause.contains))
  if (clause.assigns !== undefined) tests.push(assignsTest(clause.assigns, clause.value ?? ['*']))
  return tests
}

function pathTests(clause: Clause): Test[] {
  const tests: Test[] = []
  if (clause.path !== undefined) {
    const glob = compileGlobs(clause.path)
    tests.push(({ named }) => named.some(glob))
  }
  if (clause.writes !== undefined) {
    const glob = compileGlobs(clause.writes)
    tests.push(({ written }) => written.some(glob))
  }
  return tests
}

/** Any of them; a single letter also in a cluster such as `-rf`. */
function optionTest(options: readonly string[]): Test {
  const glob = compileGlobs(options)
  const letters = options.filter(option => /^-[A-Za-z0-9]$/.test(option)).map(option => option.charAt(1))
  return ({ options: given }) =>
    given.some(
      word =>
        glob(word) || (/^-[A-Za-z0-9]{2,6}$/.test(word) && letters.some(letter => word.includes(letter, 1))),
    )
}

function containsTest(texts: readonly string[]): Test {
  const wanted = texts.map(text => text.toLowerCase())
  return ({ small }) => small.some(word => wanted.some(text => word.includes(text)))
}

/** By itself (`A=b`), for one command (`A=b x`), or as an argument (`export A=b`). */
function assignsTest(names: readonly string[], values: readonly string[]): Test {
  const [name, value] = [compileGlobs(names), compileGlobs(values)]
  return ({ command: { assignments, name: command, argv } }) => {
    if (assignments.some(each => name(each.name) && value(each.value))) return true
    if (!['export', 'declare', 'typeset', 'readonly', 'local', 'set', 'setenv'].includes(command))
      return false
    return argv.slice(1).some(word => {
      const equals = word.indexOf('=')
      return equals > 0 && name(word.slice(0, equals)) && value(word.slice(equals + 1))
    })
  }
}
