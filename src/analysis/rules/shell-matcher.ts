/** Compiles a rule once, and matches it against lines that were read; each command is looked at once for each clause. */
import type { ShellCommand, ShellReading } from '../shell/command.ts'
import { compileGlobs, type Glob } from './glob.ts'
import { namedBy, operandsOf, optionsOf, writtenBy } from './paths.ts'
import type { Clause, ShellRule } from './rule.ts'

/** A line and what was read in it. */
export type ReadLine = { readonly text: string; readonly reading: ShellReading }
export type LineMatcher = (line: ReadLine) => boolean

type Test = (command: ShellCommand, all: readonly ShellCommand[]) => boolean

export function compileShellRule(rule: ShellRule): LineMatcher {
  const except = (rule.except ?? []).map(compileClause)
  const matchers: LineMatcher[] = []
  const some = (clause: Clause): LineMatcher => {
    const test = compileClause(clause)
    return ({ reading: { commands } }) =>
      commands.some(command => test(command, commands) && !except.some(each => each(command, commands)))
  }
  for (const clause of rule.any ?? []) matchers.push(some(clause))
  if (rule.all !== undefined) {
    const parts = rule.all.map(some)
    matchers.push(line => parts.every(part => part(line)))
  }
  if (rule.several !== undefined) {
    const { least } = rule.several
    const parts = rule.several.of.map(some)
    matchers.push(line => parts.filter(part => part(line)).length >= least)
  }
  if (rule.line !== undefined) {
    const { line: texts } = rule
    matchers.push(({ text, reading }) =>
      texts.some(each => text.includes(each) || reading.decoded.some(decoded => decoded.includes(each))),
    )
  }
  if (rule.obscured === true) matchers.push(({ reading }) => reading.isObscured)
  return line => matchers.some(matcher => matcher(line))
}

function compileClause({ pipedTo, pipedFrom, ...clause }: Clause): Test {
  const tests = [...wordTests(clause), ...pathTests(clause)]
  if (pipedTo !== undefined) tests.push(neighbour(pipedTo, (other, own) => other.position > own.position))
  if (pipedFrom !== undefined) tests.push(neighbour(pipedFrom, (other, own) => other.position < own.position))
  return (command, all) => tests.every(test => test(command, all))
}

function neighbour(clause: Clause, isThere: (other: ShellCommand, own: ShellCommand) => boolean): Test {
  const test = compileClause(clause)
  return (command, all) =>
    all.some(other => other.pipeline === command.pipeline && isThere(other, command) && test(other, all))
}

function wordTests(clause: Clause): Test[] {
  const tests: Test[] = []
  const add = (patterns: readonly string[] | undefined, test: (glob: Glob) => Test): void => {
    if (patterns !== undefined) tests.push(test(compileGlobs(patterns)))
  }
  add(
    clause.command,
    glob =>
      ({ name }) =>
        glob(name),
  )
  add(
    clause.programPath,
    glob =>
      ({ argv }) =>
        glob(argv[0] ?? ''),
  )
  add(clause.first, glob => command => glob(operandsOf(command)[0] ?? ''))
  for (const patterns of clause.arguments ?? [])
    add(
      patterns,
      glob =>
        ({ argv }) =>
          argv.some((word, at) => at > 0 && glob(word)),
    )
  add(
    clause.noArguments,
    glob =>
      ({ argv }) =>
        !argv.some((word, at) => at > 0 && glob(word)),
  )
  for (const options of clause.options ?? []) tests.push(optionTest(options))
  add(
    clause.wrapped,
    glob =>
      ({ wrappers }) =>
        wrappers.some(glob),
  )
  add(
    clause.source,
    glob =>
      ({ source }) =>
        glob(source),
  )
  add(
    clause.input,
    glob =>
      ({ input }) =>
        input !== '' && glob(input),
  )
  if (clause.bare !== undefined) tests.push(command => (operandsOf(command).length === 0) === clause.bare)
  if (clause.contains !== undefined) tests.push(containsTest(clause.contains))
  if (clause.assigns !== undefined) tests.push(assignsTest(clause.assigns, clause.value ?? ['*']))
  return tests
}

function pathTests(clause: Clause): Test[] {
  const tests: Test[] = []
  if (clause.path !== undefined) {
    const glob = compileGlobs(clause.path)
    tests.push(command => namedBy(command).some(glob))
  }
  if (clause.writes !== undefined) {
    const glob = compileGlobs(clause.writes)
    tests.push(command => writtenBy(command).some(glob))
  }
  return tests
}

/** Any of them; a single letter also in a cluster such as `-rf`. */
function optionTest(options: readonly string[]): Test {
  const glob = compileGlobs(options)
  const letters = options.filter(option => /^-[A-Za-z0-9]$/.test(option)).map(option => option.charAt(1))
  return command =>
    optionsOf(command).some(
      word =>
        glob(word) || (/^-[A-Za-z0-9]{2,6}$/.test(word) && letters.some(letter => word.includes(letter, 1))),
    )
}

function containsTest(texts: readonly string[]): Test {
  const small = texts.map(text => text.toLowerCase())
  return ({ argv, input }) =>
    [...argv.slice(1), input].some(word => {
      const lower = word.toLowerCase()
      return small.some(text => lower.includes(text))
    })
}

/** By itself (`A=b`), for one command (`A=b x`), or as an argument (`export A=b`). */
function assignsTest(names: readonly string[], values: readonly string[]): Test {
  const [name, value] = [compileGlobs(names), compileGlobs(values)]
  return ({ assignments, name: command, argv }) => {
    if (assignments.some(each => name(each.name) && value(each.value))) return true
    if (!['export', 'declare', 'typeset', 'readonly', 'local', 'set', 'setenv'].includes(command))
      return false
    return argv.slice(1).some(word => {
      const equals = word.indexOf('=')
      return equals > 0 && name(word.slice(0, equals)) && value(word.slice(equals + 1))
    })
  }
}
