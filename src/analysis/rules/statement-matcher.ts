/** Compiles a rule about statements once, and matches it against what PostgreSQL's own grammar says of a text. */
import type { StatementTable } from '../../model.ts'
import type { Analysis } from '../sql/analysis.ts'
import { compileGlobs } from './glob.ts'
import type { StatementClause, StatementRule } from './rule.ts'

export type ReadStatement = { readonly text: string; readonly analysis: Analysis }
export type StatementMatcher = (statement: ReadStatement) => boolean

export function compileStatementRule(rule: StatementRule): StatementMatcher {
  const any = rule.any.map(compileClause)
  const except = (rule.except ?? []).map(compileClause)
  return statement => any.some(test => test(statement)) && !except.some(test => test(statement))
}

function compileClause(clause: StatementClause): StatementMatcher {
  const tests: StatementMatcher[] = []
  const add = (
    patterns: readonly string[] | undefined,
    words: (statement: ReadStatement) => readonly string[],
  ): void => {
    if (patterns === undefined) return
    const glob = compileGlobs(patterns)
    tests.push(statement => words(statement).some(glob))
  }
  add(clause.kinds, ({ analysis }) => analysis.facts.kinds)
  add(clause.classes, ({ analysis }) => [analysis.facts.class])
  add(clause.tables, ({ analysis }) => analysis.facts.tables.flatMap(namesOf))
  add(clause.functions, ({ analysis }) => analysis.facts.functions.map(baseName))
  add(clause.settings, ({ analysis }) =>
    analysis.parts.flatMap(part => part.settings.map(({ name }) => name ?? '*')),
  )
  add(clause.roles, ({ analysis }) =>
    analysis.parts.flatMap(part => part.roles.map(({ role }) => ('name' in role ? role.name : role.word))),
  )
  if (clause.noKinds !== undefined) {
    const glob = compileGlobs(clause.noKinds)
    tests.push(({ analysis }) => !analysis.facts.kinds.some(glob))
  }
  const { hasWhere, leastStatements, contains, noContains } = clause
  if (hasWhere !== undefined)
    tests.push(({ analysis }) => (analysis.facts.hasWhere ?? !hasWhere) === hasWhere)
  if (leastStatements !== undefined)
    tests.push(({ analysis }) => analysis.facts.statements >= leastStatements)
  if (contains !== undefined) tests.push(containsTest(contains))
  if (noContains !== undefined) {
    const unwanted = containsTest(noContains)
    tests.push(statement => !unwanted(statement))
  }
  return statement => tests.every(test => test(statement))
}

function containsTest(texts: readonly string[]): StatementMatcher {
  const small = texts.map(text => text.toLowerCase())
  return ({ text }) => {
    const lower = text.toLowerCase()
    return small.some(each => lower.includes(each))
  }
}

function namesOf({ schema, name }: StatementTable): string[] {
  return schema === undefined ? [name] : [name, `${schema}.${name}`]
}

function baseName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}
