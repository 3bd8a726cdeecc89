/** The rules that are in force: files of a folder, one rule each, and what they find in a line. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { Fault, reasonOf } from '../../errors.ts'
import { readShell } from '../shell/reader.ts'
import { Recent } from '../recent.ts'
import type { Analysis } from '../sql/analysis.ts'
import { type Rule, ruleSchema, type Severity } from './rule.ts'
import { ShellMatcher } from './shell-matcher.ts'
import { compileStatementRule, type StatementMatcher } from './statement-matcher.ts'

export type RuleHit = {
  readonly id: string
  readonly severity: Severity
  readonly technique: readonly string[]
}

/** Where our own rules are. */
export const rulesFolder: string = fileURLToPath(new URL('../../../rules', import.meta.url))

/** Of lines whose rules are remembered; twice as much at most. */
const cacheLimits = { maxEntries: 20_000, maxCharacters: 4_194_304 }

type StatementTest = { readonly rule: Rule; readonly matches: StatementMatcher }

export class Catalogue {
  readonly rules: readonly Rule[]
  readonly #lines: ShellMatcher
  readonly #statements: readonly StatementTest[]
  /** People type the same lines again and again. */
  readonly #known = new Recent<readonly RuleHit[]>(cacheLimits)

  constructor(rules: readonly Rule[]) {
    this.rules = rules
    this.#lines = new ShellMatcher(rules.filter(rule => rule.protocol === 'ssh'))
    this.#statements = rules.flatMap(rule =>
      rule.protocol === 'postgres' ? [{ rule, matches: compileStatementRule(rule) }] : [],
    )
  }

  /** What the rules say of a line that was typed or executed. */
  ofLine(text: string): readonly RuleHit[] {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const hits = this.#lines.match({ text, reading: readShell(text) }).map(hitOf)
    this.#known.set(text, hits)
    return hits
  }

  /** What the rules say of a text of statements, given what the grammar said of it. */
  ofStatement(text: string, analysis: Analysis): readonly RuleHit[] {
    const statement = { text, analysis }
    return this.#statements.filter(({ matches }) => matches(statement)).map(({ rule }) => hitOf(rule))
  }
}

function hitOf({ id, severity, techniques }: Rule): RuleHit {
  return { id, severity, technique: techniques }
}

/** Reads all rules of a folder and those below it. Throws Fault CONFIG_INVALID with every file that is wrong and why. */
export function readCatalogue(folder: string = rulesFolder): Catalogue {
  const problems: string[] = []
  const rules: Rule[] = []
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()) {
    if (!/\.ya?ml$/.test(name)) continue
    const read = readRule(join(folder, name))
    if (typeof read === 'string') problems.push(`${name}: ${read}`)
    else if (rules.some(({ id }) => id === read.id))
      problems.push(`${name}: there is another rule ${read.id}`)
    else rules.push(read)
  }
  if (problems.length > 0)
    throw new Fault('CONFIG_INVALID', `The rules cannot be used.\n${problems.join('\n')}`)
  return new Catalogue(rules)
}

/** The rule, or what is wrong with it. */
function readRule(path: string): Rule | string {
  try {
    const checked = ruleSchema.safeParse(parse(readFileSync(path, 'utf8')))
    if (checked.success) return checked.data
    return checked.error.issues
      .map(({ path: at, message }) => `${at.join('.') || 'the rule'}: ${message}`)
      .join('; ')
  } catch (cause) {
    return reasonOf(cause)
  }
}
