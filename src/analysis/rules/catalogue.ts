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
import { type GatewayRule, gatewayRuleSchema } from './gateway-rule.ts'
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

/** All kinds of rules that a catalogue holds. */
export type CatalogueRules = {
  readonly rules: readonly Rule[]
  readonly windows?: readonly WindowRule[]
  readonly gateway?: readonly GatewayRule[]
  readonly sigma?: readonly SigmaRule[]
}

type AnyRule = Rule | WindowRule | GatewayRule

export class Catalogue {
  /** Of single lines and statements. */
  readonly rules: readonly Rule[]
  /** Over several entries of a session. */
  readonly windows: readonly WindowRule[]
  /** Over what the gateway decides. */
  readonly gateway: readonly GatewayRule[]
  /** Of others, about lines. */
  readonly sigma: readonly SigmaRule[]
  readonly #about: ReadonlyMap<string, RuleAbout>
  readonly #ofLines: readonly Rule[]
  readonly #lines: ShellMatcher
  readonly #statements: readonly StatementTest[]
  readonly #steps: WindowSteps
  /** People type the same lines again and again. */
  readonly #known = new Recent<KnownLine>(cacheLimits)

  constructor({ rules, windows = [], gateway = [], sigma = [] }: CatalogueRules) {
    this.rules = rules
    this.windows = windows
    this.gateway = gateway
    this.sigma = sigma
    this.#about = new Map(this.all.map(rule => [rule.id, rule]))
    this.#steps = new WindowSteps(windows)
    const ofLines = rules.filter(rule => rule.protocol === 'ssh')
    this.#ofLines = ofLines
    this.#lines = new ShellMatcher([...ofLines, ...this.#steps.lineRules])
    this.#statements = rules.flatMap(rule =>
      rule.protocol === 'postgres' ? [{ rule, matches: compileStatementRule(rule) }] : [],
    )
  }

  get all(): readonly RuleAbout[] {
    return [...this.rules, ...this.windows, ...this.gateway, ...this.sigma]
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
  const all = readRules(folder)
  return new Catalogue({
    rules: all.filter((rule): rule is Rule => !('window' in rule) && !('event' in rule)),
    windows: all.filter((rule): rule is WindowRule => 'window' in rule),
    gateway: all.filter((rule): rule is GatewayRule => 'event' in rule),
    sigma,
  })
}

/** Only the rules over what the gateway decides: nothing is compiled for them. Throws as `readCatalogue`. */
export function readGatewayRules(folder: string = join(rulesFolder, 'gateway')): readonly GatewayRule[] {
  return readRules(folder).filter((rule): rule is GatewayRule => 'event' in rule)
}

function readRules(folder: string): readonly AnyRule[] {
  const problems: string[] = []
  const rules = new Map<string, AnyRule>()
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (!/\.ya?ml$/.test(name)) continue
    const read = readRule(join(folder, name))
    if (typeof read === 'string') problems.push(`${name}: ${read}`)
    else if (rules.has(read.id)) problems.push(`${name}: there is another rule ${read.id}`)
    else rules.set(read.id, read)
  }
  if (problems.length > 0)
    throw new Fault('CONFIG_INVALID', `The rules cannot be used.\n${problems.join('\n')}`)
  return [...rules.values()]
}

/** The rule, or what is wrong with it. */
function readRule(path: string): AnyRule | string {
  try {
    const content: unknown = parse(readFileSync(path, 'utf8'))
    const checked = schemaOf(content).safeParse(content)
    if (checked.success) return checked.data
    return checked.error.issues
      .map(({ path: at, message }) => `${at.join('.') || 'the rule'}: ${message}`)
      .join('; ')
  } catch (cause) {
    return reasonOf(cause)
  }
}

function schemaOf(content: unknown) {
  if (typeof content !== 'object' || content === null) return ruleSchema
  if ('window' in content) return windowRuleSchema
  return 'event' in content ? gatewayRuleSchema : ruleSchema
}
