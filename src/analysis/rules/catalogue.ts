/** The rules that are in force: files of a folder, one rule each, and what they find in a line. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { Fault, reasonOf } from '../../errors.ts'
import { readShell } from '../shell/reader.ts'
import { Recent } from '../recent.ts'
import type { Analysis } from '../sql/analysis.ts'
import { type Rule, type RuleAbout, ruleSchema, type Severity } from './rule.ts'
import { seeLine, type SeenLine, ShellMatcher } from './shell-matcher.ts'
import { compileStatementRule, type StatementMatcher } from './statement-matcher.ts'
import { type WindowRule, windowRuleSchema } from './window-rule.ts'
import { processesOf } from './sigma/process.ts'
import type { SigmaRule } from './sigma/sigma-rule.ts'
import { type CompiledStep, type LineMark, WindowSteps } from './window-steps.ts'

export type RuleHit = {
  readonly id: string
  readonly severity: Severity
  readonly technique: readonly string[]
}

/** Where our own rules are. */
export const rulesFolder: string = fileURLToPath(new URL('../../../rules', import.meta.url))

/** Of lines whose rules are remembered; twice as much at most. */
const cacheLimits = { maxEntries: 20_000, maxCharacters: 4_194_304 }

/** Commands of one line that rules of others are tried on. */
const maxProcesses = 200

type StatementTest = { readonly rule: Rule; readonly matches: StatementMatcher }

/** What was made of a line. */
type KnownLine = { readonly hits: readonly RuleHit[]; readonly marks: readonly LineMark[] }

export class Catalogue {
  /** Of single lines and statements. */
  readonly rules: readonly Rule[]
  /** Over several entries of a session. */
  readonly windows: readonly WindowRule[]
  /** Of others, about lines. */
  readonly sigma: readonly SigmaRule[]
  readonly #about: ReadonlyMap<string, RuleAbout>
  readonly #ofLines: readonly Rule[]
  readonly #lines: ShellMatcher
  readonly #statements: readonly StatementTest[]
  readonly #steps: WindowSteps
  /** People type the same lines again and again. */
  readonly #known = new Recent<KnownLine>(cacheLimits)

  constructor(rules: readonly Rule[], windows: readonly WindowRule[] = [], sigma: readonly SigmaRule[] = []) {
    this.rules = rules
    this.windows = windows
    this.sigma = sigma
    this.#about = new Map([...rules, ...windows, ...sigma].map(rule => [rule.id, rule]))
    this.#steps = new WindowSteps(windows)
    const ofLines = rules.filter(rule => rule.protocol === 'ssh')
    this.#ofLines = ofLines
    this.#lines = new ShellMatcher([...ofLines, ...this.#steps.lineRules])
    this.#statements = rules.flatMap(rule =>
      rule.protocol === 'postgres' ? [{ rule, matches: compileStatementRule(rule) }] : [],
    )
  }

  /** What a rule says of itself; undefined if no rule of that name is in force. */
  about(id: string): RuleAbout | undefined {
    return this.#about.get(id)
  }

  /** What the rules say of a line that was typed or executed. */
  ofLine(text: string): readonly RuleHit[] {
    return this.#line(text).hits
  }

  /** Which steps of rules over several entries a line meets; for `WindowRules`. */
  marksOf(text: string): readonly LineMark[] {
    return this.#line(text).marks
  }

  /** The stages of a rule of `windows`. */
  stagesOf(rule: WindowRule): readonly (readonly CompiledStep[])[] {
    return this.#steps.stagesOf(rule)
  }

  #line(text: string): KnownLine {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const line = seeLine(text, readShell(text))
    const met = this.#lines.match(line)
    const count = this.#ofLines.length
    const made = {
      hits: [...met.flatMap(at => this.#ofLines[at] ?? []), ...this.#sigmaOf(line)].map(hitOf),
      marks: this.#steps.marksOf(
        line,
        met.filter(at => at >= count).map(at => at - count),
      ),
    }
    this.#known.set(text, made)
    return made
  }

  #sigmaOf({ reading }: SeenLine): readonly SigmaRule[] {
    if (this.sigma.length === 0) return []
    const processes = reading.commands.flatMap(processesOf).slice(0, maxProcesses)
    return this.sigma.filter(({ matches }) => processes.some(matches))
  }

  /** What the rules say of a text of statements, given what the grammar said of it. */
  ofStatement(text: string, analysis: Analysis): readonly RuleHit[] {
    const statement = { text, analysis }
    return this.#statements.filter(({ matches }) => matches(statement)).map(({ rule }) => hitOf(rule))
  }
}

function hitOf({ id, severity, techniques }: RuleAbout): RuleHit {
  return { id, severity, technique: techniques }
}

/** Reads all rules of a folder and those below it. Throws Fault CONFIG_INVALID with every file that is wrong and why. */
export function readCatalogue(folder: string = rulesFolder, sigma: readonly SigmaRule[] = []): Catalogue {
  const problems: string[] = []
  const rules = new Map<string, Rule | WindowRule>()
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (!/\.ya?ml$/.test(name)) continue
    const read = readRule(join(folder, name))
    if (typeof read === 'string') problems.push(`${name}: ${read}`)
    else if (rules.has(read.id)) problems.push(`${name}: there is another rule ${read.id}`)
    else rules.set(read.id, read)
  }
  if (problems.length > 0)
    throw new Fault('CONFIG_INVALID', `The rules cannot be used.\n${problems.join('\n')}`)
  const all = [...rules.values()]
  return new Catalogue(
    all.filter((rule): rule is Rule => !('window' in rule)),
    all.filter((rule): rule is WindowRule => 'window' in rule),
    sigma,
  )
}

/** The rule, or what is wrong with it. */
function readRule(path: string): Rule | WindowRule | string {
  try {
    const content: unknown = parse(readFileSync(path, 'utf8'))
    const isWindow = typeof content === 'object' && content !== null && 'window' in content
    const checked = (isWindow ? windowRuleSchema : ruleSchema).safeParse(content)
    if (checked.success) return checked.data
    return checked.error.issues
      .map(({ path: at, message }) => `${at.join('.') || 'the rule'}: ${message}`)
      .join('; ')
  } catch (cause) {
    return reasonOf(cause)
  }
}
