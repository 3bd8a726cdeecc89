/** What of all window rules one entry meets. A line is read once for them and for the rules of single lines. */
import type { Entry, EntryHit } from '../entry.ts'
import { compileGlobs, type Glob } from './glob.ts'
import type { ShellRule } from './rule.ts'
import type { SeenLine } from './shell-matcher.ts'
import { takenPaths } from './taken-paths.ts'
import type { Step, WindowRule } from './window-rule.ts'

/** A step whose commands a line meets, and the paths that it takes there. */
export type LineMark = { readonly step: number; readonly paths: readonly string[] }

/** A step of some rule, in a place of its own. */
export type CompiledStep = {
  /** Counted over all rules. */
  readonly number: number
  readonly step: Step
  /** All but what its commands say. */
  readonly test: (entry: Entry, hits: readonly EntryHit[]) => boolean
  readonly tables: Glob
}

/** Paths of one line and step that are followed. */
const maxPathsOfLine = 20

export class WindowSteps {
  readonly #ofRule = new Map<WindowRule, readonly (readonly CompiledStep[])[]>()
  readonly #steps: CompiledStep[] = []
  /** Those that follow paths. */
  readonly #taking: CompiledStep[] = []

  constructor(rules: readonly WindowRule[]) {
    for (const rule of rules) {
      const { window } = rule
      const stages = 'steps' in window ? window.steps : [window.of]
      this.#ofRule.set(
        rule,
        stages.map(stage => stage.map(step => this.#compile(step))),
      )
    }
  }

  /** One list of steps for what is counted; one for each stage of what comes in order. */
  stagesOf(rule: WindowRule): readonly (readonly CompiledStep[])[] {
    return this.#ofRule.get(rule) ?? []
  }

  /** Steps that look into commands, as clauses for the matcher of lines; their ids are the steps' numbers. */
  get lineRules(): readonly Pick<ShellRule, 'any'>[] {
    return this.#steps.map(({ step }) => ({ any: step.commands ?? [] }))
  }

  /** `met`: places in `lineRules` of those that the line meets. */
  marksOf(line: SeenLine, met: readonly number[]): readonly LineMark[] {
    const marks: LineMark[] = met
      .filter(number => this.#steps[number]?.step.takes === undefined)
      .map(step => ({ step, paths: [] }))
    for (const { number, step } of this.#taking) {
      const { takes, commands } = step
      if (takes === undefined || (commands !== undefined && !met.includes(number))) continue
      const paths = line.commands
        .flatMap(({ command }) => takenPaths(command, takes))
        .slice(0, maxPathsOfLine)
      if (paths.length > 0) marks.push({ step: number, paths })
    }
    return marks
  }

  #compile(step: Step): CompiledStep {
    const wanted = step.tables === undefined ? () => true : compileGlobs(step.tables)
    const unwanted = step.noTables === undefined ? () => false : compileGlobs(step.noTables)
    const compiled: CompiledStep = {
      number: this.#steps.length,
      step,
      test: testOf(step),
      tables: table => namesOf(table).some(wanted) && !namesOf(table).some(unwanted),
    }
    this.#steps.push(compiled)
    if (step.takes !== undefined) this.#taking.push(compiled)
    return compiled
  }
}

/** `sales.orders` is also `orders`. */
function namesOf(table: string): readonly string[] {
  const dot = table.lastIndexOf('.')
  return dot === -1 ? [table] : [table, table.slice(dot + 1)]
}

type Test = CompiledStep['test']

function testOf(step: Step): Test {
  const tests: Test[] = [({ kind }) => kind === step.entry, ...statementTests(step)]
  const { rules, direction, operations, paths, contains, noContains, failed } = step
  if (rules !== undefined) {
    const glob = compileGlobs(rules)
    tests.push((_, hits) => hits.some(({ rule }) => glob(rule)))
  }
  if (operations !== undefined) {
    const glob = compileGlobs(operations)
    tests.push(({ file }) => glob(file?.operation ?? ''))
  }
  if (direction !== undefined) tests.push(({ file }) => file?.direction === direction)
  if (paths !== undefined) {
    const glob = compileGlobs(paths)
    tests.push(({ text }) => glob(text))
  }
  if (failed !== undefined) tests.push(entry => hasFailed(entry) === failed)
  if (contains !== undefined) tests.push(containing(contains, true))
  if (noContains !== undefined) tests.push(containing(noContains, false))
  return (entry, hits) => tests.every(test => test(entry, hits))
}

function statementTests({ classes, sqlstates, leastRows, blocked, reasons, tables }: Step): Test[] {
  const tests: Test[] = []
  const add = (patterns: readonly string[] | undefined, word: (entry: Entry) => string | undefined): void => {
    if (patterns === undefined) return
    const glob = compileGlobs(patterns)
    tests.push(entry => glob(word(entry) ?? ''))
  }
  add(classes, ({ statement }) => statement?.class)
  add(sqlstates, ({ statement }) => statement?.sqlstate)
  if (leastRows !== undefined) tests.push(({ statement }) => (statement?.rows ?? 0) >= leastRows)
  if (blocked !== undefined) tests.push(entry => (blockedBy(entry) !== undefined) === blocked)
  add(reasons, blockedBy)
  if (tables !== undefined) {
    const glob = compileGlobs(tables)
    tests.push(({ statement }) => statement?.tables.some(table => namesOf(table).some(glob)) === true)
  }
  return tests
}

function blockedBy({ statement, command }: Entry): string | undefined {
  return statement?.blocked ?? command?.blocked
}

function hasFailed({ statement, command, file }: Entry): boolean {
  if (file?.status !== undefined) return true
  return statement?.sqlstate !== undefined || (command?.exitStatus ?? 0) !== 0
}

function containing(texts: readonly string[], expected: boolean): Test {
  const small = texts.map(text => text.toLowerCase())
  return ({ text }) => {
    const lower = text.toLowerCase()
    return small.some(each => lower.includes(each)) === expected
  }
}
