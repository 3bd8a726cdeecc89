/** Reads a folder of Sigma rules. Nothing is left out silently: each rule is loaded or refused with file, field and reason. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Document, parseAllDocuments } from 'yaml'
import { Fault, reasonOf } from '../../../errors.ts'
import { compileSigma } from './compile.ts'
import { type SigmaRule, sigmaSchema } from './sigma-rule.ts'

export type SigmaProblem = { readonly file: string; readonly field: string; readonly reason: string }
export type SigmaFolder = {
  readonly rules: readonly SigmaRule[]
  readonly refused: readonly SigmaProblem[]
  /** Loaded, but without a part. */
  readonly notes: readonly SigmaProblem[]
}

/** The public collection has some 200 rules of this kind for Linux. */
const maxRules = 5000
const maxFileBytes = 1_048_576

/** Throws Fault CONFIG_INVALID if the folder cannot be read. */
export function readSigmaFolder(folder: string): SigmaFolder {
  const found = new Found()
  for (const file of filesOf(folder)) {
    try {
      const text = readFileSync(join(folder, file), 'utf8')
      if (text.length > maxFileBytes) found.refuse(file, 'the file', 'it is larger than 1 MiB')
      else readDocuments(file, text, found)
    } catch (cause) {
      found.refuse(file, 'the file', reasonOf(cause))
    }
  }
  return found
}

function filesOf(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    return names.filter(name => /\.ya?ml$/.test(name)).toSorted()
  } catch (cause) {
    throw new Fault('CONFIG_INVALID', `The Sigma rules in ${folder} cannot be read: ${reasonOf(cause)}.`, {
      cause,
    })
  }
}

class Found implements SigmaFolder {
  readonly rules: SigmaRule[] = []
  readonly refused: SigmaProblem[] = []
  readonly notes: SigmaProblem[] = []
  readonly #ids = new Set<string>()

  refuse(file: string, field: string, reason: string): void {
    this.refused.push({ file, field, reason })
  }

  add(file: string, rule: SigmaRule): void {
    if (this.#ids.has(rule.id)) return this.refuse(file, 'id', `there is another rule ${rule.id}`)
    if (this.rules.length >= maxRules)
      return this.refuse(file, 'the file', `there are more than ${maxRules} rules`)
    this.#ids.add(rule.id)
    this.rules.push(rule)
    for (const reason of rule.notes) this.notes.push({ file, field: 'detection', reason })
  }
}

function readDocuments(file: string, text: string, found: Found): void {
  const documents = parseAllDocuments(text)
  if (!Array.isArray(documents)) return found.refuse(file, 'the file', 'it is empty')
  for (const [at, document] of documents.entries()) {
    const name = `${basename(file).replace(/\.ya?ml$/, '')}${documents.length > 1 ? `-${at + 1}` : ''}`
    readDocument({ file, name, document }, found)
  }
}

function readDocument(
  { file, name, document }: { file: string; name: string; document: Document },
  found: Found,
): void {
  const [error] = document.errors
  if (error !== undefined) return found.refuse(file, 'the file', error.message.split('\n')[0] ?? 'no YAML')
  const content: unknown = document.toJS({ maxAliasCount: 50 })
  if (typeof content === 'object' && content !== null)
    for (const key of ['correlation', 'filter', 'action'])
      if (key in content) return found.refuse(file, key, `rules with "${key}" are not taken`)
  const checked = sigmaSchema.safeParse(content)
  if (!checked.success) {
    for (const { path, message } of checked.error.issues)
      found.refuse(file, path.join('.') || 'the file', message)
    return
  }
  const compiled = compileSigma(checked.data, name)
  if ('rule' in compiled) found.add(file, compiled.rule)
  else found.refuse(file, compiled.refused.field, compiled.refused.reason)
}
