/** All rules that are in force: ours, and Sigma rules of a folder if there is one. */
import { type Catalogue, readCatalogue, rulesFolder } from './catalogue.ts'
import { readSigmaFolder, type SigmaProblem } from './sigma/folder.ts'

export type LoadedRules = {
  readonly catalogue: Catalogue
  /** Sigma rules that are not in force, and why. */
  readonly refused: readonly SigmaProblem[]
  /** Sigma rules that are in force without a part of theirs. */
  readonly notes: readonly SigmaProblem[]
}

/** Throws Fault CONFIG_INVALID if a rule of ours is wrong or a folder cannot be read; a Sigma rule that is wrong is told. */
export function loadRules(options: { readonly rules?: string; readonly sigma?: string } = {}): LoadedRules {
  const none = { rules: [], refused: [], notes: [] }
  const { rules, refused, notes } = options.sigma === undefined ? none : readSigmaFolder(options.sigma)
  return { catalogue: readCatalogue(options.rules ?? rulesFolder, rules), refused, notes }
}

/** For the log: how many, and the first of them. */
export function refusedText(refused: readonly SigmaProblem[]): string {
  const [first] = refused
  const files = new Set(refused.map(({ file }) => file)).size
  const example = first === undefined ? '' : `, such as ${first.file}: ${first.field}: ${first.reason}`
  return `Sigma rules of ${files} files are not in force${example}. \`sallyport rules check\` tells of all.`
}
