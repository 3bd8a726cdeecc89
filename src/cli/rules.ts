/** `sallyport rules`: which rules are in force, and whether those of a folder can be. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { readCatalogue } from '../analysis/rules/catalogue.ts'
import { type LoadedRules, loadRules } from '../analysis/rules/load.ts'
import type { RuleAbout } from '../analysis/rules/rule.ts'
import { readSigmaFolder, type SigmaProblem } from '../analysis/rules/sigma/folder.ts'
import { Fault } from '../errors.ts'
import type { WithConfig } from './config-option.ts'
import { requireConfig } from './gateway/configuration.ts'
import { printableLine, printJson, table } from './print.ts'

type RulesOptions = WithConfig & { json?: true; sigma?: string }

export function addRules(program: Command): void {
  const rules = program
    .command('rules')
    .description('rules of the analysis: list them, check a folder of them')
  rules
    .command('list')
    .description('all rules in force')
    .option('--config <file>', 'with the Sigma rules of this configuration (default: $SALLYPORT_CONFIG)')
    .option('--sigma <folder>', 'with the Sigma rules of this folder')
    .option('--json', 'for scripts')
    .action((options: RulesOptions) => {
      const { catalogue } = loaded(options)
      const { all } = catalogue
      if (options.json === true) printJson(all.map(about))
      else process.stdout.write(`${table(all.map(row))}\n`)
    })
  rules
    .command('check [folder]')
    .description(
      'say which rules of a folder can be used, and why the others cannot: Sigma rules, or rules in our form',
    )
    .option(
      '--config <file>',
      'without a folder: the Sigma rules of this configuration (default: $SALLYPORT_CONFIG)',
    )
    .option('--json', 'for scripts')
    .action((folder: string | undefined, options: RulesOptions) => {
      const checked = folder === undefined ? loaded(options) : checkedFolder(folder)
      if (options.json === true)
        printJson({ loaded: countOf(checked), refused: checked.refused, notes: checked.notes })
      else printChecked(checked)
      if (checked.refused.length > 0) process.exitCode = 1
    })
}

function loaded(options: RulesOptions): LoadedRules {
  const file = options.config ?? process.env['SALLYPORT_CONFIG']
  const sigma =
    options.sigma ??
    (file === undefined ? undefined : requireConfig(file, { withoutSecrets: true }).analysis.sigma)
  return loadRules(sigma === undefined ? {} : { sigma })
}

type Checked = { readonly refused: readonly SigmaProblem[]; readonly notes: readonly SigmaProblem[] } & (
  | Pick<LoadedRules, 'catalogue'>
  | { readonly rules: readonly RuleAbout[] }
)

/** Ours have `examples`; a folder of them is refused whole. */
function checkedFolder(folder: string): Checked {
  if (!existsSync(folder)) throw new Fault('NOT_FOUND', `There is no folder ${printableLine(folder)}.`)
  return holdsOurForm(folder)
    ? { catalogue: readCatalogue(folder), refused: [], notes: [] }
    : readSigmaFolder(folder)
}

function holdsOurForm(folder: string): boolean {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const first = names.filter(name => /\.ya?ml$/.test(name)).toSorted()[0]
  return first !== undefined && /^examples:/m.test(readFileSync(join(folder, first), 'utf8'))
}

function countOf(checked: Checked): number {
  if (!('catalogue' in checked)) return checked.rules.length
  return checked.catalogue.all.length
}

function printChecked(checked: Checked): void {
  const line = (kind: string, { file, field, reason }: SigmaProblem): void =>
    void process.stdout.write(`${kind}  ${printableLine(`${file}: ${field}: ${reason}`)}\n`)
  for (const problem of checked.refused) line('refused', problem)
  for (const note of checked.notes) line('note   ', note)
  const files = new Set(checked.refused.map(({ file }) => file)).size
  const refused =
    files === 0
      ? 'none is refused'
      : `${files} ${files === 1 ? 'file is' : 'files are'} refused in whole or in part`
  process.stdout.write(`${countOf(checked)} rules can be used; ${refused}.\n`)
}

function about({ id, title, severity, techniques, says, check }: RuleAbout): RuleAbout {
  return { id, title, severity, techniques, says, check }
}

function row({ id, severity, techniques, title }: RuleAbout): readonly string[] {
  return [id, severity, techniques.join(' '), title]
}
