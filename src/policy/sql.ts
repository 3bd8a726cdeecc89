/** Which statements a grant covers. Pure; what a statement does, PostgreSQL's own grammar has said before. */
import { denyWords, isDenyWord } from '../config/deny-words.ts'
import { printable } from '../config/printable.ts'
import { matchesTable } from '../config/relation-pattern.ts'
import { matchesWildcard } from '../config/wildcard.ts'
import type { StatementFacts, StatementTable } from '../model.ts'
import type { Grant } from './decide.ts'

export type StatementDecision =
  | { readonly allowed: true }
  /** `rule` names the line of the policy that forbids it; `reason` may be shown to the person. */
  | { readonly allowed: false; readonly rule: string; readonly reason: string }

/** Where any rule forbids something, SQL that nobody can look into is forbidden too: it could do just that. */
const unseen = ['dynamic-sql', 'unknown']

const allowed: StatementDecision = { allowed: true }

/** Whether statements must be understood before they go on. */
export function hasDenyRules(grant: Grant): boolean {
  return grant.fields.deny !== undefined
}

/**
 * Whether the grant covers a string of statements, all of them together. Where deny rules apply, what the grammar cannot read is
 * refused: nobody knows what it does.
 */
export function judgeStatement(grant: Grant, facts: StatementFacts): StatementDecision {
  const { deny } = grant.fields
  if (deny === undefined) return allowed
  if (facts.class === 'unparsable') return refuse(grant, 'unparsable', unparsableText(facts))
  const word = [...deny.statements, ...unseen].find(candidate => facts.kinds.includes(candidate))
  if (word !== undefined)
    return refuse(grant, `deny.statements ${word}`, `Policy refuses this statement here: ${whatIs(word)}.`)
  const found = deniedTable(deny.tables, facts.tables)
  if (found === undefined) return allowed
  const what = isWholeSchema(found.table) ? 'concern the whole schema' : 'name the table'
  const reason = `Policy refuses statements that ${what} ${tableText(found.table)} here.`
  return refuse(grant, `deny.tables ${found.pattern}`, reason)
}

/** The rule as it is told to people and written into records. */
function refuse(grant: Grant, rule: string, reason: string): StatementDecision {
  const { role, ruleLine } = grant.fields
  return { allowed: false, rule: `role ${role}, line ${ruleLine}: ${rule}`, reason }
}

function unparsableText({ reason }: StatementFacts): string {
  const why = reason === undefined ? '' : ` (${printable(reason, 200)})`
  return `Policy refuses what cannot be read as PostgreSQL's SQL${why}. Send the statement in a plainer form.`
}

function whatIs(word: string): string {
  return isDenyWord(word) ? denyWords[word] : word
}

function deniedTable(
  patterns: readonly string[],
  tables: readonly StatementTable[],
): { pattern: string; table: StatementTable } | undefined {
  for (const table of tables) {
    const pattern = patterns.find(candidate =>
      isWholeSchema(table) ? coversSchema(candidate, table) : matchesTable(candidate, table),
    )
    if (pattern !== undefined) return { pattern, table }
  }
  return undefined
}

/** `schema.*`: all of its tables, whatever their names. */
function isWholeSchema({ schema, name }: StatementTable): boolean {
  return schema !== undefined && name === '*'
}

/**
 * A rule for tables of that schema covers what gives it another name or owner, since the rule would not find them any more. A rule
 * for a table in any schema finds it under the new name too, so it covers only what reaches into the schema.
 */
function coversSchema(pattern: string, { schema = '', write }: StatementTable): boolean {
  const [wantedSchema = '', table] = pattern.split('.')
  return table === undefined ? write : matchesWildcard(wantedSchema, schema)
}

function tableText({ schema, name }: StatementTable): string {
  if (schema !== undefined && name === '*') return printable(schema, 130)
  return printable(schema === undefined ? name : `${schema}.${name}`, 130)
}
